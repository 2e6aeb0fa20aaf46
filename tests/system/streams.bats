# Standard streams, exit codes, terminals, signals. Also run with the docker CLI against dhowd.

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

sum_of() {
    sha256sum | cut -d' ' -f1
}

@test "1 MB of binary data through cat, both ways: run" {
    head -c 1048576 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    same "$(docker run --rm -i busybox cat <"$BATS_TEST_TMPDIR/data" | sum_of)" \
        "$(sum_of <"$BATS_TEST_TMPDIR/data")"
}

@test "1 MB of binary data through cat, both ways: exec" {
    head -c 1048576 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    docker run -d --name cc busybox sleep 1000
    same "$(docker exec -i cc cat <"$BATS_TEST_TMPDIR/data" | sum_of)" \
        "$(sum_of <"$BATS_TEST_TMPDIR/data")"
}

@test "1 MB of binary data through cat, both ways: start -ai" {
    head -c 1048576 /dev/urandom >"$BATS_TEST_TMPDIR/data"
    docker create -i --name cc busybox cat
    same "$(docker start -ai cc <"$BATS_TEST_TMPDIR/data" | sum_of)" \
        "$(sum_of <"$BATS_TEST_TMPDIR/data")"
}

@test "20 MB out, and a reader that starts late" {
    docker run -d --name other busybox sleep 1000
    same "$(docker run --rm busybox sh -c 'yes 0123456789abcdef | head -c 20000000' |
        { docker exec other true; sleep 1; wc -c; })" 20000000
}

@test "a reader that never reads does not hold the engine up" {
    docker run -d --name other busybox sleep 1000
    mkfifo "$BATS_TEST_TMPDIR/pipe"
    docker run --name slow busybox sh -c 'yes 0123456789abcdef | head -c 20000000' \
        >"$BATS_TEST_TMPDIR/pipe" 3>&- &
    exec 9<"$BATS_TEST_TMPDIR/pipe"
    wait_state slow running
    ok docker exec other echo alive
    expect_output alive
    ok docker ps -q
    # When it goes away, the container ends all the same.
    exec 9<&-
    wait_until 20 is_state slow exited
}

@test "standard output and standard error stay apart" {
    run --separate-stderr docker run --rm busybox sh -c 'echo out; echo err >&2'
    expect_status 0
    expect_output out
    same "$stderr" err
    docker run -d --name cc busybox sleep 1000
    run --separate-stderr docker exec cc sh -c 'echo out; echo err >&2'
    expect_output out
    same "$stderr" err
}

@test "-a chooses the streams" {
    run --separate-stderr docker run --rm -a stdout busybox sh -c 'echo out; echo err >&2'
    expect_status 0
    expect_output out
    same "$stderr" ""
    run --separate-stderr docker run --rm -a stderr busybox sh -c 'echo out; echo err >&2'
    expect_output ""
    same "$stderr" err
}

@test "the end of standard input reaches the program; its output goes on" {
    ok docker run --rm -i busybox sh -c 'cat; echo after; exit 0' <<<"line"
    expect_output $'line\nafter'
}

@test "a closed or absent standard input" {
    run docker run --rm -i busybox cat </dev/null
    expect_status 0
    expect_output ""
    run docker run --rm busybox sh -c 'cat; echo done' <&-
    expect_status 0
    expect_output 'done'
}

@test "exit codes are the program's; signals are 128+n" {
    local n
    for n in 0 1 42 125 255; do
        run docker run --rm busybox sh -c "exit $n"
        expect_status "$n"
    done
    docker run -d --name cc busybox sleep 1000
    for n in 0 7 255; do
        run docker exec cc sh -c "exit $n"
        expect_status "$n"
    done
    run docker exec cc sh -c 'kill -9 $$'
    expect_status 137
    run docker exec cc sh -c 'kill -TERM $$'
    expect_status 143
    docker run --name killed -d busybox sleep 1000
    docker kill -s KILL killed
    run docker wait killed
    expect_output 137
}

@test "125: the engine's own failures" {
    run docker run --rm --memory 1 busybox true
    expect_status 125
}

@test "wait tells the exit code, also of one that has ended" {
    docker run -d --name cc busybox sh -c 'sleep 0.3; exit 5'
    ok docker wait cc
    expect_output 5
    ok docker wait cc
    expect_output 5
}

@test "signals to the client reach the program (--sig-proxy)" {
    docker run --name cc busybox sh -c 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done' \
        >"$BATS_TEST_TMPDIR/out" 3>&- &
    local client=$!
    wait_until 10 file_has "$BATS_TEST_TMPDIR/out" ready
    kill -TERM "$client"
    local code=0
    wait "$client" || code=$?
    same "$code" 9
    file_has "$BATS_TEST_TMPDIR/out" 'got it'
}

@test "-it needs a terminal" {
    run docker run --rm -it busybox true </dev/null
    expect_status 1
    expect_text 'the input device is not a TTY'
}

@test "-t alone makes lines end with CR LF" {
    run docker run --rm -t busybox echo line </dev/null
    expect_status 0
    expect_output $'line\r'
}

@test "the terminal's size at the start and at each change: run" {
    run "$ON_PTY" -g 31x99 -e '/ # ' -s 'stty size\r' -e '31 99' -r 22x44 \
        -s 'until stty size | grep -q "22 44"; do sleep 0.05; done; echo now$((1))it\r' -e now1it \
        -s 'exit 3\r' -- docker run --rm -it busybox sh
    expect_status 3
}

@test "the terminal's size at the start and at each change: exec" {
    docker run -d --name cc busybox sleep 1000
    run "$ON_PTY" -g 31x99 -e '/ # ' \
        -s 'until stty size | grep -q "31 99"; do sleep 0.05; done; echo now$((1))it\r' -e now1it -r 22x44 \
        -s 'until stty size | grep -q "22 44"; do sleep 0.05; done; echo now$((2))it\r' -e now2it \
        -s 'exit 4\r' -- docker exec -it cc sh
    expect_status 4
}

@test "job control and Ctrl-Z, Ctrl-C, Ctrl-D on the terminal" {
    run "$ON_PTY" -e '/ # ' -s 'sh -c "echo go$((1)); exec sleep 1000"\r' -e 'go1' -s '\x1a' -e '/ # ' -s 'jobs\r' \
        -e 'Stopped' -s 'kill %1; fg\r' -e '/ # ' \
        -s 'echo c$((1))at; cat\r' -e 'c1at' -s 'text\r' -e 'text\s+text' -s '\x04' \
        -e '/ # ' -s 'exit 6\r' -- docker run --rm -it busybox sh
    expect_status 6
}

@test "TERM and the terminal's name in the container" {
    ok "$ON_PTY" -- docker run --rm -it busybox sh -c 'echo $TERM $(tty)'
    expect_text 'xterm /dev/pts/0'
}

@test "detach and attach again: run, exec" {
    run "$ON_PTY" -e '/ # ' -s 'X=kept\r' -d -- docker run -it --name shell busybox sh
    expect_status 0
    run "$ON_PTY" -s 'echo $X it\r' -e 'kept it' -d -- docker attach shell
    expect_detached
    run "$ON_PTY" -e '/ # ' -s 'Y=1\r' -e '/ # ' -d -- docker exec -it shell sh
    expect_detached
    same "$(state shell)" running
}

@test "other detach keys" {
    run "$ON_PTY" -e '/ # ' -s 'echo up$((1))\r' -e up1 -s '\x01x' -- \
        docker run -it --detach-keys ctrl-a,x --name shell busybox sh
    expect_status 0
    same "$(state shell)" running
    run "$ON_PTY" -s '\x10\x11' -s 'echo still$((1))\r' -e still1 -s '\x01x' -- \
        docker attach --detach-keys ctrl-a,x shell
    expect_detached
}

@test "two clients attached see the same" {
    docker run -dit --name shell busybox sh
    docker attach --no-stdin shell >"$BATS_TEST_TMPDIR/second" 3>&- </dev/null &
    local second=$!
    # It is there when it shows what somebody types.
    here() {
        "$ON_PTY" -s 'echo he""re\r' -e here -d -- docker attach shell || true
        file_has "$BATS_TEST_TMPDIR/second" here
    }
    wait_until 10 here
    run "$ON_PTY" -s 'echo both$((1))\r' -e both1 -s 'exit\r' -- docker attach shell
    wait "$second" || true
    file_has "$BATS_TEST_TMPDIR/second" both1
}

@test "attach without a terminal: output, then the container's exit code" {
    local code=0
    docker run -d --name cc busybox sh -c 'until [ -e /go ]; do echo tick; sleep 0.1; done; exit 3'
    in_bg attach docker attach cc
    wait_until 10 file_has "$BATS_TEST_TMPDIR/attach" tick
    docker exec cc touch /go || true # it ends with the container
    wait "$BG" || code=$?
    same "$code" 3
}

@test "exec: -d, -e, -w, -u, --privileged" {
    docker run -d --name cc busybox sleep 1000
    ok docker exec -d cc sh -c 'echo made >/tmp/made'
    expect_output ""
    wait_until 5 docker exec cc grep -q made /tmp/made
    ok docker exec -e A=b -e 'C=d e' cc sh -c 'echo $A $C'
    expect_output 'b d e'
    ok docker exec -w /var/log cc pwd
    expect_output /var/log
    ok docker exec -u nobody cc id -un
    expect_output nobody
    ok docker exec -u 12:34 cc sh -c 'id -u; id -g'
    expect_output $'12\n34'
    ok docker exec cc grep CapEff /proc/self/status
    expect_match '00000000a80425fb'
}

@test "exec --privileged" {
    # Docker asks for CAP_SYS_RESOURCE even where nobody can have it.
    dhow_only "fails on machines with fewer capabilities"
    docker run -d --name cc busybox sleep 1000
    ok docker exec --privileged cc grep CapEff /proc/self/status
    expect_no_match 'a80425fb'
}

@test "many execs at once" {
    docker run -d --name cc busybox sleep 1000
    local i pids=()
    for i in $(seq 20); do
        docker exec cc echo "number $i" >"$BATS_TEST_TMPDIR/$i" 3>&- &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i"
    done
    for i in $(seq 20); do
        same "$(cat "$BATS_TEST_TMPDIR/$i")" "number $i"
    done
}

@test "exec that outlives nothing: the container's end ends it" {
    docker run -d --name cc busybox sleep 1000
    docker exec cc sleep 1000 3>&- &
    local client=$!
    wait_until 5 sh -c 'docker top cc | grep -c "sleep 1000" | grep -q 2'
    docker kill cc
    local code=0
    wait "$client" || code=$?
    same "$code" 137
}

@test "--rm removes at the end, also when the client has gone" {
    docker run --rm -d --name brief busybox sleep 0.3
    gone() { ! docker inspect brief >/dev/null 2>&1; }
    wait_until 10 gone
    docker run --rm --name loud busybox sleep 1000 3>&- >/dev/null &
    local client=$!
    wait_until 10 sh -c 'docker inspect loud >/dev/null 2>&1'
    wait_state loud running
    kill -KILL "$client"
    wait "$client" || true
    same "$(state loud)" running
    docker kill loud
    gone() { ! docker inspect loud >/dev/null 2>&1; }
    wait_until 10 gone
}
