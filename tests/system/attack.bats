# What a hostile or careless user can do to the engine's resources, and what must hold meanwhile.

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

@test "thousands of connections that say nothing, or never finish their head, keep nobody out" {
    dhow_only 'is not ours to try'
    # As from a login shell. The daemon raises its own limit; what it starts has the one that it found.
    engine_signal TERM
    ulimit -Sn 1024
    engine_start
    same "$(docker run --rm busybox sh -c 'ulimit -Sn; ulimit -Hn')" $'1024\n'"$(ulimit -Hn)"
    run python3 - "$E_SOCK" <<'END'
import resource, socket, sys, time
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.settimeout(100)
    return s
held = []
for i in range(min(3000, hard // 5)):
    s = connect()
    if i % 2:
        s.send(b'POST /containers/create HTTP/1.1\r\nHost: x\r\nX-')
    held.append(s)
began = time.monotonic()
s = connect()
s.send(b'GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n')
print(s.recv(100).split(b'\r\n')[0].decode())
# The silent ones are put out after five minutes: it has not waited for that.
print('quick' if time.monotonic() - began < 30 else 'slow')
END
    expect_status 0
    expect_line 'HTTP/1.1 200 OK'
    expect_line quick
    ok docker version
}

@test "garbage instead of a request ends that connection and nothing else" {
    dhow_only 'is not ours to try'
    run python3 - "$E_SOCK" <<'END'
import socket, sys
for junk in (bytes(range(1, 256)) * 40 + b'\r\n\r\n', b'\0' * 70000, b'GET\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n',
             b'GET /' + b'a' * 70000 + b' HTTP/1.1\r\n\r\n',
             b'POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(sys.argv[1])
    try:
        s.sendall(junk)
        while s.recv(65536):
            pass
    except (ConnectionResetError, BrokenPipeError):
        pass
print('ended')
END
    expect_output ended
    ok docker version
}

@test "a fork bomb stays within its limit and is removed" {
    docker run -d --name bomb --pids-limit 30 --net none busybox sh -c 'f() { f | f & }; f; sleep 1000'
    sleep 1
    local n
    n=$(docker stats --no-stream --format '{{.PIDs}}' bomb)
    [ "$n" -le 30 ]
    ok docker run --rm --net none busybox true
    ok docker rm -f bomb
}

@test "a log is bounded by rotation, and a writer whom nobody reads waits" {
    dhow_only 'keeps everything by default'
    docker run --name loud --net none --log-opt max-size=1m --log-opt max-file=2 busybox \
        sh -c 'head -c 20000000 /dev/zero | tr "\0" x | fold -w 100; echo; echo end' >/dev/null
    [ "$(du -sk "$E_DIR/data/containers/$(docker inspect -f '{{.Id}}' loud)" | cut -f 1)" -lt 4096 ]
    same "$(docker logs --tail 1 loud)" end
}

@test "a full disk: clear errors, what runs goes on, and rm works" {
    dhow_only 'is not ours to try'
    local small=$E_DIR/small pid
    mkdir "$small"
    mount -t tmpfs -o size=200m none "$small"
    "$BUILD/src/daemon/dhowd" --data-root "$small/data" --exec-root "$small/run" -H "unix://$small/s" \
        --pidfile "$small/pid" --bridge "${E_BRIDGE}f" </dev/null >"$E_DIR/small.log" 2>&1 3>&- &
    pid=$!
    on_small() {
        "$BUILD/src/cli/dhow" -H "unix://$small/s" "$@"
    }
    wait_until 10 on_small version
    docker save busybox >"$E_DIR/busybox.tar"
    on_small load -i "$E_DIR/busybox.tar"
    on_small run -d --name alive --net none busybox sh -c 'while sleep 0.1; do echo tick; done'
    dd if=/dev/zero of="$small/fill" bs=4k 2>/dev/null || true
    local what
    for what in 'create busybox true' 'run --rm --net none busybox true' "load -i $E_DIR/busybox.tar"; do
        # shellcheck disable=SC2086
        run on_small $what
        [ "$status" -ne 0 ]
        grep -qi 'no space left on device\|disk is full' <<<"$output" || { show_run; false; }
    done
    ok on_small exec alive echo well
    expect_output well
    ok on_small logs --tail 1 alive
    ok on_small rm -f alive
    ok on_small ps -aq
    expect_output ''
    rm "$small/fill"
    ok on_small run --rm --net none busybox echo well
    expect_output well
    swept() { [ -z "$(find "$small/data/containers" "$small/data/tmp" -mindepth 1)" ]; }
    wait_until 10 swept
    kill "$pid"
    wait_gone "$pid"
    wait_until 10 umount "$small"
}

@test "a long list comes in pieces and is whole; who does not read it holds nobody up" {
    local i long
    long=$(head -c 50000 /dev/zero | tr '\0' x)
    for i in {1..40}; do
        docker create --name "c$i" --label "long=$long" busybox true
    done
    same "$(docker ps -aq | wc -l)" 40
    same "$(docker ps -a --format '{{.Names}} {{len (.Label "long")}}' | sort)" "$(printf 'c%s 50000\n' {1..40} | sort)"
    local version
    for version in 1.0 1.1; do
        curl -sf "--http$version" --unix-socket "$E_SOCK" 'http://x/containers/json?all=1' >"$BATS_TEST_TMPDIR/list"
        same "$(python3 -c 'import json, sys; l = json.load(open(sys.argv[1])); print(len(l), len({c["Id"] for c in l}))' \
            "$BATS_TEST_TMPDIR/list")" '40 40'
    done
    python3 - "$E_SOCK" "$BATS_TEST_TMPDIR/asked" <<'END' 3>&- &
import socket, sys, time
held = []
for i in range(5):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.send(b'GET /containers/json?all=1 HTTP/1.1\r\nHost: x\r\n\r\n')
    s.recv(1)
    held.append(s)
open(sys.argv[2], 'w').close()
time.sleep(1000)
END
    local reader=$!
    wait_until 10 test -e "$BATS_TEST_TMPDIR/asked"
    ok timeout 60 docker rm -f c1
    same "$(docker ps -aq | wc -l)" 39
    engine_signal TERM
    kill -0 "$reader" || fail 'it does not hold them any more'
    kill "$reader"
    engine_start
}
