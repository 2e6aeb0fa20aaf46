# Cleaning up: rows CLN-01 to CLN-11.

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

@test "CLN-01: ps -a lists all that there is to remove" {
    docker create --name made busybox
    docker run --name ended busybox true
    docker run -d --name runs busybox sleep 1000
    ok docker ps -a --format '{{.Names}}'
    expect_output $'runs\nended\nmade'
}

@test "CLN-02: rm of a stopped container frees its name and its files" {
    docker run --name wp busybox touch /x
    ok docker rm wp
    expect_output wp
    docker run --name wp busybox true
}

@test "CLN-03: rm refuses a container that runs or is paused" {
    docker run -d --name runs busybox sleep 1000
    run --separate-stderr docker rm runs
    expect_status 1
    [[ $stderr == *runs* ]]
    docker pause runs
    run --separate-stderr docker rm runs
    expect_status 1
    is_state runs paused
}

@test "CLN-04 CLN-10: rm -f kills and removes" {
    docker run -d --name runs busybox sh -c 'trap : TERM; while :; do sleep 1; done'
    ok docker rm -fv runs
    expect_output runs
}

@test "CLN-05 CLN-06: stop asks, kill does not" {
    docker run -d --name asked busybox sh -c 'trap "echo bye; exit 3" TERM; while :; do sleep 0.1; done'
    docker run -d --name killed busybox sh -c 'trap "echo bye" TERM; while :; do sleep 0.1; done'
    wait_until 10 catches asked
    wait_until 10 catches killed
    docker stop asked
    docker kill killed
    wait_state killed exited
    same "$(docker inspect -f '{{.State.ExitCode}}' asked killed)" $'3\n137'
    same "$(docker logs asked)$(docker logs killed)" bye
}

@test "CLN-07: --rm leaves nothing" {
    ok docker run --rm --name auto-exit-test busybox:1.29 echo Hello World
    expect_output 'Hello World'
    same "$(docker ps -aq)" ""
}

@test "CLN-08: container prune asks and removes what is stopped" {
    docker run --name aa busybox sh -c 'echo 12345 >/f'
    docker create --name bb busybox
    docker run -d --name cc busybox sleep 1000
    run sh -c 'echo n | docker container prune'
    expect_text 'WARNING! This will remove all stopped containers.'
    expect_text 'Are you sure you want to continue? [y/N]'
    same "$(docker ps -aq | wc -l)" 3
    ok sh -c 'echo y | docker container prune'
    expect_text 'Deleted Containers:'
    expect_match 'Total reclaimed space: 6B'
    same "$(docker ps -a --format '{{.Names}}')" cc
}

@test "CLN-09: all containers at once" {
    docker run -d busybox sleep 1000
    docker create busybox
    # shellcheck disable=SC2046
    docker rm -vf $(docker ps -a -q)
    same "$(docker ps -aq)" ""
}

@test "CLN-11: system prune, system df and image prune" {
    docker run --name aa busybox sh -c 'echo 12345 >/f'
    docker commit aa kept
    docker commit aa
    ok docker system df
    [[ ${lines[0]} =~ ^TYPE\ +TOTAL\ +ACTIVE\ +SIZE\ +RECLAIMABLE ]]
    expect_match '^Images +3 +1 '
    expect_match '^Containers +1 +0 +6B +6B \(100%\)$'
    expect_match '^Local Volumes +0 +0 +0B +0B$'
    ok docker system df -v
    expect_text 'Images space usage:'
    expect_text 'Containers space usage:'
    ok sh -c 'echo n | docker system prune'
    expect_text '  - all stopped containers'
    expect_text '  - all dangling images'
    ok docker system prune -f
    expect_text 'Deleted Containers:'
    expect_match '^deleted: sha256:'
    expect_text 'Total reclaimed space:'
    docker image inspect kept >/dev/null
    ok docker image prune -f
    expect_output 'Total reclaimed space: 0B'
    # With -a also what has a name, as long as no container uses it.
    docker create --name holds busybox
    ok docker image prune -a -f --filter 'label!=nosuch'
    expect_line 'untagged: kept:latest'
    docker image inspect busybox >/dev/null
    ok docker image prune -a -f --filter until=2001-01-01
    expect_output 'Total reclaimed space: 0B'
}
