# dhow system check: what the engine knows against what the machine has.

load ../lib/helpers

setup_file() {
    [ "${DHOW_ENGINE:-dhow}" = dhow ] || return 0
    setup_engine busybox
}

teardown_file() {
    teardown_engine
}

setup() {
    dhow_only "has no such command"
}

teardown() {
    remove_all
    assert_nothing_left
}

check() {
    "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system check "$@"
}

@test "a sound engine has no problems" {
    docker run -d --name cc -p 127.0.0.1:18077:80 busybox sleep 1000
    docker create --name made -v /data busybox
    ok check
    expect_match '^Checked 2 containers \(1 running\), [1-9][0-9]* layers, 1 volumes: 0 problems$'
    expect_match '^Last start '
    ok check --format json
    python3 -c '
import json, sys
c = json.load(sys.stdin)
assert c["Problems"] == [] and c["Checked"]["Running"] == 1, c
assert c["LastStart"]["Milliseconds"] < 2000, c
' <<<"$output"
    ok api GET /dhow/check
    expect_text '"Problems":[]'
    docker rm -fv cc made
}

@test "what belongs to nobody is found, and swept by --repair" {
    local cg orphan
    docker run -d --name cc busybox sleep 1000
    orphan=$(printf 'ab%.0s' $(seq 32))
    cg=$(find /sys/fs/cgroup -mindepth 2 -maxdepth 4 -type d -path "*$E_CGROUP" | head -n 1)
    mkdir "$cg/$orphan" "$E_DIR/data/containers/$orphan" "$E_DIR/run/containers/$orphan" "$E_DIR/data/layers/$orphan"
    # New things may be somebody's work under way: they do not count yet.
    run check
    expect_status 1
    expect_text "cgroup "
    expect_no_match "containers/$orphan"
    ok check --repair
    expect_match "$orphan belongs to no container \(repaired\)"
    [ ! -e "$cg/$orphan" ]
    ok check
    rmdir "$E_DIR/data/containers/$orphan" "$E_DIR/run/containers/$orphan" "$E_DIR/data/layers/$orphan"
    is_state cc running
}

@test "system df -v: every byte below the data root, and what belongs to nothing" {
    same_as_du() {
        local all
        all=$(api GET /dhow/df | python3 -c '
import json, sys
u = json.loads(sys.stdin.readline())
assert u["Total"] == sum(p["Size"] for p in u["Parts"]) + u["Unaccounted"], u
print(u["Total"])')
        [ "$all" = "$(du -sxB1 "$E_DIR/data" | cut -f1)" ]
    }
    part() { "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v | grep -oE "^$1 +[0-9]+ +[1-9].*" ; }
    docker run --name cc -v vv:/v busybox sh -c 'seq 20000; seq 20000 >/v/x; ln /v/x /v/y; seq 30000 >/z' >/dev/null
    docker commit cc child:1
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v
    expect_line 'unaccounted: 0 B'
    local kind
    for kind in 'Images, unique' 'Images, shared' 'Image configurations' 'Containers, writable layers' 'Containers, logs' \
        'Containers, other files' Volumes Database Events Reserve Directories; do
        part "$kind" || fail "no bytes of: $kind" "$(docker system df -v)"
    done
    wait_until 5 same_as_du || fail "not what du says"
    head -c 50000 /dev/zero >"$E_DIR/data/stray"
    mkdir "$E_DIR/data/layers/lost"
    head -c 70000 /dev/zero >"$E_DIR/data/layers/lost/file"
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v
    expect_line "unaccounted: $(du -cB1 "$E_DIR/data/stray" "$E_DIR/data/layers/lost" | awk 'END { print $1 }') B"
    expect_match '^  layers/lost: [0-9]+ B$'
    expect_match '^  stray: [0-9]+ B$'
    wait_until 5 same_as_du
    run check --min-age 0s
    expect_status 1
    expect_match '/layers/lost belongs to nothing'
    # What lies at the top may be somebody's: told, not deleted.
    run check --repair --min-age 0s
    expect_status 1
    expect_match '/layers/lost belongs to nothing .*\(repaired\)$'
    expect_match '/stray belongs to nothing \([0-9]+ bytes\)$'
    [ ! -e "$E_DIR/data/layers/lost" ]
    rm "$E_DIR/data/stray"
    ok check --min-age 0s
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v
    expect_line 'unaccounted: 0 B'
    docker rm -v cc
    docker volume rm vv
    docker rmi child:1
}

@test "a volume or a container whose directory is gone is told" {
    docker volume create vv
    mv "$E_DIR/data/volumes/vv" "$E_DIR/vv"
    run check
    expect_status 1
    expect_text 'volume vv: its directory is gone'
    mv "$E_DIR/vv" "$E_DIR/data/volumes/vv"
    ok check
    docker volume rm vv
}

@test "what the last start did is remembered" {
    docker run -d --name cc busybox sleep 1000
    docker run -d --name lost busybox sleep 1000
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' lost)
    engine_signal KILL
    kill -KILL "$pid"
    mkdir "$E_DIR/data/containers/$(printf 'cd%.0s' $(seq 32))"
    engine_start
    ok check
    expect_match 'container [0-9a-f]+ ended while the daemon was away'
    expect_match 'which belongs to no container'
    expect_text '2 containers, of which 1 go on running'
    is_state cc running
}
