# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# helpers.bash - loaded by every bats file. In the tests `docker` is the client under test (dhow or
# docker, see CLI), speaking to the engine under test (dhowd or dockerd, see DHOW_ENGINE).

# shellcheck source=scripts/lib.sh
. "$BATS_TEST_DIRNAME/../../scripts/lib.sh"
bats_require_minimum_version 1.5.0

ON_PTY=$ROOT/scripts/on-pty

# ---- engine ----

# setup_engine IMAGE...: an engine for this file, with these images (names as in scripts/images).
setup_engine() {
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    engine_start || return 1
    [ $# -eq 0 ] || "$ROOT/scripts/images" load "$@" || return 1
    baseline
}

teardown_engine() {
    [ -n "${E_DIR:-}" ] || return 0
    local status=0
    if [ "$DHOW_ENGINE" = dhow ] && [ -n "${E_CGROUP:-}" ]; then
        engine_stop
        assert_engine_gone || status=1
        local pid
        for pid in $(engine_processes); do
            kill -KILL "$pid"
        done
    fi
    [ -z "${KEEP_LOG:-}" ] || cp "$E_LOG" "$KEEP_LOG/$(basename "$BATS_TEST_FILENAME").log"
    engine_destroy
    return $status
}

# Removes every container; what a test's teardown calls, so that each test starts with none.
remove_all() {
    local ids
    ids=$(docker ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || docker rm -f $ids >/dev/null
}

# ---- what an engine leaves ----

# PIDs of the supervisors (shims) of this engine's containers. Other engines may have hundreds: not a process for each.
engine_processes() {
    local pids
    pids=$(ps -eo pid=,comm= | awk '$2 ~ /^(dhow-shim|containerd-shim)/ { print "/proc/" $1 }')
    [ -n "$pids" ] || return 0
    {
        # shellcheck disable=SC2086
        printf '%s/cmdline\n' $pids | sed 'p; s/cmdline$/environ/' | xargs grep -slaF -- "$E_DIR"
        # shellcheck disable=SC2046,SC2086
        find $(printf '%s/fd ' $pids) -lname "$E_DIR/*" -print 2>/dev/null
    } | cut -d / -f 3 | sort -nu
}

engine_mounts() {
    # Docker keeps one for --net host once that was used; smalldisk.bash's own is not the engine's.
    awk -v d="$E_DIR/" 'index($5, d) == 1 && $5 != d "run/netns/default" && $5 != d "disk" { print $5 }' /proc/self/mountinfo
}

engine_cgroups() {
    [ -n "${E_CGROUP:-}" ] || return 0
    find /sys/fs/cgroup -mindepth 1 -type d -path "*$E_CGROUP/*" 2>/dev/null
}

# The directories of containers, and the layers that are not an image's.
engine_files() {
    local layers
    case $DHOW_ENGINE in
    dhow)
        find "$E_DIR/data/containers" "$E_DIR/data/tmp" "$E_DIR/run/containers" -mindepth 1 \
            -maxdepth 1 2>/dev/null
        layers=$E_DIR/data/layers
        ;;
    docker)
        find "$E_DIR/data/containers" -mindepth 1 -maxdepth 1
        layers=$E_DIR/data/overlay2
        ;;
    esac
    find "$layers" -mindepth 1 -maxdepth 1 ! -name l 2>/dev/null | wc -l
}

# Host ends of container interfaces. Dhow keeps up to eight unused pairs ready, so that only more than those tell
# something while the daemon lives; after its end none may be left (assert_engine_gone).
engine_links() {
    local links ready=0
    [ "$DHOW_ENGINE" = docker ] || ready=8
    links=$(ip -o link show master "$E_BRIDGE" 2>/dev/null | awk '{ print $2 }')
    if [ "$(wc -w <<<"$links")" -gt "$ready" ]; then
        printf '%s\n' "$links"
    fi
}

residue() {
    engine_processes | sed 's/^/process /'
    engine_mounts | sed 's/^/mount /'
    engine_cgroups | sed 's/^/cgroup /'
    engine_links | sed 's/^/link /'
    engine_files | sed 's/^/file /'
}

# Remembers what the engine holds when there is no container.
baseline() {
    local id pid
    id=$(docker images -q busybox | head -n 1)
    if [ -n "$id" ]; then
        # The cgroups of this engine are known by those of one container.
        id=$(docker run -d --net none busybox sleep 1000) || return 1
        pid=$(docker inspect -f '{{.State.Pid}}' "$id")
        E_CGROUP=$(sed -n 's/^[0-9]*:[^:]*:\(.*\)\/[^/]*'"$id"'.*$/\1/p' "/proc/$pid/cgroup" | head -n 1)
        docker rm -f "$id" >/dev/null || return 1
        export E_CGROUP
    fi
    wait_until 10 no_shims
    # What is just going away would be missed by every test.
    wait_until 2 only_images || true
    residue >"$E_DIR/baseline"
}

only_images() {
    ! residue | grep -qvE '^(link .*|file [0-9]+)$'
}

no_shims() {
    [ -z "$(engine_processes)" ]
}

same_as_baseline() {
    residue | diff "$E_DIR/baseline" - >"$E_DIR/left"
}

# No process, mount, cgroup, interface, directory or layer more than before any container was made. The
# engine clears away behind the user's back, so it gets a moment. Where a function's status is looked at bash does not
# stop at a line that fails: this one and the next say all by their status.
assert_nothing_left() {
    local names
    names=$(docker ps -a --format '{{.Names}}')
    [ -z "$names" ] || fail "containers are left: $names" || return
    wait_until 10 same_as_baseline || fail "left behind:" "$(cat "$E_DIR/left")"
}

# After the daemon has ended and no container is left: nothing at all in the kernel.
assert_engine_gone() {
    wait_until 10 no_shims || fail "processes are left: $(engine_processes)" || return
    [ -z "$(engine_mounts)" ] || fail "mounts are left: $(engine_mounts)" || return
    ! ip link show "$E_BRIDGE" >/dev/null 2>&1 || fail "the bridge $E_BRIDGE is left" || return
    if command -v nft >/dev/null; then
        ! nft list tables | grep -qw -- "$E_BRIDGE" || fail "the nftables table is left" || return
    fi
    [ -z "$(engine_cgroups)" ] || fail "cgroups are left: $(engine_cgroups)" || return
    ! [ -e "$E_SOCK" ] || fail "the socket is left" || return
    ! [ -e "$E_PIDFILE" ] || fail "the pid file is left" || return
}

# ---- assertions ----

fail() {
    printf '%s\n' "$@" >&2
    return 1
}

# wait_until SECONDS COMMAND...: for what has no event one could wait for. SECONDS are what it takes at most on a machine
# that has nothing else to do; one that is busy with other tests, or with sanitizers, gets many times more. So it says
# that something happens, not how fast.
wait_until() {
    local end=$((SECONDS + 1 + $1 * 6)) # the second that is running may be as good as over
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}

# The following look at $status, $output and $stderr of bats' `run`.
show_run() {
    printf 'status: %s\noutput:\n%s\n' "$status" "$output" >&2
    [ -z "${stderr:-}" ] || printf 'stderr:\n%s\n' "$stderr" >&2
}

expect_status() {
    [ "$status" = "$1" ] || { show_run; fail "expected status $1"; }
}

# expect_line LINE: one line of the output is exactly this.
expect_line() {
    grep -qxF -- "$1" <<<"$output" || { show_run; fail "expected line: $1"; }
}

expect_text() {
    grep -qF -- "$1" <<<"$output" || { show_run; fail "expected text: $1"; }
}

expect_match() {
    grep -qE -- "$1" <<<"$output" || { show_run; fail "expected match: $1"; }
}

expect_no_match() {
    ! grep -qE -- "$1" <<<"$output" || { show_run; fail "unexpected match: $1"; }
}

expect_output() {
    [ "$output" = "$1" ] || { show_run; fail "expected output: $1"; }
}

expect_error() {
    grep -qF -- "$1" <<<"$stderr" || { show_run; fail "expected on stderr: $1"; }
}

expect_no_error() {
    ! grep -qF -- "$1" <<<"$stderr" || { show_run; fail "unexpected on stderr: $1"; }
}

expect_id() {
    [[ $output =~ ^[0-9a-f]{64}$ ]] || { show_run; fail "expected a 64-digit ID"; }
}

# After the detach keys: run says nothing and ends with 0, attach and exec may name the keys and end
# with 1.
expect_detached() {
    [ "$status" = 0 ] || { [ "$status" = 1 ] && [[ $output == *"read escape sequence"* ]]; } ||
        { show_run; fail "expected to be detached"; }
}

# same GOT WANTED
same() {
    [ "$1" = "$2" ] || fail "got:      $1" "expected: $2"
}

# ok COMMAND...: must succeed; leaves $output.
ok() {
    run "$@"
    expect_status 0
}

# shim_of NAME: the process that is its parent.
shim_of() {
    awk '{ print $4 }' "/proc/$(docker inspect -f '{{.State.Pid}}' "$1")/stat"
}

# state NAME: the container's state as inspect names it.
state() {
    docker inspect -f '{{.State.Status}}' "$1"
}

is_state() {
    [ "$(state "$1")" = "$2" ]
}

# wait_state NAME STATE [SECONDS]
wait_state() {
    wait_until "${3:-10}" is_state "$1" "$2" || fail "$1 is $(state "$1"), expected $2"
}

# catches NAME: its first program has a handler for SIGTERM. The first of all would not even die of the signal before.
catches() {
    local mask
    mask=$(awk '$1 == "SigCgt:" { print $2 }' "/proc/$(docker inspect -f '{{.State.Pid}}' "$1")/status")
    [ $((0x$mask & 0x4000)) -ne 0 ]
}

# is_program NAME WORD...: with these words its first program was executed. A shell that gives way to its only command
# takes a moment for it.
is_program() {
    [ "$(tr '\0' ' ' <"/proc/$(docker inspect -f '{{.State.Pid}}' "$1")/cmdline")" = "${*:2} " ]
}

# serves NAME: its web server has begun.
serves() {
    curl -sf -o /dev/null "http://$(docker inspect -f '{{.NetworkSettings.IPAddress}}' "$1")/"
}

logs_have() {
    docker logs "$1" 2>&1 | grep -qE -- "$2"
}

# wait_logs NAME REGEX [SECONDS]
wait_logs() {
    wait_until "${3:-10}" logs_have "$1" "$2" ||
        fail "the log of $1 lacks $2:" "$(docker logs "$1" 2>&1 | tail -n 5)"
}

# in_bg NAME COMMAND...: runs it in the background, output to $BATS_TEST_TMPDIR/NAME.
in_bg() {
    local name=$1
    shift
    "$@" >"$BATS_TEST_TMPDIR/$name" 2>"$BATS_TEST_TMPDIR/$name.err" 3>&- &
    BG=$!
}

file_has() {
    grep -qE -- "$2" "$1"
}

# api METHOD PATH [BODY]: a raw request; prints body and, as last line, the status.
api() {
    local method=$1 path=$2
    if [ $# -gt 2 ]; then
        curl -sS --unix-socket "$E_SOCK" -X "$method" -H 'Content-Type: application/json' \
            --data-binary "$3" -w '\n%{http_code}\n' "http://localhost$path"
    else
        curl -sS --unix-socket "$E_SOCK" -X "$method" -w '\n%{http_code}\n' "http://localhost$path"
    fi
}

# modern_cli: the client has the words of Docker 23 and later (Debian 12's docker is 20.10).
modern_cli() {
    [ "$CLI" = dhow ] || [ "$(docker version -f '{{.Client.Version}}' | cut -d. -f1)" -ge 23 ]
}

# built COMMAND...: false when the engine says that it has no such thing yet. Then there is nothing more to
# test than that it says so; the test comes to life by itself with the thing. Leaves $status and $output.
built() {
    run "$@"
    if [ "$DHOW_ENGINE" = dhow ] && [[ $output == *' is not built yet'* ]]; then
        [ "$status" -ne 0 ] || { show_run; fail "says that it is not built and ends with 0"; }
        return 1
    fi
}

# dhow_only: a statement about Dhow that does not hold for Docker 20.10.
dhow_only() {
    [ "$DHOW_ENGINE" = dhow ] || skip "Docker: $1"
}
