# The log of a container.

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
    docker run -d --name cc busybox sh -c 'echo one; echo two; sleep 1; echo three'
    wait_logs cc two
    ok docker logs -f --tail 1 cc
    expect_output $'two\nthree'
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
