# The registry dies and comes back; the engine is killed in the middle of a pull, at random points.

load ../lib/helpers
load ../lib/registry

setup_file() {
    local i layers=()
    "$ROOT/scripts/images" build busybox
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    registry_start hub
    mkdir "$E_DIR/l"
    for i in 1 2 3 4; do
        head -c 8000000 /dev/urandom >"$E_DIR/l/noise$i"
        tar -C "$E_DIR/l" -cf "$E_DIR/l$i.tar" "noise$i"
        layers+=("--layer=$E_DIR/l$i.tar")
    done
    archive "$CACHE/images/busybox.tar" many:latest "$E_DIR/many.tar" --gzip "${layers[@]}"
    copy_image "docker-archive:$E_DIR/many.tar" "docker://$(registry_host hub)/many"
    (cd "$E_DIR/l" && sha256sum noise*) >"$E_DIR/sums"
    rm -rf "$E_DIR"/l "$E_DIR"/l?.tar
    registry_engine
    store_state >"$E_DIR/empty"
    HUB=$(registry_host hub)
    export HUB
}

teardown_file() {
    registries_stop
    teardown_engine
}

teardown() {
    remove_all
    no_images
    wait_until 10 store_is_empty || fail "left in the store:" "$(store_state | diff "$E_DIR/empty" -)"
}

# The image is whole.
whole() {
    docker run --rm -i "$HUB/many" sha256sum -c - <"$E_DIR/sums" >/dev/null || fail 'the image is not whole'
}

crash() {
    engine_signal KILL
    if [ "$DHOW_ENGINE" = docker ]; then
        local pid
        pid=$(cat "$E_DIR/run/containerd/containerd.pid")
        wait_gone "$pid" 5 || kill -KILL "$pid"
    fi
}

@test "the registry is killed in the middle of a pull and comes back" {
    local pid
    in_bg pull docker pull "$HUB/many"
    pid=$BG
    wait_until 10 file_has "$BATS_TEST_TMPDIR/pull" 'Pulling fs layer'
    registry_kill hub
    sleep 0.5
    registry_run hub
    # Either it was noticed and asked again, or it is an error and the next pull succeeds.
    wait "$pid" || ok docker pull "$HUB/many"
    whole
}

@test "the registry is gone: an error that says so" {
    registry_kill hub
    run --separate-stderr timeout 60 docker pull "$HUB/many"
    registry_run hub
    expect_status 1
    expect_error 'connection refused'
}

@test "kill -9 of the engine at twenty points of a pull: the store is consistent, the same command succeeds" {
    local i pid points=20
    [ "$DHOW_ENGINE" = dhow ] || points=3
    for ((i = 0; i < points; i++)); do
        docker pull "$HUB/many" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
        pid=$!
        # a pull takes a few tenths of a second
        sleep "0.$(printf '%03d' $((RANDOM % 400)))"
        crash
        wait "$pid" || true
        registry_engine
        if [ -z "$(docker images -aq)" ]; then
            [ "$DHOW_ENGINE" = docker ] || wait_until 10 store_is_empty ||
                fail "kill $i left:" "$(store_state | diff "$E_DIR/empty" -)"
        fi
        ok docker pull "$HUB/many"
        whole
        docker rmi -f "$HUB/many" >/dev/null
        [ "$DHOW_ENGINE" = docker ] || wait_until 10 store_is_empty ||
            fail "kill $i:" "$(store_state | diff "$E_DIR/empty" -)"
    done
}
