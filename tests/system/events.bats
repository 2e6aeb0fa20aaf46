# Events, filters, templates, info. Also run with the docker CLI against dhowd.

load ../lib/helpers

setup_file() {
    setup_engine busybox
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
}

# until_event SINCE EVENT NAME: it is recorded.
until_event() {
    recorded() {
        docker events --since "$1" --until "$(date +%s.%N)" --filter "event=$2" --filter "container=$3" --format x | grep -q x
    }
    wait_until 10 recorded "$@"
}

@test "events of one life, in order" {
    local since
    since=$(date +%s.%N)
    docker run --name cc --rm busybox true
    until_event "$since" destroy cc
    ok docker events --since "$since" --until "$(date +%s.%N)" --filter type=container --format '{{.Action}} {{index .Actor.Attributes "name"}}'
    same "$(grep -v attach <<<"$output")" $'create cc\nstart cc\ndie cc\ndestroy cc'
}

@test "events: the line, the attributes, --filter" {
    local since id
    since=$(date +%s.%N)
    id=$(docker run -d --name cc -l colour=red busybox sh -c 'exit 3')
    docker wait cc
    docker rm cc
    until_event "$since" destroy cc
    ok docker events --since "$since" --until "$(date +%s.%N)" --filter event=die
    expect_match "^[0-9T:.+-]+(Z|[+-][0-9:]+)? container die $id \\(.*exitCode=3.*\\)$"
    expect_match 'image=busybox'
    expect_match 'colour=red'
    ok docker events --since "$since" --until "$(date +%s.%N)" --filter container=nosuch
    expect_output ""
    ok docker events --since "$since" --until "$(date +%s.%N)" --filter label=colour=red --filter event=start --format '{{json .}}'
    python3 -c '
import json, sys
e = json.load(sys.stdin)
assert e["Type"] == "container" and e["Action"] == "start" and e["Actor"]["ID"] == sys.argv[1], e
assert e["time"] and e["timeNano"] > 1e18, e
' "$id" <<<"$output"
}

@test "events as they come" {
    docker events --format '{{.Type}} {{.Action}}' >"$BATS_TEST_TMPDIR/events" 3>&- &
    local client=$!
    appears() { docker tag busybox:latest ev:x; file_has "$BATS_TEST_TMPDIR/events" 'image tag'; }
    wait_until 10 appears
    docker run --rm busybox true
    wait_until 5 file_has "$BATS_TEST_TMPDIR/events" 'container destroy'
    kill "$client"
    docker rmi ev:x
}

@test "events are kept and numbered across restarts of the daemon" {
    dhow_only "forgets its events"
    local since
    since=$(date +%s.%N)
    docker run --name cc --rm busybox true
    engine_stop
    engine_start
    docker run --name dd --rm busybox true
    until_event "$since" destroy dd
    ok docker events --since "$since" --until "$(date +%s.%N)" --filter type=container --format '{{.Action}} {{index .Actor.Attributes "name"}}'
    same "$(grep -v attach <<<"$output")" $'create cc\nstart cc\ndie cc\ndestroy cc\ncreate dd\nstart dd\ndie dd\ndestroy dd'
    ok curl -sS --unix-socket "$E_SOCK" "http://localhost/events?after=3&until=$(date +%s.%N)"
    python3 -c '
import json, sys
numbers = [json.loads(l)["sequence"] for l in sys.stdin]
assert numbers == list(range(4, 4 + len(numbers))) and len(numbers) > 8, numbers
' <<<"$output"
}

@test "a reader is told of events that are not known any more" {
    dhow_only "does not number its events"
    engine_stop
    for i in $(seq 8); do
        printf '{"n":%d,"t":%d,"type":"image","action":"tag","id":"x","a":{}}\n' "$i" "$i"
    done | sed '4,6d' >"$E_DIR/data/events/events.log"
    engine_start
    ok curl -sS --unix-socket "$E_SOCK" "http://localhost/events?after=2&until=$(date +%s.%N)"
    python3 -c '
import json, sys
e = [json.loads(l) for l in sys.stdin]
assert [x["sequence"] for x in e[:4]] == [3, 6, 7, 8], e
assert e[1]["Action"] == "events-lost" and e[1]["Actor"]["Attributes"]["lost"] == "3", e
' <<<"$output"
}

@test "a reader that is slow blocks nobody and loses nothing that is still known" {
    dhow_only "drops what a slow reader does not take"
    python3 - "$E_SOCK" <<'END'
import json, socket, sys
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    return s
slow = connect()
slow.sendall(b"GET /events?filters=%7B%22type%22%3A%5B%22image%22%5D%7D HTTP/1.0\r\n\r\n")
while b"\r\n\r\n" not in slow.recv(65536):
    pass
c = connect()
N = 9000
for i in range(N):
    c.sendall(b"POST /images/busybox:latest/tag?repo=ev&tag=x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    got = b""
    while b"\r\n\r\n" not in got:
        got += c.recv(65536)
    assert b" 201 " in got, got
numbers, rest = [], b""
while len(numbers) < N:
    rest += slow.recv(65536)
    *lines, rest = rest.split(b"\n")
    for l in lines:
        if l.strip():
            e = json.loads(l)
            assert e["Action"] == "tag", e
            numbers.append(e["sequence"])
assert numbers == list(range(numbers[0], numbers[0] + N))
END
    docker rmi ev:x
}

@test "ps --filter" {
    docker run -d --name runs -l a=1 busybox sleep 1000
    docker create --name made -l a=2 busybox
    docker run --name ended busybox sh -c 'exit 3' || true
    names() { docker ps -a --format '{{.Names}}' "$@" | sort | tr '\n' ' '; }
    same "$(names --filter status=running)" "runs "
    same "$(names --filter status=created --filter status=exited)" "ended made "
    same "$(names --filter name=run)" "runs "
    same "$(names --filter 'name=^/?made$')" "made "
    same "$(names --filter label=a)" "made runs "
    same "$(names --filter label=a=2)" "made "
    same "$(names --filter exited=3)" "ended "
    same "$(names --filter "id=$(docker inspect -f '{{.Id}}' made)")" "made "
    same "$(names --filter ancestor=busybox)" "ended made runs "
    same "$(names --filter since=runs)" "ended made "
    same "$(names --filter before=ended)" "made runs "
    same "$(names -n 2)" "ended made "
    run docker ps --filter nosuch=x
    [ "$status" -ne 0 ]
    expect_match "nvalid filter '?nosuch"
}

@test "a list of some members has these and no others" {
    dhow_only "dockerd takes no notice of it"
    docker create --name cc -l a=b busybox true
    ok api GET '/containers/json?all=1&members=Names,Labels,Nonsense'
    expect_line '[{"Names":["/cc"],"Labels":{"a":"b"}}]'
    ok api GET '/containers/json?all=1&members=SizeRw'
    expect_line '[{}]'
    ok api GET '/containers/json?all=1&size=1&members=SizeRw'
    expect_line '[{"SizeRw":0}]'
    docker rm cc
}

@test "ps --format: fields, table, json, functions" {
    local id
    id=$(docker run -d --name runs -l a=1 -l b=2 busybox sleep 1000)
    same "$(docker ps --format '{{.ID}} {{.Image}} {{.Command}} {{.Names}} {{.State}}')" \
        "${id:0:12} busybox \"sleep 1000\" runs running"
    same "$(docker ps --format '{{.Label "a"}} {{.Labels}}')" '1 a=1,b=2'
    ok docker ps --format 'table {{.Names}}\t{{.Status}}'
    [[ ${lines[0]} =~ ^NAMES\ +STATUS$ ]]
    [[ ${lines[1]} =~ ^runs\ +Up ]]
    ok docker ps --format '{{json .}}'
    python3 -c 'import json,sys; p=json.load(sys.stdin); assert p["Names"]=="runs" and p["State"]=="running", p' <<<"$output"
    expect_match '"Size":"[^"]*\(virtual '
    if modern_cli; then
        ok docker ps --format json
        python3 -c 'import json,sys; assert json.load(sys.stdin)["Names"]=="runs"' <<<"$output"
        expect_text '"Size":"0B"'
    fi
    same "$(docker ps --format '{{upper .Names}} {{lower .Image}} {{len .Names}}')" 'RUNS busybox 4'
    same "$(docker ps --format '{{if eq .Names "runs"}}yes{{else}}no{{end}}')" yes
    same "$(docker ps --no-trunc --format '{{.ID}}')" "$id"
    ok docker ps --size --format '{{.Size}}'
    expect_match '\(virtual '
}

@test "inspect -f: range, index, join, json, if, with, println, split, printf" {
    docker create --name cc -e A=1 -e B=2 -l x=y busybox echo one two
    same "$(docker inspect -f '{{json .Config.Cmd}}' cc)" '["echo","one","two"]'
    same "$(docker inspect -f '{{range .Config.Cmd}}<{{.}}>{{end}}' cc)" '<echo><one><two>'
    same "$(docker inspect -f '{{range $i, $e := .Config.Cmd}}{{$i}}={{$e}} {{end}}' cc)" '0=echo 1=one 2=two '
    same "$(docker inspect -f '{{index .Config.Cmd 1}}' cc)" one
    same "$(docker inspect -f '{{index .Config.Labels "x"}}' cc)" y
    same "$(docker inspect -f '{{join .Config.Cmd ","}}' cc)" 'echo,one,two'
    same "$(docker inspect -f '{{if .State.Running}}up{{else}}down{{end}}' cc)" down
    same "$(docker inspect -f '{{with .Config}}{{.Image}}{{end}}' cc)" busybox
    same "$(docker inspect -f '{{len .Config.Cmd}}' cc)" 3
    same "$(docker inspect -f '{{println .Name}}' cc)" /cc
    same "$(docker inspect -f '{{printf "%s-%d" .Name 7}}' cc)" '/cc-7'
    same "$(docker inspect -f '{{(index (split "a:b" ":") 1)}}' cc)" b
    same "$(docker inspect -f '{{.State.Running}} {{.State.Pid}}' cc)" 'false 0'
    same "$(docker inspect -f '{{title "hello"}} {{upper "x"}} {{lower "Y"}}' cc)" 'Hello X y'
    same "$(docker inspect -f '{{and true false}} {{or false true}} {{not true}} {{eq 1 1}} {{ne "a" "b"}} {{gt 2 1}}' cc)" \
        'false true false true true true'
    same "$(docker inspect -f '{{/* nothing */}}{{- " x " -}}' cc)" ' x '
    same "$(docker inspect --format='{{.Name}}' cc cc)" $'/cc\n/cc'
    ok docker inspect --type container cc
    ok docker inspect -s -f '{{.SizeRootFs}}' cc
    expect_match '^[0-9]+$'
}

@test "version and info" {
    ok docker version
    expect_match '^Client'
    expect_match '^Server'
    ok docker version -f '{{.Server.APIVersion}}'
    expect_match '^1\.[0-9]+$'
    ok docker version --format '{{json .}}'
    python3 -c 'import json,sys; v=json.load(sys.stdin); assert v["Client"] and v["Server"]["Os"]=="linux", v' <<<"$output"
    docker run -d --name cc busybox sleep 1000
    ok docker info
    expect_match '^ *Containers: 1$'
    expect_match '^ *Running: 1$'
    expect_match '^ *Storage Driver: '
    same "$(docker info -f '{{.ContainersRunning}}')" 1
    same "$(docker system info -f '{{.OSType}}')" linux
}

@test "events and others over plain HTTP" {
    run api GET /_ping
    expect_output $'OK\n200'
    run curl -sS -I --unix-socket "$E_SOCK" http://localhost/_ping
    expect_match '^Api-Version: 1\.[0-9]+'
    run api GET /version
    expect_text '"ApiVersion"'
    run api GET /v1.24/containers/json
    same "${lines[-1]}" 200
    run api GET /containers/json
    expect_output $'[]\n200' || expect_output $'[]\n\n200'
}
