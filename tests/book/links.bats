# Links: rows LNK-01 to LNK-17, LNK-22, LNK-23, IMG-29. (alpine:latest is a busybox here.)

load ../lib/helpers

setup_file() {
    setup_engine busybox nginx ff
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
}

address_of() {
    docker inspect -f '{{.NetworkSettings.IPAddress}}' "$1"
}

@test "LNK-01: a link gives environment variables and a hosts entry" {
    docker run -d --name target --expose 80 busybox:1.29 sleep 1000
    ok docker run --rm --link target:alias busybox:1.29 sh -c 'cat /etc/hosts; env'
    expect_match "^$(address_of target)[[:space:]]+alias "
    expect_match '^ALIAS_PORT=tcp://'
}

@test "LNK-02: many links" {
    local n
    for n in a b c; do
        docker run -d --name "x$n" busybox:1.29 sleep 1000
    done
    ok docker run --rm --link xa:alias-a --link xb:alias-b --link xc:alias-c busybox:1.29 cat /etc/hosts
    for n in a b c; do
        expect_match "^$(address_of "x$n")[[:space:]]+alias-$n "
    done
}

@test "LNK-03 LNK-04 LNK-05 LNK-06 LNK-07 LNK-08: the image that asks for its link" {
    docker run -d --name mydb --expose 3306 alpine:latest nc -l 0.0.0.0:3306
    ok "$ON_PTY" -- docker run -it --rm dockerinaction/ch5_ff echo This "shouldn't" work.
    expect_text "Link alias 'database' was not set!"
    ok "$ON_PTY" -- docker run -it --rm --link mydb:wrongalias dockerinaction/ch5_ff echo Wrong.
    expect_text "Link alias 'database' was not set!"
    ok "$ON_PTY" -- docker run -it --rm --link mydb:database dockerinaction/ch5_ff echo It worked.
    expect_text 'It worked.'
    # nc as PID 1 ignores SIGTERM: killed after the time-out (shortened here; the default is 10 s).
    docker stop -t 1 mydb && docker rm mydb
    same "$(docker ps -aq)" ""
}

@test "LNK-09 to LNK-17: the environment of a link" {
    local ip
    docker run -d --name mydb --expose 2222 --expose 3333 --expose 4444/udp alpine:latest \
        nc -l 0.0.0.0:2222
    ip=$(address_of mydb)
    ok docker run --rm --name asks --link mydb:database dockerinaction/ch5_ff env
    # The book shows port 3333 here; it is the lowest port (AMB-02).
    expect_line "DATABASE_PORT=tcp://$ip:2222"
    expect_line "DATABASE_PORT_3333_TCP=tcp://$ip:3333"
    expect_line "DATABASE_PORT_2222_TCP=tcp://$ip:2222"
    expect_line "DATABASE_PORT_4444_UDP=udp://$ip:4444"
    expect_line "DATABASE_PORT_2222_TCP_PORT=2222"
    expect_line "DATABASE_PORT_3333_TCP_PORT=3333"
    expect_line "DATABASE_PORT_4444_UDP_PORT=4444"
    expect_line "DATABASE_PORT_3333_TCP_ADDR=$ip"
    expect_line "DATABASE_PORT_2222_TCP_ADDR=$ip"
    expect_line "DATABASE_PORT_4444_UDP_ADDR=$ip"
    expect_line "DATABASE_PORT_2222_TCP_PROTO=tcp"
    expect_line "DATABASE_PORT_3333_TCP_PROTO=tcp"
    expect_line "DATABASE_PORT_4444_UDP_PROTO=udp"
    expect_line "DATABASE_NAME=/asks/database"
}

@test "LNK-10: the same on a terminal, with generated names" {
    docker run -d --name mydb --expose 2222 alpine:latest nc -l 0.0.0.0:2222
    ok "$ON_PTY" -- docker run -it --rm --link mydb:database dockerinaction/ch5_ff env
    expect_match 'DATABASE_NAME=/[a-z]+_[a-z]+/database'
}

@test "LNK-17: the alias in upper case, - as _; the target's own variables as ENV" {
    docker run -d --name target --expose 80 -e SECRET=word busybox:1.29 sleep 1000
    ok docker run --rm --link target:my-alias busybox:1.29 env
    expect_match '^MY_ALIAS_PORT_80_TCP=tcp://'
    expect_match '^MY_ALIAS_NAME=/[a-z]+_[a-z]+/my-alias$'
    expect_line 'MY_ALIAS_ENV_SECRET=word'
}

@test "LNK-22: the target by name or by ID" {
    local id
    id=$(docker run -d --name target busybox:1.29 sleep 1000)
    for ref in target "$id" "${id:0:12}"; do
        ok docker run --rm --link "$ref:tt" busybox:1.29 cat /etc/hosts
        expect_match "^$(address_of target)[[:space:]]+tt "
    done
}

@test "LNK-23: without an alias the name is the alias" {
    docker run -d --name ch6_mariadb --expose 3306 busybox:1.29 sleep 1000
    ok docker run --rm --link ch6_mariadb busybox:1.29 sh -c 'cat /etc/hosts; env'
    expect_match "^$(address_of ch6_mariadb)[[:space:]]+ch6_mariadb"
    expect_match '^CH6_MARIADB_PORT=tcp://'
}

@test "LNK-01: a link to nothing is refused" {
    run --separate-stderr docker create --name orphan --link nosuch:alias busybox:1.29
    expect_status 1
    expect_error 'Error response from daemon: could not get container for nosuch: No such container: nosuch'
    same "$(docker ps -aq)" ""
}

@test "ps --no-trunc tells the names that links give; rm --link takes them away" {
    docker run -d --name web nginx:latest
    docker run -d --name agent --link web:insideweb busybox:1.29 sleep 1000
    ok docker ps --no-trunc --filter name=web --format '{{.Names}}'
    expect_match 'web'
    expect_match 'agent/insideweb'
    ok docker ps --filter name=web --format '{{.Names}}'
    expect_output web
    same "$(docker inspect -f '{{.Name}}' agent/insideweb)" /web
    docker exec agent grep -q insideweb /etc/hosts
    ok docker rm --link /agent/insideweb
    same "$(docker inspect -f '{{.HostConfig.Links}}' agent)" '[]'
    run docker inspect agent/insideweb
    expect_status 1
    docker exec web true
    docker exec agent true
}
