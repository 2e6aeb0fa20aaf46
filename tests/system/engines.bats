# Several engines on one machine, and an engine's own start and end.

load ../lib/helpers

setup() {
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    FIRST=$E_DIR
}

teardown() {
    local dir
    for dir in "$FIRST" "${SECOND:-}"; do
        if [ -n "$dir" ] && [ -d "$dir" ]; then
            engine_use "$dir"
            engine_destroy
        fi
    done
}

# on DIR ARGS...: the client of that engine.
on() {
    local dir=$1
    shift
    "$dir/bin/docker" "$@"
}

@test "two engines do not see each other's containers, networks or cgroups" {
    local one two
    engine_start
    DOCKER=$FIRST/bin/docker "$ROOT/scripts/images" load busybox
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    SECOND=$E_DIR
    engine_start
    same "$(on "$SECOND" images -q)" ""
    DOCKER=$SECOND/bin/docker "$ROOT/scripts/images" load busybox
    one=$(on "$FIRST" run -d --name same -p 127.0.0.1:28160:80 busybox sh -c 'mkdir /w; echo first >/w/index.html; httpd -f -h /w')
    two=$(on "$SECOND" run -d --name same -p 127.0.0.1:28161:80 busybox sh -c 'mkdir /w; echo second >/w/index.html; httpd -f -h /w')
    same "$(on "$FIRST" ps -q --no-trunc)" "$one"
    same "$(on "$SECOND" ps -q --no-trunc)" "$two"
    wait_until 5 curl -sf -o /dev/null http://127.0.0.1:28160/
    wait_until 5 curl -sf -o /dev/null http://127.0.0.1:28161/
    same "$(curl -sf http://127.0.0.1:28160/)" first
    same "$(curl -sf http://127.0.0.1:28161/)" second
    # The networks are different ones.
    [ "$(on "$FIRST" inspect -f '{{.NetworkSettings.Gateway}}' same)" != \
        "$(on "$SECOND" inspect -f '{{.NetworkSettings.Gateway}}' same)" ]
    # The end of one does not touch the other.
    engine_use "$FIRST"
    engine_destroy
    same "$(on "$SECOND" ps -q --no-trunc)" "$two"
    same "$(curl -sf http://127.0.0.1:28161/)" second
    ok on "$SECOND" run --rm busybox true
}

# second_is_refused ARGS...: a daemon of other directories and another bridge, but for ARGS, is refused.
second_is_refused() {
    run timeout 20 "$BUILD/src/daemon/dhowd" --data-root "$E_DIR/data2" --exec-root "$E_DIR/run2" \
        -H "unix://$E_DIR/other.sock" --pidfile "$E_DIR/other.pid" --bridge "${E_BRIDGE}b" "$@"
    [ "$status" -ne 0 ]
    [ "$status" -ne 124 ] || fail "it runs"
    expect_text "is in use by another dhowd"
    [ ! -e "$E_DIR/other.pid" ]
    ! ip link show "${E_BRIDGE}b" 2>/dev/null
}

@test "a second daemon on the same data root, exec root or bridge is refused, and harms nothing" {
    dhow_only "its own affair"
    engine_start
    "$ROOT/scripts/images" load busybox
    docker run -d --name up -p 127.0.0.1:28162:80 busybox \
        sh -c 'mkdir /w; echo page >/w/index.html; httpd -f -h /w'
    wait_until 5 curl -sf -o /dev/null http://127.0.0.1:28162/
    second_is_refused --data-root "$E_DIR/data"
    expect_text "the data root"
    second_is_refused --exec-root "$E_DIR/run"
    expect_text "the exec root"
    second_is_refused --bridge "$E_BRIDGE"
    expect_text "the bridge $E_BRIDGE"
    same "$(docker ps --format '{{.Names}}')" up
    same "$(curl -sf http://127.0.0.1:28162/)" page
    ok docker exec up true
    ok docker system check
    # A daemon that is gone has nothing any more.
    engine_signal KILL
    engine_start
    ok docker rm -f up
}

@test "-H more than once, and a socket that a dead daemon left" {
    dhow_only "its own affair"
    engine_start -H "unix://$E_DIR/second.sock"
    ok curl -sS --unix-socket "$E_DIR/second.sock" http://localhost/_ping
    expect_output OK
    engine_signal KILL
    [ -S "$E_SOCK" ]
    engine_start
    ok docker version
}

@test "SIGTERM ends the daemon; socket, pid file, bridge and table go" {
    dhow_only "its own affair"
    engine_start
    [ -e "$E_PIDFILE" ]
    engine_signal TERM
    assert_engine_gone
}

@test "the socket belongs to root and is closed to others" {
    engine_start
    same "$(stat -c '%u %F' "$E_SOCK")" "0 socket"
    [[ $(stat -c %a "$E_SOCK") =~ 6[06]0$ ]]
    [[ $(stat -c %a "$E_DIR/data") =~ [0-7][01][01]$ ]]
}

@test "dhow starts dhowd when nothing answers on its default socket" {
    dhow_only "its own affair"
    [ "$CLI" = dhow ] || skip "dhow's own"
    # With a /run, a /var/lib and a network of its own: an engine of the machine is not touched.
    # shellcheck disable=SC2016
    ok unshare -n -m sh -ec '
        mount -t tmpfs none /run
        mount -t tmpfs none /var/lib
        ip link set lo up
        "$1" version
        test -S /run/dhow.sock
        "$1" ps
        pid=$(cat /run/dhow.pid)
        kill "$pid"
        timeout 20 tail -s 0.05 --pid="$pid" -f /dev/null' sh "$BUILD/src/cli/dhow"
}

@test "the next daemon starts in the moment in which the last one is killed" {
    dhow_only "its own affair"
    engine_start
    # Not by the shell, which is too slow for that.
    run python3 - "$E_PIDFILE" "$E_LOG" "$BUILD/src/daemon/dhowd" --data-root "$E_DIR/data" --exec-root "$E_DIR/run" \
        -H "unix://$E_SOCK" --pidfile "$E_PIDFILE" --bridge "$E_BRIDGE" <<'END'
import os, signal, socket, subprocess, sys, time
pidfile, log, command = sys.argv[1], sys.argv[2], sys.argv[3:]
for i in range(10):
    held = [socket.socket(socket.AF_UNIX) for _ in range(300)]  # a thread each, to be ended first
    for s in held:
        s.connect(command[command.index("-H") + 1][len("unix://"):])
    with open(pidfile) as f:
        os.kill(int(f.read()), signal.SIGKILL)
    with open(log, "a") as out:
        p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    while open(pidfile).read() != f"{p.pid}\n":
        if p.poll() is not None:
            sys.exit(f"start {i}: it ended with {p.returncode}")
        time.sleep(0.002)
    while True:
        try:
            socket.socket(socket.AF_UNIX).connect(command[command.index("-H") + 1][len("unix://"):])
            break
        except OSError:
            time.sleep(0.002)
    p.returncode = 0  # whoever waits for it now, it is not us
END
    expect_status 0
    engine_ready
    ok docker version
}

@test "help of the daemon; unknown flags" {
    dhow_only "its own affair"
    ok "$BUILD/src/daemon/dhowd" --help
    expect_text '--data-root'
    expect_text '--exec-root'
    expect_text '--bridge'
    ok "$BUILD/src/daemon/dhowd" --version
    run "$BUILD/src/daemon/dhowd" --nosuchflag
    [ "$status" -ne 0 ]
    expect_text nosuchflag
}

@test "DOCKER_HOST, DHOW_HOST and -H" {
    engine_start
    local client
    client=$(client_path)
    ok env DOCKER_HOST="unix://$E_SOCK" "$client" ps -q
    run env DOCKER_HOST="unix:///nosuch.sock" "$client" ps -q
    [ "$status" -ne 0 ]
    expect_text 'Cannot connect to the Docker daemon at unix:///nosuch.sock. Is the docker daemon running?' ||
        expect_match 'nosuch\.sock'
    ok env DOCKER_HOST="unix:///nosuch.sock" "$client" -H "unix://$E_SOCK" ps -q
    if [ "$CLI" = dhow ]; then
        ok env DOCKER_HOST=unix:///nosuch.sock DHOW_HOST="unix://$E_SOCK" "$client" ps -q
    fi
}
