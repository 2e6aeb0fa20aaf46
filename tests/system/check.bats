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
