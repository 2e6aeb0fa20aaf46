# A data root without room: what needs some says so and leaves nothing, what runs goes on, what removes still works.

load ../lib/helpers
load ../lib/registry
load ../lib/smalldisk

setup_file() {
    [ "${DHOW_ENGINE:-dhow}" = dhow ] || return 0
    setup_small_engine busybox
    docker import - spare:1 <"$CACHE/images/busybox.tar" >/dev/null
    registry_start reg
    R=$(registry_host reg)
    export R
}

teardown_file() {
    [ "${DHOW_ENGINE:-dhow}" = dhow ] || return 0
    registries_stop
    teardown_small_engine
}

setup() {
    dhow_only "has no reserve"
}

teardown() {
    empty_disk
    remove_all
    assert_nothing_left
}

# Says a number many times a second, and keeps the last one in memory.
count() {
    docker run -d --name count "$@" busybox sh -c \
        'i=0; while :; do i=$((i+1)); echo $i; echo $i >/dev/shm/n; usleep 5000; done' >/dev/null
}

counted() { docker exec count cat /dev/shm/n; }
counts_on() {
    local n
    n=$(counted)
    more() { [ "$(counted)" -gt $((n + 20)) ]; }
    wait_until 10 more || fail "the container has stopped at $n"
}

logged_bytes() { find "$E_DIR/data/containers/" \( -name '*-json.log*' -o -name 'local.log*' \) -printf '%s\n' | awk '{ n += $1 } END { print n }'; }

# Until the log takes no more: what a file system has set aside for the file beforehand, it takes also on a full disk.
counts_in_vain() {
    vain() {
        local bytes
        bytes=$(logged_bytes)
        counts_on
        [ "$bytes" -gt 0 ] && [ "$(logged_bytes)" = "$bytes" ]
    }
    wait_until 30 vain || fail "the log still grows"
}

# The log has every number, or says how many are missing just there; sets DROPPED.
no_gap() {
    docker logs "$1" >"$BATS_TEST_TMPDIR/log" 2>&1
    DROPPED=$(python3 - "$BATS_TEST_TMPDIR/log" <<'END'
import re, sys
last = said = total = 0
for line in open(sys.argv[1]):
    m = re.match(r"\[(\d+) log messages were dropped here\]$", line)
    if m:
        said += int(m[1])
        continue
    n = int(line)
    assert n == last + said + 1, (n, last, said)
    total += said
    last, said = n, 0
print(total)
END
    )
}

files() { find "$E_DIR/data/" | sed -e "s,$E_DIR,," | grep -vE '/(log-dropped|reserve|[^/]*-json.log.*|events.log.*|exit.json)$' | sort; }

@test "full: what needs room fails with the reason and leaves nothing, what runs goes on" {
    count
    docker create --name made busybox true >/dev/null
    docker run -d --name cc busybox sleep 1000 >/dev/null
    docker volume create keep >/dev/null
    mkdir "$BATS_TEST_TMPDIR/d"
    head -c 5000000 /dev/zero >"$BATS_TEST_TMPDIR/d/zeros"
    tar -C "$BATS_TEST_TMPDIR/d" -cf "$BATS_TEST_TMPDIR/tar" zeros
    docker save -o "$BATS_TEST_TMPDIR/saved" busybox
    fill_disk
    files >"$BATS_TEST_TMPDIR/before"

    # What the one before gave back is taken, too.
    refused() {
        fill_disk
        run "$@"
        [ "$status" -ne 0 ] || fail "succeeds: $*"
        expect_text 'no space left on device'
        files | diff "$BATS_TEST_TMPDIR/before" - || fail "left by: $*"
    }
    refused docker create --name new busybox true
    refused docker run --rm --name new busybox true
    refused docker start made
    refused docker commit cc new:1
    refused docker import "$BATS_TEST_TMPDIR/tar" new:1
    refused docker load -i "$BATS_TEST_TMPDIR/saved"
    refused docker cp "$BATS_TEST_TMPDIR/d/zeros" cc:/zeros
    refused docker volume create new
    refused docker create --name new -v new:/bin busybox true
    ok docker exec cc true
    ok docker ps -a --format '{{.Names}}'
    same "$(sort <<<"$output")" $'cc\ncount\nmade'
    same "$(docker images -q new | wc -l)" 0
    database_is_sound
    counts_on
    empty_disk
    docker start -a made
    docker run --rm busybox true
    docker load -i "$BATS_TEST_TMPDIR/saved"
    docker cp "$BATS_TEST_TMPDIR/d/zeros" cc:/zeros
    docker volume rm keep
    counts_on
    docker stop -t 0 count
    no_gap count
}

# What the API says was left out of a log.
dropped() { api GET "/containers/$1/json" | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline()).get("LogDropped", 0))'; }
drops() { [ "$(dropped "$1")" -gt 0 ]; }

@test "full: a log leaves lines out, counts them and says where, in either mode and driver" {
    local opts before
    for opts in "" "--log-driver local" "--log-opt mode=non-blocking" "--log-driver local --log-opt mode=non-blocking"; do
        # shellcheck disable=SC2086
        count $opts
        counts_on
        fill_disk
        counts_in_vain
        before=$(counted)
        empty_disk
        logged() { docker logs count 2>&1 | tail -n 1 | grep -qE '^[0-9]+$' && [ "$(docker logs count 2>/dev/null | tail -n 1)" -gt "$before" ]; }
        wait_until 10 logged
        wait_until 10 drops count
        docker kill count
        no_gap count
        [ "$DROPPED" -gt 0 ] || fail "nothing was dropped with: $opts"
        same "$(dropped count)" "$DROPPED"
        docker rm count
    done
}

@test "full: what a log lost until the container's end is known afterwards" {
    count
    fill_disk
    counts_in_vain
    docker kill count
    disk_is_full
    drops count || fail "nothing was counted"
    engine_signal TERM
    engine_start
    drops count
    disk_is_full
    docker rm count
}

@test "full: events go on, numbered without a gap, also for the next daemon" {
    local first
    docker create --name cc busybox true >/dev/null
    fill_disk
    first=$(date +%s.%N)
    for i in $(seq 60); do
        docker rename cc "c$i"
        docker rename "c$i" cc
    done
    engine_signal TERM
    engine_start
    disk_is_full
    docker rename cc dd
    ok api GET "/events?since=$first&until=$(date +%s.%N)"
    python3 -c '
import json, sys
e = [json.loads(l) for l in sys.stdin if l.startswith("{")]
n = [x["sequence"] for x in e]
assert n == list(range(n[0], n[0] + len(n))), n
assert [x["Action"] for x in e] == ["rename"] * 121, e
' <<<"$output"
}

@test "no inode left: the same" {
    count
    docker create --name made busybox true >/dev/null
    docker run -d --name cc busybox sleep 1000 >/dev/null
    fill_inodes
    run docker create --name new busybox true
    expect_text 'no space left on device'
    run docker start made
    expect_text 'no space left on device'
    run docker import "$CACHE/images/busybox.tar" new:1
    expect_text 'no space left on device'
    run docker cp "$BATS_TEST_FILENAME" cc:/file
    expect_text 'no space left on device'
    counts_on
    docker stop -t 0 cc
    engine_signal TERM
    engine_start
    counts_on
    database_is_sound
    docker rm cc made
    same "$(docker ps -aq | wc -l)" 1
}

@test "full: what runs can be paused, stopped, killed, renamed and asked; its end is recorded" {
    local pid
    docker run -d --name cc busybox sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done' >/dev/null
    docker run -d --name dd busybox sleep 1000 >/dev/null
    docker run -d --name ee busybox sh -c 'while ! [ -e /dev/shm/go ]; do sleep 0.05; done; exit 9' >/dev/null
    fill_disk
    disk_is_full
    docker rename dd d2
    docker rename d2 dd
    docker pause dd
    is_state dd paused
    docker unpause dd
    is_state dd running
    docker kill dd
    docker stop cc
    same "$(docker inspect -f '{{.State.ExitCode}}' cc)" 7
    # Without a daemon only the shim can write it down.
    pid=$(docker inspect -f '{{.State.Pid}}' ee)
    engine_signal KILL
    touch "/proc/$pid/root/dev/shm/go"
    ended() { [ "$(find "$E_DIR/data/containers" -name exit.json | wc -l)" = 1 ]; }
    wait_until 10 ended
    disk_is_full
    engine_start
    is_state ee exited
    same "$(docker inspect -f '{{.State.ExitCode}}' ee)" 9
    same "$(docker inspect -f '{{.State.ExitCode}}' cc)" 7
    database_is_sound
    disk_is_full
}

@test "full: rm, volume rm, rmi and prune work, and give the space back" {
    local name
    docker run --name big busybox sh -c 'head -c 8000000 /dev/zero >/zeros' >/dev/null
    docker volume create keep >/dev/null
    docker run --rm -v keep:/v busybox sh -c 'head -c 8000000 /dev/zero >/v/zeros'
    head -c 8000000 /dev/zero >"$BATS_TEST_TMPDIR/zeros"
    for name in one two; do
        tar -C "$BATS_TEST_TMPDIR" -c zeros --transform "s/zeros/$name/" | docker import - "gone:$name" >/dev/null
    done
    docker run -d --name runs busybox sh -c 'head -c 4000000 /dev/zero >/zeros; sleep 1000' >/dev/null
    freed() { ! disk_is_full; }
    for name in "rm big" "volume rm keep" "rmi gone:one" "rm -f runs" "image prune -af"; do
        fill_disk
        disk_is_full
        # shellcheck disable=SC2086
        ok docker $name
        wait_until 5 freed || fail "frees nothing: $name"
        database_is_sound
    done
    same "$(docker images -q | wc -l)" 0
    empty_disk
    docker import - spare:1 <"$CACHE/images/busybox.tar" >/dev/null
    "$ROOT/scripts/images" load busybox
}

# seed_layers NAME: puts an image into the registry whose layers are busybox's, one of 9 MB and one of small files.
seed_layers() {
    local d=$BATS_TEST_TMPDIR/seed i
    mkdir -p "$d/big" "$d/many/files"
    head -c 9000000 /dev/urandom >"$d/big/noise"
    for i in $(seq 300); do
        head -c 4000 /dev/urandom >"$d/many/files/$i"
    done
    tar -C "$d/big" -cf "$d/big.tar" noise
    tar -C "$d/many" -cf "$d/many.tar" files
    archive "$CACHE/images/busybox.tar" "$1" "$d/image.tar" --gzip "--layer=$d/big.tar" "--layer=$d/many.tar"
    copy_image "docker-archive:$d/image.tar" "docker://$R/$1"
}

# The store as it was, and nothing below the data root that belongs to nothing.
nothing_pulled() {
    store_state | diff "$BATS_TEST_TMPDIR/store" - || fail "left in the store"
    same "$(docker images -q "$R/pulled")" ''
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v
    expect_line 'unaccounted: 0 B'
}

# leave KIBS: takes away from a full disk's filling until there is this much room.
leave() {
    python3 - "$E_DIR/disk" "$1" <<'END'
import os, sys
disk, room = sys.argv[1], int(sys.argv[2]) * 1024
def missing():
    s = os.statvfs(disk)
    return room - s.f_bavail * s.f_frsize
for f in os.scandir(disk + "/filling"):
    size = f.stat().st_size
    if missing() > 0:
        os.truncate(f.path, max(0, size - missing()))
END
}

leave_inodes() {
    find "$E_DIR/disk/filling" -type f | head -n "$1" | xargs -r rm
}

pull_refused() {
    run --separate-stderr timeout 60 docker pull "$R/pulled:1"
    expect_status 1
    expect_error 'no space left on device'
    nothing_pulled
}

@test "full: a pull says so and leaves nothing, whenever the room ends, and is made good by another" {
    local room
    seed_layers pulled:1
    # The first container of an image makes what all of them share.
    count
    counts_on
    store_state >"$BATS_TEST_TMPDIR/store"
    # Nothing at all, and what ends in the large layer.
    for room in 0 70000; do
        fill_disk
        leave "$room"
        pull_refused
        empty_disk
    done
    # None at all, and what ends among the small files.
    for room in 0 100; do
        fill_inodes
        leave_inodes "$room"
        pull_refused
        counts_on
    done
    database_is_sound
    # What a daemon that starts sweeps is nothing.
    engine_signal TERM
    engine_start
    nothing_pulled
    counts_on
    empty_disk
    ok docker pull "$R/pulled:1"
    ok docker run --rm "$R/pulled:1" sh -c 'wc -c </noise; ls /files | wc -l'
    expect_output $'9000000\n300'
    docker rmi "$R/pulled:1"
    docker stop -t 0 count
}
