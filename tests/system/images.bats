# Images: import, save, load, tag, rmi, history, inspect, listing.

load ../lib/helpers

setup_file() {
    "$ROOT/scripts/images" build busybox mailer agent ff
    setup_engine busybox
}

teardown_file() {
    teardown_engine
}

teardown() {
    local tag
    remove_all
    for tag in $(docker images --format '{{.Repository}}:{{.Tag}}' | grep '^test/'); do
        docker rmi -f "$tag" >/dev/null
    done
    docker image inspect busybox:latest >/dev/null
}

MAKE=$BATS_TEST_DIRNAME/../lib/make-image

layers() {
    docker image inspect -f '{{json .RootFS.Layers}}' "$1"
}

@test "import from standard input with every kind of change" {
    run --separate-stderr docker import -m 'by hand' -c 'CMD ["env"]' -c 'ENV A=b C="d e"' -c 'EXPOSE 80 53/udp' \
        -c 'LABEL x=y' -c 'USER nobody' -c 'VOLUME /data' -c 'WORKDIR /tmp' -c 'ENTRYPOINT ["/bin/sh", "-c"]' \
        - test/imported:one <"$CACHE/images/busybox.tar"
    expect_status 0
    [[ ${lines[-1]} =~ ^sha256:[0-9a-f]{64}$ ]]
    ok docker image inspect -f '{{json .Config}}' test/imported:one
    expect_text '"User":"nobody"'
    expect_text '"A=b"'
    expect_text '"C=d e"'
    expect_text '"53/udp":{}'
    expect_text '"80/tcp":{}'
    expect_text '"Cmd":["env"]'
    expect_text '"Entrypoint":["/bin/sh","-c"]'
    expect_text '"/data":{}'
    expect_text '"WorkingDir":"/tmp"'
    expect_text '"Labels":{"x":"y"}'
    same "$(docker image inspect -f '{{.Comment}}' test/imported:one)" 'by hand'
    ok docker run --rm test/imported:one 'id -un; pwd; echo $A'
    expect_output $'nobody\n/tmp\nb'
}

@test "import from a file, gzipped too" {
    gzip -1 -c "$CACHE/images/busybox.tar" >"$BATS_TEST_TMPDIR/b.tar.gz"
    docker import "$BATS_TEST_TMPDIR/b.tar.gz" test/gz
    docker import "$CACHE/images/busybox.tar" test/plain
    same "$(layers test/gz)" "$(layers test/plain)"
    ok docker run --rm test/gz true
}

@test "save and load: the same image comes back" {
    local id
    docker tag busybox:latest test/saved:one
    docker tag busybox:latest test/saved:two
    id=$(docker image inspect -f '{{.Id}}' test/saved:one)
    docker save -o "$BATS_TEST_TMPDIR/s.tar" test/saved:one test/saved:two
    docker save test/saved:one | tar -tf - | grep -qx 'manifest.json'
    docker rmi test/saved:one test/saved:two
    ok docker load -i "$BATS_TEST_TMPDIR/s.tar"
    expect_line 'Loaded image: test/saved:one'
    expect_line 'Loaded image: test/saved:two'
    same "$(docker image inspect -f '{{.Id}}' test/saved:two)" "$id"
    ok docker run --rm test/saved:one echo works
    expect_output works
}

@test "save and load of an image that nothing else holds" {
    local id
    docker import -c 'CMD ["sh"]' - test/alone <"$CACHE/images/mailer.tar" >/dev/null
    id=$(docker image inspect -f '{{.Id}}' test/alone)
    docker save test/alone >"$BATS_TEST_TMPDIR/s.tar"
    docker rmi test/alone
    run docker inspect "$id"
    expect_status 1
    docker load <"$BATS_TEST_TMPDIR/s.tar"
    same "$(docker image inspect -f '{{.Id}}' test/alone)" "$id"
    ok docker run --rm test/alone ls /mailer
}

@test "save by ID gives an archive without a name" {
    docker save "$(docker images -q busybox:latest)" >"$BATS_TEST_TMPDIR/s.tar"
    ok docker load <"$BATS_TEST_TMPDIR/s.tar"
    expect_match '^Loaded image ID: sha256:[0-9a-f]{64}$'
}

@test "load of archives made by others: docker save, gzipped, OCI layout" {
    "$MAKE" "$CACHE/images/agent.tar" test/byhand:save "$BATS_TEST_TMPDIR/a.tar"
    ok docker load -i "$BATS_TEST_TMPDIR/a.tar"
    expect_line 'Loaded image: test/byhand:save'
    same "$(docker run --rm test/byhand:save sh -c 'echo $MADE')" by-hand
    gzip "$BATS_TEST_TMPDIR/a.tar"
    ok docker load -i "$BATS_TEST_TMPDIR/a.tar.gz"
    expect_line 'Loaded image: test/byhand:save'
    ok docker history test/byhand:save
    expect_text 'by hand'
}

@test "load of OCI layouts" {
    dhow_only "20.10 knows no OCI layouts"
    "$MAKE" --oci "$CACHE/images/agent.tar" test-oci:plain "$BATS_TEST_TMPDIR/o.tar"
    ok docker load -i "$BATS_TEST_TMPDIR/o.tar"
    expect_match 'Loaded image: test-oci:plain'
    same "$(docker run --rm test-oci:plain sh -c 'echo $MADE')" by-hand
    docker rmi test-oci:plain
    "$MAKE" --oci --gzip "$CACHE/images/agent.tar" test-oci:gz "$BATS_TEST_TMPDIR/z.tar"
    ok docker load -i "$BATS_TEST_TMPDIR/z.tar"
    same "$(docker run --rm test-oci:gz sh -c 'echo $MADE')" by-hand
    docker rmi test-oci:gz
    "$MAKE" --oci --gzip --corrupt "$CACHE/images/ff.tar" test-oci:bad "$BATS_TEST_TMPDIR/bad.tar"
    run docker load -i "$BATS_TEST_TMPDIR/bad.tar"
    [ "$status" -ne 0 ]
    [ -z "$(docker images -q test-oci)" ]
}

@test "tag, and rmi of names and of the last one" {
    local id
    docker import - test/two:a <"$CACHE/images/ff.tar" >/dev/null
    id=$(docker image inspect -f '{{.Id}}' test/two:a)
    docker tag test/two:a test/two:b
    docker tag "${id:7:12}" test/two:c
    ok docker rmi test/two:a
    expect_output 'Untagged: test/two:a'
    run docker rmi "$id"
    expect_status 1
    expect_text 'image is referenced in multiple repositories' || expect_text 'must be forced'
    docker rmi test/two:b
    ok docker rmi test/two:c
    expect_line 'Untagged: test/two:c'
    expect_line "Deleted: $id"
    expect_match '^Deleted: sha256:[0-9a-f]{64}$'
}

@test "rmi --force of an image in use by a stopped container" {
    docker import -c 'CMD ["true"]' - test/used <"$CACHE/images/ff.tar" >/dev/null
    docker run --name uses test/used true
    run --separate-stderr docker rmi test/used
    expect_status 1
    expect_error 'conflict: unable to remove repository reference "test/used" (must force) - container'
    ok docker rmi -f test/used
    expect_line 'Untagged: test/used:latest'
    same "$(state uses)" exited
}

@test "images: columns, -q, -a, --no-trunc, --digests, filters, by name" {
    docker tag busybox:latest test/list:one
    ok docker images
    [[ ${lines[0]} =~ ^REPOSITORY\ +TAG\ +IMAGE\ ID\ +CREATED\ +SIZE ]]
    expect_match '^test/list +one +[0-9a-f]{12} +.* [0-9.]+MB$'
    ok docker images -q test/list
    [[ $output =~ ^[0-9a-f]{12}$ ]]
    ok docker images -q --no-trunc test/list
    [[ $output =~ ^sha256:[0-9a-f]{64}$ ]]
    ok docker images --digests test/list
    [[ ${lines[0]} =~ DIGEST ]]
    ok docker images --filter reference='test/*' --format '{{.Repository}}:{{.Tag}}'
    expect_output test/list:one
    ok docker images --filter dangling=true -q
    expect_output ""
    ok docker images test/list:nosuch -q
    expect_output ""
    ok docker image ls -q test/list
    [[ $output =~ ^[0-9a-f]{12}$ ]]
}

@test "a replaced tag leaves a dangling image; image prune removes it" {
    docker import - test/again <"$CACHE/images/ff.tar" >/dev/null
    docker import - test/again <"$CACHE/images/mailer.tar" >/dev/null
    same "$(docker images -q --filter dangling=true | wc -l)" 1
    expect_none() { expect_match '^<none> +<none>'; }
    ok docker images
    expect_none
    built docker image prune -f || return 0
    expect_status 0
    expect_match '^deleted: sha256:|^Deleted Images:'
    same "$(docker images -q --filter dangling=true)" ""
    ok docker run --rm test/again ls /mailer
}

@test "history" {
    ok docker history busybox
    [[ ${lines[0]} =~ ^IMAGE\ +CREATED\ +CREATED\ BY\ +SIZE\ +COMMENT ]]
    expect_match 'MB'
    same "$(docker history -q busybox | wc -l)" 1
    ok docker image history --no-trunc --format '{{.ID}}' busybox
    expect_match '^sha256:[0-9a-f]{64}$'
}

@test "image inspect" {
    ok docker image inspect busybox:latest
    python3 -c '
import json, sys
i = json.load(sys.stdin)[0]
assert i["Id"].startswith("sha256:"), i
assert "busybox:latest" in i["RepoTags"], i
assert i["Architecture"] and i["Os"] == "linux", i
assert i["Size"] > 1000000, i
assert i["RootFS"]["Type"] == "layers" and len(i["RootFS"]["Layers"]) == 1, i
' <<<"$output"
    same "$(docker inspect --type image -f '{{.Os}}' busybox)" linux
}

@test "containers of one image share its files and not their changes" {
    docker run --name aa busybox sh -c 'echo changed >/etc/passwd; rm /bin/vi; touch /new'
    ok docker run --rm busybox sh -c 'wc -l </etc/passwd; ls /bin/vi; ls /new 2>/dev/null || echo none'
    expect_line none
    expect_line /bin/vi
    docker start -a aa
    built docker diff aa || return 0
    expect_status 0
    expect_line 'C /etc/passwd'
    expect_line 'D /bin/vi'
    expect_line 'A /new'
}

@test "what the archive says of owners, modes, links and times is in the container" {
    mkdir -p "$BATS_TEST_TMPDIR/t/bin" "$BATS_TEST_TMPDIR/t/dir"
    cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/t/bin/busybox"
    (
        cd "$BATS_TEST_TMPDIR/t" || exit 1
        ln bin/busybox bin/sh
        ln -s busybox bin/stat
        echo x >file
        chown 12:34 file
        chmod 4751 file
        ln file hard
        ln -s dir link
        mkfifo fifo
        chmod 1777 dir
        touch -d '2001-02-03 04:05:06 UTC' file
        mkdir "$(printf 'name with space and \303\244')"
    )
    tar -C "$BATS_TEST_TMPDIR/t" --numeric-owner -cf "$BATS_TEST_TMPDIR/t.tar" .
    docker import "$BATS_TEST_TMPDIR/t.tar" test/tree >/dev/null
    ok docker run --rm test/tree /bin/stat -c '%n %u:%g %a %h %Y' /file
    expect_output '/file 12:34 4751 2 981173106'
    ok docker run --rm test/tree /bin/sh -c '/bin/stat -c "%F %a" /dir /fifo /link; /bin/busybox readlink /link; cd "/name with space and ä"'
    expect_line 'directory 1777'
    expect_match '^fifo '
    expect_match '^symbolic link '
    expect_line dir
}

@test "an image that is removed while a container is made of it" {
    local i
    mkdir "$BATS_TEST_TMPDIR/t" "$BATS_TEST_TMPDIR/t/data"
    (
        cd "$BATS_TEST_TMPDIR/t/data" || exit 1
        seq 15000 | split -l 1 -a 4 - f
    )
    tar -C "$BATS_TEST_TMPDIR/t" -cf "$BATS_TEST_TMPDIR/t.tar" .
    for i in 0.05 0.2 0.4; do
        docker import -c 'VOLUME /data' -c 'CMD ["none"]' "$BATS_TEST_TMPDIR/t.tar" test/many >/dev/null
        docker create --name cc test/many >"$BATS_TEST_TMPDIR/made" 2>&1 &
        sleep "$i"
        run docker rmi -f test/many
        if wait $!; then
            same "$(docker cp cc:/data - | tar -t | grep -c '/f')" 15000
            docker rm -v cc
        else
            # It came first.
            grep -q 'No such image' "$BATS_TEST_TMPDIR/made" || fail "$(cat "$BATS_TEST_TMPDIR/made")"
        fi
        docker rmi -f test/many 2>/dev/null || true
    done
    ok docker system df
    same "$(docker images -aq test/many)" ""
}
