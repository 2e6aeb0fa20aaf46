# A supervisor as PID 1: rows INIT-01 to INIT-07, scenario SCN-09, image IMG-12.

load ../lib/helpers

setup_file() {
    setup_engine busybox lamp
}

teardown_file() {
    teardown_engine
}

teardown() {
    local ids
    ids=$(docker ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || docker rm -vf $ids >/dev/null
}

# pid_in NAME: the process ID that the first process NAME has inside the container.
pid_in() {
    docker exec lamp-test ps | awk -v n="$1" '$4 == n { print $1; exit }'
}

runs() {
    [ -n "$(pid_in "$1")" ]
}

page_has() {
    curl -fsS --max-time 5 http://127.0.0.1:80/ 2>/dev/null | grep -q -- "$1"
}

# Lines of the supervisor's log that match.
count() {
    docker logs lamp-test 2>&1 | grep -cE -- "$1"
}

more_than() {
    [ "$(count "$2")" -gt "$1" ]
}

@test "INIT-01 to INIT-07 SCN-09 IMG-12: supervisord keeps Apache and MySQL running" {
    local name pid host
    docker run -d -p 80:80 --name lamp-test tutum/lamp
    wait_until 60 page_has 'MySQL: 10'
    wait_until 60 more_than 0 'success: apache2 entered RUNNING state'
    ok docker top lamp-test
    [[ ${lines[0]} =~ ^UID\ +PID\ +PPID\ +C\ +STIME\ +TTY\ +TIME\ +CMD$ ]] || fail "${lines[0]}"
    for name in supervisord mysqld_safe mariadbd apache2; do
        expect_text "$name"
    done
    # The process IDs of the host.
    host=$(awk '/supervisord/ { print $2 }' <<<"$output")
    same "$host" "$(docker inspect -f '{{.State.Pid}}' lamp-test)"
    same "$(cat "/proc/$host/comm")" supervisord

    ok docker exec lamp-test ps
    expect_match '^ +PID TTY +TIME CMD$'
    expect_match '^ +1 \? +00:00:0[0-9] supervisord$'
    expect_match '^ +[0-9]+ \? +00:00:0[0-9] mysqld_safe$'
    expect_match '^ +[0-9]+ \? +00:00:0[0-9] apache2$'
    expect_match '^ +[0-9]+ \? +00:00:0[0-9] ps$'

    pid=$(pid_in apache2)
    ok docker exec lamp-test kill "$pid"
    wait_until 30 more_than 1 'success: apache2 entered RUNNING state'
    ok docker logs lamp-test
    expect_match 'exited: apache2 \(exit status 0; expected\)'
    expect_match "spawned: 'apache2' with pid [0-9]+"
    expect_match 'success: apache2 entered RUNNING state, process has stayed up for > than 1 seconds \(startsecs\)'
    [ "$(pid_in apache2)" != "$pid" ]
    wait_until 30 page_has 'Hello world!'
    same "$(docker inspect -f '{{.State.Pid}}' lamp-test)" "$host"

    # The supervisor ends its programs, and itself, in time.
    docker stop lamp-test
    same "$(docker inspect -f '{{.State.ExitCode}}' lamp-test)" 0
    ok docker rm -v lamp-test
    assert_nothing_left
}
