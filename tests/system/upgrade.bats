# dhow system upgrade: another program goes on in the daemon's process, and nobody notices.

load ../lib/helpers

setup_file() {
    [ "${DHOW_ENGINE:-dhow}" = dhow ] || return 0
    setup_engine busybox
    # The same program with another version in it, as long as the first. Its helpers lie beside it.
    local version
    version=$("$BUILD/src/daemon/dhowd" --version | awk '{ print $3 }')
    mkdir "$E_DIR/next"
    sed "s/${version//./\\.}/9${version:1}/g" "$BUILD/src/daemon/dhowd" >"$E_DIR/next/dhowd"
    chmod +x "$E_DIR/next/dhowd"
    ln -s "$BUILD/src/shim/dhow-shim" "$BUILD/src/init/dhow-init" "$E_DIR/next/"
    export VERSION=$version NEXT=9${version:1}
}

teardown_file() {
    teardown_engine
}

setup() {
    dhow_only "has no such command"
}

teardown() {
    end_other
    remove_all
    assert_nothing_left
}

upgrade() {
    "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system upgrade "$@"
}

server_version() {
    docker version -f '{{.Server.Version}}'
}

# Numbers 1, 2, 3 ..., each once.
counts_up() {
    awk '{ n++; if ($NF != n) { print "line " n " is " $0; bad = 1 } } END { exit bad || n == 0 }' "$1"
}

# sleeper FILE COMMAND: a program that can take over, and executes this before it does.
sleeper() {
    # shellcheck disable=SC2016
    printf '#!/bin/sh\ncase "$*" in *--version*|*--validate*) exec %s "$@" ;; esac\n%s\nexec %s "$@"\n' \
        "$E_DIR/next/dhowd" "$2" "$E_DIR/next/dhowd" >"$1"
    chmod +x "$1"
}

# stop_deaf SECONDS: a stop that cannot be handed over ($BG), of a container that does not hear SIGTERM.
stop_deaf() {
    docker run -d --name deaf busybox sh -c 'trap "" TERM; while :; do sleep 1; done'
    in_bg stop docker stop -t "$1" deaf
    wait_until 5 stopping
}

stopping() {
    [ "$(curl -s --unix-socket "$E_SOCK" "http://localhost/events?since=0&until=$(date +%s)&filters=%7B%22event%22%3A%5B%22kill%22%5D%2C%22container%22%3A%5B%22deaf%22%5D%7D" | wc -l)" -gt 0 ]
}

# refusals: of this daemon so far.
refusals() {
    grep -c 'no upgrade: ' "$E_LOG" || true
}

# other DATA_ROOT EXEC_ROOT: what the configuration of a daemon says that is not this file's engine.
other() {
    printf '{"data-root": "%s", "exec-root": "%s"}\n' "$BATS_TEST_TMPDIR/$1" "$BATS_TEST_TMPDIR/$2" \
        >"$BATS_TEST_TMPDIR/daemon.json"
}

start_other() {
    detached "$BUILD/src/daemon/dhowd" --config-file "$BATS_TEST_TMPDIR/daemon.json" -H "unix://$BATS_TEST_TMPDIR/s" \
        --pidfile "$BATS_TEST_TMPDIR/other.pid" --bridge "dt$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')" \
        </dev/null >>"$BATS_TEST_TMPDIR/log" 2>&1 &
    wait_until 20 on_other version
}

on_other() {
    "$BUILD/src/cli/dhow" -H "unix://$BATS_TEST_TMPDIR/s" "$@"
}

end_other() {
    [ -e "$BATS_TEST_TMPDIR/other.pid" ] || return 0
    local pid
    pid=$(cat "$BATS_TEST_TMPDIR/other.pid")
    kill -TERM "$pid"
    wait_gone "$pid"
}

ticker() {
    docker run -d --name "$1" "${@:2}" busybox sh -c 'i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.02; done'
}

@test "the version changes, the process does not, and containers run on" {
    local id pid daemon
    id=$(docker run -d --name web busybox sleep 1000)
    docker run --name ended busybox sh -c 'exit 7' || true
    docker run -d --name paused busybox sleep 1000
    docker pause paused
    pid=$(docker inspect -f '{{.State.Pid}}' web)
    daemon=$(cat "$E_PIDFILE")
    same "$(server_version)" "$VERSION"
    ok upgrade --binary "$E_DIR/next/dhowd"
    expect_match "^Upgraded from $VERSION to $NEXT in [0-9]+ ms\$"
    same "$(server_version)" "$NEXT"
    same "$(cat "$E_PIDFILE")" "$daemon"
    same "$(docker inspect -f '{{.Id}} {{.State.Status}} {{.State.Pid}}' web)" "$id running $pid"
    same "$(state paused) $(docker inspect -f '{{.State.ExitCode}}' ended)" "paused 7"
    docker unpause paused
    ok docker exec web echo hello
    expect_output hello
    # Without --binary: the file that the process was started from.
    ok upgrade
    expect_match "^Upgraded from $NEXT to $NEXT "
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
    for _ in 1 2 3; do
        ok upgrade
    done
    # Nothing of the handing over is kept, and no dead child.
    run ! sh -c "ls -l /proc/$daemon/fd | grep -E 'dhow-handover|/dhowd( .deleted.)?\$'"
    no_zombies() { [ -z "$(ps -o stat= --ppid "$daemon" | awk '/^Z/')" ]; }
    wait_until 5 no_zombies
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system check
    docker stop -t 0 web
    same "$(docker inspect -f '{{.State.ExitCode}}' web)" 137
}

@test "logs -f goes on with neither a gap nor a line twice" {
    ticker json
    ticker local --log-driver local
    ticker tty -t
    local name pids=()
    for name in json local tty; do
        in_bg "$name" docker logs -f "$name"
        pids+=("$BG")
        wait_until 10 file_has "$BATS_TEST_TMPDIR/$name" 'tick 5'
    done
    in_bg since docker logs -f --tail 0 json
    pids+=("$BG")
    ok upgrade --binary "$E_DIR/next/dhowd"
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
    sleep 0.5
    docker kill json local tty
    wait "${pids[@]}"
    for name in json local tty; do
        tr -d '\r' <"$BATS_TEST_TMPDIR/$name" >"$BATS_TEST_TMPDIR/clean"
        counts_up "$BATS_TEST_TMPDIR/clean"
        same "$(wc -l <"$BATS_TEST_TMPDIR/clean")" "$(docker logs "$name" | wc -l)"
    done
    # From wherever it began, without a gap.
    awk 'NR > 1 && $2 != last + 1 { exit 1 } { last = $2 }' "$BATS_TEST_TMPDIR/since"
    same "$(tail -n 1 "$BATS_TEST_TMPDIR/since")" "$(docker logs --tail 1 json)"
}

@test "a reader of logs who takes nothing loses nothing" {
    docker run --name big busybox sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); echo $i; done' >/dev/null
    mkfifo "$BATS_TEST_TMPDIR/pipe"
    in_bg slow sh -c 'docker logs big >"$0"' "$BATS_TEST_TMPDIR/pipe"
    local reader=$BG
    exec 8<"$BATS_TEST_TMPDIR/pipe"
    # The pipe and the socket are full soon; what is left is the next daemon's.
    sleep 0.3
    ok upgrade --binary "$E_DIR/next/dhowd"
    cat <&8 >"$BATS_TEST_TMPDIR/read"
    exec 8<&-
    wait "$reader"
    counts_up "$BATS_TEST_TMPDIR/read"
    same "$(wc -l <"$BATS_TEST_TMPDIR/read")" 60000
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
}

@test "events, wait and stats go on" {
    local waiter removed events stats
    docker run -d --name web busybox sh -c 'while ! [ -e /end ]; do sleep 0.1; done; exit 5'
    docker run -d --rm --name gone busybox sh -c 'while ! [ -e /end ]; do sleep 0.1; done; exit 6'
    in_bg events docker events --filter type=container --format '{{.Actor.Attributes.name}} {{.Action}}'
    events=$BG
    listened() { [ "$(docker info -f '{{.NEventsListener}}')" -ge 1 ]; }
    wait_until 10 listened
    # Not one command for both: it would ask for the second when the first has ended, and find nothing.
    in_bg wait docker wait web
    waiter=$BG
    in_bg removed docker wait gone
    removed=$BG
    in_bg stats docker stats --format '{{.Name}}' web
    stats=$BG
    docker create --name before busybox
    wait_until 5 file_has "$BATS_TEST_TMPDIR/events" 'before create'
    wait_until 5 file_has "$BATS_TEST_TMPDIR/stats" 'web'
    ok upgrade --binary "$E_DIR/next/dhowd"
    docker create --name after busybox
    wait_until 5 file_has "$BATS_TEST_TMPDIR/events" 'after create'
    same "$(grep -c create "$BATS_TEST_TMPDIR/events")" 2
    local seen
    seen=$(grep -c web "$BATS_TEST_TMPDIR/stats")
    more_samples() { [ "$(grep -c web "$BATS_TEST_TMPDIR/stats")" -gt $((seen + 1)) ]; }
    wait_until 10 more_samples
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
    # They end at once, and what is still at its end there ends with them.
    docker exec web touch /end || true
    docker exec gone touch /end || true
    wait "$waiter" "$removed"
    same "$(cat "$BATS_TEST_TMPDIR/wait" "$BATS_TEST_TMPDIR/removed")" $'5\n6'
    # (The docker CLI's stats go on after the first SIGTERM.)
    kill -KILL "$events" "$stats"
    wait "$events" "$stats" || true
    same "$(cat "$BATS_TEST_TMPDIR/events.err" "$BATS_TEST_TMPDIR/wait.err" "$BATS_TEST_TMPDIR/removed.err")" ''
}

@test "attached terminals and execs go on, and learn their exit codes" {
    local session exec_pid code=0
    "$ON_PTY" -t 60 -e '/ # ' -s 'echo before$((1))\r' -e before1 \
        -s "until [ -e /tmp/go ]; do sleep 0.1; done; echo after\$((1))\\r" -e after1 \
        -s 'exit 5\r' -- docker run -it --name shell busybox sh >"$BATS_TEST_TMPDIR/session" 3>&- &
    session=$!
    wait_until 10 file_has "$BATS_TEST_TMPDIR/session" before1
    docker run -d --name web busybox sleep 1000
    in_bg exec docker exec web sh -c 'echo begun; until [ -e /tmp/go ]; do sleep 0.1; done; exit 8'
    exec_pid=$BG
    wait_until 10 file_has "$BATS_TEST_TMPDIR/exec" begun
    ok upgrade --binary "$E_DIR/next/dhowd"
    docker exec shell touch /tmp/go || true
    docker exec web touch /tmp/go
    wait "$exec_pid" || code=$?
    same "$code" 8
    code=0
    wait "$session" || code=$?
    same "$code" 5
    wait_until 5 file_has "$BATS_TEST_TMPDIR/session" after1
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
}

@test "who attached before the start, and an exec that was only created, are not forgotten" {
    local id exec_id
    id=$(docker create --name late busybox echo words)
    curl -sN --unix-socket "$E_SOCK" -X POST "http://localhost/containers/$id/attach?stream=1&stdout=1" \
        >"$BATS_TEST_TMPDIR/words" 3>&- &
    local attached=$!
    attached_once() { "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" events --since 0 --until "$(date +%s)" --filter event=attach --filter container=late | grep -q attach; }
    wait_until 5 attached_once
    docker run -d --name web busybox sleep 1000
    exec_id=$(api POST /containers/web/exec '{"Cmd":["touch","/made"]}' | head -n 1 | cut -d '"' -f 4)
    ok upgrade --binary "$E_DIR/next/dhowd"
    docker start late
    wait "$attached"
    grep -q words "$BATS_TEST_TMPDIR/words"
    ok api POST "/exec/$exec_id/start" '{"Detach":true}'
    made() { docker exec web test -e /made; }
    wait_until 5 made
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
}

@test "no request is refused while daemons change" {
    docker run -d --name web -p 127.0.0.1:28190:80 busybox sh -c 'mkdir /w; echo page >/w/index.html; httpd -f -p 80 -h /w'
    wait_until 5 curl -sf -o /dev/null http://127.0.0.1:28190/
    touch "$BATS_TEST_TMPDIR/on"
    local hammers=() i
    for i in 1 2 3; do
        in_bg "hammer$i" sh -c 'n=0; while [ -e "$1" ]; do
            curl -sf --unix-socket "$2" http://localhost/containers/web/json >/dev/null || echo "failed: $?"
            n=$((n+1)); done; echo "asked $n"' sh "$BATS_TEST_TMPDIR/on" "$E_SOCK"
        hammers+=("$BG")
    done
    in_bg port sh -c 'while [ -e "$1" ]; do [ "$(curl -sf -m 5 http://127.0.0.1:28190/)" = page ] || echo "failed: $(curl -s -m 5 -o /dev/null -w "%{http_code} %{errormsg} %{time_connect}" http://127.0.0.1:28190/)"; done' \
        sh "$BATS_TEST_TMPDIR/on"
    hammers+=("$BG")
    for i in 1 2 3 4; do
        ok upgrade --binary "$E_DIR/next/dhowd"
        ok upgrade --binary "$BUILD/src/daemon/dhowd"
    done
    rm "$BATS_TEST_TMPDIR/on"
    wait "${hammers[@]}"
    cat "$BATS_TEST_TMPDIR"/hammer? "$BATS_TEST_TMPDIR/port"
    run ! grep failed "$BATS_TEST_TMPDIR"/hammer? "$BATS_TEST_TMPDIR/port"
    run docker run --rm -p 127.0.0.1:28190:80 busybox true
    expect_status 125
}

@test "a restart that was waiting goes on waiting; what was stopped stays so" {
    local at
    docker run -d --name stopped --restart always busybox sleep 1000
    docker stop -t 0 stopped
    # The delays are 100, 200 ... 6400 ms: one of the last is long enough to be met.
    docker run -d --name again --restart always busybox false
    waits_long() { [ "$(docker inspect -f '{{.RestartCount}} {{.State.Status}}' again)" = "7 restarting" ]; }
    wait_until 30 waits_long
    at=$(docker inspect -f '{{.State.FinishedAt}}' again)
    ok upgrade --binary "$E_DIR/next/dhowd"
    same "$(docker inspect -f '{{.RestartCount}} {{.State.Status}} {{.State.FinishedAt}}' again)" "7 restarting $at"
    again_ended() { [ "$(docker inspect -f '{{.RestartCount}}' again)" -gt 7 ]; }
    wait_until 30 again_ended
    # It began 6.4 s after its end, not earlier and not from the beginning.
    python3 - "$at" "$(docker inspect -f '{{.State.StartedAt}}' again)" <<'END'
import sys, datetime
a, b = (datetime.datetime.fromisoformat(t[:26].rstrip('Z')) for t in sys.argv[1:])
assert 6.3 < (b - a).total_seconds(), (a, b)
END
    is_state stopped exited
    docker rm -f again
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
}

@test "health goes on: results, streak and state" {
    docker run -d --name sick --health-cmd 'echo no; exit 1' --health-interval 300ms --health-retries 3 busybox sleep 1000
    docker run -d --name slow --health-cmd true --health-interval 1h busybox sleep 1000
    unhealthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' sick)" = unhealthy ]; }
    wait_until 10 unhealthy
    local streak
    streak=$(docker inspect -f '{{.State.Health.FailingStreak}}' sick)
    ok upgrade --binary "$E_DIR/next/dhowd"
    unhealthy
    [ "$(docker inspect -f '{{.State.Health.FailingStreak}}' sick)" -ge "$streak" ]
    longer() { [ "$(docker inspect -f '{{.State.Health.FailingStreak}}' sick)" -gt $((streak + 2)) ]; }
    wait_until 10 longer
    # And so after a crash.
    streak=$(docker inspect -f '{{.State.Health.FailingStreak}}' sick)
    engine_signal KILL
    engine_start
    unhealthy
    [ "$(docker inspect -f '{{.State.Health.FailingStreak}}' sick)" -ge "$streak" ]
    same "$(docker inspect -f '{{.State.Health.Status}}' slow)" starting
}

@test "a program that cannot take over is refused, and all stays as it was" {
    docker run -d --name web busybox sleep 1000
    run upgrade --binary /nowhere
    expect_status 1
    expect_text '/nowhere: No such file or directory'
    run upgrade --binary /bin/true
    expect_status 1
    expect_text 'is not a dhowd'
    run upgrade --binary "$E_DIR"
    expect_status 1
    expect_text 'is not a program'
    # One of another age: it knows its version, but nothing of this.
    printf '#!/bin/sh\n[ "$1" = --version ] && echo "Dhow version 0.0.1" && exit\necho "Unknown option $2" >&2\nexit 1\n' \
        >"$BATS_TEST_TMPDIR/old"
    chmod +x "$BATS_TEST_TMPDIR/old"
    run upgrade --binary "$BATS_TEST_TMPDIR/old"
    expect_status 1
    expect_text 'cannot take over: Unknown option --handover=1'
    same "$(server_version)" "$VERSION"
    is_state web running
}

@test "a program that fails when it is too late makes way for the one before" {
    local follower pid up code=0
    ticker web
    in_bg lines docker logs -f web
    follower=$BG
    pid=$(cat "$E_PIDFILE")
    # It says yes when it is asked, and then does not like what it is given.
    # shellcheck disable=SC2016
    printf '#!/bin/sh\ncase "$*" in *--version*|*--validate*) exec %s "$@" ;; esac\nexec %s --no-such-option "$@"\n' \
        "$E_DIR/next/dhowd" "$E_DIR/next/dhowd" >"$BATS_TEST_TMPDIR/bad"
    chmod +x "$BATS_TEST_TMPDIR/bad"
    run upgrade --binary "$BATS_TEST_TMPDIR/bad"
    expect_status 1
    expect_text "the new daemon did not come up: Unknown option --no-such-option; version $VERSION goes on"
    same "$(server_version)" "$VERSION"
    # Sanitizers take the signals for themselves.
    [ -z "${ASAN_OPTIONS:-}${TSAN_OPTIONS:-}" ] || return 0
    # It crashes before it serves: it is held up where engines wait for each other.
    exec 7>>/run/dhow-net.lock
    flock 7
    in_bg up "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system upgrade --binary "$E_DIR/next/dhowd" 7>&-
    up=$BG
    is_next() { [ "$(readlink "/proc/$pid/exe")" = "$E_DIR/next/dhowd" ]; }
    is_before() { [ "$(readlink "/proc/$pid/exe")" = "$BUILD/src/daemon/dhowd" ]; }
    wait_until 20 is_next
    guarded() { [ $((0x$(awk '$1 == "SigCgt:" { print $2 }' "/proc/$pid/status") & 0x400)) -ne 0 ]; }
    wait_until 20 guarded
    kill -SEGV "$pid"
    wait_until 20 is_before
    # Its clock does not tick for the one that comes back.
    exec 7>&-
    wait "$up" || code=$?
    same "$code" 1
    grep -q "did not come up: it crashed or was not ready in time; version $VERSION goes on" "$BATS_TEST_TMPDIR/up.err"
    same "$(server_version)" "$VERSION"
    same "$(cat "$E_PIDFILE")" "$pid"
    docker kill web
    wait "$follower"
    counts_up "$BATS_TEST_TMPDIR/lines"
    ok upgrade --binary "$E_DIR/next/dhowd"
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
}

@test "what cannot be handed over is waited for, then said" {
    local stop pid up
    stop_deaf 600
    stop=$BG
    pid=$(docker inspect -f '{{.State.Pid}}' deaf)
    run upgrade -t 0
    expect_status 1
    expect_match 'busy with a request that cannot be handed over: POST .*/stop'
    # It serves as before.
    same "$(state deaf)" running
    in_bg up upgrade -t 300
    up=$BG
    wait_until 20 unanswered
    kill -KILL "$pid"
    wait "$up"
    wait "$stop"
    same "$(state deaf)" exited
}

# unanswered: while an upgrade waits for what it cannot hand over, nobody is.
unanswered() {
    ! timeout 2 docker version && ! timeout 2 docker version
}

@test "an upgrade whose client goes away is in nobody's way" {
    local stop before
    stop_deaf 60
    stop=$BG
    before=$(refusals)
    run timeout 3 "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system upgrade --timeout 6
    expect_status 124
    refused_since() { [ "$(refusals)" -gt "$before" ]; }
    wait_until 20 refused_since
    for _ in 1 2; do
        run upgrade -t 0
        expect_status 1
        expect_match 'busy with a request that cannot be handed over: POST .*/stop'
    done
    docker kill deaf
    wait "$stop"
    # When all can be handed over, it is done without its client.
    sleeper "$BATS_TEST_TMPDIR/late" "touch '$BATS_TEST_TMPDIR/here'; until [ -e '$BATS_TEST_TMPDIR/go' ]; do sleep 0.1; done"
    in_bg leaver "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system upgrade --binary "$BATS_TEST_TMPDIR/late"
    wait_until 20 test -e "$BATS_TEST_TMPDIR/here"
    kill "$BG"
    wait "$BG" || true
    touch "$BATS_TEST_TMPDIR/go"
    is_next() { [ "$(server_version)" = "$NEXT" ]; }
    wait_until 20 is_next
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
}

@test "a stream whose container is removed in the upgrade has its last lines, an end, and no second head" {
    local pid shim name stats pids=()
    docker run -d --rm --name gone busybox sh -c \
        'echo line; until [ -e /go ]; do sleep 0.05; done; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo last $i; done'
    pid=$(docker inspect -f '{{.State.Pid}}' gone)
    shim=$(shim_of gone)
    in_bg stats curl -sSN --unix-socket "$E_SOCK" http://localhost/containers/gone/stats
    stats=$BG
    in_bg logs curl -sSN --unix-socket "$E_SOCK" "http://localhost/containers/gone/logs?follow=1&stdout=1"
    pids+=("$BG")
    in_bg cli docker logs -f gone
    pids+=("$BG")
    in_bg code docker wait gone
    pids+=("$BG")
    for name in stats logs cli; do
        wait_until 5 grep -qa 'line\|read' "$BATS_TEST_TMPDIR/$name"
    done
    # It says all that, and ends, when the one daemon has left and the other has not come.
    sleeper "$BATS_TEST_TMPDIR/killer" "touch /proc/$pid/root/go; while [ -e /proc/$pid ]; do sleep 0.05; done; n=0; while [ -d /proc/$shim ] && [ \$((n += 1)) -lt 50 ]; do sleep 0.1; done"
    ok upgrade --binary "$BATS_TEST_TMPDIR/killer"
    wait "$stats"
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
    same "$(head -n 1 "$BATS_TEST_TMPDIR/cli") $(tail -n +2 "$BATS_TEST_TMPDIR/cli" | wc -l)" 'line 20000'
    tail -n +2 "$BATS_TEST_TMPDIR/cli" | counts_up /dev/stdin
    same "$(grep -ac 'last ' "$BATS_TEST_TMPDIR/logs")" 20000
    same "$(cat "$BATS_TEST_TMPDIR/code") $(cat "$BATS_TEST_TMPDIR/cli.err")" '0 '
    run ! grep -la HTTP "$BATS_TEST_TMPDIR/stats" "$BATS_TEST_TMPDIR/logs"
    is_gone() { ! docker inspect gone; }
    wait_until 10 is_gone
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
}

@test "the log of a container that is removed in an upgrade is read also across rotations, and in time" {
    local pid pids=() n
    # They end at any moment of the upgrade.
    for n in 1 2 3 4 5 6; do
        docker run -d --rm --name "gone$n" --log-opt max-size=20k --log-opt max-file=50 busybox sh -c \
            'i=0; until [ -e /go ]; do i=$((i+1)); echo tick $i; usleep 5000; done'
        in_bg "gone$n" docker logs -f "gone$n"
        pids+=("$BG")
    done
    for n in 1 2 3 4 5 6; do
        wait_until 10 file_has "$BATS_TEST_TMPDIR/gone$n" 'tick 20'
        pid=$(docker inspect -f '{{.State.Pid}}' "gone$n")
        in_bg "end$n" sh -c "sleep 0.$n; touch /proc/$pid/root/go"
    done
    sleeper "$BATS_TEST_TMPDIR/slow" 'sleep 0.3'
    ok upgrade --binary "$BATS_TEST_TMPDIR/slow"
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
    for n in 1 2 3 4 5 6; do
        counts_up "$BATS_TEST_TMPDIR/gone$n"
        same "$(cat "$BATS_TEST_TMPDIR/gone$n.err")" ''
    done
    none_left() { [ -z "$(docker ps -aq)" ]; }
    wait_until 10 none_left
    ok upgrade --binary "$BUILD/src/daemon/dhowd"
}

@test "roots that are configured anew take a restart" {
    local pid
    other data run
    start_other
    pid=$(cat "$BATS_TEST_TMPDIR/other.pid")
    on_other volume create kept
    other elsewhere run
    run on_other system upgrade
    expect_status 1
    expect_text "cannot take over: dhowd: the data root is now configured as $BATS_TEST_TMPDIR/elsewhere"
    other data elsewhere
    run on_other system upgrade
    expect_status 1
    expect_text "cannot take over: dhowd: the exec root is now configured as $BATS_TEST_TMPDIR/elsewhere"
    other data run
    ok on_other system upgrade
    # After the question, and so before neither goes on with them: not even the one that comes back.
    other elsewhere elsewhere
    mv "$BATS_TEST_TMPDIR/daemon.json" "$BATS_TEST_TMPDIR/new.json"
    other data run
    sleeper "$BATS_TEST_TMPDIR/late" "cp '$BATS_TEST_TMPDIR/new.json' '$BATS_TEST_TMPDIR/daemon.json'"
    run on_other system upgrade --binary "$BATS_TEST_TMPDIR/late"
    expect_status 1
    expect_text 'the new daemon did not come up: the data root is now configured as'
    expect_text "version $VERSION goes on"
    same "$(cat "$BATS_TEST_TMPDIR/other.pid")" "$pid"
    same "$(on_other volume ls -q)" kept
    run ! ls -d "$BATS_TEST_TMPDIR/elsewhere"
}

@test "a daemon that cannot accept after a refused upgrade says so, and tries again" {
    local pid stop up limit
    pid=$(cat "$E_PIDFILE")
    limit=$(prlimit --pid "$pid" --nofile --output SOFT --noheadings --raw)
    stop_deaf 60
    stop=$BG
    in_bg up "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system upgrade -t 12
    up=$BG
    wait_until 20 unanswered
    prlimit --pid "$pid" --nofile=8:
    wait "$up" || grep -q 'busy with a request' "$BATS_TEST_TMPDIR/up.err"
    run timeout 2 docker version
    expect_status 124
    prlimit --pid "$pid" --nofile="$limit:"
    timeout 60 docker version || { engine_signal KILL; engine_start; fail "it accepts nobody"; }
    grep -q 'level=error msg="nobody is accepted after the upgrade that was refused, trying again: ' "$E_LOG"
    docker kill deaf
    wait "$stop"
    ok upgrade
}

# time_to_end: how many milliseconds the daemon takes to end.
time_to_end() {
    local from
    from=$(date +%s%3N)
    engine_signal TERM
    echo $(($(date +%s%3N) - from))
}

@test "a client who takes nothing is in the way of neither a second upgrade nor the end" {
    local took pids=()
    docker run --name big busybox sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); echo $i; done' >/dev/null
    docker run -d --name loud busybox sh -c 'while :; do echo what nobody wants to hear; done'
    mkfifo "$BATS_TEST_TMPDIR/big" "$BATS_TEST_TMPDIR/loud"
    # shellcheck disable=SC2016
    in_bg slow sh -c 'docker logs big >"$0"' "$BATS_TEST_TMPDIR/big"
    pids+=("$BG")
    # shellcheck disable=SC2016
    in_bg deaf sh -c 'docker logs -f loud >"$0"' "$BATS_TEST_TMPDIR/loud"
    pids+=("$BG")
    exec 8<"$BATS_TEST_TMPDIR/big" 9<"$BATS_TEST_TMPDIR/loud"
    sleep 0.3
    ok upgrade -t 2 --binary "$E_DIR/next/dhowd"
    ok upgrade -t 2 --binary "$BUILD/src/daemon/dhowd"
    cat <&8 >"$BATS_TEST_TMPDIR/read"
    counts_up "$BATS_TEST_TMPDIR/read"
    same "$(wc -l <"$BATS_TEST_TMPDIR/read")" 60000
    # Less than what requests may take that end by themselves. A busy machine may be slow once, but not each time.
    local try
    for try in 1 2 3 4 5; do
        took=$(time_to_end)
        engine_start
        exec 8<&- 9<&-
        wait "${pids[@]}" || true
        [ "$took" -ge 2500 ] || break
        # shellcheck disable=SC2016
        in_bg deaf sh -c 'docker logs -f loud >"$0"' "$BATS_TEST_TMPDIR/loud"
        pids=("$BG")
        exec 9<"$BATS_TEST_TMPDIR/loud"
        sleep 1
    done
    [ "$took" -lt 2500 ] || fail "the end took $took ms, $try times"
}

@test "a socket that systemd opened, and its question whether the daemon is ready" {
    python3 - "$BUILD/src/daemon/dhowd" "$BATS_TEST_TMPDIR" "dt$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')" <<'END'
import os, signal, socket, sys
dhowd, where, bridge = sys.argv[1:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(where + '/notify')
notify.settimeout(60)
listener = socket.socket(socket.AF_UNIX)
listener.bind(where + '/s')
listener.listen()
# Asked before there is anybody.
client = socket.socket(socket.AF_UNIX)
client.settimeout(60)
client.connect(where + '/s')
client.sendall(b'GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
pid = os.fork()
if pid == 0:
    os.dup2(listener.fileno(), 3)
    os.execve(dhowd, ['dhowd', '-H', 'fd://', '--data-root', where + '/d', '--exec-root', where + '/r',
                      '--pidfile', where + '/p', '--bridge', bridge],
              {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1', 'NOTIFY_SOCKET': where + '/notify'})
said = notify.recv(4096).decode().split('\n')
assert 'READY=1' in said and f'MAINPID={pid}' in said, said
assert client.recv(4096).startswith(b'HTTP/1.1 200'), 'no answer'
os.kill(pid, signal.SIGTERM)
assert os.waitpid(pid, 0)[1] == 0
# It is systemd's: still there, for the next.
assert os.path.exists(where + '/s')
END
    run "$BUILD/src/daemon/dhowd" -H fd:// --data-root "$BATS_TEST_TMPDIR/d" --exec-root "$BATS_TEST_TMPDIR/r" \
        --pidfile "$BATS_TEST_TMPDIR/p" --bridge "dt$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')"
    expect_status 1
    expect_text 'no sockets found via socket activation'
}

@test "--validate: configuration and state" {
    ok "$BUILD/src/daemon/dhowd" --validate --data-root "$E_DIR/data"
    expect_output 'configuration OK'
    printf '{"data-rot": "/x"}' >"$BATS_TEST_TMPDIR/daemon.json"
    run "$BUILD/src/daemon/dhowd" --validate --config-file "$BATS_TEST_TMPDIR/daemon.json"
    expect_status 1
    mkdir "$BATS_TEST_TMPDIR/data"
    python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("PRAGMA user_version=99")' "$BATS_TEST_TMPDIR/data/state.db"
    run "$BUILD/src/daemon/dhowd" --validate --data-root "$BATS_TEST_TMPDIR/data"
    expect_status 1
    expect_text 'state database has version 99'
}
