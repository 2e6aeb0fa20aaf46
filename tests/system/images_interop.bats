# What save writes is read by others with the same trees, and what they write by us.

load ../lib/helpers

setup_file() {
    setup_engine busybox
    docker run --name made busybox sh -c 'echo one >/one; chown 3:4 /one; chmod 4755 /one; ln /one /hard; ln -s one /soft; mkdir -m 1777 /dir; touch -d "2001-02-03 04:05:06" /dir/old; mkfifo /pipe; rm /bin/vi; rm -r /var/log; mkdir /var/log'
    docker commit made inter:op >/dev/null
    docker rm made >/dev/null
    docker save -o "$E_DIR/saved.tar" inter:op
}

teardown_file() {
    remove_all
    teardown_engine
}

teardown() {
    [ ! -s "$BATS_TEST_TMPDIR/dockerd" ] || kill "$(cat "$BATS_TEST_TMPDIR/dockerd")" 2>/dev/null || true
}

# tree DIR: type, mode, owner, size, time and content of everything below.
tree() {
    (cd "$1" && find . -mindepth 1 \( -type d -printf '%y %m %U:%G %P\n' -o -type l -printf '%y %P %l\n' -o \
        -printf '%y %m %U:%G %n %s %Ts %P\n' \) | LC_ALL=C sort
        find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

# exported IMAGE DIR: what a container of it would see.
exported() {
    local id
    id=$(docker create "$1" true)
    mkdir -p "$2"
    docker export "$id" | tar -C "$2" --numeric-owner --same-owner -xpf - --exclude 'dev/*' --exclude 'etc/host*' \
        --exclude etc/resolv.conf --exclude etc/mtab --exclude .dockerenv
    docker rm "$id" >/dev/null
}

needs() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

@test "skopeo and umoci read what save writes: the same tree" {
    needs skopeo
    needs umoci
    local d=$BATS_TEST_TMPDIR
    skopeo copy -q "docker-archive:$E_DIR/saved.tar" "oci:$d/oci:op"
    umoci unpack --image "$d/oci:op" "$d/bundle" >/dev/null
    exported inter:op "$d/ours"
    diff <(tree "$d/ours") <(tree "$d/bundle/rootfs")
}

@test "what skopeo writes is loaded with the same tree, from both kinds of archive" {
    needs skopeo
    local d=$BATS_TEST_TMPDIR layers
    layers=$(docker image inspect -f '{{json .RootFS.Layers}}' inter:op)
    skopeo copy -q "docker-archive:$E_DIR/saved.tar" "docker-archive:$d/da.tar:inter:skopeo"
    skopeo copy -q "docker-archive:$E_DIR/saved.tar" "oci-archive:$d/oa.tar:inter:oci"
    docker load -i "$d/da.tar"
    same "$(docker image inspect -f '{{json .RootFS.Layers}}' inter:skopeo)" "$layers"
    ok docker load -i "$d/oa.tar"
    # Save gives the layers back byte for byte.
    docker save inter:skopeo | tar -xf - -C "$d"
    local l
    for l in $(tr -d '[]"' <<<"$layers" | tr , ' '); do
        same "sha256:$(find "$d" -name "*${l#sha256:}*" -type f | head -n 1 | xargs sha256sum | cut -d' ' -f1)" "$l"
    done
}

@test "save of several images has shared layers once" {
    docker save inter:op busybox:latest >"$BATS_TEST_TMPDIR/both.tar"
    same "$(tar -tf "$BATS_TEST_TMPDIR/both.tar" | sort | uniq -d)" ""
    local both one
    both=$(stat -c %s "$BATS_TEST_TMPDIR/both.tar")
    one=$(stat -c %s "$E_DIR/saved.tar")
    [ "$both" -lt $((one + 100000)) ]
}

@test "podman and dockerd load what save writes: the same tree; we load what dockerd saves" {
    needs podman
    dhow_only 'would speak to itself'
    local d pid bin ours podman mounted
    d=$(mktemp -d /tmp/dhow.XXXXXX) # a short name: containerd's socket has a path, too
    exported inter:op "$d/ours"
    ours=$(tree "$d/ours")

    podman=(env -u DOCKER_CONFIG podman --root "$d/podman" --runroot "$d/podman-run" --storage-driver vfs)
    "${podman[@]}" load -q -i "$E_DIR/saved.tar"
    mounted=$("${podman[@]}" image mount docker.io/library/inter:op)
    [ -d "$mounted/bin" ] && [ "$mounted" != / ]
    cp -a "$mounted" "$d/by-podman"
    "${podman[@]}" image umount -a >/dev/null
    diff <(echo "$ours") <(tree "$d/by-podman")

    bin=$("$ROOT/scripts/dockerd")
    "$ROOT/scripts/docker-cli" >/dev/null
    printf '{}' >"$d/daemon.json"
    PATH=$bin:$PATH detached dockerd --config-file "$d/daemon.json" --data-root "$d/data" --exec-root "$d/run" \
        -H "unix://$d/s" --bridge none --iptables=false --ip6tables=false --pidfile "$d/pid" </dev/null >"$d/log" 2>&1 &
    pid=$!
    echo "$pid" >"$BATS_TEST_TMPDIR/dockerd"
    wait_until 30 "$DOCKER_CLI" -H "unix://$d/s" version >/dev/null 2>&1 || fail "$(tail -n 5 "$d/log")"
    "$DOCKER_CLI" -H "unix://$d/s" load -q -i "$E_DIR/saved.tar"
    "$DOCKER_CLI" -H "unix://$d/s" create --name made inter:op true
    mkdir "$d/by-dockerd"
    "$DOCKER_CLI" -H "unix://$d/s" export made | tar -C "$d/by-dockerd" --numeric-owner --same-owner -xpf - \
        --exclude 'dev/*' --exclude 'etc/host*' --exclude etc/resolv.conf --exclude etc/mtab --exclude .dockerenv
    "$DOCKER_CLI" -H "unix://$d/s" rm made
    "$DOCKER_CLI" -H "unix://$d/s" tag inter:op inter:dockerd
    "$DOCKER_CLI" -H "unix://$d/s" save -o "$d/saved.tar" inter:dockerd
    kill "$pid"
    wait_until 20 sh -c "! kill -0 $pid 2>/dev/null"
    rm "$BATS_TEST_TMPDIR/dockerd"
    diff <(echo "$ours") <(tree "$d/by-dockerd")

    docker load -i "$d/saved.tar"
    exported inter:dockerd "$d/back"
    diff <(echo "$ours") <(tree "$d/back")
    docker rmi inter:dockerd
    rm -rf --one-file-system "$d"
}
