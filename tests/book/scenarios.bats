# Whole scenarios of the book: SCN-01 (SCN-02 is in conf.bats, SCN-03 in state.bats), images IMG-01 to
# IMG-05 and IMG-29.

load ../lib/helpers

setup_file() {
    setup_engine busybox nginx mailer agent ff
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
}

web_log_lines() {
    [ "$(docker logs web 2>&1 | grep -cF '"GET / HTTP/1.0" 200')" -ge "$1" ]
}

@test "SCN-01: the website monitor, end to end" {
    docker run --detach --name web nginx:latest
    docker run -d --name mailer dockerinaction/ch2_mailer
    wait_until 10 serves web
    run "$ON_PTY" -e '/ # ' -s 'wget -O - http://web:80/\r' -e 'Welcome to nginx!' -e '/ # ' -s 'exit\r' -- \
        docker run --interactive --tty --link web:web --name web_test busybox:1.29 /bin/sh
    expect_status 0
    run "$ON_PTY" -e 'System up\.' -d -- \
        docker run -it --name agent --link web:insideweb --link mailer:insidemailer dockerinaction/ch2_agent
    expect_status 0
    ok docker ps --format '{{.Names}}'
    expect_output $'agent\nmailer\nweb'
    docker restart web
    docker restart mailer
    docker restart agent
    wait_until 10 web_log_lines 3
    # Only what has been there can go away.
    up_again() { docker logs --since "$(docker inspect -f '{{.State.StartedAt}}' agent)" agent | grep -q 'System up\.'; }
    wait_until 10 up_again
    ok docker logs mailer
    expect_match '^CH2 Example Mailer has started\.$'
    # Since all three run again: an agent that asks while the web server is away is right to write.
    ok docker logs --since "$(docker inspect -f '{{.State.StartedAt}}' mailer)" mailer
    expect_no_match 'Sending'
    ok docker logs agent
    expect_match 'System up\.'
    docker stop web
    wait_logs mailer 'Sending email'
    ok docker logs mailer
    same "${lines[-1]}" 'Sending email: To: admin@work  Message: The service is down!'
    remove_all
    assert_nothing_left
}

@test "IMG-01 to IMG-05, IMG-29: the images are what the book says of them" {
    same "$(docker inspect -f '{{json .Config.ExposedPorts}}' nginx:latest)" '{"80/tcp":{}}'
    same "$(docker inspect -f '{{json .Config.Cmd}}' nginx)" '["nginx","-g","daemon off;"]'
    ok docker run --rm nginx nginx -v
    expect_match '^nginx version: nginx/'
    same "$(docker inspect -f '{{json .Config.ExposedPorts}}' dockerinaction/ch2_mailer)" '{"33333/tcp":{}}'
    for tool in sh wget sleep nc ps env date echo nslookup awk id touch rm vi; do
        ok docker run --rm --net none busybox:1.29 which "$tool"
    done
    same "$(docker images -q busybox:1.29)" "$(docker images -q busybox:latest)"
}
