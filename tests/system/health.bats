# Health checks: states, results, events, filters.

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

health() { docker inspect -f '{{.State.Health.Status}}' "$1"; }
is_health() { [ "$(health "$1")" = "$2" ]; }

@test "starting, healthy, unhealthy, and healthy again" {
    local since
    since=$(date +%s.%N)
    # Without /go the first check does not end.
    docker run -d --name web --health-cmd \
        'until [ -e /go ]; do sleep 0.1; done; test -e /tmp/well && echo fine || { echo ill; exit 3; }' \
        --health-interval 200ms --health-retries 2 --health-timeout 10m busybox sleep 1000
    is_health web starting
    ok docker ps --filter name=web --format '{{.Status}}'
    expect_match 'health: starting'
    docker exec web touch /go
    wait_until 10 is_health web unhealthy
    ok docker ps --filter health=unhealthy --format '{{.Names}} {{.Status}}'
    expect_match '^web Up .* \(unhealthy\)$'
    docker exec web touch /tmp/well
    wait_until 10 is_health web healthy
    same "$(docker inspect -f '{{.State.Health.FailingStreak}}' web)" 0
    ok docker inspect -f '{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}' web
    expect_match '^0 fine'
    five() { [ "$(docker inspect -f '{{len .State.Health.Log}}' web)" -eq 5 ]; }
    wait_until 10 five
    ok docker events --since "$since" --until "$(date +%s.%N)" --filter container=web --format '{{.Action}}'
    expect_line 'health_status: unhealthy'
    expect_line 'health_status: healthy'
    # Probes leave nothing for a client to see.
    docker exec web rm /go
    docker stop -t 0 web
    no_execs() { [ "$(docker inspect -f '{{len .ExecIDs}}' web)" -eq 0 ]; }
    wait_until 10 no_execs
    ok docker ps -a --filter name=web --format '{{.Status}}'
    expect_no_match health
    docker start web
    is_health web starting
}

@test "a check that hangs is ended; the start period excuses" {
    docker run -d --name slow --health-cmd 'sleep 100' --health-timeout 300ms --health-interval 100ms \
        --health-retries 1 busybox sleep 1000
    wait_until 10 is_health slow unhealthy
    ok docker inspect -f '{{(index .State.Health.Log 0).Output}} {{(index .State.Health.Log 0).ExitCode}}' slow
    expect_text 'Health check exceeded timeout (300ms)'
    expect_text ' -1'
    docker run -d --name young --health-cmd 'exit 1' --health-interval 100ms --health-retries 1 \
        --health-start-period 1h busybox sleep 1000
    thrice() { [ "$(docker inspect -f '{{len .State.Health.Log}}' young)" -ge 3 ]; }
    wait_until 10 thrice
    is_health young starting
}

@test "the image's check, and --no-healthcheck" {
    docker import -c 'HEALTHCHECK --interval=100ms CMD ["true"]' - test/checked <"$CACHE/images/busybox.tar" >/dev/null
    docker run -d --name checked test/checked sleep 1000
    wait_until 10 is_health checked healthy
    docker run -d --name free --no-healthcheck test/checked sleep 1000
    same "$(docker inspect -f '{{if .State.Health}}yes{{else}}no{{end}}' free)" no
    docker pause checked
    ok docker ps --filter name=checked --format '{{.Status}}'
    expect_match 'Paused'
    docker unpause checked
    docker rm -f checked free
    docker rmi test/checked
}

@test "a new daemon goes on asking" {
    docker run -d --name web --health-cmd true --health-interval 200ms busybox sleep 1000
    wait_until 10 is_health web healthy
    engine_signal KILL
    if [ "$DHOW_ENGINE" = docker ]; then
        kill -KILL "$(cat "$E_DIR/run/containerd/containerd.pid")" || true
    fi
    engine_start
    wait_until 20 is_health web healthy
}

@test "what is known of the health survives the daemon; a restart begins anew" {
    dhow_only "20.10 has no --health-start-interval"
    local opts=(--health-interval 1h --health-start-period 1h --health-start-interval 100ms)
    # Asked once more in an hour: what is said before then is remembered.
    [ "$CLI" = docker ] && ! modern_cli && return 0
    docker run -d --name web --health-cmd 'echo fine' "${opts[@]}" busybox sleep 1000
    docker run -d --name bad --health-cmd 'while [ -e /hold ]; do sleep 0.1; done; echo ill; exit 3' --health-interval 1s \
        --health-retries 1 --health-timeout 10m busybox sleep 1000
    wait_until 10 is_health web healthy
    wait_until 10 is_health bad unhealthy
    local said
    said=$(docker inspect -f '{{json .State.Health}}' web)
    engine_signal KILL
    engine_start
    is_health web healthy
    is_health bad unhealthy
    same "$(docker inspect -f '{{json .State.Health}}' web)" "$said"
    same "$(docker inspect -f '{{(index .State.Health.Log 0).Output}}' bad)" ill
    ok docker ps --filter name=web --format '{{.Status}}'
    expect_match '\(healthy\)$'
    docker exec bad touch /hold
    docker restart -t 0 bad
    is_health bad starting
    same "$(docker inspect -f '{{len .State.Health.Log}} {{.State.Health.FailingStreak}}' bad)" '0 0'
}

@test "checks that make no sense" {
    run docker run --health-cmd true --health-interval 1us busybox true
    expect_status 125
    expect_text 'Interval in Healthcheck cannot be less than 1ms'
    run docker run --health-cmd true --no-healthcheck busybox true
    [ "$status" -ne 0 ]
    run docker run --health-retries=-1 --health-cmd true busybox true
    [ "$status" -ne 0 ]
}

@test "--health-on-failure: restart, stop, kill, none" {
    dhow_only "has no such option"
    local failing=(--health-cmd 'exit 1' --health-interval 100ms --health-retries 2)
    post() {
        api POST "/containers/create?name=$1" "{\"Image\":\"busybox\",\"Cmd\":[\"sleep\",\"1000\"],\"StopSignal\":\"KILL\",
            \"Healthcheck\":{\"Test\":[\"CMD\",\"false\"],\"Interval\":100000000,\"Retries\":2,\"OnFailure\":\"$2\"}}"
        docker start "$1"
    }
    post none none
    post restarts restart
    post stops stop
    post kills kill
    wait_state stops exited
    wait_state kills exited
    same "$(docker inspect -f '{{.State.ExitCode}}' kills)" 137
    wait_until 10 is_health none unhealthy
    local first
    first=$(docker inspect -f '{{.State.StartedAt}}' restarts)
    again() { [ "$(docker inspect -f '{{.State.StartedAt}}' restarts)" != "$first" ]; }
    wait_until 10 again
    is_state none running
    ok api POST /containers/create '{"Image":"busybox","Healthcheck":{"OnFailure":"dance"}}'
    expect_text 'invalid OnFailure in Healthcheck'
    expect_text 400
    [ "$CLI" = dhow ] || return 0
    docker run -d --name cli "${failing[@]}" --health-on-failure stop --stop-signal KILL busybox sleep 1000
    wait_state cli exited
}

@test "the daemon ends while an unhealthy container is being restarted: it is restarted" {
    dhow_only "has no such option"
    [ "$CLI" = dhow ] || skip "dhow's own option"
    local pid begun
    docker run -d --name cc --stop-timeout 2 --health-cmd 'test -e /well' --health-interval 100ms --health-retries 1 \
        --health-on-failure restart busybox sh -c 'trap "" TERM; while :; do sleep 0.1; done'
    pid=$(docker inspect -f '{{.State.Pid}}' cc)
    is_health cc unhealthy || wait_until 10 is_health cc unhealthy
    begun=$SECONDS
    engine_signal TERM
    [ $((SECONDS - begun)) -lt 25 ] || fail "it took $((SECONDS - begun)) s"
    engine_start
    # And then again and again, as it stays ill.
    again() { is_state cc running && [ "$(docker inspect -f '{{.State.Pid}}' cc)" != "$pid" ]; }
    wait_until 10 again
    docker rm -f cc
}

@test "options of a check fill up the image's" {
    docker import -c 'HEALTHCHECK --interval=1h --retries=7 CMD ["true"]' - test/checked <"$CACHE/images/busybox.tar" >/dev/null
    docker run -d --name checked --health-interval 100ms test/checked sleep 1000
    wait_until 10 is_health checked healthy
    same "$(docker inspect -f '{{.Config.Healthcheck.Retries}}' checked)" 7
    docker rm -f checked
    docker rmi test/checked
}
