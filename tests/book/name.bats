# Names, IDs, CID files: rows NAME-01 to NAME-16.

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

@test "NAME-01: a name in use is refused" {
    local id
    id=$(docker run -d --name webid nginx)
    run --separate-stderr docker run -d --name webid nginx
    expect_status 125
    # The first edition's FATA[0000] and short ID are gone.
    expect_error "Error response from daemon: Conflict. The container name \"/webid\" is already in use by container \"$id\". You have to remove (or rename) that container to be able to reuse that name."
    same "$(docker ps -aq | wc -l)" 1
}

@test "NAME-02 NAME-03: without --name there is a generated one: adjective_surname" {
    local i names=()
    for i in 1 2 3 4 5; do
        names+=("$(docker inspect -f '{{.Name}}' "$(docker create nginx)")")
        [[ ${names[-1]} =~ ^/[a-z]+_[a-z]+$ ]]
    done
    same "$(printf '%s\n' "${names[@]}" | sort -u | wc -l)" 5
    docker create --name webid nginx
    same "$(docker inspect -f '{{.Name}}' webid)" /webid
}

@test "NAME-04: rename frees the name" {
    docker run -d --name webid nginx
    ok docker rename webid webid-old
    expect_output ""
    docker run -d --name webid nginx
    same "$(docker ps --format '{{.Names}}')" $'webid\nwebid-old'
}

@test "NAME-05 NAME-06: the 64-digit ID in place of a name" {
    local id
    id=$(docker run -d nginx)
    [[ $id =~ ^[0-9a-f]{64}$ ]]
    ok docker exec "$id" echo hello
    expect_output hello
    ok docker exec "$id" ps
    expect_match '^ +1 root .*nginx'
    ok docker stop "$id"
    expect_output "$id"
    same "$(state "$id")" exited
}

@test "NAME-07: what is no ID is refused" {
    run --separate-stderr docker exec kjsddi234jkjh3h42b3423h4b23n4k234j23k4k234 ps
    expect_status 1
    expect_error 'No such container: kjsddi234jkjh3h42b3423h4b23n4k234j23k4k234'
    run --separate-stderr docker stop uakjsdnfjadskj1jk23jbb31b2j2b3hj1bj23bbj2b
    expect_status 1
    expect_error 'No such container: uakjsdnfjadskj1jk23jbb31b2j2b3hj1bj23bbj2b'
}

@test "NAME-08 NAME-09: the first 12 digits do, in scripts too" {
    local id
    id=$(docker run -d nginx)
    ok docker exec "${id:0:12}" ls
    expect_line bin
    ok docker exec "${id:0:12}" ps
    ok docker stop "${id:0:12}"
    expect_output "${id:0:12}"
    same "$(docker ps -aq)" "${id:0:12}"
}

@test "NAME-10 NAME-11: create prints the ID and nothing else" {
    local CID
    run --separate-stderr docker create nginx
    expect_status 0
    expect_id
    same "$stderr" ""
    same "$(state "$output")" created
    CID=$(docker create nginx:latest)
    [[ $CID =~ ^[0-9a-f]{64}$ ]]
}

@test "NAME-12: --cidfile on create and run" {
    local id
    id=$(docker create --cidfile "$BATS_TEST_TMPDIR/web.cid" nginx)
    same "$(cat "$BATS_TEST_TMPDIR/web.cid")" "$id"
    same "$(wc -c <"$BATS_TEST_TMPDIR/web.cid")" 64
    id=$(docker run -d --cidfile "$BATS_TEST_TMPDIR/run.cid" nginx)
    same "$(cat "$BATS_TEST_TMPDIR/run.cid")" "$id"
}

@test "NAME-13: an existing CID file is an error and makes no container" {
    echo old >"$BATS_TEST_TMPDIR/web.cid"
    run --separate-stderr docker create --cidfile "$BATS_TEST_TMPDIR/web.cid" nginx
    [ "$status" -ne 0 ]
    expect_error "container ID file found, make sure the other container isn't running or delete $BATS_TEST_TMPDIR/web.cid"
    same "$(docker ps -aq)" ""
    same "$(cat "$BATS_TEST_TMPDIR/web.cid")" old
    # When the container cannot be made, no empty file stays.
    run docker create --cidfile "$BATS_TEST_TMPDIR/new.cid" --name '!' nginx
    [ "$status" -ne 0 ]
    [ ! -e "$BATS_TEST_TMPDIR/new.cid" ]
}

@test "NAME-14 NAME-15: CID files in predictable places, read by another shell" {
    mkdir -p "$BATS_TEST_TMPDIR/containers/web/customer1" "$BATS_TEST_TMPDIR/containers/web/customer8"
    docker create --cidfile "$BATS_TEST_TMPDIR/containers/web/customer1/web.cid" nginx
    docker create --cidfile "$BATS_TEST_TMPDIR/containers/web/customer8/web.cid" nginx
    ok sh -c 'docker start "$(cat "$1")"' sh "$BATS_TEST_TMPDIR/containers/web/customer8/web.cid"
    same "$(docker ps -q --no-trunc)" "$(cat "$BATS_TEST_TMPDIR/containers/web/customer8/web.cid")"
}

@test "NAME-16: several web servers side by side" {
    local i
    for i in 1 2 3; do
        docker run -d --name "web$i" nginx
    done
    same "$(docker ps --format '{{.Names}}')" $'web3\nweb2\nweb1'
}
