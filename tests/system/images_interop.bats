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

# tree DIR: type, mode, owner, size, time and content of everything below.
tree() {
    (cd "$1" && find . -mindepth 1 \( -type d -printf '%y %m %U:%G %P\n' -o -type l -printf '%y %P %l\n' -o \
        -printf '%y %m %U:%G %n %s %Ts %P\n' \) | LC_ALL=C sort
        find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

# exported IMAGE DIR: what a container of it would see, but for what the engine puts into every container.
exported() {
    local id
    id=$(docker create "$1" true)
    mkdir -p "$2"
    docker export "$id" | tar -C "$2" --numeric-owner --same-owner -xpf - --exclude 'dev/*' --exclude 'etc/host*' --exclude etc/resolv.conf --exclude .dockerenv
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
