# Many at once; nothing is left.

load ../lib/helpers

setup_file() {
    setup_engine busybox
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
    assert_nothing_left
}

# each N COMMAND...: N times at once, {} is the number; fails if one failed.
each() {
    local n=$1 i failed=0 pids=()
    shift
    for ((i = 1; i <= n; i++)); do
        "${@//\{\}/$i}" >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
        pids+=($!)
    done
    for ((i = 0; i < n; i++)); do
        wait "${pids[i]}" || { failed=1; cat "$BATS_TEST_TMPDIR/out.$((i + 1))" >&2; }
    done
    return $failed
}

@test "50 runs at once, each with its own output and exit code" {
    each 50 docker run --rm busybox echo "number {}"
    local i
    for ((i = 1; i <= 50; i++)); do
        same "$(cat "$BATS_TEST_TMPDIR/out.$i")" "number $i"
    done
}

@test "20 detached at once, all with addresses of their own, then removed at once" {
    each 20 docker run -d --name "many{}" busybox sleep 1000
    same "$(docker ps -q | wc -l)" 20
    same "$(docker ps -q | xargs docker inspect -f '{{.NetworkSettings.IPAddress}}' | sort -u | wc -l)" 20
    each 20 docker rm -f "many{}"
}

@test "20 at once for one name: one gets it" {
    run each 20 docker create --name only busybox
    same "$(cat "$BATS_TEST_TMPDIR"/out.* | grep -cE '^[0-9a-f]{64}$')" 1
    same "$(docker ps -aq | wc -l)" 1
}

@test "20 at once for one port: one gets it" {
    run each 20 docker run -d --name "port{}" -p 127.0.0.1:28170:80 busybox sleep 1000
    same "$(docker ps -q | wc -l)" 1
}

@test "start, stop and rm of one container by many" {
    docker create --name cc busybox sleep 1000
    run each 10 docker start cc
    same "$(state cc)" running
    run each 10 docker stop -t 0 cc
    same "$(state cc)" exited
    run each 10 docker rm cc
    same "$(docker ps -aq)" ""
}

@test "ps and inspect while others come and go" {
    each 10 sh -c 'for i in 1 2 3; do docker run --rm busybox true || exit 1; docker ps -a >/dev/null || exit 1; done'
}

@test "descriptors and threads of the daemon are back where they were" {
    local pid before
    pid=$(cat "$E_PIDFILE")
    each 10 docker run --rm busybox true
    assert_nothing_left
    count() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }
    # The pool of namespaces fills up again after a start; half empty it is no measure.
    steady() { before=$(count) && sleep 1 && [ "$(count)" -eq "$before" ]; }
    wait_until 20 steady
    each 30 docker run --rm busybox true
    # The pool of namespaces may be half empty before and full after: 8 of them. One for each run would be 30.
    few_more() { [ "$(count)" -le $((before + 14)) ]; }
    wait_until 10 few_more || fail "before: $before, after: $(count)"
}

@test "a shim's descriptors are back where they were after many execs" {
    dhow_only "containerd's affair"
    local shim before
    docker run -d --name cc busybox sleep 1000
    shim=$(shim_of cc)
    count() { find "/proc/$shim/fd" -mindepth 1 | wc -l; }
    docker exec cc true
    before=$(count)
    each 30 docker exec cc true
    few_more() { [ "$(count)" -le $((before + 5)) ]; }
    # What an exec left in the background is read for two seconds more.
    wait_until 10 few_more || fail "before: $before, after: $(count)"
}

# hammer SCRIPT: eight threads of Python, each with its number n, the API as api, and 3 seconds.
hammer() {
    PYTHONPATH=$ROOT/tests/torture python3 -c '
import os, sys, threading, time
from engine import Api
api, end, bad = Api(os.environ["E_SOCK"]), time.monotonic() + 3, []
def work(n):
    while time.monotonic() < end:
        exec(sys.argv[1])
threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
sys.exit("\n".join(sorted(set(bad))) or 0)
' "$1"
}

rows() {
    python3 -c '
import sqlite3, sys
print(*sorted(r[0] + " " + r[1] for r in sqlite3.connect(sys.argv[1]).execute("SELECT id, name FROM containers")), sep="\n")
' "$E_DIR/data/state.db"
}

same_rows() {
    same "$(rows)" "$(docker ps -a --no-trunc --format '{{.ID}} {{.Names}}' | sort)"
}

@test "a container that is removed while it is being created leaves no row" {
    dhow_only "has no rows"
    hammer '
if n < 4:
    r = api.call("POST", "/containers/create", {"Image": "busybox"}, name="x")
else:
    r = api.call("DELETE", "/containers/x", force=1)
if r.status >= 500:
    bad.append(repr(r))
'
    same_rows
}

@test "names that are passed on by rename at once are taken once" {
    dhow_only "has no rows"
    local i
    for i in 0 1 2 3 4; do
        docker create --name "n$i" busybox
    done
    hammer '
import random
r = api.call("POST", f"/containers/n{random.randrange(8)}/rename", name=f"n{random.randrange(8)}")
if r.status >= 500:
    bad.append(repr(r))
'
    same_rows
}
