# Chapter 3, identifying, finding and installing software: rows SW-01 to SW-10. Docker Hub and quay.io cannot be
# reached from a test: a mirror stands in for the one, a registry on loopback for the other.

load ../lib/helpers
load ../lib/registry

setup_file() {
    "$ROOT/scripts/images" build busybox nginx
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    registry_start hub
    registry_seed hub busybox nginx
    registry_start quay
    QUAY=$(registry_host quay)
    copy_image "docker://$(registry_host hub)/library/busybox:latest" \
        "docker://$QUAY/dockerinaction/ch3_hello_registry:latest"
    fault_registry index "$(layout)"
    registry_engine --registry-mirror "http://$(registry_host hub)"
    export QUAY
}

layout() {
    copy_image "docker://$(registry_host hub)/library/busybox:latest" "oci:$E_DIR/layout:latest"
    printf '%s\n' "$E_DIR/layout"
}

teardown_file() {
    registries_stop
    teardown_engine
}

teardown() {
    remove_all
    no_images
}

@test "SW-01: an image is files and metadata: history, ports, volumes" {
    docker pull -q nginx
    ok docker image inspect nginx
    expect_text '"ExposedPorts": {'
    expect_text '"RootFS": {'
    ok docker history nginx
    expect_match '^IMAGE +CREATED +CREATED BY +SIZE +COMMENT'
    ok docker run --rm nginx ls /usr/sbin/nginx
}

@test "SW-02: an image's ID is long, and another for every change" {
    docker pull -q busybox
    docker pull -q nginx
    ok docker images -q --no-trunc
    expect_match '^sha256:[0-9a-f]{64}$'
    same "$(sort -u <<<"$output" | wc -l)" 2
}

@test "SW-03 SW-09: a repository's name is host, user and short name; the tag is latest by default" {
    local name
    ok docker pull "$QUAY/dockerinaction/ch3_hello_registry"
    expect_line 'Using default tag: latest'
    for name in '' ':latest'; do
        ok docker image inspect -f '{{json .RepoTags}}' "$QUAY/dockerinaction/ch3_hello_registry$name"
        expect_output "[\"$QUAY/dockerinaction/ch3_hello_registry:latest\"]"
    done
    ok docker images --format '{{.Repository}} {{.Tag}}'
    expect_output "$QUAY/dockerinaction/ch3_hello_registry latest"
}

@test "SW-04: a repository holds several images, known by their tags" {
    copy_image "docker://$(registry_host hub)/library/busybox:latest" "docker://$QUAY/user/several:one"
    copy_image "docker://$(registry_host hub)/library/nginx:latest" "docker://$QUAY/user/several:two"
    docker pull -q -a "$QUAY/user/several"
    ok docker images --format '{{.Tag}}' "$QUAY/user/several"
    expect_line one
    expect_line two
    same "$(docker images -q "$QUAY/user/several" | sort -u | wc -l)" 2
}

@test "SW-05: a tag is one image's; an image has as many tags as it likes" {
    docker pull -q busybox:1.29
    docker pull -q nginx
    docker tag busybox:1.29 mine:stable
    docker tag busybox:1.29 mine:1.29
    same "$(docker images -q mine | sort -u | wc -l)" 1
    docker tag nginx mine:stable
    same "$(docker image inspect -f '{{.Id}}' mine:stable)" "$(docker image inspect -f '{{.Id}}' nginx)"
    same "$(docker images -q mine | sort -u | wc -l)" 2
}

@test "SW-06 SW-07: without a host it is docker.io, without a user the library" {
    ok docker pull nginx
    expect_line 'latest: Pulling from library/nginx'
    same "${lines[-1]}" docker.io/library/nginx:latest
    docker rmi nginx >/dev/null
    ok docker pull docker.io/library/nginx:latest
    ok docker images --format '{{.Repository}}:{{.Tag}}'
    expect_output nginx:latest
    docker rmi nginx >/dev/null
    run --separate-stderr docker run --rm busybox:1.29 echo installed by running
    expect_output 'installed by running'
    expect_error "Unable to find image 'busybox:1.29' locally"
}

@test "SW-07: search and login, which the book leaves out" {
    ok docker search "$(registry_host index)/busybox"
    expect_match '^NAME +DESCRIPTION +STARS +OFFICIAL'
    expect_match '^busybox .* \[OK\]'
    run docker login "$QUAY" </dev/null
    expect_status 1
    expect_text 'Cannot perform an interactive login from a non TTY device'
}

@test "SW-08: another registry" {
    ok docker pull "$QUAY/dockerinaction/ch3_hello_registry:latest"
    expect_line 'latest: Pulling from dockerinaction/ch3_hello_registry'
    ok docker run --rm "$QUAY/dockerinaction/ch3_hello_registry:latest" echo hello
    expect_output hello
    docker rmi "$QUAY/dockerinaction/ch3_hello_registry"
    same "$(docker images -q)" ''
}

@test "SW-10: images as files" {
    docker pull -q busybox:latest
    docker save -o "$BATS_TEST_TMPDIR/busybox.tar" busybox:latest
    tar -tf "$BATS_TEST_TMPDIR/busybox.tar" | grep -qx manifest.json
    docker rmi busybox:latest
    ok docker load -i "$BATS_TEST_TMPDIR/busybox.tar"
    expect_text 'Loaded image: busybox:latest'
    ok docker run --rm busybox:latest echo loaded
}
