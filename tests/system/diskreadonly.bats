# A data root that has become read-only, as after an error of the disk: what writes says so, what runs goes on and can be
# ended, and when it is writable again nothing is left.

load ../lib/helpers
load ../lib/registry
load ../lib/smalldisk

setup_file() {
    [ "${DHOW_ENGINE:-dhow}" = dhow ] || return 0
    registry_start reg
    R=$(registry_host reg)
    export R
}

teardown_file() {
    [ "${DHOW_ENGINE:-dhow}" = dhow ] || return 0
    registries_stop
}

setup() {
    dhow_only "writes nothing down"
}

teardown() {
    local status=0
    [ -n "${E_DIR:-}" ] || return 0
    if grep -q " $E_DIR/disk .*abort" /proc/self/mounts; then
        docker kill cc dd
        engine_signal TERM
        repair_disk
        engine_start
    fi
    remove_all || status=1
    assert_nothing_left || status=1
    teardown_small_engine || status=1
    return $status
}

# An engine on such a disk, with a container that runs, one that does not, and images to read.
prepare() {
    setup_small_engine busybox
    mkdir "$BATS_TEST_TMPDIR/layer"
    echo new >"$BATS_TEST_TMPDIR/layer/file"
    tar -C "$BATS_TEST_TMPDIR/layer" -cf "$BATS_TEST_TMPDIR/layer.tar" file
    archive "$CACHE/images/busybox.tar" loaded:1 "$BATS_TEST_TMPDIR/saved" "--layer=$BATS_TEST_TMPDIR/layer.tar"
    archive "$CACHE/images/busybox.tar" pulled:1 "$BATS_TEST_TMPDIR/image.tar" --gzip "--layer=$BATS_TEST_TMPDIR/layer.tar"
    copy_image "docker-archive:$BATS_TEST_TMPDIR/image.tar" "docker://$R/pulled:1"
    docker run -d --name cc busybox sh -c 'echo begun; trap "exit 7" TERM; while :; do sleep 0.1; done' >/dev/null
    docker run -d --name dd busybox sleep 1000 >/dev/null
    docker create --name made busybox true >/dev/null
    docker volume create keep >/dev/null
    wait_logs cc begun
    docker images --format '{{.Repository}}:{{.Tag}}' >"$BATS_TEST_TMPDIR/images"
}

refused() {
    run --separate-stderr timeout 20 "$@"
    if [ "$status" = 0 ] || [ "$status" = 124 ]; then # 124: timeout's
        fail "status $status: $*" "$output" "$stderr"
    fi
    expect_error 'read-only file system'
}

refuses_to_write() {
    refused docker create --name new busybox true
    refused docker run --rm --name new busybox true
    refused docker start made
    refused docker commit cc new:1
    refused docker import "$CACHE/images/busybox.tar" new:1
    refused docker load -i "$BATS_TEST_TMPDIR/saved"
    refused docker pull "$R/pulled:1"
    refused docker cp "$BATS_TEST_FILENAME" cc:/file
    refused docker volume create new
    same "$(docker ps -a --format '{{.Names}}' | sort)" $'cc\ndd\nmade'
    docker images --format '{{.Repository}}:{{.Tag}}' | diff "$BATS_TEST_TMPDIR/images" -
    same "$(docker volume ls -q)" keep
}

goes_on() {
    ok docker exec cc echo in
    expect_output in
    ok docker logs cc
    expect_output begun
    ok docker inspect cc
    ok docker stats --no-stream
    ok docker top cc
}

works_again() {
    ok docker start -a made
    ok docker run --rm busybox true
    ok docker load -i "$BATS_TEST_TMPDIR/saved"
    ok docker pull "$R/pulled:1"
    ok docker tag busybox new:1
    ok docker commit cc new:2
    ok docker rename cc ee
    ok docker start ee
    ok docker rm -f ee dd made
    ok docker rmi loaded:1 new:1 new:2 "$R/pulled:1"
    ok docker volume rm keep
    database_is_sound
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v
    expect_line 'unaccounted: 0 B'
}

@test "read-only for an error: what writes says so, what runs goes on, no daemon starts, after the repair nothing is left" {
    prepare
    abort_disk
    refuses_to_write
    refused docker tag busybox new:1
    refused docker rename cc new
    refused docker rm made
    refused docker rmi busybox
    refused docker volume rm keep
    refused docker pause dd
    is_state dd running
    goes_on
    ok docker stop cc
    ok docker kill dd
    is_state cc exited
    is_state dd exited
    # This is nowhere to be written down: the next daemon will not know it.
    same "$(docker inspect -f '{{.State.ExitCode}}' cc)" 7
    engine_signal TERM
    run --separate-stderr timeout 20 "$BUILD/src/daemon/dhowd" --data-root "$E_DIR/data" --exec-root "$E_DIR/run" \
        -H "unix://$E_SOCK" --pidfile "$E_PIDFILE" --bridge "$E_BRIDGE"
    if [ "$status" = 0 ] || [ "$status" = 124 ]; then
        fail "starts: $status"
    fi
    expect_error 'read-only file system'
    assert_engine_gone
    repair_disk
    engine_start
    works_again
}
