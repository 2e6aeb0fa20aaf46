# A data root on btrfs, where files are copied on write: below a quota that is used up, and on a subvolume that is made
# read-only. What writes says so, what runs goes on, the daemon lives, and with room again all is as before.

load ../lib/helpers
load ../lib/smalldisk

setup_file() {
    [ "${DHOW_ENGINE:-dhow}" = dhow ] || return 0
    SMALL_DISK=btrfs setup_small_engine busybox
}

teardown_file() {
    [ "${DHOW_ENGINE:-dhow}" = dhow ] || return 0
    teardown_small_engine
}

setup() {
    dhow_only "has no tests of its disk"
    docker run -d --name cc busybox sh -c \
        'trap "exit 7" TERM; i=0; while :; do i=$((i+1)); echo $i; echo $i >/dev/shm/n; usleep 20000; done' >/dev/null
    docker create --name made busybox true >/dev/null
    wait_logs cc 1
}

teardown() {
    [ -n "${E_DIR:-}" ] || return 0
    btrfs property set "$E_DIR/disk/data" ro false
    btrfs qgroup limit none "$E_DIR/disk/data" "$E_DIR/disk"
    rm -f "$E_DIR/disk/data/filling"
    remove_all
    assert_nothing_left
}

counts_on() {
    local n
    n=$(docker exec cc cat /dev/shm/n)
    more() { [ "$(docker exec cc cat /dev/shm/n)" -gt $((n + 5)) ]; }
    wait_until 10 more || fail "the container has stopped at $n"
}

# refused TEXT COMMAND...
refused() {
    local text=$1
    shift
    run timeout 60 "$@"
    if [ "$status" = 0 ] || [ "$status" = 124 ]; then # 124: timeout's
        fail "status $status: $*" "$output"
    fi
    expect_text "$text"
}

use_up_quota() {
    sync -f "$E_DIR/disk"
    btrfs qgroup limit 100M "$E_DIR/disk/data" "$E_DIR/disk"
    ! dd if=/dev/zero of="$E_DIR/disk/data/filling" bs=64k oflag=direct 2>"$BATS_TEST_TMPDIR/dd" || fail "there is no quota"
    grep -q 'quota exceeded' "$BATS_TEST_TMPDIR/dd"
}

@test "a quota that is used up: what needs room says so, what runs goes on, and with room all is well" {
    local pid
    pid=$(cat "$E_PIDFILE")
    head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/junk"
    tar -C "$BATS_TEST_TMPDIR" -cf "$BATS_TEST_TMPDIR/tar" junk
    use_up_quota
    refused 'disk quota exceeded' docker create --name new busybox true
    refused 'disk quota exceeded' docker run --rm --name new busybox true
    refused 'disk quota exceeded' docker import "$BATS_TEST_TMPDIR/tar" new:1
    refused 'disk quota exceeded' docker cp "$BATS_TEST_TMPDIR/junk" cc:/junk
    refused 'disk quota exceeded' docker volume create new
    ok docker ps -a --format '{{.Names}}'
    same "$(sort <<<"$output")" $'cc\nmade'
    same "$(docker images -q new | wc -l)$(docker volume ls -q | wc -l)" 00
    counts_on
    same "$(cat "$E_PIDFILE")" "$pid"
    [ -d "/proc/$pid" ]
    btrfs qgroup limit none "$E_DIR/disk/data" "$E_DIR/disk"
    rm "$E_DIR/disk/data/filling"
    ok docker run --rm busybox true
    ok docker start -a made
    ok docker import "$BATS_TEST_TMPDIR/tar" new:1
    ok docker rmi new:1
    ok docker stop cc
    same "$(docker inspect -f '{{.State.ExitCode}}' cc)" 7
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v
    expect_line 'unaccounted: 0 B'
}

@test "a subvolume that is made read-only does not end the daemon" {
    local pid
    pid=$(cat "$E_PIDFILE")
    btrfs property set "$E_DIR/disk/data" ro true
    refused 'read-only file system' docker create --name new busybox true
    docker tag busybox new:1 || true # what is open already may be written to
    ok docker exec cc true
    ok docker stop cc
    ok docker ps -a
    [ -d "/proc/$pid" ] || fail "the daemon has died"
    btrfs property set "$E_DIR/disk/data" ro false
    ok docker start cc
    ok docker create --name new busybox true
    counts_on
    docker rmi new:1 || true
}
