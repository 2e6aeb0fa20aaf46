# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# engines.bash - brings up, for bench/run, an engine of one's own for each name, and takes it down: directories,
# bridge and firewall are its own. Fills ENGINES with what bench/common.py reads.
#
#   dhow          the build in $BUILD
#   before        another build, in $BENCH_BEFORE: what a change is judged against
#   docker        dockerd and its CLI
#   podman-crun podman-runc

declare -A DIRS=() RUNS=() SPACES=()
ENGINES=()
SKIPPED=()

# Says why something is left out, now and in the results.
skipped() {
    echo "skipped: $*"
    SKIPPED+=("$*")
}

# Loads the images of all subjects into the engine that is in use.
load_images() {
    local name
    for name in busybox nginx; do
        [ -s "$CACHE/images/$name.tar" ] || continue
        DOCKER=$E_DIR/bin/docker "$ROOT/scripts/images" load "$name" || die "no image $name for $1"
    done
}

# engine_of NAME: which kind of daemon scripts/lib.sh has to know.
engine_of() {
    case $1 in
    docker) DHOW_ENGINE=docker ;;
    *) DHOW_ENGINE=dhow ;;
    esac
    export CLI=$DHOW_ENGINE
}

start_daemon() {
    local name=$1 space=
    local BUILD=$BUILD
    [ "$name" != before ] || BUILD=$BENCH_BEFORE
    engine_of "$name"
    engine_prepare "$(mktemp -d /tmp/dhow-bench.XXXXXX)"
    DIRS[$name]=$E_DIR
    # State of running containers lies in memory, as it does below /run by default.
    E_RUN=$(mktemp -d /run/dhow-bench.XXXXXX)
    RUNS[$name]=$E_RUN
    # The machine's firewall is none of dockerd's business here: clients and traffic go where it is.
    if [ "$name" = docker ]; then
        E_ISOLATE=1 engine_start || die "dockerd does not start"
        space=$(cat "$E_PIDFILE")
    else
        engine_start || die "dhowd does not start"
    fi
    load_images "$name"
    ENGINES+=("$name|$E_PIDFILE|$space|$(client_path) -H unix://$E_SOCK")
}

# Podman's network, locks and addresses in namespaces of its own, too. Without the unified hierarchy of a hybrid
# machine, which crun before 1.9 does not start beside. A holder for each: the addresses are one range.
start_podman() {
    local name=$1 runtime=${1#podman-} dir image
    local -a podman
    unset DOCKER_CONFIG # of the engine before
    dir=$(mktemp -d /tmp/dhow-bench.XXXXXX)
    DIRS[$name]=$dir
    mkfifo "$dir/ready"
    # shellcheck disable=SC2016
    detached unshare -n -m sh -c '
        ip link set lo up
        ! grep -q " /sys/fs/cgroup/unified " /proc/mounts || umount /sys/fs/cgroup/unified
        mkdir -p /run/netns /var/lib/cni /var/lib/containers
        for d in /dev/shm /run/netns /var/lib/cni /var/lib/containers; do
            mount -t tmpfs tmpfs $d
        done
        echo >"$1"
        exec sleep 100000' sh "$dir/ready" </dev/null >/dev/null 2>&1 &
    SPACES[$name]=$!
    disown "$!"
    read -r <"$dir/ready"
    # Hard limits cannot be raised everywhere; Podman's default would.
    printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n' >"$dir/conf"
    export CONTAINERS_CONF=$dir/conf
    podman=("$(command -v podman)" --root "$dir/data" --runroot "$dir/run" --tmpdir "$dir/tmp"
        --cgroup-manager cgroupfs --events-backend file --runtime "$runtime")
    mkdir "$dir/bin"
    printf '#!/bin/sh\nexec nsenter -t %s -n -m %s "$@"\n' "${SPACES[$name]}" "${podman[*]}" >"$dir/bin/podman"
    chmod +x "$dir/bin/podman"
    for image in busybox nginx; do
        [ ! -s "$CACHE/images/$image.tar" ] ||
            "$dir/bin/podman" import - "$image:latest" <"$CACHE/images/$image.tar" >/dev/null 2>&1
    done
    if "$dir/bin/podman" run --rm busybox:latest true 2>"$dir/err"; then
        ENGINES+=("$name||${SPACES[$name]}|${podman[*]}")
    else
        skipped "$name: it does not run here ($(head -n 1 "$dir/err"))"
    fi
}

# start_engine NAME: or a word why not.
start_engine() {
    case $1 in
    dhow) start_daemon dhow ;;
    before)
        if [ -z "${BENCH_BEFORE:-}" ]; then
            return
        fi
        [ -x "$BENCH_BEFORE/src/daemon/dhowd" ] || die "BENCH_BEFORE: no build in $BENCH_BEFORE"
        start_daemon before
        ;;
    docker)
        if command -v dockerd >/dev/null && command -v docker >/dev/null; then
            start_daemon docker
        else
            skipped "docker: docker.io is not installed"
        fi
        ;;
    podman-crun | podman-runc)
        if ! command -v podman >/dev/null; then
            skipped "$1: podman is not installed"
        elif ! command -v "${1#podman-}" >/dev/null; then
            skipped "$1: ${1#podman-} is not installed"
        else
            start_podman "$1"
        fi
        ;;
    *) die "no such engine: $1" ;;
    esac
}

stop_engine() {
    local name=$1 dir=${DIRS[$1]}
    case $name in
    podman-*)
        if [ -x "$dir/bin/podman" ]; then
            "$dir/bin/podman" rm -fa -t 0 >/dev/null 2>&1
            "$dir/bin/podman" rmi -fa >/dev/null 2>&1
        fi
        # Ours, by its id; what it mounted goes with it.
        [ -z "${SPACES[$name]:-}" ] || kill "${SPACES[$name]}" 2>/dev/null
        rm -rf --one-file-system "$dir"
        ;;
    *)
        engine_of "$name"
        engine_use "$dir"
        engine_destroy
        # dockerd leaves its parent group.
        [ "$name" != docker ] || find /sys/fs/cgroup -depth -type d -path "*/$E_BRIDGE*" -exec rmdir {} + 2>/dev/null
        rm -rf --one-file-system "${RUNS[$name]}"
        ;;
    esac
}

stop_engines() {
    local name
    for name in "${!DIRS[@]}"; do
        stop_engine "$name"
    done
}
