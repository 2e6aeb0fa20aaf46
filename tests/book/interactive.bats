# Interactive containers, terminals, detaching: rows INT-01 to INT-11.

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

@test "INT-01 INT-06 INT-07: a shell linked to the web server fetches its page and ends with exit" {
    docker run --detach --name web nginx:latest
    wait_until 10 serves web
    run "$ON_PTY" -e '/ # ' -s 'wget -O - http://web:80/\r' -e 'Welcome to nginx!' -e '/ # ' -s 'exit\r' -- \
        docker run --interactive --tty --link web:web --name web_test busybox:1.29 /bin/sh
    expect_status 0
    same "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' web_test)" "exited 0"
}

@test "INT-01: the same with busybox:latest" {
    docker run --detach --name web nginx:latest
    wait_until 10 serves web
    run "$ON_PTY" -e '/ # ' -s 'wget -q -O - http://web:80/\r' -e 'Welcome to nginx!' -s 'exit\r' -- \
        docker run --interactive --tty --link web:web --name web_test busybox:latest /bin/sh
    expect_status 0
}

@test "INT-02: long and short forms mix" {
    docker run --detach --name web nginx:latest
    run "$ON_PTY" -e '/ # ' -s 'exit 9\r' -- \
        docker run --interactive -t --link web:web --name web_test busybox:latest /bin/sh
    expect_status 9
}

@test "INT-03: --interactive keeps standard input open without a terminal" {
    run docker run --rm --interactive busybox:1.29 cat <<<"typed by hand"
    expect_status 0
    expect_output "typed by hand"
    run docker run --rm busybox:1.29 cat <<<"not for it"
    expect_status 0
    expect_output ""
}

@test "INT-04: --tty gives a terminal; Ctrl-C reaches the program" {
    run "$ON_PTY" -e '/ # ' -s 'tty\r' -e '/dev/pts/0' \
        -s 'sh -c "echo go$((1))ing; exec sleep 1000"\r' -e 'go1ing' -s '\x03' \
        -e '/ # ' -s 'echo code $?\r' -e 'code 130' -s 'exit 0\r' -- docker run --rm -it busybox:1.29 sh
    expect_status 0
    run docker run --rm busybox:1.29 tty
    expect_status 1
    expect_output 'not a tty'
}

@test "INT-05: any program of the image can be the command" {
    ok docker run --rm busybox:1.29 /bin/uname -s
    expect_output Linux
    ok docker run --rm busybox:1.29 /bin/sh -c 'echo $0 $((6*7))' name
    expect_output 'name 42'
}

@test "INT-08: Ctrl-P Ctrl-Q detaches and the container runs on" {
    run "$ON_PTY" -e '/ # ' -s 'echo started\r' -e 'started' -d -- \
        docker run -it --name shell busybox:1.29 sh
    expect_status 0
    same "$(state shell)" running
}

@test "INT-08: without a terminal the two keys are just data" {
    run docker run --rm -i busybox:1.29 od -c < <(printf '\020\021')
    expect_status 0
    expect_match '020 021'
}

@test "INT-09: the agent with its two links sees the web server" {
    docker run --detach --name web nginx:latest
    docker run -d --name mailer dockerinaction/ch2_mailer
    run "$ON_PTY" -e 'System up\.' -e 'System up\.' -d -- \
        docker run -it --name agent --link web:insideweb --link mailer:insidemailer dockerinaction/ch2_agent
    expect_status 0
    same "$(state agent)" running
    docker stop web
    wait_logs mailer '^Sending email: To: admin@work  Message: The service is down!$'
    wait_logs agent 'System down\.'
}

@test "INT-10: input and output of the terminal are the container's" {
    run "$ON_PTY" -g 33x101 -e '/ # ' -s 'stty size\r' -e '33 101' -r 20x60 \
        -s 'until stty size | grep -q "20 60"; do sleep 0.05; done; echo now$((1))it\r' -e 'now1it' \
        -s 'exit\r' -- docker run --rm -it busybox:1.29 sh
    expect_status 0
}

@test "INT-11: a terminal can be attached again" {
    run "$ON_PTY" -e '/ # ' -s 'X=remembered\r' -e '/ # ' -d -- docker run -it --name shell busybox:1.29 sh
    expect_status 0
    run "$ON_PTY" -s 'echo $X indeed\r' -e 'remembered indeed' -d -- docker attach shell
    expect_detached
    run "$ON_PTY" -s 'exit 5\r' -- docker attach shell
    expect_status 5
    same "$(state shell)" exited
}
