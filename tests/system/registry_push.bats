# Push: what arrives is what others' tools read, and what they push is what we get.

load ../lib/helpers
load ../lib/registry

setup_file() {
    # shellcheck disable=SC2153
    "$ROOT/scripts/images" build busybox
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    registry_start hub
    registry_seed hub busybox
    registry_engine --registry-mirror "http://$(registry_host hub)"
    docker pull -q busybox:1.29
    docker tag busybox:1.29 busybox:latest
    baseline
    HUB=$(registry_host hub)
    mkdir "$E_DIR/tree"
    "$ROOT/tests/lib/make-tree" "$E_DIR/tree"
    archive "$CACHE/images/busybox.tar" tree:latest "$E_DIR/tree.tar" --gzip "--layer=$E_DIR/tree/lower.tar" \
        "--layer=$E_DIR/tree/upper.tar"
    # What the layers hold, as umoci reads them.
    copy_image "docker-archive:$E_DIR/tree.tar" "docker://$HUB/tree"
    tree_by_umoci "$HUB/tree" "$E_DIR/expected"
    export HUB
}

teardown_file() {
    registries_stop
    teardown_engine
}

teardown() {
    local image
    remove_all
    for image in $(docker images --format '{{.Repository}}:{{.Tag}}' | grep "^$HUB/"); do
        docker rmi -f "$image" >/dev/null
    done
    assert_nothing_left
}

# tree_by_umoci IMAGE OUT: the manifest of the image's /data
tree_by_umoci() {
    local dir
    dir=$(mktemp -d "$E_DIR/umoci.XXXXXX")
    copy_image "docker://$1" "oci:$dir/oci:x"
    umoci --log error unpack --image "$dir/oci:x" "$dir/bundle"
    "$ROOT/tests/lib/tree-manifest" "$dir/bundle/rootfs/data" >"$2"
    rm -rf "$dir"
}

# tree_by_engine IMAGE OUT: as a container sees it
tree_by_engine() {
    local id pid
    id=$(docker run -d "$1" sleep 1000)
    pid=$(docker inspect -f '{{.State.Pid}}' "$id")
    "$ROOT/tests/lib/tree-manifest" "/proc/$pid/root/data" >"$2"
    docker rm -f "$id" >/dev/null
}

tree_by_podman() {
    local dir root
    dir=$(mktemp -d "$E_DIR/podman.XXXXXX")
    set -- "$@" env -u DOCKER_CONFIG podman --root "$dir/root" --runroot "$dir/run" --storage-driver vfs
    "${@:3}" pull -q --tls-verify=false "$1" >/dev/null
    root=$("${@:3}" image mount "$1")
    "$ROOT/tests/lib/tree-manifest" "$root/data" >"$2"
    rm -rf "$dir"
}

same_tree() {
    diff "$E_DIR/expected" "$1" >"$BATS_TEST_TMPDIR/diff" || fail 'another tree:' "$(head -n 20 "$BATS_TEST_TMPDIR/diff")"
}

@test "push: its words, and once more when everything is there" {
    docker tag busybox:1.29 "$HUB/one"
    ok docker push "$HUB/one"
    expect_line 'Using default tag: latest'
    expect_line "The push refers to repository [$HUB/one]"
    expect_match '^[0-9a-f]{12}: Preparing$'
    expect_match '^[0-9a-f]{12}: (Pushed|Mounted from library/busybox)$'
    expect_match '^latest: digest: sha256:[0-9a-f]{64} size: [0-9]+$'
    ok docker push "$HUB/one:latest"
    expect_match '^[0-9a-f]{12}: Layer already exists$'
    run --separate-stderr docker push -q "$HUB/one"
    expect_status 0
    same "$output$stderr" "$HUB/one:latest"
    ok curl -sf "http://$HUB/v2/one/tags/list"
    expect_text '"tags":["latest"]'
}

@test "push by its other name, and to a terminal" {
    docker tag busybox:1.29 "$HUB/two:x"
    ok "$ON_PTY" -- docker image push "$HUB/two:x"
    expect_text 'x: digest: sha256:'
}

@test "push -a: all tags" {
    docker tag busybox:1.29 "$HUB/all:a"
    docker tag busybox:1.29 "$HUB/all:b"
    ok docker push -a "$HUB/all"
    expect_match '^a: digest: sha256:'
    expect_match '^b: digest: sha256:'
    ok curl -sf "http://$HUB/v2/all/tags/list"
    expect_match '"tags":\[("a","b"|"b","a")\]'
    run --separate-stderr docker push -a "$HUB/all:a"
    expect_status 1
    expect_error "tag can't be used with --all-tags/-a"
}

@test "push of what is not there or has no such name" {
    run --separate-stderr docker push "$HUB/absent"
    expect_status 1
    expect_error "An image does not exist locally with the tag: $HUB/absent"
    run --separate-stderr docker push "$HUB/BAD"
    expect_status 1
    expect_error 'invalid reference format'
    run --separate-stderr docker push "busybox@sha256:$(printf '%064d' 0)"
    expect_status 1
    expect_error 'cannot push a digest reference'
}

@test "what others pushed is what a container sees" {
    docker pull -q "$HUB/tree"
    tree_by_engine "$HUB/tree" "$BATS_TEST_TMPDIR/tree"
    same_tree "$BATS_TEST_TMPDIR/tree"
}

@test "what we push is read by umoci and podman" {
    local digest
    docker pull -q "$HUB/tree"
    docker tag "$HUB/tree" "$HUB/ours"
    docker push -q "$HUB/ours"
    tree_by_umoci "$HUB/ours" "$BATS_TEST_TMPDIR/umoci"
    same_tree "$BATS_TEST_TMPDIR/umoci"
    tree_by_podman "$HUB/ours" "$BATS_TEST_TMPDIR/podman"
    same_tree "$BATS_TEST_TMPDIR/podman"
    # the layers' contents are the same to the byte
    skopeo inspect --tls-verify=false --config "docker://$HUB/tree" >"$BATS_TEST_TMPDIR/a"
    skopeo inspect --tls-verify=false --config "docker://$HUB/ours" >"$BATS_TEST_TMPDIR/b"
    same "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["rootfs"])' "$BATS_TEST_TMPDIR/b")" \
        "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["rootfs"])' "$BATS_TEST_TMPDIR/a")"
}

@test "what we push after a load, to a registry that has nothing of it" {
    registry_start fresh
    docker load -q -i "$E_DIR/tree.tar" >/dev/null
    docker tag tree:latest "$(registry_host fresh)/tree"
    docker push -q "$(registry_host fresh)/tree"
    docker rmi -f tree:latest "$(registry_host fresh)/tree" >/dev/null
    tree_by_umoci "$(registry_host fresh)/tree" "$BATS_TEST_TMPDIR/umoci"
    registry_kill fresh
    same_tree "$BATS_TEST_TMPDIR/umoci"
}

@test "what podman pushes is pulled" {
    local dir
    dir=$(mktemp -d "$E_DIR/podman.XXXXXX")
    set -- env -u DOCKER_CONFIG podman --root "$dir/root" --runroot "$dir/run" --storage-driver vfs
    "$@" pull -q --tls-verify=false "$HUB/tree" >/dev/null
    "$@" push -q --tls-verify=false --format oci "$HUB/tree" "$HUB/by-podman"
    rm -rf "$dir"
    docker pull -q "$HUB/by-podman"
    tree_by_engine "$HUB/by-podman" "$BATS_TEST_TMPDIR/tree"
    same_tree "$BATS_TEST_TMPDIR/tree"
}

@test "between dockerd and us: push there, pull here, and back" {
    dhow_only 'would speak to itself'
    local d pid bin
    bin=$("$ROOT/scripts/dockerd")
    "$ROOT/scripts/docker-cli" >/dev/null
    # a short name: containerd's socket has a path, too
    d=$(mktemp -d /tmp/dhow.XXXXXX)
    printf '{}' >"$d/daemon.json"
    PATH=$bin:$PATH detached dockerd --config-file "$d/daemon.json" --data-root "$d/data" --exec-root "$d/run" -H "unix://$d/s" \
        --bridge none --iptables=false --ip6tables=false --pidfile "$d/pid" </dev/null >"$d/log" 2>&1 &
    pid=$!
    wait_until 30 "$DOCKER_CLI" -H "unix://$d/s" version >/dev/null 2>&1 || fail "$(tail -n 5 "$d/log")"
    docker pull -q "$HUB/tree"
    docker tag "$HUB/tree" "$HUB/for-dockerd"
    docker push -q "$HUB/for-dockerd"
    "$DOCKER_CLI" -H "unix://$d/s" pull -q "$HUB/for-dockerd"
    "$DOCKER_CLI" -H "unix://$d/s" run -d --name other --net host "$HUB/for-dockerd" sleep 1000
    "$ROOT/tests/lib/tree-manifest" \
        "/proc/$("$DOCKER_CLI" -H "unix://$d/s" inspect -f '{{.State.Pid}}' other)/root/data" >"$BATS_TEST_TMPDIR/there"
    "$DOCKER_CLI" -H "unix://$d/s" commit other "$HUB/by-dockerd"
    "$DOCKER_CLI" -H "unix://$d/s" rm -f other
    "$DOCKER_CLI" -H "unix://$d/s" push -q "$HUB/by-dockerd"
    kill "$pid"
    wait_gone "$pid"
    umount "$d/run/netns/default" # left by --net host
    rm -rf --one-file-system "$d"
    docker pull -q "$HUB/by-dockerd"
    tree_by_engine "$HUB/by-dockerd" "$BATS_TEST_TMPDIR/here"
    same_tree "$BATS_TEST_TMPDIR/there"
    same_tree "$BATS_TEST_TMPDIR/here"
}

@test "skopeo copy docker-daemon: reads and writes our images" {
    docker pull -q "$HUB/tree"
    skopeo copy -q --insecure-policy --src-daemon-host "unix://$E_SOCK" --dest-tls-verify=false \
        "docker-daemon:$HUB/tree:latest" "docker://$HUB/by-skopeo"
    tree_by_umoci "$HUB/by-skopeo" "$BATS_TEST_TMPDIR/umoci"
    same_tree "$BATS_TEST_TMPDIR/umoci"
    docker rmi -f "$HUB/tree" >/dev/null
    skopeo copy -q --insecure-policy --src-tls-verify=false --dest-daemon-host "unix://$E_SOCK" \
        "docker://$HUB/by-skopeo" "docker-daemon:$HUB/from-skopeo:latest"
    tree_by_engine "$HUB/from-skopeo" "$BATS_TEST_TMPDIR/tree"
    same_tree "$BATS_TEST_TMPDIR/tree"
}
