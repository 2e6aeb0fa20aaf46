# What is wrong gets Docker's words (or clearer ones), a code other than 0, and leaves nothing behind.

load ../lib/helpers

setup_file() {
    "$ROOT/scripts/images" build ff
    setup_engine busybox nginx
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
    assert_nothing_left
}

api_status() {
    same "$(tail -n 1 <<<"$1")" "$2" || { printf '%s\n' "$1" >&2; return 1; }
}

# Docker 20.10 answers 500 where it means 400.
bad_request() {
    if [ "$DHOW_ENGINE" = dhow ]; then
        api_status "$1" 400
    else
        [[ $(tail -n 1 <<<"$1") == [45]?? ]]
    fi
}

# ---- the command line ----

@test "an unknown flag" {
    run --separate-stderr docker run --nosuchflag busybox true
    expect_status 125
    expect_error 'unknown flag: --nosuchflag'
    run --separate-stderr docker ps --nosuchflag
    [ "$status" -ne 0 ]
    expect_error 'unknown flag: --nosuchflag'
    run --separate-stderr docker ps -Z
    [ "$status" -ne 0 ]
    expect_error "unknown shorthand flag: 'Z' in -Z"
}

@test "an unknown command" {
    run --separate-stderr docker nosuchcommand
    expect_status 1
    expect_error 'nosuchcommand'
    run --separate-stderr docker container nosuchcommand
    [ "$status" -ne 0 ]
}

@test "too few and too many arguments" {
    run --separate-stderr docker run
    [ "$status" -ne 0 ]
    expect_error 'requires at least 1 argument'
    run --separate-stderr docker rename one
    [ "$status" -ne 0 ]
    expect_error 'requires 2 arguments'
    run --separate-stderr docker ps extra
    [ "$status" -ne 0 ]
    expect_error 'accepts no arguments'
}

@test "values that do not parse" {
    local flags
    for flags in "-m banana" "-p notaport" "-p 1:2:3:4:5" "--restart sometimes" "-e =x" "--net=nosuchnet" \
        "--cpus many" "-v relative:/x:zz" "--ulimit nofile" "--link :x"; do
        # shellcheck disable=SC2086
        run docker run --rm $flags busybox true
        expect_status 125
        [ -n "$output" ]
    done
}

@test "a name that is no name" {
    run --separate-stderr docker create --name 'no/name' busybox
    expect_status 1
    expect_error 'Invalid container name (no/name), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'
}

@test "an image reference that is none" {
    run --separate-stderr docker run --rm UPPER/Case true
    expect_status 125
    expect_error 'invalid reference format: repository name'
    expect_error 'must be lowercase'
}

@test "a broken template" {
    run --separate-stderr docker ps --format '{{.Names'
    [ "$status" -ne 0 ]
    expect_error 'unclosed action'
    run --separate-stderr docker inspect -f '{{.NoSuchField.Really}}' busybox
    [ "$status" -ne 0 ]
}

# ---- images, names, ports ----

@test "an unknown image" {
    run --separate-stderr docker run --rm localhost:1/nosuch true
    expect_status 125
    expect_error "Unable to find image 'localhost:1/nosuch:latest' locally"
    expect_error 'Error response from daemon: '
    run --separate-stderr docker rmi nosuch:tag
    expect_status 1
    expect_error 'No such image: nosuch:tag'
    run --separate-stderr docker tag nosuch:tag x:y
    expect_status 1
    expect_error 'No such image: nosuch:tag'
    run --separate-stderr docker inspect nosuch
    expect_status 1
    expect_error 'No such object: nosuch'
    same "$output" '[]'
}

@test "a name in use" {
    local id
    id=$(docker create --name webid busybox)
    run --separate-stderr docker create --name webid busybox
    expect_status 1
    expect_error "Conflict. The container name \"/webid\" is already in use by container \"$id\". You have to remove (or rename) that container to be able to reuse that name."
    docker create --name other busybox
    run --separate-stderr docker rename other webid
    expect_status 1
    expect_error 'Conflict. The container name "/webid" is already in use by container'
}

@test "a host port that another container has" {
    docker run -d --name first -p 28080:80 busybox sleep 1000
    run --separate-stderr docker run -d --name second -p 28080:80 busybox sleep 1000
    expect_status 125
    expect_error 'driver failed programming external connectivity on endpoint second ('
    expect_error 'Bind for 0.0.0.0:28080 failed: port is already allocated'
    # As with Docker, the container is there, made but not started.
    same "$(state second)" created
    docker stop -t 0 first
    ok docker start second
}

@test "a host port that a foreign program has" {
    python3 - 3>&- <<-'END' &
	import socket, time
	s = socket.socket()
	s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	s.bind(("0.0.0.0", 28081))
	s.listen()
	time.sleep(60)
	END
    local holder=$!
    wait_until 5 sh -c 'ss -ltn | grep -q :28081'
    run --separate-stderr docker run -d --name second -p 28081:80 busybox sleep 1000
    kill "$holder"
    expect_status 125
    expect_error 'driver failed programming external connectivity on endpoint second ('
    expect_error 'address already in use'
}

# ---- commands in containers ----

@test "a missing command is 127" {
    run -127 --separate-stderr docker run --rm busybox nosuchprogram
    expect_error 'exec: "nosuchprogram": executable file not found in $PATH'
    run -127 --separate-stderr docker run --rm busybox /no/such/program
    expect_error '/no/such/program: no such file or directory'
    docker run -d --name runs busybox sleep 1000
    # Docker 20.10 said 126 here.
    if [ "$DHOW_ENGINE" = dhow ]; then
        run -127 docker exec runs nosuchprogram
    else
        run -126 docker exec runs nosuchprogram
    fi
    expect_text 'exec: "nosuchprogram": executable file not found in $PATH'
}

@test "a command that is not executable is 126" {
    run --separate-stderr docker run --rm busybox /etc/passwd
    expect_status 126
    expect_error '/etc/passwd'
    expect_error 'permission denied'
    run --separate-stderr docker run --rm busybox /etc
    expect_status 126
    docker run -d --name runs busybox sleep 1000
    run docker exec runs /etc/passwd
    expect_status 126
    expect_text 'permission denied'
}

@test "no command at all" {
    docker import - nocommand:latest <"$CACHE/images/busybox.tar" >/dev/null
    run --separate-stderr docker run --rm nocommand
    docker rmi nocommand >/dev/null
    expect_status 125
    expect_error 'o command specified'
}

@test "a user, a group, a directory that cannot be" {
    run docker run --rm -u nosuchuser busybox true
    [ "$status" -ne 0 ]
    expect_text 'unable to find user nosuchuser: no matching entries in passwd file'
    run docker run --rm -u root:nosuchgroup busybox true
    [ "$status" -ne 0 ]
    expect_text 'unable to find group nosuchgroup: no matching entries in group file'
    run docker run --rm -w relative busybox true
    expect_status 125
    expect_text "the working directory 'relative' is invalid, it needs to be an absolute path"
    run docker run --rm -w /etc/passwd busybox true
    [ "$status" -ne 0 ]
}

@test "an exec that cannot begin says why" {
    docker run -d --name runs busybox sleep 1000
    run -126 docker exec -u nosuchuser runs true
    expect_text 'unable to find user nosuchuser: no matching entries in passwd file'
    run -126 docker exec -t -u nosuchuser runs true
    expect_text 'unable to find user nosuchuser: no matching entries in passwd file'
    # Nobody reaches what runs in it any more.
    dhow_only "takes its shim away"
    rm -r "$E_DIR"/run/containers/*
    run -126 docker exec runs true
    expect_text 'has ended'
}

# ---- states ----

@test "a link to a container that does not run" {
    docker create --name target busybox
    docker create --name source --link target:tt busybox
    run --separate-stderr docker start source
    expect_status 1
    expect_error 'Error response from daemon: Cannot link to a non running container: /target AS /source/tt'
}

@test "removal of a running container" {
    local id
    id=$(docker run -d --name runs busybox sleep 1000)
    run --separate-stderr docker rm runs
    expect_status 1
    expect_error 'Error response from daemon: '
    [[ $stderr == *"$id"* || $stderr == *'"/runs"'* ]]
    [[ $stderr =~ (running\ container|container\ is\ running) ]]
    same "$(state runs)" running
}

@test "start of a paused container, exec in it" {
    docker run -d --name paused busybox sleep 1000
    docker pause paused
    run --separate-stderr docker start paused
    expect_status 1
    expect_error 'cannot start a paused container, try unpause instead'
    run --separate-stderr docker pause paused
    expect_status 1
    expect_error 'is already paused'
    run docker exec paused true
    expect_status 1
    expect_text 'is paused, unpause the container before exec'
    docker unpause paused
    run --separate-stderr docker unpause paused
    expect_status 1
    expect_error 'is not paused'
}

@test "exec, attach, kill, top, pause of a stopped container" {
    local id
    id=$(docker create --name stopped busybox)
    run --separate-stderr docker exec stopped true
    expect_status 1
    expect_error "$id is not running"
    run --separate-stderr docker attach stopped
    expect_status 1
    expect_error 'annot attach to a stopped container, start it first'
    run --separate-stderr docker kill stopped
    expect_status 1
    expect_error 'is not running'
    run --separate-stderr docker top stopped
    expect_status 1
    expect_error 'is not running'
    run --separate-stderr docker pause stopped
    expect_status 1
    expect_error 'is not running'
    # Stopping what is stopped is no error.
    ok docker stop stopped
}

@test "containers that are not there" {
    local verb
    for verb in start stop restart kill pause unpause wait rm port logs attach top inspect; do
        run --separate-stderr docker "$verb" nosuch
        expect_status 1
        [[ $stderr =~ No\ such\ (container|object):\ nosuch ]] || fail "$verb: $stderr"
    done
    run --separate-stderr docker exec nosuch true
    expect_status 1
    expect_error 'No such container: nosuch'
    run --separate-stderr docker rename nosuch other
    expect_status 1
    expect_error 'No such container: nosuch'
}

@test "an ID that two containers share" {
    local i
    # 17 IDs share a first digit at least twice.
    for ((i = 0; i < 17; i++)); do
        docker create busybox
    done >"$BATS_TEST_TMPDIR/ids"
    local digit
    digit=$(cut -c1 "$BATS_TEST_TMPDIR/ids" | sort | uniq -d | head -n 1)
    run --separate-stderr docker start "$digit"
    expect_status 1
    expect_error "ultiple IDs found with provided prefix: $digit"
}

@test "an unknown signal" {
    docker run -d --name runs busybox sleep 1000
    run --separate-stderr docker kill -s NOSUCH runs
    expect_status 1
    expect_error 'nvalid signal: NOSUCH'
    same "$(state runs)" running
}

@test "one wrong target does not spare the others" {
    docker run -d --name aa busybox sleep 1000
    run --separate-stderr docker rm -f nosuch aa
    expect_line aa
    same "$(docker ps -aq)" ""
}

# ---- the API ----

@test "malformed JSON" {
    bad_request "$(api POST /v1.41/containers/create '{"Image": ')" 400
    bad_request "$(api POST /v1.41/containers/create 'banana')" 400
    bad_request "$(api POST /v1.41/containers/create '[]')" 400
    bad_request "$(api POST /v1.41/containers/create '')" 400
    same "$(docker ps -aq)" ""
}

@test "JSON fields of the wrong type" {
    local body out
    for body in '{"Image": 5}' '{"Image":"busybox","Cmd":{"a":1}}' '{"Image":"busybox","Env":"A=b"}' \
        '{"Image":"busybox","Tty":"yes"}' '{"Image":"busybox","HostConfig":[]}' \
        '{"Image":"busybox","HostConfig":{"Memory":"lots"}}' \
        '{"Image":"busybox","HostConfig":{"PortBindings":{"80/tcp":"8080"}}}'; do
        out=$(api POST /v1.41/containers/create "$body")
        bad_request "$out" 400
        # An error is {"message": "..."}.
        python3 -c 'import json,sys; assert json.loads(sys.stdin.readline())["message"]' <<<"$out"
    done
    same "$(docker ps -aq)" ""
}

@test "JSON nested without end" {
    dhow_only "its parser takes it"
    python3 -c 'print("[" * 100000)' >"$BATS_TEST_TMPDIR/deep"
    bad_request "$(api POST /v1.41/containers/create "@$BATS_TEST_TMPDIR/deep")" 400
}

@test "a 100 MB body where none belongs" {
    local before after
    head -c 104857600 /dev/zero >"$BATS_TEST_TMPDIR/big"
    docker create --name it busybox
    run curl -sS --max-time 60 --unix-socket "$E_SOCK" -X POST -H 'Content-Type: application/json' \
        --data-binary "@$BATS_TEST_TMPDIR/big" -o /dev/null -w '%{http_code}' \
        http://localhost/v1.41/containers/it/rename?name=new
    # Refused, ignored or hung up on; but the daemon lives and has not swallowed it.
    ok docker version
    if [ "$DHOW_ENGINE" = dhow ]; then
        after=$(awk '/^VmHWM/ { print $2 }' "/proc/$(cat "$E_PIDFILE")/status")
        [ "$after" -lt 100000 ] || fail "the daemon grew to $after KB"
    fi
    run curl -sS --max-time 60 --unix-socket "$E_SOCK" -X POST -H 'Content-Type: application/json' \
        --data-binary "@$BATS_TEST_TMPDIR/big" -o /dev/null -w '%{http_code}' \
        http://localhost/v1.41/containers/create
    [[ $output != 2* ]] || fail "status $output"
    ok docker ps
}

@test "paths, versions and methods that are not there" {
    api_status "$(api GET /v1.41/nosuch)" 404
    api_status "$(api GET /v1.41/containers/nosuch/json)" 404
    api_status "$(api GET /v9.99/version)" 400
    api_status "$(api GET /v1.1/version)" 400
    run api GET '/v1.41/containers/json?limit=banana'
    [[ ${lines[-1]} != 2* ]]
    run api GET '/v1.41/containers/json?filters=banana'
    [[ ${lines[-1]} == [45]* ]]
    run api GET '/v1.41/containers/..%2f..%2fetc%2fpasswd/json'
    [[ ${lines[-1]} == [34]* ]]
}

@test "requests cut short and garbage on the socket" {
    local i
    for i in 1 2 3 4 5; do
        python3 - "$E_SOCK" <<-'END'
	import socket, sys
	for text in (b"GET /v1.41/vers", b"\x00\xff" * 1000, b"POST /v1.41/containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", b"GET / HTTP/9.9\r\n\r\n", b"A" * 100000):
	    s = socket.socket(socket.AF_UNIX)
	    s.connect(sys.argv[1])
	    try:
	        s.sendall(text)
	    except BrokenPipeError:
	        pass
	    s.close()
	END
    done
    ok docker version
    same "$(docker ps -aq)" ""
}

# ---- archives ----

images_now() {
    docker images -a --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort
}

@test "an image archive cut in half" {
    local before half
    before=$(images_now)
    docker tag busybox:latest cut:one
    docker save -o "$BATS_TEST_TMPDIR/whole.tar" cut:one
    docker rmi cut:one
    half=$(($(stat -c %s "$BATS_TEST_TMPDIR/whole.tar") / 2))
    head -c "$half" "$BATS_TEST_TMPDIR/whole.tar" >"$BATS_TEST_TMPDIR/half.tar"
    run docker load -i "$BATS_TEST_TMPDIR/half.tar"
    [ "$status" -ne 0 ] || fail "loaded: $output"
    [ -n "$output" ]
    head -c 10 "$BATS_TEST_TMPDIR/whole.tar" >"$BATS_TEST_TMPDIR/crumb.tar"
    run docker load -i "$BATS_TEST_TMPDIR/crumb.tar"
    [ "$status" -ne 0 ]
    same "$(images_now)" "$before"
}

@test "an image archive whose digest is wrong" {
    local before
    before=$(images_now)
    "$BATS_TEST_DIRNAME/../lib/make-image" --corrupt "$CACHE/images/ff.tar" wrong:digest \
        "$BATS_TEST_TMPDIR/wrong.tar"
    run docker load -i "$BATS_TEST_TMPDIR/wrong.tar"
    [ "$status" -ne 0 ] || fail "loaded: $output"
    same "$(images_now)" "$before"
}

@test "archives that are none" {
    local before
    before=$(images_now)
    run docker load <<<"this is not a tar archive, not even nearly"
    [ "$status" -ne 0 ]
    run docker load -i "$BATS_TEST_TMPDIR/nosuch.tar"
    expect_status 1
    expect_text 'no such file or directory'
    # However short it is: an error with a sentence, not a stream that breaks off.
    run curl -sS -w '%{http_code}' --unix-socket "$E_SOCK" -X POST --data-binary junk \
        -H 'Content-Type: application/x-tar' http://d/v1.41/images/load
    expect_status 0
    expect_match 'message'
    printf 'this is not a tar archive' >"$BATS_TEST_TMPDIR/text"
    run docker import "$BATS_TEST_TMPDIR/text" x:y
    [ "$status" -ne 0 ] || docker rmi x:y
    tar -C "$BATS_TEST_TMPDIR" -cf "$BATS_TEST_TMPDIR/noimage.tar" text
    run docker load -i "$BATS_TEST_TMPDIR/noimage.tar"
    [ "$status" -ne 0 ]
    same "$(images_now)" "$before"
}

@test "an archive with paths that climb out of the root" {
    local name
    "$BATS_TEST_DIRNAME/../lib/make-evil" "$CACHE/images/busybox.tar" "$BATS_TEST_TMPDIR/evil.tar" \
        "$BATS_TEST_TMPDIR/outside"
    mkdir "$BATS_TEST_TMPDIR/outside"
    # Refused, or taken with everything kept inside: both are well.
    run docker import "$BATS_TEST_TMPDIR/evil.tar" evil:latest
    [ "$status" -ne 0 ] || docker rmi evil:latest
    same "$(ls -A "$BATS_TEST_TMPDIR/outside")" ""
    for name in dhow-evil-dots dhow-evil-absolute; do
        ! [ -e "/tmp/$name" ] || fail "/tmp/$name was written"
        ! [ -e "/$name" ] || fail "/$name was written"
    done
    [ -z "$(find "$E_DIR/data" -maxdepth 3 -name 'dhow-evil*')" ]
}

@test "a bad change line in import" {
    run docker import -c 'FROM scratch' - x:y <"$CACHE/images/busybox.tar"
    [ "$status" -ne 0 ]
    run docker import -c 'CMD [' - x:y <"$CACHE/images/busybox.tar"
    # Docker takes what is no JSON as a shell command.
    [ "$status" -ne 0 ] || docker rmi x:y
    [ -z "$(docker images -q x:y)" ]
}

@test "removal of an image in use" {
    docker tag busybox:latest inuse:latest
    docker create --name uses inuse:latest
    run --separate-stderr docker rmi "$(docker images -q --no-trunc busybox:latest)"
    expect_status 1
    expect_error 'conflict: unable to delete'
    docker rm uses
    ok docker rmi inuse:latest
}

# ---- what a creation lets through ----

@test "a container whose namespace is to be shared is missing: said of it, not of the image" {
    local kind
    for kind in pid ipc; do
        run --separate-stderr docker run --rm --$kind container:nosuch busybox true
        expect_status 125
        expect_error 'No such container: nosuch'
        [[ $stderr != *'Unable to find image'* ]]
    done
}

@test "--tmpfs at a relative path" {
    run --separate-stderr docker run --rm --tmpfs relative busybox true
    expect_status 125
    expect_error "invalid mount path: 'relative' mount path must be absolute"
}

@test "too little memory, a negative number of CPUs, CPUs and a quota" {
    run --separate-stderr docker run --rm -m 4k busybox true
    expect_status 125
    expect_error 'Minimum memory limit allowed is '
    run --separate-stderr docker run --rm --cpus -1 busybox true
    expect_status 125
    expect_error 'ange of CPUs is from 0.01 to'
    run --separate-stderr docker run --rm --cpus 1 --cpu-quota 5000 busybox true
    expect_status 125
    expect_error 'Nano CPUs and CPU Quota cannot both be set'
}

@test "--ipc none has no /dev/shm" {
    run --separate-stderr docker run --rm --ipc none busybox grep -c ' /dev/shm ' /proc/mounts
    expect_status 1
    same "$output" 0
}
