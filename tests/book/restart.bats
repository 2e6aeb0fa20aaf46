# Chapter 2, automatically restarting containers: rows RST.

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

@test "RST-01 RST-10: the four policies, given at creation" {
    docker run -d --name never busybox:1.29 sh -c 'exit 1'
    docker run -d --name failing --restart on-failure busybox:1.29 sh -c 'exit 1'
    docker run -d --name thrice --restart on-failure:3 busybox:1.29 sh -c 'echo try; exit 7'
    docker run -d --name happy --restart on-failure busybox:1.29 true
    docker run -d --name always --restart always busybox:1.29 true
    wait_state never exited
    same "$(restarts never)" 0
    wait_until 10 restarted failing 2
    wait_until 10 restarted always 2
    given_up() { [ "$(docker inspect -f '{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}' thrice)" = "exited 3 7" ]; }
    wait_until 10 given_up
    same "$(docker logs thrice | wc -l)" 4
    wait_state happy exited
    same "$(docker inspect -f '{{.State.Status}} {{.RestartCount}}' happy)" "exited 0"
    same "$(docker inspect -f '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}' thrice)" \
        "on-failure 3"
    run docker run --restart sometimes busybox:1.29 true
    expect_status 125
    run docker run --rm --restart always busybox:1.29 true
    [ "$status" -ne 0 ]
    expect_text '--rm'
}

@test "RST-02 RST-03 SCN-08: the back-off doubles" {
    docker run -d --name backoff-detector --restart always busybox:1.29 date +%s%N
    said() { [ "$(docker logs backoff-detector | wc -l)" -ge 6 ]; }
    wait_until 15 said
    # Of busybox's own clock only seconds are left: starts as the log has them.
    docker logs -t backoff-detector | cut -d' ' -f1 | {
        # 100, 200, 400, 800, 1600 ms: a busy machine takes longer, but none less.
        local line before=0 now gap least=100 first=''
        while read -r line; do
            now=$(date -d "$line" +%s%N)
            gap=$(((now - before) / 1000000))
            if [ "$before" -ne 0 ]; then
                echo "$gap ms, at least $least"
                [ "$gap" -ge "$least" ] || exit 1
                first=${first:-$gap} least=$((least * 2))
            fi
            before=$now
        done
        [ "$least" -ge 3200 ] && [ "$gap" -gt "$first" ]
    }
}

@test "RST-04: logs -f goes on across restarts" {
    dhow_only "20.10 ends the following with the first end of the container"
    docker run -d --name backoff-detector --restart always busybox:1.29 date
    docker logs -f backoff-detector >"$BATS_TEST_TMPDIR/out" 3>&- &
    local client=$!
    lines() { [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -ge "$1" ]; }
    wait_until 10 lines 4
    docker stop backoff-detector
    wait_until 10 sh -c "! kill -0 $client 2>/dev/null"
}

@test "RST-05 RST-06 RST-07 RST-08: while restarting nothing runs in it" {
    docker run -d --name backoff-detector --restart always busybox:1.29 date
    wait_until 10 restarted backoff-detector 3
    refused() {
        run docker exec backoff-detector echo Just a Test
        [[ $output == *"ontainer $(docker inspect -f '{{.Id}}' backoff-detector) is restarting, wait until the container is running"* ]]
    }
    wait_until 10 refused
    same "$status" 1
    wait_until 10 is_state backoff-detector restarting
    ok docker ps --filter name=backoff-detector --format '{{.Status}}'
    expect_match '^(Restarting \(0\) .* ago|Up .*)$'
}

@test "RST-09: stop ends the loop and harms nobody, rm removes all" {
    docker run -d --name backoff-detector --restart always busybox:1.29 date
    docker run -d --name ended busybox:1.29 true
    docker create --name created busybox:1.29 true
    wait_until 10 restarted backoff-detector 3
    # shellcheck disable=SC2046
    docker stop $(docker ps -aq)
    same "$(state backoff-detector)" exited
    local n
    n=$(restarts backoff-detector)
    sleep 2
    same "$(restarts backoff-detector)" "$n"
    # shellcheck disable=SC2046
    docker rm $(docker ps -aq)
    same "$(docker ps -aq)" ''
}
