# Registries that send what they should not, or nothing: an error, nothing left, and the engine lives on. What can be
# made good by asking again is.

load ../lib/helpers
load ../lib/registry

setup_file() {
    fault_registry_engine
    registry_engine
    store_state >"$E_DIR/empty"
    F=$(registry_host fault)
    export F
}

teardown_file() {
    registries_stop
    teardown_engine
}

teardown() {
    [ "$BATS_TEST_COMPLETED" != 1 ] || docker version >/dev/null || fail 'the engine is gone'
    remove_all
    no_images
    wait_until 10 store_is_empty || fail "left in the store:" "$(store_state | diff "$E_DIR/empty" -)"
}

name_of() {
    [[ $1 == */* ]] || printf /busybox
}

# refused FAULT MESSAGE [SECONDS]: the pull fails with that, and leaves nothing.
refused() {
    run --separate-stderr timeout "${3:-120}" docker pull "$F/$1$(name_of "$1")"
    expect_status 1
    [[ $stderr != *'not built'* ]]
    grep -qE -- "$2" <<<"$stderr" || { show_run; fail "expected on stderr: $2"; }
    wait_until 10 store_is_empty || fail "$1 left in the store:" "$(store_state | diff "$E_DIR/empty" -)"
    same "$(docker images -aq)" ''
}

# mended FAULT: the pull succeeds all the same.
mended() {
    ok timeout 120 docker pull "$F/$1/busybox"
    expect_text 'Status: Downloaded newer image'
    ok docker run --rm "$F/$1/busybox" wc -c /noise
    expect_output '3000000 /noise'
    docker rmi "$F/$1/busybox" >/dev/null
}

# Patience is tested elsewhere: two attempts and it is enough.
impatient() {
    engine_signal TERM
    registry_engine --max-download-attempts 2
    "$@"
    engine_signal TERM
    registry_engine
}

@test "a registry without faults" {
    mended ok
}

@test "layers with wrong bytes, too short, too long, empty" {
    refused wrong-bytes 'verif|digest|checksum|did not match|corrupt|unexpected|invalid'
    refused short 'verif|digest|length|size|EOF'
    refused long 'verif|digest|length|size|EOF|longer'
    refused empty 'verif|digest|length|size|EOF'
}

@test "a layer of another size than announced" {
    refused wrong-size 'verif|digest|length|size|EOF'
    refused negative-size '.'
}

@test "a wrong configuration" {
    refused config-wrong-bytes 'verif|digest|invalid|length|size'
    refused config-short 'verif|digest|invalid|length|size|EOF'
    refused too-few-layers '.'
}

@test "manifests that are none" {
    refused bad-manifest '.'
    refused no-config '.'
    refused html '.'
    refused bad-digest-name '[Ii]nvalid|unsupported|digest'
    # what was asked for by digest is that, or nothing
    refused "other-manifest/busybox@sha256:$(printf 'something else' | sha256sum | cut -d' ' -f1)" '.'
}

@test "manifests without end" {
    dhow_only 'reads it until it has no memory left'
    local before after
    before=$(awk '/^VmHWM/ { print $2 }' "/proc/$(cat "$E_PIDFILE")/status")
    refused endless-manifest '.' 120
    refused huge-manifest '.' 120
    after=$(awk '/^VmHWM/ { print $2 }' "/proc/$(cat "$E_PIDFILE")/status")
    [ $((after - before)) -lt 50000 ] || fail "grew from $before to $after kB"
}

@test "layers and configurations without end" {
    dhow_only 'reads on and on'
    refused endless '.' 120
    refused config-endless '.' 120
}

@test "downloads that break off are taken up where they were" {
    mended truncated
    [ "$(registry_requests fault '^GET /v2/truncated/.*/blobs/.* 206 .*range=[1-9]')" -gt 0 ] ||
        fail 'nothing was resumed'
}

@test "a registry that knows no ranges, and one that lies about them" {
    mended no-range
    run timeout 120 docker pull "$F/wrong-range/busybox"
    [ "$status" = 0 ] || {
        expect_match 'verif|digest|size|EOF'
        wait_until 10 store_is_empty || fail 'left in the store'
    }
}

@test "a download that never gets on" {
    impatient refused always-truncated '.' 120
}

@test "429 with Retry-After" {
    dhow_only 'gives up at the first 429'
    mended busy
    impatient refused always-busy 'toomanyrequests: You have reached your pull rate limit' 120
}

@test "500 and 503, then it works; always 500" {
    dhow_only 'gives up at some of them'
    mended broken
    impatient refused always-broken '500|never again' 120
}

@test "slow, but it comes" {
    mended slow
}

@test "redirects: relative, elsewhere, in circles, to a file" {
    mended redirect
    mended redirect-relative
    refused redirect-loop '[Rr]edirect'
    refused redirect-file '.'
}

@test "access denied, in words that would steer the terminal" {
    refused denied 'requested access to the resource is denied'
    run --separate-stderr docker pull "$F/hostile/busybox"
    expect_status 1
    expect_error owned
    [ "$CLI" = dhow ] || return 0
    ! grep -q $'[\e\a\x9b]' <<<"$stderr" || fail 'an escape sequence got through'
}

@test "the user gives up: the download ends, nothing is left, and the next one succeeds" {
    local pid
    in_bg slow docker pull "$F/stuck/busybox"
    pid=$BG
    wait_until 10 registry_asked '^GET /v2/stuck/.*/blobs/'
    sleep 0.3
    kill -INT "$pid" || true
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || true
    wait_until 10 store_is_empty || fail 'left in the store'
    mended ok
}

registry_asked() {
    [ "$(registry_requests fault "$1")" -gt 0 ]
}

@test "the engine ends in the middle of a pull" {
    dhow_only 'waits for the pull'
    in_bg stuck docker pull "$F/stuck/again"
    wait_until 10 registry_asked '^GET /v2/stuck/again/blobs/'
    engine_signal TERM
    wait "$BG" && fail 'the pull succeeded'
    registry_engine
    wait_until 10 store_is_empty || fail 'left in the store'
}

@test "push: denied, broken, and a registry that miscounts" {
    docker pull -q "$F/ok/busybox"
    for name in push-denied push-digest; do
        docker tag "$F/ok/busybox" "$F/$name/busybox"
        run --separate-stderr timeout 120 docker push "$F/$name/busybox"
        expect_status 1
        [ -n "$stderr" ]
    done
    docker tag "$F/ok/busybox" "$F/push/busybox"
    ok docker push "$F/push/busybox"
    docker rmi "$F/push/busybox" >/dev/null
    ok docker pull "$F/push/busybox"
    dhow_only 'gives up at the first 500'
    docker tag "$F/ok/busybox" "$F/push-broken/busybox"
    ok docker push "$F/push-broken/busybox"
}
