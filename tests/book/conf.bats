# One port in one container and in several: rows CONF-01 to CONF-03, SCN-02.

load ../lib/helpers

setup_file() {
    setup_engine busybox nginx
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
}

@test "CONF-01 CONF-02 SCN-02: a second nginx in the same container finds the port taken" {
    docker run -d --name webConflict nginx:latest
    ok docker logs webConflict
    expect_output ""
    # nginx starts listening a moment after its start.
    wait_until 5 docker exec webConflict sh -c 'echo | nc -w 1 127.0.0.1 80 >/dev/null'
    run --separate-stderr docker exec webConflict nginx -g 'daemon off;'
    expect_status 1
    same "$output" ""
    [[ $stderr =~ [0-9]{4}/[0-9]{2}/[0-9]{2}\ [0-9:]{8}\ \[emerg\]\ [0-9]+#[0-9]+:\ bind\(\)\ to\ 0\.0\.0\.0:80\ failed\ \(98: ]]
    expect_error 'nginx: [emerg] bind() to 0.0.0.0:80 failed (98: '
    same "$(state webConflict)" running
}

@test "CONF-03 SCN-02: two containers have the port each for itself" {
    docker run -d --name webA nginx:latest
    ok docker logs webA
    expect_output ""
    docker run -d --name webB nginx:latest
    ok docker logs webB
    expect_output ""
    wait_until 5 docker exec webA wget -q -O /dev/null http://127.0.0.1/
    wait_until 5 docker exec webB wget -q -O /dev/null http://127.0.0.1/
    ok docker exec webB wget -q -O - http://127.0.0.1/
    expect_text 'Welcome to nginx!'
    same "$(docker ps -q | wc -l)" 2
}
