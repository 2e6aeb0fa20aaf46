# Restart policies in every way that a person or a crash can interfere with them.

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

restarts() { docker inspect -f '{{.RestartCount}}' "$1"; }
restarted() { [ "$(restarts "$1")" -ge "$2" ]; }
crash() {
    engine_signal KILL
    if [ "$DHOW_ENGINE" = docker ]; then
        local pid
        pid=$(cat "$E_DIR/run/containerd/containerd.pid")
        wait_gone "$pid" 5 || kill -KILL "$pid"
    fi
}

@test "wait, kill, stop, start, restart and rm of one that restarts" {
    docker run -d --name loop --restart always busybox sh -c 'while [ -e /hold ]; do sleep 0.1; done; sleep 0.2; exit 5'
    ok docker wait loop
    expect_output 5
    wait_until 10 restarted loop 3
    wait_until 10 is_state loop restarting
    docker kill loop
    wait_state loop exited
    : >"$BATS_TEST_TMPDIR/hold"
    docker cp "$BATS_TEST_TMPDIR/hold" loop:/hold
    docker start loop
    same "$(restarts loop)" 0
    docker exec loop rm /hold || true # it ends with the container
    wait_until 10 restarted loop 3
    wait_until 10 is_state loop restarting
    docker stop loop
    same "$(state loop)" exited
    docker restart loop
    wait_until 10 restarted loop 3
    wait_until 10 is_state loop restarting
    refused() { run docker rm loop && [ "$status" -ne 0 ]; }
    wait_until 10 refused
    docker rm -f loop
    run docker inspect loop
    expect_status 1
}

@test "what is stopped stays stopped, a program's own end does not" {
    docker run -d --name web --restart unless-stopped busybox sleep 1000
    docker exec web kill -9 1 || true
    docker stop -t 0 web
    same "$(state web)" exited
    docker start web
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' web)
    kill -KILL "$pid"
    wait_until 10 restarted web 1
    wait_state web running
}

@test "a kill with another signal is no end when there is a stop signal" {
    docker run -d --name usr --restart always --stop-signal TERM busybox \
        sh -c 'trap "exit 3" USR1; echo ready; while :; do sleep 0.1; done'
    wait_logs usr ready
    docker kill -s USR1 usr
    wait_until 10 restarted usr 1
    wait_state usr running
    docker kill usr
    wait_state usr exited
}

@test "policies after the daemon's death: always, unless-stopped, on-failure, no" {
    local name pid
    docker run -d --name always --restart always busybox sleep 1000
    docker run -d --name stopped --restart unless-stopped busybox sleep 1000
    docker run -d --name unless --restart unless-stopped busybox sleep 1000
    docker run -d --name failed --restart on-failure busybox sleep 1000
    docker run -d --name no busybox sleep 1000
    docker run -d --name linked --link always:other --restart always busybox sleep 1000
    docker create --name never --restart always busybox sleep 1000
    docker stop -t 0 stopped
    local pids=()
    for name in always unless failed no linked; do
        pids+=("$(docker inspect -f '{{.State.Pid}}' $name)")
    done
    crash
    for pid in "${pids[@]}"; do
        kill -KILL "$pid"
    done
    engine_start
    for name in always unless failed linked; do
        wait_state "$name" running
    done
    same "$(state stopped)" exited
    same "$(state no)" exited
    same "$(state never)" created
    docker exec linked ping -c 1 -w 30 other
}

@test "a restart that was waiting when the daemon died" {
    docker run -d --name loop --restart always busybox sh -c 'echo tick'
    wait_until 10 restarted loop 4
    crash
    local n
    engine_start
    n=$(docker logs loop | wc -l)
    more() { [ "$(docker logs loop | wc -l)" -gt "$n" ]; }
    wait_until 10 more
}

@test "--init: zombies are reaped, signals arrive, exit codes pass" {
    docker run -d --name tree --init busybox sh -c '(sleep 0.2 &) ; (sleep 0.2 &) ; trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
    wait_logs tree ready
    # The orphans have ended, and have been reaped.
    reaped() { run docker exec tree ps -o pid,stat,args && ! grep -qE ' Z| sleep 0\.2$' <<<"$output"; }
    wait_until 10 reaped
    expect_match '^ +1 .*init'
    docker stop tree
    same "$(docker inspect -f '{{.State.ExitCode}}' tree)" 9
    run docker run --rm --init busybox sh -c 'exit 42'
    expect_status 42
    run -127 docker run --rm --init busybox nosuchprogram
    expect_status 127
    same "$(docker inspect -f '{{.HostConfig.Init}}' tree)" true
}

@test "a stop that the daemon does not outlive counts as one" {
    local pid waiting
    docker run -d --name cc --restart unless-stopped busybox sh -c 'trap "" TERM; while :; do sleep 0.1; done'
    pid=$(docker inspect -f '{{.State.Pid}}' cc)
    docker stop -t 60 cc &
    waiting=$!
    asked() { docker events --since 1m --until 0s --filter container=cc --filter event=kill | grep -q .; }
    wait_until 10 asked
    crash
    wait "$waiting" || true
    kill -KILL "$pid"
    wait_gone "$pid" 10
    engine_start
    wait_state cc exited
    sleep 1
    same "$(state cc)" exited
}
