#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# dhow-runtime in runc's place: below a real dockerd, below Podman, below containerd's ctr.

load ../lib/runtime

DOCKER_PEER=${DOCKER_CLI:-docker}

setup_file() {
    DIR=$(mktemp -d /tmp/dhow-peers.XXXXXX)
    export DIR
    BRIDGE=dp${DIR##*.}
    export BRIDGE
    tree=$DIR/tree
    mkdir -p "$tree"/{bin,etc,proc,sys,dev,tmp}
    cp "$(command -v busybox)" "$tree/bin/busybox"
    busybox --list | while read -r applet; do
        [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd"
    tar -C "$tree" -cf "$DIR/box.tar" .
    local build=${DHOW_BUILD:-$BATS_TEST_DIRNAME/../../build}
    cp "${RUNTIME:-$build/src/runtime/dhow-runtime}" "$DIR/dhow-runtime"
}

teardown_file() {
    if [ -f "$DIR/docker.pid" ]; then
        kill "$(cat "$DIR/docker.pid")"
        wait_until 20 test ! -e "$DIR/docker.pid"
    fi
    ip link del "$BRIDGE" 2>/dev/null || true
    grep -F "$DIR" /proc/self/mountinfo | cut -d' ' -f5 | sort -r | while read -r at; do umount -l "$at"; done
    rm -rf "$DIR"
}

# ---- dockerd ----

docker_up() {
    PATH=$("$ROOT/scripts/dockerd"):$PATH
    "$ROOT/scripts/docker-cli" >/dev/null
    export DOCKER_HOST=unix://$DIR/docker.sock
    [ ! -S "$DIR/docker.sock" ] || return 0
    ip link add "$BRIDGE" type bridge
    ip addr add 10.213.77.1/24 dev "$BRIDGE"
    ip link set "$BRIDGE" up
    mkdir "$DIR/docker"
    dockerd --data-root "$DIR/docker/data" --exec-root "$DIR/docker/run" -H "$DOCKER_HOST" \
        --pidfile "$DIR/docker.pid" --bridge "$BRIDGE" --iptables=false --ip6tables=false \
        --add-runtime "dhow=$DIR/dhow-runtime" >"$DIR/docker.log" 2>&1 3>&- &
    wait_until 30 "$DOCKER_PEER" version >/dev/null 2>&1 || fail "$(tail -n 5 "$DIR/docker.log")"
    "$DOCKER_PEER" import "$DIR/box.tar" box >/dev/null
}

# drun ARGS...
drun() {
    timeout 60 "$DOCKER_PEER" run --rm --runtime dhow --network none "$@"
}

@test "dockerd: run, exit codes, a missing program" {
    docker_up
    run drun box sh -c 'id -u; exit 3'
    expect_status 3
    expect_line 0
    run -127 drun box nosuch
    expect_text 'exec: "nosuch": executable file not found in $PATH'
}

@test "dockerd: what a container sees is what it sees with runc" {
    docker_up
    local look='grep -E "^(Cap|Seccomp|NoNew)" /proc/self/status; cat /proc/self/oom_score_adj; ulimit -n; ls /dev | sort
        grep -vE "lowerdir| /etc/| cgroup| /sys/fs/cgroup|tmpfs ro" /proc/mounts | cut -d" " -f 2-4 | sort; ls /proc/self/fd | wc -l; umask; env | grep -v HOSTNAME | sort; id'
    "$DOCKER_PEER" run --rm --network none box sh -c "$look" >"$DIR/runc.txt"
    drun box sh -c "$look" >"$DIR/dhow.txt"
    diff "$DIR/runc.txt" "$DIR/dhow.txt"
}

@test "dockerd: exec, pause, update, top, restart, stop, kill" {
    docker_up
    local id
    id=$("$DOCKER_PEER" run -d --runtime dhow --network none -m 64m --pids-limit 50 box sleep 1000)
    run "$DOCKER_PEER" exec -w /tmp -e A=b "$id" sh -c 'echo $A; pwd; exit 4'
    expect_status 4
    expect_output $'b\n/tmp'
    ok "$DOCKER_PEER" pause "$id"
    same "$("$DOCKER_PEER" inspect -f '{{.State.Status}}' "$id")" paused
    ok "$DOCKER_PEER" unpause "$id"
    ok "$DOCKER_PEER" update -m 32m --memory-swap 64m "$id"
    ok "$DOCKER_PEER" top "$id"
    expect_text "sleep 1000"
    ok "$DOCKER_PEER" stats --no-stream --format '{{.PIDs}} {{.MemUsage}}' "$id"
    expect_match '^1 .*32MiB'
    ok "$DOCKER_PEER" restart -t 0 "$id"
    ok "$DOCKER_PEER" stop -t 0 "$id"
    same "$("$DOCKER_PEER" inspect -f '{{.State.ExitCode}}' "$id")" 137
    ok "$DOCKER_PEER" start "$id"
    ok "$DOCKER_PEER" kill "$id"
    ok "$DOCKER_PEER" rm -f "$id"
}

@test "dockerd: a terminal, a volume, a tmpfs, limits, users, running out of memory" {
    docker_up
    run "$ON_PTY" -g 30x90 -e '30 90' -- "$DOCKER_PEER" run --rm --runtime dhow --network none -it box sh -c 'until stty size | grep -q "30 90"; do sleep 0.1; done; stty size'
    expect_status 0
    mkdir -p "$DIR/vol"
    run drun --read-only --tmpfs /tmp -v "$DIR/vol:/x:ro" box sh -c 'touch /tmp/f && echo tmp; touch /x/f; touch /f'
    expect_line tmp
    same "$(grep -c 'Read-only file system' <<<"$output")" 2
    run drun --user 1000:1001 --cap-drop all --security-opt no-new-privileges box sh -c 'id -u; id -g; grep CapBnd /proc/self/status'
    expect_text $'1000\n1001'
    expect_match '0000000000000000$'
    run drun -m 8m box sh -c 'x=$(head -c 100000000 /dev/zero | tr "\0" x); echo no'
    expect_status 137
    run drun --privileged box sh -c 'ls /dev | wc -l'
    [ "$output" -gt 20 ]
    run drun --pid host --ipc host --uts host box true
    expect_status 0
}

# ---- podman ----

podman_up() {
    command -v podman >/dev/null || skip "podman is not installed"
    mkdir -p "$DIR/podman"
    # its defaults raise limits, which not every machine allows
    printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n' >"$DIR/podman/conf"
    export CONTAINERS_CONF=$DIR/podman/conf
    [ -e "$DIR/podman/loaded" ] || pm import "$DIR/box.tar" box >/dev/null
    : >"$DIR/podman/loaded"
}

pm() {
    timeout 60 podman --root "$DIR/podman/root" --runroot "$DIR/podman/run" --tmpdir "$DIR/podman/tmp" \
        --runtime "$DIR/dhow-runtime" --cgroup-manager cgroupfs --storage-driver overlay "$@"
}

@test "podman: run, exit codes, a missing program, tmpfs, user namespace" {
    podman_up
    run pm run --rm --network none box sh -c 'id -u; exit 3'
    expect_status 3
    expect_line 0
    run -127 pm run --rm --network none box nosuch
    run pm run --rm --network none --read-only --tmpfs /etc box sh -c 'cat /etc/passwd; touch /f'
    expect_text root:x:0:0
    expect_text "Read-only file system"
    run pm run --rm --network none --uidmap 0:100000:1000 --gidmap 0:100000:1000 box sh -c 'id -u; tr -s " " </proc/self/uid_map; stat -c %u /bin'
    expect_output $'0\n 0 100000 1000\n0'
}

@test "podman: exec, pause, stop, start, a terminal" {
    podman_up
    local id
    id=$(pm run -d --network none box sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done')
    run pm exec "$id" sh -c 'echo in; exit 5'
    expect_status 5
    expect_line in
    ok pm pause "$id"
    ok pm unpause "$id"
    ok pm stop -t 5 "$id"
    ok pm start "$id"
    ok pm rm -f -t 0 "$id"
    run "$ON_PTY" -e /dev/pts/0 -- podman --root "$DIR/podman/root" --runroot "$DIR/podman/run" \
        --tmpdir "$DIR/podman/tmp" --runtime "$DIR/dhow-runtime" --cgroup-manager cgroupfs \
        --storage-driver overlay run --rm -it --network none box tty
    expect_status 0
}

# ---- containerd ----

@test "containerd: ctr run with our binary" {
    docker_up
    run timeout 60 ctr -a "$DIR/docker/run/containerd/containerd.sock" -n dhowtest run --rm \
        --runc-binary "$DIR/dhow-runtime" --rootfs "$DIR/tree" "peer-$$" /bin/sh -c 'echo from ctr; exit 6'
    expect_status 6
    expect_line "from ctr"
}
