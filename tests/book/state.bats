# States, dependencies, start order: rows STATE-01 to STATE-13, SCN-03.

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

site() {
    MAILER_CID=$(docker run -d dockerinaction/ch2_mailer)
    WEB_CID=$(docker create nginx)
    AGENT_CID=$(docker create --link "$WEB_CID:insideweb" --link "$MAILER_CID:insidemailer" \
        dockerinaction/ch2_agent)
}

name_of() {
    docker inspect -f '{{.Name}}' "$1"
}

@test "STATE-01: --link takes an ID on create; the target need not run yet" {
    site
    same "$(state "$MAILER_CID") $(state "$WEB_CID") $(state "$AGENT_CID")" "running created created"
}

@test "STATE-02 STATE-10: the states and what leads from one to the next" {
    docker create --name it busybox:1.29 sleep 1000
    same "$(state it)" created
    docker start it
    same "$(state it)" running
    docker pause it
    same "$(state it)" paused
    docker unpause it
    same "$(state it)" running
    docker restart -t 0 it
    same "$(state it)" running
    docker kill it
    wait_state it exited
    same "$(docker inspect -f '{{.State.ExitCode}}' it)" 137
    docker start it
    docker stop -t 0 it
    same "$(state it)" exited
    docker rm it
    run docker inspect it
    expect_status 1
}

@test "STATE-03: ps has friendly words, inspect the internal ones" {
    docker create --name it busybox:1.29
    same "$(docker ps -a --format '{{.Status}}')" Created
    same "$(state it)" created
}

@test "STATE-04 STATE-06 STATE-07: the agent does not start before its web server" {
    site
    run --separate-stderr docker start "$AGENT_CID"
    expect_status 1
    expect_error "Error response from daemon: Cannot link to a non running container: $(name_of "$WEB_CID") AS $(name_of "$AGENT_CID")/insideweb"
    expect_error "failed to start containers: $AGENT_CID"
    ok docker start "$WEB_CID"
    [ "$(state "$AGENT_CID")" != running ]
    # A container that does not run has no address.
    same "$(docker inspect -f '{{.NetworkSettings.IPAddress}}' "$AGENT_CID")" ""
    [ -n "$(docker inspect -f '{{.NetworkSettings.IPAddress}}' "$WEB_CID")" ]
}

@test "STATE-05 SCN-03: in the right order it works; start prints what it was given" {
    site
    same "$(docker ps -q | wc -l)" 1
    same "$(docker ps -aq | wc -l)" 3
    ok docker start "$WEB_CID"
    expect_output "$WEB_CID"
    ok docker start "$AGENT_CID"
    expect_output "$AGENT_CID"
    wait_logs "$AGENT_CID" 'System up\.'
}

@test "STATE-08 SCN-03: the script of run -d works each time" {
    local i MAILER_CID WEB_CID AGENT_CID
    for i in 1 2; do
        MAILER_CID=$(docker run -d dockerinaction/ch2_mailer)
        WEB_CID=$(docker run -d nginx)
        AGENT_CID=$(docker run -d --link "$WEB_CID:insideweb" --link "$MAILER_CID:insidemailer" \
            dockerinaction/ch2_agent)
        wait_logs "$AGENT_CID" 'System up\.'
    done
    same "$(docker ps -q | wc -l)" 6
}

@test "STATE-09: a link points one way" {
    docker run -d --name target busybox:1.29 sleep 1000
    docker run -d --name source --link target:tt busybox:1.29 sleep 1000
    ok docker exec source cat /etc/hosts
    expect_match '[[:space:]]tt( |$)'
    ok docker exec target cat /etc/hosts
    expect_no_match 'source'
}

@test "STATE-11 STATE-12: when its processes have ended the container has exited" {
    docker run --name it busybox:1.29 true
    same "$(state it)" exited
    docker ps -a --format '{{.Status}}' | grep -E '^Exited \(0\)'
    # The children of PID 1 end with it.
    docker run -d --name family busybox:1.29 sh -c 'sleep 1000 & sleep 0.3'
    wait_state family exited
}

@test "STATE-10: restarting is a state" {
    built docker create --restart always busybox:1.29 || return 0
    docker run -d --name again --restart always busybox:1.29 sh -c 'sleep 0.1; exit 1'
    wait_until 10 is_state again restarting
    # It runs for moments in between: until an exec falls into the pause.
    refused() { run docker exec again true && [[ $output == *'is restarting, wait until the container is running'* ]]; }
    wait_until 10 refused
}

@test "STATE-13: running and paused ones refuse removal" {
    docker run -d --name it busybox:1.29 sleep 1000
    run --separate-stderr docker rm it
    expect_status 1
    expect_error 'Error response from daemon: '
    expect_error 'container'
    same "$(state it)" running
    docker pause it
    run --separate-stderr docker rm it
    expect_status 1
    same "$(state it)" paused
    docker unpause it
    ok docker rm -f it
    expect_output it
    same "$(docker ps -aq)" ""
}
