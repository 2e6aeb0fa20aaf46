# Restart, logs, stop: rows LIFE-01 to LIFE-08.

load ../lib/helpers

setup_file() {
    setup_engine busybox nginx mailer agent
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
}

monitor() {
    docker run --detach --name web nginx:latest
    docker run -d --name mailer dockerinaction/ch2_mailer
    docker run -dit --name agent --link web:insideweb --link mailer:insidemailer dockerinaction/ch2_agent
}

log_lines() {
    [ "$(docker logs "$1" 2>&1 | grep -cF -- "$2")" -ge "$3" ]
}

@test "LIFE-01: restart by name, also of a stopped one" {
    local before
    monitor
    before=$(docker inspect -f '{{.State.StartedAt}}' web)
    ok docker restart web
    expect_output web
    [ "$(docker inspect -f '{{.State.StartedAt}}' web)" != "$before" ]
    ok docker restart mailer
    docker stop agent
    ok docker restart agent
    same "$(docker ps -q | wc -l)" 3
    docker restart web mailer agent
    # The agent finds both again, whatever addresses they have now.
    wait_until 10 log_lines agent 'System up.' 2
}

@test "LIFE-02 LIFE-03 LIFE-04: the logs of all three" {
    monitor
    wait_until 15 log_lines web '"GET / HTTP/1.0" 200' 2
    wait_until 15 log_lines agent 'System up.' 2
    ok docker logs web
    expect_match '"GET / HTTP/1\.0" 200'
    ok docker logs mailer
    expect_output 'CH2 Example Mailer has started.'
    ok docker logs agent
    expect_match '^System up\.'
}

@test "LIFE-05: logs --follow shows what is there and what comes; Ctrl-C ends only the following" {
    docker run -d --name ticks busybox:1.29 sh -c 'i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done'
    run "$ON_PTY" -e 'tick 1\b' -e 'tick 4\b' -s '\x03' -- docker logs --follow ticks
    [ "$status" -ne 124 ]
    run "$ON_PTY" -e 'tick 6\b' -s '\x03' -- docker logs -f ticks
    [ "$status" -ne 124 ]
    same "$(state ticks)" running
}

@test "LIFE-06: everything on stdout and stderr is recorded, as long as the container exists" {
    docker run --name cc busybox:1.29 sh -c 'echo out; echo err >&2; seq 1 2000'
    run --separate-stderr docker logs cc
    expect_status 0
    same "$(printf '%s\n' "$output" | wc -l)" 2001
    same "$stderr" err
    docker start -a cc >/dev/null
    same "$(docker logs cc 2>/dev/null | wc -l)" 4002
}

@test "LIFE-07 LIFE-08: stop web, and the mailer tells the admin" {
    monitor
    wait_logs agent 'System up\.'
    ok docker stop web
    expect_output web
    wait_logs mailer 'Sending email'
    ok docker logs mailer
    same "${lines[-1]}" 'Sending email: To: admin@work  Message: The service is down!'
    wait_logs agent 'System down\.'
}
