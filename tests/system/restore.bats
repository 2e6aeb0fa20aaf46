# The daemon dies and comes back; containers, logs and attached sessions do not notice.

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

crash() {
    engine_signal KILL
    if [ "$DHOW_ENGINE" = docker ]; then
        # dockerd's containerd is dying, too; a new dockerd would take it for alive.
        local pid
        pid=$(cat "$E_DIR/run/containerd/containerd.pid")
        wait_gone "$pid" 5 || kill -KILL "$pid"
    fi
}

@test "kill -9: containers run on and are known to the next daemon" {
    local pid id
    id=$(docker run -d --name web busybox sh -c 'i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done')
    docker run -d --name paused busybox sleep 1000
    docker pause paused
    docker create --name made busybox
    docker run --name ended busybox sh -c 'exit 7' || true
    pid=$(docker inspect -f '{{.State.Pid}}' web)
    crash
    [ -d "/proc/$pid" ] || fail "the container died with the daemon"
    engine_start
    same "$(docker inspect -f '{{.Id}} {{.State.Status}} {{.State.Pid}}' web)" "$id running $pid"
    same "$(state paused) $(state made)" "paused created"
    same "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' ended)" "exited 7"
    ok docker ps --format '{{.Names}}'
    expect_output $'paused\nweb'
    docker unpause paused
}

@test "logs, exec, top, stop and rm work on what was there before" {
    docker run -d --name web busybox sh -c 'trap "exit 3" TERM; i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1 & wait $!; done'
    wait_logs web 'tick 3'
    crash
    sleep 0.5
    engine_start
    # Nothing of the log is missing, also of what was written in between.
    wait_logs web 'tick 12'
    same "$(docker logs web | head -n 12)" "$(seq 1 12 | sed 's/^/tick /')"
    ok docker exec web echo hello
    expect_output hello
    ok docker top web
    ok docker stop web
    same "$(docker inspect -f '{{.State.ExitCode}}' web)" 3
    ok docker rm web
}

@test "logs -f can be taken up again" {
    docker run -d --name web busybox sh -c 'sleep 3; echo last words'
    docker logs -f web >"$BATS_TEST_TMPDIR/first" 2>&1 3>&- &
    crash
    engine_start
    ok docker logs -f web
    expect_output 'last words'
}


# writer NAME [RUN OPTIONS]: a container that writes 1, 2, 3 ..., thousands a second, until it is told to end (tell), and
# then a line without an end.
writer() {
    docker run -d --name "$1" "${@:2}" busybox sh -c '
        i=0
        until [ -e /end ]; do
            n=0
            while [ $n -lt 100 ]; do n=$((n+1)); i=$((i+1)); echo $i; done
            sleep 0.02
        done
        printf %s $((i+1))'
}

# tell NAME...: through the container's own root, as there may be no daemon.
tell() {
    local name
    for name in "$@"; do
        touch "/proc/$(cat "$BATS_TEST_TMPDIR/$name.pid")/root/end"
    done
}

# follow FILE NAME [LOGS OPTIONS]
follow() {
    in_bg "$1" docker logs -f "${@:3}" "$2"
    FOLLOWERS+=("$BG")
    wait_until 10 test -s "$BATS_TEST_TMPDIR/$1"
}

# await_more: every follower has got something since it was called.
await_more() {
    local f size
    for f in "${FILES[@]}"; do
        size=$(stat -c %s "$BATS_TEST_TMPDIR/$f")
        has_grown() { [ "$(stat -c %s "$BATS_TEST_TMPDIR/$f")" -gt "$size" ]; }
        wait_until 20 has_grown || fail "$f does not go on:" "$(cat "$BATS_TEST_TMPDIR/$f.err")"
    done
}

# all_ended: all followers, and none had anything to complain of.
all_ended() {
    local pid f
    for pid in "${FOLLOWERS[@]}"; do
        wait "$pid" || fail "a follower ended with $?:" "$(cat "$BATS_TEST_TMPDIR"/*.err)"
    done
    for f in "${FILES[@]}"; do
        [ ! -s "$BATS_TEST_TMPDIR/$f.err" ] || fail "$f: $(cat "$BATS_TEST_TMPDIR/$f.err")"
    done
}

# counts FILE: its lines' last words are numbers without a gap and without one twice.
counts() {
    tr -d '\r' <"$BATS_TEST_TMPDIR/$1" |
        awk -v first="${2:-}" '
            NR == 1 && first != "" && $NF != first { print "begins with " $0; exit 1 }
            NR > 1 && $NF != last + 1 { print "line " NR ": " $0 " follows " last; exit 1 }
            { last = $NF }' || fail "in $1"
}

# survives COMMAND...: followers of all kinds over two ends of the daemon, brought about by COMMAND.
survives() {
    local name options=(--log-opt max-size=200k --log-opt max-file=100)
    FOLLOWERS=()
    FILES=(json packed local tty times tail since)
    writer json
    writer packed "${options[@]}" --log-opt compress=true
    writer local --log-driver local "${options[@]}"
    writer tty -t
    for name in json packed local tty; do
        docker inspect -f '{{.State.Pid}}' "$name" >"$BATS_TEST_TMPDIR/$name.pid"
        wait_logs "$name" '^500'
        follow "$name" "$name"
    done
    follow times json -t
    follow tail json --tail 3
    follow since local --since 1h -t
    for _ in 1 2; do
        "$@"
        sleep 0.3
        engine_start
        await_more
    done
    # Its last lines, and its end, too.
    "$@"
    tell json packed local tty
    sleep 1
    engine_start
    all_ended
    for name in json packed local tty; do
        counts "$name" 1
        docker logs "$name" | cmp - "$BATS_TEST_TMPDIR/$name" || fail "$name is not its log"
    done
    counts times 1
    docker logs -t json | cmp - "$BATS_TEST_TMPDIR/times"
    counts tail
    same "$(tail -c 20 "$BATS_TEST_TMPDIR/tail")" "$(docker logs json | tail -c 20)"
    counts since 1
    docker logs -t local | cmp - "$BATS_TEST_TMPDIR/since"
}

@test "logs -f goes on when the daemon dies: no line is lost, none comes twice" {
    dhow_only "its clients end with it"
    [ "$CLI" = dhow ] || skip "the docker CLI does not ask again"
    survives crash
}

@test "logs -f goes on when the daemon is restarted" {
    dhow_only "its clients end with it"
    [ "$CLI" = dhow ] || skip "the docker CLI does not ask again"
    survives engine_signal TERM
}

@test "logs -f of a container that writes as fast as it can, and the daemon dies" {
    dhow_only "its clients end with it"
    [ "$CLI" = dhow ] || skip "the docker CLI does not ask again"
    FOLLOWERS=() FILES=(fast)
    docker run -d --name fast --log-opt max-size=-1 busybox seq 3000000
    follow fast fast
    crash
    engine_start
    all_ended
    seq 3000000 | cmp - "$BATS_TEST_TMPDIR/fast"
}

@test "logs -f: standard error stays apart when the daemon dies" {
    dhow_only "its clients end with it"
    [ "$CLI" = dhow ] || skip "the docker CLI does not ask again"
    docker run -d --name both busybox sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; echo $i >&2; done; sleep 2'
    in_bg both docker logs -f both
    wait_until 10 test -s "$BATS_TEST_TMPDIR/both"
    crash
    engine_start
    wait "$BG"
    seq 20000 | cmp - "$BATS_TEST_TMPDIR/both"
    seq 20000 | cmp - "$BATS_TEST_TMPDIR/both.err"
}

# events_survive COMMAND...
events_survive() {
    local since number
    since=$(date +%s.%N)
    in_bg all docker events --format '{{json .}}'
    local pids=("$BG")
    # Of these nothing comes before the daemon has gone for the first time.
    in_bg ends docker events --filter event=die --format '{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}'
    pids+=("$BG")
    in_bg past docker events --since "$since" --until "$(date -d '+15 seconds' +%s)" --filter type=container \
        --format '{{.Actor.Attributes.name}} {{.Action}}'
    local past=$BG
    appears() { docker tag busybox:latest ev:x; file_has "$BATS_TEST_TMPDIR/all" '"tag"'; }
    wait_until 10 appears
    docker run -d --name away busybox sh -c 'sleep 1; exit 3'
    "$@"
    sleep 1.5
    engine_start
    wait_until 10 file_has "$BATS_TEST_TMPDIR/ends" '^away 3$' || fail "the end was not seen"
    docker run --rm --name next busybox sh -c 'exit 4' || true
    "$@"
    engine_start
    docker run --rm --name last busybox sh -c 'exit 5' || true
    wait_until 10 file_has "$BATS_TEST_TMPDIR/ends" '^last 5$'
    wait_until 10 file_has "$BATS_TEST_TMPDIR/all" '"destroy".*"name":"last"'
    same "$(cat "$BATS_TEST_TMPDIR/ends")" $'away 3\nnext 4\nlast 5'
    number=$(python3 -c '
import json, sys
n = [json.loads(l)["sequence"] for l in open(sys.argv[1])]
assert n == list(range(n[0], n[0] + len(n))), n
print(n[0])' "$BATS_TEST_TMPDIR/all")
    kill "${pids[@]}"
    # --until ends it, and it has seen all.
    wait "$past"
    same "$(grep -v attach "$BATS_TEST_TMPDIR/past")" "$(docker events --since "$since" --until "$(date +%s.%N)" \
        --filter type=container --format '{{.Actor.Attributes.name}} {{.Action}}' | grep -v attach)"
    grep -qx 'last destroy' "$BATS_TEST_TMPDIR/past"
    docker rmi ev:x
}

@test "events go on when the daemon dies" {
    dhow_only "its clients end with it"
    [ "$CLI" = dhow ] || skip "the docker CLI does not ask again"
    events_survive crash
}

@test "events go on when the daemon is restarted" {
    dhow_only "its clients end with it"
    [ "$CLI" = dhow ] || skip "the docker CLI does not ask again"
    events_survive engine_signal TERM
}

@test "who follows a daemon that does not come back is told" {
    dhow_only "its clients end with it"
    [ "$CLI" = dhow ] || skip "the docker CLI does not ask again"
    local pids=() pid status
    docker run -d --name web busybox sh -c 'echo begun; sleep 1000'
    in_bg logs docker logs -f web
    pids+=("$BG")
    in_bg events docker events
    pids+=("$BG")
    wait_until 5 file_has "$BATS_TEST_TMPDIR/logs" begun
    appears() { docker tag busybox:latest ev:x; file_has "$BATS_TEST_TMPDIR/events" 'image tag'; }
    wait_until 10 appears
    engine_signal TERM
    local begun=$SECONDS
    for pid in "${pids[@]}"; do
        status=0
        wait "$pid" || status=$?
        same "$status" 1
    done
    [ $((SECONDS - begun)) -lt 20 ] || fail "it took $((SECONDS - begun)) seconds"
    file_has "$BATS_TEST_TMPDIR/logs.err" 'unexpected EOF'
    file_has "$BATS_TEST_TMPDIR/events.err" 'unexpected EOF'
    engine_start
    docker rmi ev:x
}

@test "what ended while no daemon was there is known with its exit code" {
    docker run -d --name brief busybox sh -c 'sleep 1; echo gone; exit 42'
    docker run -d --rm --name removed busybox sleep 1
    crash
    sleep 1.5
    engine_start
    wait_state brief exited
    same "$(docker inspect -f '{{.State.ExitCode}}' brief)" 42
    # Docker loses what is written without a daemon.
    [ "$DHOW_ENGINE" = docker ] || same "$(docker logs brief)" gone
    gone() { ! docker inspect removed >/dev/null 2>&1; }
    wait_until 10 gone
}

@test "an attached session goes on without the daemon" {
    dhow_only "its streams pass through the daemon"
    "$ON_PTY" -e '/ # ' -s 'echo before$((1))\r' -e before1 \
        -s "until [ -e /tmp/go ]; do sleep 0.1; done; echo after\$((1))\\r" -e after1 \
        -s 'exit 5\r' -- docker run -it --name shell busybox sh >"$BATS_TEST_TMPDIR/session" 3>&- &
    local session=$!
    wait_until 10 file_has "$BATS_TEST_TMPDIR/session" before1
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' shell)
    crash
    # No daemon: the flag is raised through the container's own root.
    touch "/proc/$pid/root/tmp/go"
    wait_until 10 file_has "$BATS_TEST_TMPDIR/session" after1
    wait "$session" || true
    engine_start
    wait_state shell exited
    same "$(docker inspect -f '{{.State.ExitCode}}' shell)" 5
}

@test "an attached session is still there when the daemon is back" {
    dhow_only "its streams pass through the daemon"
    "$ON_PTY" -e '/ # ' -s 'echo before$((1))\r' -e before1 \
        -s "until [ -e /tmp/go ]; do sleep 0.1; done; echo after\$((1))\\r" -e after1 \
        -s 'exit 5\r' -- docker run -it --name shell busybox sh >"$BATS_TEST_TMPDIR/session" 3>&- &
    local session=$!
    wait_until 10 file_has "$BATS_TEST_TMPDIR/session" before1
    crash
    engine_start
    docker exec shell touch /tmp/go || true # it ends with the container
    wait_until 10 file_has "$BATS_TEST_TMPDIR/session" after1
    wait "$session" || true
    wait_state shell exited
}

@test "a published port goes on and stays taken" {
    docker run -d --name web -p 127.0.0.1:28090:80 busybox sh -c 'mkdir /w; echo page >/w/index.html; httpd -f -p 80 -h /w'
    wait_until 5 curl -sf -o /dev/null http://127.0.0.1:28090/
    crash
    if [ "$DHOW_ENGINE" = dhow ]; then
        same "$(curl -sf http://127.0.0.1:28090/)" page
    fi
    engine_start
    same "$(docker port web)" '80/tcp -> 127.0.0.1:28090'
    wait_until 5 curl -sf -o /dev/null http://127.0.0.1:28090/
    run docker run --rm -p 127.0.0.1:28090:80 busybox true
    expect_status 125
    # An address in use is not given to another.
    local taken
    taken=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' web)
    docker run -d --name next busybox sleep 1000
    [ "$(docker inspect -f '{{.NetworkSettings.IPAddress}}' next)" != "$taken" ]
}

@test "a restart policy holds across a crash" {
    built docker create --restart always busybox || return 0
    docker run -d --name again --restart always busybox sleep 1000
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' again)
    crash
    kill -KILL "$pid"
    engine_start
    restarted() { is_state again running && [ "$(docker inspect -f '{{.State.Pid}}' again)" != "$pid" ]; }
    wait_until 10 restarted
}

@test "a shim that is killed: its container is seen as ended" {
    dhow_only "containerd's affair"
    local pid shim
    docker run -d --name victim busybox sleep 1000
    pid=$(docker inspect -f '{{.State.Pid}}' victim)
    shim=$(shim_of victim)
    kill -KILL "$shim"
    wait_state victim exited
    wait_until 5 sh -c "! [ -d /proc/$pid ]"
    ok docker start victim
    same "$(state victim)" running
}

@test "a shim that is killed when it has told the end leaves nothing" {
    dhow_only "containerd's affair"
    local shim id hit=0
    # What the container has written is written out when its root is unmounted, which comes after the telling.
    for _ in {1..8}; do
        docker run -d --name victim busybox sh -c 'dd if=/dev/zero of=/big bs=1M count=150 2>/dev/null; exec sleep 1000'
        id=$(docker inspect -f '{{.Id}}' victim)
        wait_until 20 docker exec victim sh -c '[ "$(stat -c %s /big)" = 157286400 ] && grep -q sleep /proc/1/comm'
        shim=$(shim_of victim)
        docker kill victim
        [ ! -S "$E_DIR/run/containers/$id/shim.sock" ] || hit=1
        kill -KILL "$shim" || true
        no_run_dir() { [ ! -e "$E_DIR/run/containers/$id" ]; }
        wait_until 5 no_run_dir || fail 'its directory is left'
        same "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' victim)" 'exited 137'
        docker rm victim
        [ "$hit" = 0 ] || break
    done
    same "$hit" 1
}

@test "a killed supervisor's container that takes its time to end leaves nothing" {
    dhow_only "has other supervisors"
    local disk=$BATS_TEST_TMPDIR/disk shim frozen code=0
    mkdir "$disk"
    truncate -s 16M "$disk.img"
    mkfs.ext4 -q "$disk.img"
    mount -o loop "$disk.img" "$disk"
    docker run -d --name victim -v "$disk:/v" busybox sh -c 'while :; do echo >/v/f; done'
    shim=$(shim_of victim)
    # Who writes to a frozen file system cannot be killed.
    sh -c 'fsfreeze -f "$1" && sleep 3; fsfreeze -u "$1"' sh "$disk" &
    frozen=$!
    sleep 0.5
    kill -KILL "$shim"
    wait "$frozen"
    is_exited() { [ "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' victim)" = 'exited 137' ]; }
    wait_until 20 is_exited || code=1
    umount "$disk"
    same "$code" 0
    ok docker system check
    ! grep 'device or resource busy' "$E_LOG" || fail "was not waited for"
}

@test "a daemon that is told to end leaves containers running" {
    docker run -d --name web busybox sleep 1000
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' web)
    engine_signal TERM
    [ -d "/proc/$pid" ]
    engine_start
    same "$(docker inspect -f '{{.State.Status}} {{.State.Pid}}' web)" "running $pid"
}

@test "ten crashes in a row" {
    local i
    docker run -d --name web busybox sleep 1000
    for i in 1 2 3 4 5 6 7 8 9 10; do
        crash
        engine_start
    done
    same "$(state web)" running
    ok docker exec web true
}

@test "a crash in the middle of many runs leaves nothing half made" {
    dhow_only "its own affair"
    local i
    for i in $(seq 10); do
        docker run -d --name "many$i" busybox sleep 1000 >/dev/null 2>&1 3>&- &
    done
    sleep 0.05
    crash
    wait
    engine_start
    # Whatever is there can be listed, inspected and removed; teardown looks for the rest.
    for i in $(docker ps -aq); do
        ok docker inspect "$i"
    done
}

# codes_survive LASTS AWAY: a run, a run --rm and an exec that take LASTS seconds; the daemon dies under them and
# is away for AWAY seconds.
codes_survive() {
    local out=$BATS_TEST_TMPDIR kept=0 removed=0 inside=0 kept_pid removed_pid inside_pid name
    local work="echo begun; sleep $1; echo ended; exit"
    docker run -d --name cc busybox sleep 1000
    docker run --name kept busybox sh -c "$work 5" >"$out/kept" 3>&- &
    kept_pid=$!
    docker run --rm --name removed busybox sh -c "$work 6" >"$out/removed" 3>&- &
    removed_pid=$!
    docker exec cc sh -c "$work 7" >"$out/inside" 3>&- &
    inside_pid=$!
    for name in kept removed inside; do
        wait_until 5 grep -q begun "$out/$name"
    done
    crash
    sleep "$2"
    engine_start
    wait "$kept_pid" || kept=$?
    wait "$removed_pid" || removed=$?
    wait "$inside_pid" || inside=$?
    same "$kept $removed $inside" "5 6 7"
    for name in kept removed inside; do
        same "$(cat "$out/$name")" $'begun\nended'
    done
}

@test "run, run --rm and exec learn their exit codes though the daemon died under them" {
    dhow_only "its streams end with it"
    [ "$CLI" = dhow ] || skip "the docker CLI does not ask again"
    codes_survive 3 0
}

@test "the same when all ends while no daemon is there" {
    dhow_only "its streams end with it"
    [ "$CLI" = dhow ] || skip "the docker CLI does not ask again"
    codes_survive 1 2
}

freezer() {
    local id
    id=$(docker inspect -f '{{.Id}}' "$1")
    find /sys/fs/cgroup -path "*$E_CGROUP/$id/freezer.state" -o -path "*$E_CGROUP/$id/cgroup.freeze" | head -n 1
}

is_frozen() {
    grep -qE '^(FROZEN|1)$' "$(freezer "$1")"
}

# The daemon may die between freezing a container and writing it down, and the other way round.
@test "what is frozen and what is recorded as paused agree after a crash" {
    dhow_only "does not look at the freezer"
    local frozen=1 thawed=0 runs paused
    docker run -d --name runs busybox sleep 1000
    docker run -d --name paused busybox sleep 1000
    docker pause paused
    runs=$(freezer runs)
    paused=$(freezer paused)
    case $runs in *freezer.state) frozen=FROZEN thawed=THAWED ;; esac
    crash
    echo "$frozen" >"$runs"
    echo "$thawed" >"$paused"
    engine_start
    same "$(state runs) $(state paused)" "running paused"
    ! is_frozen runs || fail "runs is frozen"
    is_frozen paused || fail "paused is not frozen"
    ok docker exec runs echo awake
    docker unpause paused
    ok docker exec paused echo awake
}

@test "a container that is paused for a commit runs on when the daemon dies meanwhile" {
    dhow_only "leaves it paused"
    docker run -d --name cc busybox sh -c 'head -c 400000000 /dev/urandom >/big; echo ready; sleep 1000'
    wait_logs cc ready 60
    # It is copied for a second or less.
    in_bg striker python3 -c '
import os, signal, sys, time
end = time.monotonic() + 60
while open(sys.argv[1]).read().strip() not in ("FROZEN", "1"):
    assert time.monotonic() < end, "never frozen"
    time.sleep(0.001)
os.kill(int(sys.argv[2]), signal.SIGKILL)
' "$(freezer cc)" "$(cat "$E_PIDFILE")"
    docker commit cc committed >/dev/null 2>&1 3>&- || true
    wait "$BG"
    crash
    engine_start
    is_state cc running
    ! is_frozen cc || fail "cc is frozen"
    run docker inspect committed
    expect_status 1
}

# The daemon died between the shim's "started" and its own row, which then is as it was.
@test "a --rm container whose first start was never confirmed can be started" {
    dhow_only "knows of no such start"
    local id
    id=$(docker create --rm --name cc busybox sleep 1000)
    row() {
        python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
if sys.argv[3:]:
    db.execute("UPDATE containers SET state=? WHERE id=?", (sys.argv[3], sys.argv[2]))
    db.commit()
print(*db.execute("SELECT state FROM containers WHERE id=?", (sys.argv[2],)).fetchone())
' "$E_DIR/data/state.db" "$id" "$@"
    }
    local before
    before=$(row)
    docker start cc
    crash
    row "$before" >/dev/null
    engine_start
    is_state cc created
    ok docker start cc
    is_state cc running
}

@test "a shim that was slow to answer at the daemon's start is not taken for a dead one" {
    dhow_only "has shims of its own"
    local pid shim
    docker run -d --name slow busybox sleep 1000
    pid=$(docker inspect -f '{{.State.Pid}}' slow)
    shim=$(shim_of slow)
    kill -STOP "$shim"
    engine_signal KILL
    engine_start
    kill -CONT "$shim"
    wait_until 15 docker exec slow true
    same "$(state slow)" running
    [ -d "/proc/$pid" ]
    ok docker stop -t 0 slow
    same "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' slow)" "exited 137"
}
