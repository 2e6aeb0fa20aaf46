# The log of a container.

load ../lib/helpers

setup_file() {
    setup_engine busybox
}

teardown_file() {
    teardown_engine
}

teardown() {
    end_journal
    remove_all
}

@test "--tail" {
    docker run --name cc busybox seq 1 100 >/dev/null
    same "$(docker logs cc | wc -l)" 100
    same "$(docker logs --tail 3 cc)" $'98\n99\n100'
    same "$(docker logs -n 1 cc)" 100
    same "$(docker logs --tail 0 cc)" ""
    same "$(docker logs --tail all cc | wc -l)" 100
    same "$(docker logs --tail 1000 cc | wc -l)" 100
}

@test "--timestamps, --since, --until" {
    local stamp
    docker run --name cc busybox sh -c 'echo early; sleep 1.2; echo late' >/dev/null
    ok docker logs -t cc
    [[ ${lines[0]} =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z\ early$ ]]
    stamp=${lines[1]%% *}
    same "$(docker logs --since "$stamp" cc)" late
    same "$(docker logs --since 1h cc)" $'early\nlate'
    same "$(docker logs --until 1h cc)" ""
    # until is inclusive of what was written before it
    same "$(docker logs --until "${lines[0]%% *}" cc | tail -n 1)" early
}

@test "--follow ends with the container, after its last line" {
    docker run -d --name cc busybox sh -c 'for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done'
    ok docker logs -f cc
    expect_output $'line 1\nline 2\nline 3\nline 4\nline 5'
}

@test "--follow --tail 1 of one that runs" {
    docker run -d --name cc busybox sh -c 'echo one; echo two; until [ -e /go ]; do sleep 0.1; done; echo three'
    wait_logs cc two
    in_bg follower docker logs -f --tail 1 cc
    wait_until 5 file_has "$BATS_TEST_TMPDIR/follower" two
    docker exec cc touch /go || true # it ends with the container
    wait "$BG"
    same "$(cat "$BATS_TEST_TMPDIR/follower")" $'two\nthree'
}

@test "standard output and standard error stay apart and in order" {
    docker run --name cc busybox sh -c 'echo a; echo b >&2; echo c' >/dev/null 2>&1
    run --separate-stderr docker logs cc
    expect_output $'a\nc'
    same "$stderr" b
}

@test "a last line without its end, and bytes that are no text" {
    docker run --name cc busybox printf 'one\ntwo' >/dev/null
    same "$(docker logs cc | od -c | head -n 1)" "$(printf 'one\ntwo' | od -c | head -n 1)"
    docker run --name dd busybox sh -c 'head -c 40000 /dev/zero | tr "\0" x; echo' >/dev/null
    same "$(docker logs dd | wc -c)" 40001
    docker run --name ee busybox printf 'quote" back\\slash tab\t ctrl\001 umlaut\303\244\n' >/dev/null
    same "$(docker logs ee | sha256sum)" \
        "$(printf 'quote" back\\slash tab\t ctrl\001 umlaut\303\244\n' | sha256sum)"
}

@test "the log of a terminal" {
    docker run -t --name cc busybox echo line >/dev/null
    same "$(docker logs cc | od -An -c | tr -d ' ')" 'line\r\n'
}

@test "all runs of a container are in one log" {
    docker run --name cc busybox echo once >/dev/null
    docker start -a cc >/dev/null
    same "$(docker logs cc)" $'once\nonce'
}

@test "the file is where inspect says, one JSON object a line" {
    docker run --name cc busybox echo text >/dev/null
    ok cat "$(docker inspect -f '{{.LogPath}}' cc)"
    expect_match '^\{"log":"text\\n","stream":"stdout","time":"[0-9T:.-]+Z"\}$'
    same "$(docker inspect -f '{{.HostConfig.LogConfig.Type}}' cc)" json-file
}

@test "rotation: --log-opt max-size and max-file" {
    docker run --name cc --log-opt max-size=10k --log-opt max-file=3 busybox seq 1 5000 >/dev/null
    local path
    path=$(docker inspect -f '{{.LogPath}}' cc)
    same "$(find "$(dirname "$path")" -name "$(basename "$path")*" | wc -l)" 3
    [ "$(stat -c %s "$path")" -le 12000 ]
    same "$(docker logs cc | tail -n 1)" 5000
    # What is left are the newest lines without a hole.
    same "$(docker logs cc)" "$(seq "$(docker logs cc | head -n 1)" 5000)"
}

@test "without options the log is bounded" {
    dhow_only "its logs grow for ever"
    docker run --name cc busybox true
    docker inspect -f '{{json .HostConfig.LogConfig}}' cc
    docker info | grep -i 'logging driver: json-file'
}

@test "--log-driver none keeps nothing" {
    docker run --name cc --log-driver none busybox echo text
    run docker logs cc
    [ "$status" -ne 0 ]
    expect_text 'configured logging driver does not support reading'
}

@test "200,000 lines, read while they are written" {
    docker run -d --name cc busybox seq 1 200000
    same "$(docker logs -f cc | tail -n 1)" 200000
    same "$(docker logs cc | wc -l)" 200000
}

@test "driver local: written, read, followed, rotated and compressed" {
    docker run -d --name cc --log-driver local -l colour=red --log-opt labels=colour busybox \
        sh -c 'echo one; echo two >&2; printf three; sleep 1000'
    wait_logs cc two
    run --separate-stderr docker logs cc
    same "$output" one
    same "$stderr" two
    ok docker logs --tail 1 cc
    same "$output" two
    ok docker logs --details -t cc
    expect_match '^[0-9T:.-]+Z colour=red one$'
    ok docker logs --since 1h --until 0s cc
    expect_line two
    ok docker logs --until 1h cc
    same "$output" ""
    docker kill cc
    wait_logs cc three

    docker run --name big --log-driver local --log-opt max-size=100k --log-opt max-file=4 busybox seq 100000 >/dev/null
    ok docker logs --tail 3 big
    same "$output" $'99998\n99999\n100000'
    ok docker logs big
    local first
    first=$(head -n 1 <<<"$output")
    [ "$first" -gt 1 ]
    seq "$first" 100000 | diff - <(printf '%s\n' "$output")
    if [ "$DHOW_ENGINE" = dhow ]; then
        packed() { [ "$(find "$E_DIR/data/containers" -name 'local.log.*.gz' | wc -l)" = 3 ]; }
        wait_until 5 packed
        [ "$(cat "$E_DIR"/data/containers/*/local.log.*.gz | wc -c)" -lt 200000 ]
        ok docker logs --tail 12000 big
        seq 88001 100000 | diff - <(printf '%s\n' "$output")
    fi
    docker rm -f cc big
}

@test "json-file: compress; a follower sees every line across rotations" {
    docker run -d --name cc --log-opt max-size=50k --log-opt max-file=10 --log-opt compress=true --log-opt tag='x/{{.Name}}' busybox \
        sh -c 'sleep 0.5; for i in $(seq 3000); do echo $i; done; sleep 0.3'
    in_bg follower docker logs -f cc
    docker wait cc
    wait "$BG"
    seq 3000 | diff - "$BATS_TEST_TMPDIR/follower"
    if [ "$DHOW_ENGINE" = dhow ]; then
        ok docker logs --details --tail 1 cc
        same "$output" "tag=x%2Fcc 3000"
    fi
    ok docker logs cc
    same "$(tail -n 1 <<<"$output")" 3000
    seq "$(head -n 1 <<<"$output")" 3000 | diff - <(printf '%s\n' "$output")
    docker rm cc
}

@test "log options that make no sense" {
    refuses() {
        local text=$1
        shift
        run docker create "$@" busybox true
        [ "$status" -ne 0 ] || fail "accepted: $*"
        expect_text "$text"
    }
    refuses "no log driver named 'nosuch'" --log-driver nosuch
    refuses "unknown log opt 'syslog-address' for json-file" --log-opt syslog-address=udp://127.0.0.1:1
    refuses "compress cannot be true" --log-opt compress=true --log-opt max-size=1m
    refuses "logging mode" --log-opt mode=maybe
    refuses "only supported with" --log-opt max-buffer-size=1m
    refuses "proto://address" --log-driver syslog --log-opt syslog-address=nowhere
}

@test "driver syslog: unix, udp and tcp, every format; not readable; who cannot be reached is said" {
    python3 - "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/server" 3>&- <<'END' &
import os, select, socket, sys
d = sys.argv[1]
unix = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); unix.bind(d + "/log")
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 0))
tcp = socket.socket(); tcp.bind(("127.0.0.1", 0)); tcp.listen()
with open(d + "/ports.tmp", "w") as f: f.write(f"{udp.getsockname()[1]} {tcp.getsockname()[1]}")
os.rename(d + "/ports.tmp", d + "/ports")
socks = [unix, udp, tcp]
while True:
    for s in select.select(socks, [], [])[0]:
        if s is tcp:
            socks.append(s.accept()[0])
            continue
        data = s.recv(65536)
        if not data and s not in (unix, udp):
            socks.remove(s)
        sys.stdout.write(data.decode()); sys.stdout.flush()
END
    local server=$! udp tcp
    wait_until 5 test -e "$BATS_TEST_TMPDIR/ports"
    read -r udp tcp <"$BATS_TEST_TMPDIR/ports" || true
    logged() { file_has "$BATS_TEST_TMPDIR/server" "$1"; }
    docker run --rm --name cc --log-driver syslog --log-opt syslog-address="unixgram://$BATS_TEST_TMPDIR/log" \
        --log-opt tag='t-{{.Name}}' busybox sh -c 'echo to unix; echo wrong >&2'
    wait_until 5 logged '^<30>[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} t-cc\[[0-9]+\]: to unix$'
    wait_until 5 logged '^<27>.*t-cc\[[0-9]+\]: wrong$'
    docker run --rm --log-driver syslog --log-opt syslog-address="udp://127.0.0.1:$udp" --log-opt syslog-format=rfc3164 \
        --log-opt syslog-facility=local3 busybox echo to udp
    wait_until 5 logged "^<158>[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} $(hostname) [0-9a-f]{12}\[[0-9]+\]: to udp$"
    docker run -d --name cc --log-driver syslog --log-opt syslog-address="tcp://localhost:$tcp" --log-opt syslog-format=rfc5424micro \
        busybox sh -c 'seq 2000; echo to tcp'
    wait_until 5 logged "^<30>1 [0-9-]+T[0-9:]+\.[0-9]{6}(Z|[+-][0-9:]+) $(hostname) [0-9a-f]{12} [0-9]+ [0-9a-f]{12} - to tcp$"
    same "$(grep -cE ' - [0-9]+$' "$BATS_TEST_TMPDIR/server")" 2000
    run docker logs cc
    expect_text 'configured logging driver does not support reading'
    docker wait cc
    docker rm cc
    kill "$server"
    wait "$server" || true
    run docker run --rm --log-driver syslog --log-opt syslog-address="tcp://127.0.0.1:$tcp" busybox true
    expect_status 125
    expect_text 'failed to initialize logging driver'
    docker rm -f "$(docker ps -aq)" 2>/dev/null || true
}

@test "mode=non-blocking: a container is not held up, what is dropped is counted; blocking loses nothing" {
    dhow_only "is not asked"
    local log
    docker run -d --name cc --log-opt mode=non-blocking --log-opt max-buffer-size=1m --log-opt max-size=-1 busybox sh -c \
        'i=0; while [ $i -lt 40 ]; do seq 100000; i=$((i+1)); done; while :; do sleep 1; echo last; done'
    log=$(docker inspect -f '{{.LogPath}}' cc)
    wait_logs cc '^last$' 60
    # Every message is in the log or counted.
    local written dropped
    written=$(docker logs cc 2>/dev/null | grep -cE '^([0-9]+|last)$')
    dropped=$(docker logs cc 2>&1 >/dev/null | sed -n 's/^\[\([0-9]*\) log messages were dropped here\]$/\1/p' | awk '{ n += $1 } END { print n + 0 }')
    echo "written $written, dropped $dropped" >&3
    local all=$((written + dropped))
    [ "$all" -ge 3990000 ] && [ "$all" -le 4010000 ]
    if [ "$dropped" -gt 0 ]; then
        ok api GET /containers/cc/json
        expect_text "\"LogDropped\":"
    fi
    [ -s "$log" ]
    docker rm -f cc
    docker run --name dd --log-driver local --log-opt mode=non-blocking busybox sh -c 'echo a; echo b >&2' >/dev/null
    ok docker logs dd
    expect_line a
    expect_line b
    docker rm dd
}

@test "mode=non-blocking with a log that stands still; mode=blocking with one" {
    dhow_only "is not asked"
    local mode writer
    for mode in non-blocking blocking; do
        local opts=(--log-opt "mode=$mode")
        [ $mode = non-blocking ] || opts=(--log-driver local)
        docker run -d --name cc "${opts[@]}" busybox sh -c 'while ! [ -e /go ]; do sleep 0.1; done; seq 1000000; touch /done; sleep 1000'
        if [ $mode = blocking ]; then
            docker exec cc touch /go
            wait_logs cc '^1000000$' 60
            [ "$(docker logs cc | wc -l)" = 1000000 ]
            docker rm -f cc
            continue
        fi
        writer=$(pgrep -P "$(ps -o ppid= "$(docker inspect -f '{{.State.Pid}}' cc)" | tr -d ' ')" -x dhow-log)
        kill -STOP "$writer"
        docker exec cc touch /go
        wait_until 10 docker exec cc test -e /done
        kill -CONT "$writer"
        wait_logs cc 'log messages were dropped here'
        wait_until 5 sh -c "curl -s --unix-socket '$E_SOCK' http://localhost/containers/cc/json | grep -q LogDropped"
        docker rm -f cc
    done
}

# Bytes that the daemon has read: /proc/PID/io, proc(5).
daemon_read() { awk '/^rchar/ { print $2 }' "/proc/$(cat "$E_PIDFILE")/io"; }

@test "a large log: its end, and what is since a time, without reading the rest" {
    dhow_only "is not asked"
    docker run --name cc --log-opt max-size=-1 busybox sh -c 'yes "$(seq -s , 120)" | head -c 200000000; sleep 1.1; echo last' >/dev/null
    local log before
    log=$(docker inspect -f '{{.LogPath}}' cc)
    [ "$(stat -c %s "$log")" -gt 200000000 ]
    # What a child has read counts as its parent's when it is reaped: the shim's is not a new daemon's.
    engine_signal TERM
    engine_start
    before=$(daemon_read)
    ok docker logs --tail 10 cc
    same "$(wc -l <<<"$output")" 10
    [ $(($(daemon_read) - before)) -lt 2000000 ]
    before=$(daemon_read)
    ok docker logs --since "$(docker logs -t --tail 1 cc | cut -d' ' -f1)" cc
    expect_match 'last$'
    same "$(wc -l <<<"$output")" 1
    [ $(($(daemon_read) - before)) -lt 20000000 ] # a bisection
    docker rm cc
}

# fake_journal [deaf]: a socket where journald's is; each entry becomes a line of JSON in $BATS_TEST_TMPDIR/journal. Deaf:
# nobody reads before a file called hear is there.
fake_journal() {
    JOURNAL=/run/systemd/journal
    [ ! -e "$JOURNAL/socket" ] || skip "there is a journald here"
    JOURNAL_MADE=$(for d in "$JOURNAL" "${JOURNAL%/*}"; do [ -d "$d" ] || printf '%s ' "$d"; done)
    mkdir -p "$JOURNAL"
    : >"$BATS_TEST_TMPDIR/journal"
    python3 - "$JOURNAL/socket" "$BATS_TEST_TMPDIR" "$@" 3>&- <<'END' &
import json, os, socket, struct, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while sys.argv[3:] and not os.path.exists(sys.argv[2] + "/hear"):
    time.sleep(0.05)
while True:
    data, entry = s.recv(1 << 20), {}
    while data:
        head, data = data.split(b"\n", 1)
        if b"=" in head:
            name, value = head.split(b"=", 1)
        else:
            name, (n,) = head, struct.unpack("<Q", data[:8])
            value, data = data[8:8 + n], data[9 + n:]
        entry[name.decode()] = value.decode("latin-1")
    with open(sys.argv[2] + "/journal", "a") as f:
        f.write(json.dumps(entry) + "\n")
END
    JOURNAL_PID=$!
    wait_until 10 test -S "$JOURNAL/socket"
}

end_journal() {
    [ -n "${JOURNAL_PID:-}" ] || return 0
    kill "$JOURNAL_PID"
    wait "$JOURNAL_PID" 2>/dev/null || true
    rm -f "$JOURNAL/socket"
    # shellcheck disable=SC2086
    [ -z "$JOURNAL_MADE" ] || rmdir $JOURNAL_MADE
    JOURNAL_PID=
}

entries_are() { [ "$(wc -l <"$BATS_TEST_TMPDIR/journal")" = "$1" ]; }

@test "driver journald: the fields, long lines, any bytes; not readable" {
    dhow_only "has its own journald"
    local id
    run docker run --rm --log-driver journald busybox true
    [ -e /run/systemd/journal/socket ] || expect_text 'failed to initialize logging driver'
    fake_journal
    id=$(docker run -d --name cc --label color=blue -e SHAPE=round --log-driver journald --log-opt tag='{{.Name}}/x' \
        --log-opt labels=color --log-opt env=SHAPE busybox sh -c \
        'echo to out; sleep 0.5; echo to err >&2; sleep 0.5; printf "\001\377=\033[0m\n\n"; head -c 20000 /dev/zero | tr "\0" x; echo; printf end')
    docker wait cc
    wait_until 10 entries_are 7 || fail "$(cut -c -300 "$BATS_TEST_TMPDIR/journal")"
    python3 - "$BATS_TEST_TMPDIR/journal" "$id" <<'END'
import json, sys
e = [json.loads(line) for line in open(sys.argv[1])]
for x in e:
    want = {"CONTAINER_ID": sys.argv[2][:12], "CONTAINER_ID_FULL": sys.argv[2], "CONTAINER_NAME": "cc",
            "CONTAINER_TAG": "cc/x", "SYSLOG_IDENTIFIER": "cc/x", "IMAGE_NAME": "busybox", "COLOR": "blue", "SHAPE": "round"}
    assert {k: x.get(k) for k in want} == want, x
    assert set(x) - set(want) <= {"MESSAGE", "PRIORITY", "CONTAINER_PARTIAL_MESSAGE"}, x
assert [x["PRIORITY"] for x in e] == ["6", "3", "6", "6", "6", "6", "6"], e
assert [x["MESSAGE"] for x in e] == ["to out", "to err", "\x01\xff=\x1b[0m", "", "x" * 16384, "x" * 3616, "end"], e
assert [x.get("CONTAINER_PARTIAL_MESSAGE") for x in e] == [None] * 4 + ["true", None, "true"], e
END
    run docker logs cc
    expect_status 1
    expect_text 'configured logging driver does not support reading'
    docker rm cc
    end_journal
}

# What the API says was left out of a log.
dropped() { api GET "/containers/$1/json" | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline()).get("LogDropped", 0))'; }
heard() { wc -l <"$BATS_TEST_TMPDIR/journal"; }
hears() { [ "$(heard)" -gt 0 ]; }
adds_up() { [ $(($(dropped cc) + $(grep -c '"MESSAGE": "[0-9]*"' "$BATS_TEST_TMPDIR/journal"))) = 300000 ]; }

@test "driver journald: when nobody reads the container is not held up, and can be ended" {
    dhow_only "has its own journald"
    fake_journal deaf
    docker run -d --name cc --log-driver journald --log-opt mode=non-blocking --log-opt max-buffer-size=64k busybox sh -c \
        'seq 300000; touch /dev/shm/done; exec sleep 1000'
    # It goes on when every queue is full.
    wait_until 60 docker exec cc test -e /dev/shm/done
    # What is left out is known meanwhile, and when it reads again each line was either sent or counted.
    counts() { [ "$(dropped cc)" -gt 100000 ]; }
    wait_until 30 counts || fail "counted: $(dropped cc)"
    touch "$BATS_TEST_TMPDIR/hear"
    wait_until 60 hears
    wait_until 60 adds_up || fail "dropped: $(dropped cc), heard: $(heard)"
    timeout 30 docker rm -f cc
    end_journal
}

@test "driver journald: what a container that is killed had no reader for is counted" {
    dhow_only "has its own journald"
    local before
    fake_journal deaf
    docker run -d --name cc --log-driver journald --log-opt mode=non-blocking --log-opt max-buffer-size=64k busybox sh -c \
        'seq 300000; touch /dev/shm/done; exec sleep 1000'
    wait_until 60 docker exec cc test -e /dev/shm/done
    docker kill cc
    before=$(dropped cc)
    touch "$BATS_TEST_TMPDIR/hear"
    wait_until 60 hears
    # What waits in the journal's own queue was sent.
    wait_until 10 adds_up || fail "dropped: $before, heard: $(heard)"
    same "$(dropped cc)" "$before"
    docker rm cc
    end_journal
}
