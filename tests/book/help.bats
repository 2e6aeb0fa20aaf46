# Command-line help and conventions: rows HELP-01 to HELP-09.

load ../lib/helpers

setup_file() {
    setup_engine busybox
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
}

# The second is that of Docker 20.10.
RUN_SUMMARY='(Create and run a new container from an image|Run a command in a new container)'

@test "HELP-01: help lists the available commands" {
    ok docker help
    expect_match '^Usage: +(docker|dhow) \[OPTIONS\] COMMAND'
    expect_match "^ +run +$RUN_SUMMARY"
    expect_match '^ +ps +List containers'
    expect_match '^ +stop +Stop one or more running containers'
    expect_match '^ +container +Manage containers'
}

@test "HELP-02: help COMMAND shows usage, description and arguments" {
    ok docker help run
    expect_match '^Usage: +(docker|dhow) run \[OPTIONS\] IMAGE \[COMMAND\] \[ARG\.\.\.\]$'
    expect_match "^$RUN_SUMMARY\$"
    expect_match '^ +-d, --detach +Run container in background and'
    expect_match '^ +--name string +Assign a name to the container$'
    ok docker stop --help
    expect_match '^Usage: +(docker|dhow) stop \[OPTIONS\] CONTAINER \[CONTAINER\.\.\.\]$'
}

@test "HELP-02: help cp" {
    ok docker help cp
    expect_match '^Usage: +(docker|dhow) cp \[OPTIONS\] CONTAINER:SRC_PATH DEST_PATH'
    expect_text 'Copy files/folders between a container and the local filesystem'
    expect_match '^ +-L, --follow-link +Always follow symbol link in SRC_PATH'
}

@test "HELP-02: every command has help" {
    local c
    for c in attach create events exec history images import info inspect kill load logs pause port ps \
        rename restart rm rmi run save start stats stop tag top unpause version wait; do
        run docker help "$c"
        expect_status 0
        expect_match "^Usage: +(docker|dhow) $c"
    done
}

@test "HELP-03: single letters combine" {
    docker create --name aa busybox:1.29
    ok docker ps -aq
    [[ $output =~ ^[0-9a-f]{12}$ ]]
    run "$ON_PTY" -e '/ # ' -s 'exit 4\r' -- docker run -it busybox:1.29 sh
    expect_status 4
    ok docker rm -vf aa
    expect_output aa
}

@test "HELP-04: --flag value, --flag=value, lists, and booleans with =false" {
    ok docker run --rm --entrypoint="cat" busybox:1.29 /etc/nsswitch.conf
    expect_output 'hosts: files dns'
    ok docker run --rm --entrypoint cat busybox:1.29 /etc/nsswitch.conf
    expect_output 'hosts: files dns'
    ok docker run --rm --dns 8.8.8.8 --dns=9.9.9.9 --dns-search a.test --dns-search=b.test \
        busybox:1.29 cat /etc/resolv.conf
    expect_line 'nameserver 8.8.8.8'
    expect_line 'nameserver 9.9.9.9'
    expect_line 'search a.test b.test'
    ok docker run --rm --add-host=one:10.0.0.1 --add-host two:10.0.0.2 busybox:1.29 cat /etc/hosts
    expect_match '^10\.0\.0\.1[[:space:]]+one$'
    expect_match '^10\.0\.0\.2[[:space:]]+two$'
    ok docker run --rm --detach=false --tty=false busybox:1.29 echo attached
    expect_output attached
}

@test "HELP-05: options end at the image; the rest goes to the container untouched" {
    ok docker run --rm busybox:1.29 echo -sS -p 3333 172.17.0.0/24 --rm
    expect_output '-sS -p 3333 172.17.0.0/24 --rm'
    docker run -d --name cc busybox:1.29 sleep 1000
    ok docker exec cc echo -g 'daemon off;'
    expect_output '-g daemon off;'
}

@test "HELP-06: docker container VERB is docker VERB; prune only there" {
    ok docker container run --rm busybox:1.29 echo hello
    expect_output hello
    docker container create --name aa busybox:1.29
    ok docker container ls -a --format '{{.Names}}'
    expect_output aa
    ok docker container inspect -f '{{.Name}}' aa
    expect_output /aa
    ok docker container prune --force
    expect_text 'Deleted Containers:'
    expect_match '^Total reclaimed space: '
    same "$(docker ps -aq)" ""
    run docker prune
    [ "$status" -ne 0 ]
}

@test "HELP-06: docker container diff is docker diff" {
    docker run --name aa busybox:1.29 touch /new
    built docker container diff aa || return 0
    expect_status 0
    expect_line 'A /new'
    same "$(docker diff aa)" "$output"
}

@test "HELP-07: what the daemon says is told with its prefix" {
    run --separate-stderr docker start nosuch
    expect_status 1
    expect_error 'No such container: nosuch'
    if modern_cli; then
        expect_error 'Error response from daemon: No such container: nosuch'
    fi
    expect_error 'failed to start containers: nosuch'
    run --separate-stderr docker rm nosuch
    expect_status 1
    expect_error 'No such container: nosuch'
    run -127 --separate-stderr docker run --rm busybox:1.29 nosuchprogram
    expect_error 'Error response from daemon: '
}

@test "HELP-08: full ID, 12 digits or name are the same to every command" {
    local id ref
    id=$(docker run -d --name cc busybox:1.29 sleep 1000)
    for ref in "$id" "${id:0:12}" "${id:0:5}" cc; do
        ok docker exec "$ref" echo hello
        expect_output hello
        ok docker logs "$ref"
        ok docker port "$ref"
        ok docker top "$ref"
        same "$(docker inspect -f '{{.Id}}' "$ref")" "$id"
        ok docker pause "$ref"
        ok docker unpause "$ref"
    done
}

@test "HELP-09: stop, rm and rmi take several targets" {
    docker run -d --name aa busybox:1.29 sh -c 'trap exit TERM; sleep 1000 & wait'
    docker run -d --name bb busybox:1.29 sh -c 'trap exit TERM; sleep 1000 & wait'
    wait_until 10 catches aa
    wait_until 10 catches bb
    ok docker stop aa bb
    expect_output $'aa\nbb'
    ok docker rm aa bb
    expect_output $'aa\nbb'
    docker tag busybox:1.29 one:x
    docker tag busybox:1.29 two:x
    ok docker rmi one:x two:x
    expect_line 'Untagged: one:x'
    expect_line 'Untagged: two:x'
}
