# Creating and starting a new container: rows RUN-01 to RUN-06.

load ../lib/helpers

setup_file() {
    setup_engine busybox nginx mailer
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
}

@test "RUN-01: docker run --detach --name web nginx:latest prints the ID and returns" {
    run --separate-stderr docker run --detach --name web nginx:latest
    expect_status 0
    expect_id
    same "$stderr" ""
    same "$(docker inspect -f '{{.Id}} {{.State.Running}}' web)" "$output true"
}

@test "RUN-01: an image that is nowhere is looked for and not found" {
    run --separate-stderr docker run --detach --name web localhost:1/no/such:image
    expect_status 125
    expect_error "Unable to find image 'localhost:1/no/such:image' locally"
    same "$output" ""
    same "$(docker ps -aq)" ""
}

@test "RUN-02: every run makes a new container with a new ID" {
    local a b
    a=$(docker run -d nginx:latest)
    b=$(docker run -d nginx:latest)
    [ "$a" != "$b" ]
    same "$(docker ps -q | wc -l)" 2
}

@test "RUN-03: docker run -d --name mailer dockerinaction/ch2_mailer" {
    ok docker run -d --name mailer dockerinaction/ch2_mailer
    expect_id
    wait_logs mailer '^CH2 Example Mailer has started\.$'
}

@test "RUN-04 RUN-05: a detached container keeps running, attached to no stream" {
    docker run -d --name daemon busybox:1.29 sh -c 'cat; echo stdin ended; sleep 1000'
    # Its standard input is empty from the start, not the user's.
    wait_logs daemon 'stdin ended'
    same "$(docker inspect -f '{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}}' daemon)" \
        "false false false"
    same "$(state daemon)" running
}

@test "RUN-06: create, list, view output, stop, restart, reattach and detach" {
    docker run -dit --name shell busybox:1.29 sh
    ok docker ps --format '{{.Names}}'
    expect_line shell
    run "$ON_PTY" -s 'echo one-$((1+1))\r' -e 'one-2' -d -- docker attach shell
    expect_detached
    same "$(state shell)" running
    ok docker logs shell
    expect_text one-2
    docker stop -t 0 shell
    same "$(state shell)" exited
    docker restart shell
    same "$(state shell)" running
}
