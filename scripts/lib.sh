# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# lib.sh - what demo.sh, the tests and the benchmark share: where things are, and an engine of one's own.
#
# Everything works with two daemons and two clients, so that a test can be proved against Docker before it
# judges Dhow:
#   DHOW_ENGINE=dhow|docker   the daemon that is started (default dhow)
#   CLI=dhow|docker           the client that is typed into (default: as DHOW_ENGINE)

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${DHOW_BUILD:-$ROOT/build}
CACHE=${DHOW_CACHE:-$ROOT/build/cache}
DHOW_ENGINE=${DHOW_ENGINE:-dhow}
CLI=${CLI:-$DHOW_ENGINE}
# The real docker client, found before an engine's own bin directory is put in front of PATH.
if [ -z "${DOCKER_CLI:-}" ]; then
    DOCKER_CLI=$(command -v docker || printf '%s\n' "$CACHE/docker/usr/bin/docker")
fi
export ROOT BUILD CACHE DHOW_ENGINE CLI DOCKER_CLI

# dockerd and ip live in sbin, which a plain user's PATH lacks.
case ":$PATH:" in
*:/usr/sbin:*) ;;
*) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin ;;
esac

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "run me as root: containers need it"
}

# The client program behind CLI.
client_path() {
    case $CLI in
    dhow) printf '%s\n' "$BUILD/src/cli/dhow" ;;
    docker) printf '%s\n' "$DOCKER_CLI" ;;
    *) die "CLI must be dhow or docker, not $CLI" ;;
    esac
}

# engine_prepare DIR: makes an empty directory (mktemp -d) one engine's, with a `docker` (and `dhow`) command
# in DIR/bin that is the chosen client and talks to that engine only. A directory that holds anything is somebody
# else's: its daemon would be ended and its data deleted by engine_destroy.
engine_prepare() {
    if [ ! -d "$1" ] || [ -L "$1" ] || [ -n "$(ls -A "$1")" ]; then
        die "$1 is not an empty directory"
    fi
    E_OWNED="${E_OWNED:-} $1 "
    export E_OWNED
    mkdir -p "$1/bin" "$1/config" "$1/data" "$1/run"
    printf 'dt%s\n' "$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')" >"$1/bridge"
    engine_use "$1"
    local client
    client=$(client_path)
    [ -x "$client" ] || die "$client is missing: build first"
    # The host is an argument, so that a wrong DOCKER_HOST cannot lead a test astray.
    printf '#!/bin/sh\nexec %s -H unix://%s "$@"\n' "$client" "$E_SOCK" >"$E_DIR/bin/docker"
    chmod +x "$E_DIR/bin/docker"
    ln -sf docker "$E_DIR/bin/dhow"
    PATH=$E_DIR/bin:$PATH
    # A home of its own for the client: no foreign config.json, contexts or detach keys.
    export PATH DOCKER_CONFIG=$E_DIR/config
    unset DOCKER_HOST DHOW_HOST DOCKER_CONTEXT DOCKER_API_VERSION
}

# engine_use DIR: makes a prepared engine the one that the functions below speak of.
engine_use() {
    E_DIR=$1
    E_SOCK=$E_DIR/e.sock
    E_PIDFILE=$E_DIR/pid
    E_LOG=$E_DIR/log
    E_BRIDGE=$(cat "$E_DIR/bridge")
    export E_DIR E_SOCK E_PIDFILE E_LOG E_BRIDGE
}

# Runs a program that outlives us with nothing of ours open: a pipe that a test runner reads would never end. In a
# session of its own: a Ctrl-C, or the end of our process group, must find an engine that can still tidy up.
detached() {
    local fd
    for fd in /proc/self/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    exec setsid "$@"
}

# E_RUN: an exec root elsewhere (the caller's to remove); as a rule it is on a file system in memory, like /run.
# engine_start [DAEMON OPTIONS]: starts the daemon of E_DIR and returns when it answers. E_WRAP: a program to start it
# with, which gets its command line.
engine_start() {
    case $DHOW_ENGINE in
    dhow)
        detached ${E_WRAP:+"$E_WRAP"} "$BUILD/src/daemon/dhowd" --data-root "$E_DIR/data" --exec-root "${E_RUN:-$E_DIR/run}" \
            -H "unix://$E_SOCK" --pidfile "$E_PIDFILE" --bridge "$E_BRIDGE" "$@" \
            </dev/null >>"$E_LOG" 2>&1 &
        ;;
    docker)
        # E_ISOLATE: in a network namespace of its own, so that dockerd's firewall rules stay in there.
        # shellcheck disable=SC2016
        detached ${E_ISOLATE:+unshare -n -m} sh -c '
            bridge=$1 net=$2
            shift 2
            ip link set lo up
            if ! ip link show "$bridge" >/dev/null 2>&1; then
                ip link add "$bridge" type bridge
                ip addr add "$net" dev "$bridge"
                ip link set "$bridge" up
            fi
            exec dockerd "$@"' sh "$E_BRIDGE" "10.$((RANDOM % 100 + 100)).$((RANDOM % 250)).1/24" \
            --data-root "$E_DIR/data" --exec-root "${E_RUN:-$E_DIR/run}" -H "unix://$E_SOCK" \
            --pidfile "$E_PIDFILE" --bridge "$E_BRIDGE" --cgroup-parent "/$E_BRIDGE" \
            --live-restore "$@" \
            </dev/null >>"$E_LOG" 2>&1 &
        ;;
    *) die "DHOW_ENGINE must be dhow or docker, not $DHOW_ENGINE" ;;
    esac
    E_CHILD=$!
    export E_CHILD
    # No word from the shell when the daemon is killed.
    disown "$E_CHILD"
    engine_ready
}

# Waits until the daemon answers a version request; fails as soon as it is dead.
engine_ready() {
    local try
    for ((try = 0; try < 1200; try++)); do
        if [ -S "$E_SOCK" ] && "$E_DIR/bin/docker" version >/dev/null 2>&1; then
            return 0
        fi
        if ! kill -0 "$E_CHILD" 2>/dev/null; then
            printf 'the daemon ended at its start:\n' >&2
            tail -n 20 "$E_LOG" >&2
            return 1
        fi
        sleep 0.05
    done
    printf 'the daemon does not answer:\n' >&2
    tail -n 20 "$E_LOG" >&2
    return 1
}

# wait_gone PID [SECONDS]: until that process has ended.
wait_gone() {
    timeout "${2:-60}" tail -s 0.05 --pid="$1" -f /dev/null
}

# engine_signal SIGNAL: to the daemon alone; returns when it has ended.
engine_signal() {
    local pid
    pid=$(cat "$E_PIDFILE" 2>/dev/null) || return 0
    kill -s "$1" "$pid" 2>/dev/null || return 0
    wait_gone "$pid"
}

# engine_stop: removes all containers, ends the daemon, checks that it did.
engine_stop() {
    local ids
    ids=$("$E_DIR/bin/docker" ps -aq 2>/dev/null) || ids=
    # shellcheck disable=SC2086
    [ -z "$ids" ] || "$E_DIR/bin/docker" rm -f $ids >/dev/null 2>&1
    engine_signal TERM
}

# engine_destroy: engine_stop and every trace of E_DIR, which this script (or its parent) has prepared.
engine_destroy() {
    [ -n "${E_DIR:-}" ] && [ -d "$E_DIR" ] || return 0
    case " ${E_OWNED:-} " in
    *" $E_DIR "*) ;;
    *) die "$E_DIR was not prepared here: left alone" ;;
    esac
    engine_stop
    if [ "$DHOW_ENGINE" = docker ]; then
        local m
        while read -r m; do
            umount -l "$m"
        done < <(awk -v d="$E_DIR/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
        ip link del "$E_BRIDGE" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$E_DIR"
}

# debian_sources SUITE: where this machine gets Debian's packages from; without an answer mmdebstrap knows where they
# are to be had.
debian_sources() {
    local keys=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg
    # shellcheck disable=SC2016
    apt-get indextargets --format "deb [$keys] \$(REPO_URI) \$(RELEASE) main" 'Created-By: Packages' \
        'Origin: Debian' 'Component: main' | grep " $1" | sort -u
}
