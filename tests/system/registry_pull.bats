# Pull, and run without the image: through a mirror of docker.io, by tag, digest and platform.

load ../lib/helpers
load ../lib/registry

setup_file() {
    "$ROOT/scripts/images" build busybox nginx
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    registry_start hub
    registry_seed hub busybox nginx
    registry_start mirror --mirror-of hub
    registry_engine --registry-mirror "http://$(registry_host mirror)"
    docker pull -q busybox:1.29
    baseline
    no_images
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
    wait_until 3 store_is_empty || fail "left in the store:" "$(store_state | diff "$E_DIR/empty" -)"
}

@test "pull: docker.io's names lead to the mirror" {
    ok docker pull busybox:1.29
    expect_line '1.29: Pulling from library/busybox'
    expect_match '^[0-9a-f]{12}: Pull complete$'
    expect_match '^Digest: sha256:[0-9a-f]{64}$'
    expect_line 'Status: Downloaded newer image for busybox:1.29'
    same "${lines[-1]}" docker.io/library/busybox:1.29
    [ "$(registry_requests mirror 'GET /v2/library/busybox/')" -gt 0 ] || fail 'the mirror was not asked'
    ok docker pull busybox:1.29
    expect_line 'Status: Image is up to date for busybox:1.29'
    ok docker pull busybox
    expect_line 'Using default tag: latest'
    expect_line 'docker.io/library/busybox:latest'
    same "$(docker images -q --no-trunc busybox | sort -u | wc -l)" 1
}

@test "pull -q says the name alone" {
    run --separate-stderr docker pull -q nginx
    expect_status 0
    expect_output docker.io/library/nginx:latest
    same "$stderr" ''
}

@test "run downloads what is not there, and tells so on stderr" {
    run --separate-stderr docker run --rm busybox:1.29 echo hello
    expect_status 0
    expect_output hello
    expect_error "Unable to find image 'busybox:1.29' locally"
    expect_error '1.29: Pulling from library/busybox'
    expect_error 'Status: Downloaded newer image for busybox:1.29'
    run --separate-stderr docker run --rm busybox:1.29 echo again
    same "$output$stderr" again
}

@test "run nginx:latest on a machine without the image" {
    docker run -d --name web nginx:latest 2>/dev/null
    wait_until 10 curl -sf -o "$BATS_TEST_TMPDIR/page" \
        "http://$(docker inspect -f '{{.NetworkSettings.IPAddress}}' web)/"
    grep -q 'Welcome to nginx' "$BATS_TEST_TMPDIR/page"
}

@test "run and create --pull always, missing, never; -q" {
    run --separate-stderr docker run --rm --pull never busybox:1.29 true
    expect_status 125
    expect_error 'No such image: busybox:1.29'
    run --separate-stderr docker run -q --rm --pull missing busybox:1.29 echo quiet
    same "$output$stderr" quiet
    run --separate-stderr docker run --rm --pull always busybox:1.29 true
    expect_error 'Status: Image is up to date for busybox:1.29'
    run --separate-stderr docker create --pull always nginx
    expect_status 0
    expect_id
    expect_error 'Status: Downloaded newer image for nginx:latest'
}

@test "an image that the registry does not have" {
    run --separate-stderr docker pull "$HUB/library/none:tag"
    expect_status 1
    expect_error "manifest for $HUB/library/none:tag not found: manifest unknown"
    run --separate-stderr docker run --rm "$HUB/library/busybox:none" true
    expect_status 125
    expect_error "Unable to find image '$HUB/library/busybox:none' locally"
    expect_error "$CLI run --help"
    run --separate-stderr docker create "$HUB/library/busybox:none"
    expect_status 1
}

@test "nobody listens" {
    run --separate-stderr docker pull 127.0.0.1:1/busybox
    expect_status 1
    expect_output 'Using default tag: latest'
    expect_error 'connection refused'
    expect_error '127.0.0.1:1'
}

@test "names that are none" {
    for name in 'a b' '' UPPER 'x:' 'x@sha256:1' "$(printf 'x\e[2J')"; do
        run --separate-stderr docker pull "$name"
        expect_status 1
        expect_error 'invalid reference format'
    done
    run --separate-stderr docker pull -a busybox:1.29
    expect_status 1
    expect_error "tag can't be used with --all-tags/-a"
}

@test "pull -a: all tags" {
    ok docker pull -a busybox
    expect_line '1.29: Pulling from library/busybox'
    expect_line 'latest: Pulling from library/busybox'
    expect_line docker.io/library/busybox
    ok docker images --format '{{.Repository}}:{{.Tag}}'
    expect_line busybox:1.29
    expect_line busybox:latest
}

@test "pull by digest, and run it" {
    local digest
    docker pull -q "$HUB/library/busybox:1.29"
    digest=$(docker image inspect -f '{{index .RepoDigests 0}}' "$HUB/library/busybox:1.29")
    [[ $digest == "$HUB/library/busybox@sha256:"* ]]
    docker rmi "$HUB/library/busybox:1.29"
    ok docker pull "$digest"
    expect_line "Digest: ${digest#*@}"
    expect_line "Status: Downloaded newer image for $digest"
    same "${lines[-1]}" "$digest"
    ok docker images --digests --format '{{.Repository}} {{.Tag}} {{.Digest}}'
    expect_line "$HUB/library/busybox <none> ${digest#*@}"
    ok docker run --rm "$digest" echo by digest
    expect_output 'by digest'
    run --separate-stderr docker pull "$HUB/library/busybox@sha256:$(printf '%064d' 0)"
    expect_status 1
    expect_error 'manifest unknown'
}

@test "a tag that moves: the new image comes, the old one loses its name" {
    local old
    copy_image "docker://$HUB/library/busybox:1.29" "docker://$HUB/moving:now"
    docker pull -q "$HUB/moving:now"
    old=$(docker image inspect -f '{{.Id}}' "$HUB/moving:now")
    copy_image "docker://$HUB/library/nginx:latest" "docker://$HUB/moving:now"
    ok docker pull "$HUB/moving:now"
    expect_line "Status: Downloaded newer image for $HUB/moving:now"
    [ "$(docker image inspect -f '{{.Id}}' "$HUB/moving:now")" != "$old" ]
    ok docker images --format '{{.ID}} {{.Tag}}' --no-trunc
    expect_line "$old <none>"
}

@test "a layer that is there already is not fetched again" {
    local tar=$BATS_TEST_TMPDIR
    mkdir "$tar/x"
    echo second >"$tar/x/second"
    tar -C "$tar/x" -cf "$tar/second.tar" second
    archive "$CACHE/images/busybox.tar" two:latest "$tar/two.tar" --gzip "--layer=$tar/second.tar"
    copy_image "docker-archive:$tar/two.tar" "docker://$HUB/two"
    docker pull -q busybox:1.29
    ok docker pull "$HUB/two"
    expect_match '^[0-9a-f]{12}: Already exists$'
    expect_match '^[0-9a-f]{12}: Pull complete$'
    ok docker run --rm "$HUB/two" cat /second
    expect_output second
    docker rmi busybox:1.29
    ok docker run --rm "$HUB/two" cat /second
}

@test "gzip, zstd and plain layers, Docker's and OCI's manifests" {
    local tar=$BATS_TEST_TMPDIR format compression
    mkdir "$tar/plain"
    archive "$CACHE/images/busybox.tar" plain:latest "$tar/plain.tar" --oci
    tar -C "$tar/plain" -xf "$tar/plain.tar"
    copy_image "oci:$tar/plain" "docker://$HUB/plain" --preserve-digests
    docker pull -q "$HUB/plain"
    ok docker run --rm "$HUB/plain" echo plain
    for format in v2s2 oci; do
        copy_image "oci:$tar/plain" "docker://$HUB/$format" --format "$format" --dest-compress-format gzip
        docker pull -q "$HUB/$format"
        ok docker run --rm "$HUB/$format" echo "$format"
        expect_output "$format"
    done
    dhow_only 'knows no zstd layers'
    for compression in zstd zstd:chunked; do
        copy_image "oci:$tar/plain" "docker://$HUB/zstd" --format oci --dest-compress-format "$compression" \
            --dest-force-compress-format 2>/dev/null ||
            copy_image "oci:$tar/plain" "docker://$HUB/zstd" --format oci --dest-compress-format "$compression"
        docker pull -q "$HUB/zstd"
        ok docker run --rm "$HUB/zstd" echo zstd
        expect_output zstd
        docker rmi -f "$HUB/zstd"
    done
}

# put_index NAME TAG ARCH...: an index whose members are one image under several platforms' names.
put_index() {
    local name=$1 tag=$2 digest size arch members=''
    shift 2
    curl -sS -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' -o "$BATS_TEST_TMPDIR/m" \
        "http://$HUB/v2/$name/manifests/one"
    digest=sha256:$(sha256sum <"$BATS_TEST_TMPDIR/m" | cut -d' ' -f1)
    size=$(wc -c <"$BATS_TEST_TMPDIR/m")
    for arch; do
        members+=${members:+,}'{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","digest":"'$digest
        members+='","size":'$size',"platform":{"os":"linux","architecture":"'$arch'"}}'
    done
    curl -sSf -X PUT -H 'Content-Type: application/vnd.docker.distribution.manifest.list.v2+json' --data-binary \
        '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":['"$members"']}' \
        "http://$HUB/v2/$name/manifests/$tag"
}

@test "an index: the machine's platform, --platform, and none that suits" {
    copy_image "docker://$HUB/library/busybox:1.29" "docker://$HUB/many:one"
    put_index many both s390x amd64
    put_index many other s390x
    ok docker pull "$HUB/many:both"
    expect_match '^Digest: sha256:'
    ok docker run --rm "$HUB/many:both" echo chosen
    expect_output chosen
    ok docker pull --platform linux/amd64 "$HUB/many:both"
    run --separate-stderr docker pull "$HUB/many:other"
    expect_status 1
    expect_error 'no matching manifest for linux/amd64'
    run --separate-stderr docker pull --platform linux/arm64 "$HUB/many:both"
    expect_status 1
    expect_error 'no matching manifest for linux/arm64'
    run --separate-stderr docker pull --platform 'x y' "$HUB/many:both"
    expect_status 1
}

@test "many pulls of one image at the same time" {
    local i pids=()
    for i in 1 2 3 4 5; do
        docker pull -q nginx >"$BATS_TEST_TMPDIR/$i" 2>&1 3>&- &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i"
    done
    ok docker run --rm nginx:latest true
}

@test "on a terminal there is a line a layer, redrawn and not wider than the terminal" {
    export TERM=xterm
    docker pull -q nginx >/dev/null && docker rmi nginx:latest >/dev/null
    ok "$ON_PTY" -g 24x100 -- docker pull nginx
    expect_text 'Using default tag: latest'
    expect_match $'\e\\[[0-9]+A.*[0-9a-f]{12}: (Verifying Checksum|Download complete|Extracting|Pull complete)'
    expect_match '[0-9a-f]{12}: Pull complete'
    expect_match 'Digest: sha256:'
    [ "$CLI" = dhow ] || return 0
    docker rmi nginx:latest >/dev/null
    ok "$ON_PTY" -g 24x40 -- docker pull nginx
    tr -d '\r' <<<"$output" | sed 's/\x1b\[[0-9]*[A-Z]//g; s/…/./' | grep ': [PDVE]' |
        awk 'length($0) > 40 && !/^(Digest|Status)/ { bad = 1; print } END { exit bad }'
    docker rmi nginx:latest >/dev/null
    # one that cannot move its cursor gets lines
    ok "$ON_PTY" -- env TERM=dumb "$E_DIR/bin/docker" pull nginx
    expect_no_match $'\e'
}

@test "an image is pulled and removed over and over at once: each pull has it or says why" {
    dhow_only 'it is our store that is pressed'
    docker pull -q "$HUB/library/busybox:1.29"
    run python3 - "$E_SOCK" "$HUB/library/busybox" <<'END'
import http.client, random, socket, sys, threading, time

class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])

def call(method, url):
    c = Connection("localhost", timeout=100)
    c.request(method, url)
    r = c.getresponse()
    body = r.read()
    c.close()
    return r.status, body

name, over, bad, pulls = sys.argv[2], threading.Event(), [], [0]

def pull():
    while not over.is_set():
        status, body = call("POST", f"/images/create?fromImage={name}&tag=1.29")
        if status != 200 or b"errorDetail" in body:
            bad.append(body)
            return
        pulls[0] += 1

threads = [threading.Thread(target=pull) for _ in range(4)]
for t in threads:
    t.start()
removed = 0
while pulls[0] < 500 and not bad:
    time.sleep(random.uniform(0, 0.01))
    status, body = call("DELETE", f"/images/{name}:1.29?force=1")
    removed += status == 200
    if status not in (200, 404):
        bad.append(body)
over.set()
for t in threads:
    t.join()
print("bad" if bad else "good", bad[:3])
print("both" if removed > 20 else f"{pulls[0]} pulls, {removed} removed")
END
    expect_status 0
    expect_line 'good []'
    expect_line both
    docker pull -q "$HUB/library/busybox:1.29"
    same "$(docker run --rm "$HUB/library/busybox:1.29" echo whole)" whole
    docker rmi "$HUB/library/busybox:1.29"
}
