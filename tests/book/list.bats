# Listing containers: rows LIST-01 to LIST-10.

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

@test "LIST-01: ps shows seven fields for each running container" {
    local id
    id=$(docker run -d --name web nginx:latest)
    ok docker ps
    [[ ${lines[0]} =~ ^CONTAINER\ ID\ +IMAGE\ +COMMAND\ +CREATED\ +STATUS\ +PORTS\ +NAMES$ ]]
    expect_match "^${id:0:12}   nginx:latest   \"nginx -g 'daemon of…\"   .+ ago   Up .+   80/tcp    web$"
    same "${#lines[@]}" 2
}

@test "LIST-02: after the monitor is built, web, mailer and agent run" {
    docker run --detach --name web nginx:latest
    docker run -d --name mailer dockerinaction/ch2_mailer
    docker run -dit --name agent --link web:insideweb --link mailer:insidemailer dockerinaction/ch2_agent
    ok docker ps --format '{{.Names}}'
    expect_output $'agent\nmailer\nweb'
}

@test "LIST-03 LIST-04: ps shows running ones, ps -a all, with their states" {
    docker run -d --name runs busybox:1.29 sleep 1000
    docker create --name made busybox:1.29
    docker run --name ended busybox:1.29 sh -c 'exit 3' || true
    ok docker ps --format '{{.Names}}'
    expect_output runs
    ok docker ps -a --format '{{.Names}}: {{.Status}}'
    expect_match '^ended: Exited \(3\) .+ ago$'
    expect_line 'made: Created'
    expect_match '^runs: Up '
    ok docker ps -a
    expect_match '^[0-9a-f]{12}   busybox:1\.29   "sh" .* Created .* made$'
}

@test "LIST-05 LIST-06: ps --latest --quiet gives the 12-digit ID of the newest, in any state" {
    local id CID
    docker run -d busybox:1.29 sleep 1000
    id=$(docker create busybox:1.29)
    CID=$(docker ps --latest --quiet)
    same "$CID" "${id:0:12}"
    CID=$(docker ps -l -q)
    same "$CID" "${id:0:12}"
}

@test "LIST-07: ps --no-trunc shows all 64 digits" {
    local id
    id=$(docker run -d nginx:latest)
    ok docker ps --no-trunc
    expect_match "^$id .*\"nginx -g 'daemon off;'\""
    same "$(docker ps -q --no-trunc)" "$id"
    same "$(docker ps -l -q --no-trunc)" "$id"
}

@test "LIST-08 LIST-09: ps -a -q and ps -aq give IDs only, one a line" {
    local a b
    a=$(docker create busybox:1.29)
    b=$(docker run -d busybox:1.29 sleep 1000)
    ok docker ps -a -q
    expect_output "${b:0:12}"$'\n'"${a:0:12}"
    ok docker ps -aq
    expect_output "${b:0:12}"$'\n'"${a:0:12}"
}

@test "LIST-10: ps gives names and friendly states" {
    docker run -d --name pp busybox:1.29 sleep 1000
    docker pause pp
    ok docker ps
    expect_match 'Up .* \(Paused\) +pp$'
    docker unpause pp
}
