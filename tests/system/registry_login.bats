# Registries that want to know who asks, and who prove who they are: htpasswd, tokens, TLS.

load ../lib/helpers
load ../lib/registry

setup_file() {
    "$ROOT/scripts/images" build busybox
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    registry_start auth --auth
    copy_busybox
    registry_engine
    # 127.0.0.0/8 needs no proof; an address of our own does.
    IP=$(ip -4 -o addr show dev "$E_BRIDGE" | awk '{ sub("/.*", "", $4); print $4 }')
    registry_start tls --tls --auth --address "$IP"
    AUTH=$(registry_host auth)
    TLS=$(registry_host tls)
    export AUTH TLS
}

# docker-archive to the registry with credentials
copy_busybox() {
    archive "$CACHE/images/busybox.tar" busybox:latest "$E_DIR/b.tar" --gzip
    copy_image "docker-archive:$E_DIR/b.tar" "docker://$(registry_host auth)/busybox" --dest-creds user:secret
    mkdir "$E_DIR/layout"
    archive "$CACHE/images/busybox.tar" busybox:latest "$E_DIR/l.tar" --gzip --oci
    tar -C "$E_DIR/layout" -xf "$E_DIR/l.tar"
}

teardown_file() {
    registries_stop
    teardown_engine
}

setup() {
    rm -f "$DOCKER_CONFIG/config.json"
}

teardown() {
    no_images
}

CONFIG() {
    cat "$DOCKER_CONFIG/config.json"
}

@test "without credentials: pull and push are refused" {
    run --separate-stderr docker pull "$AUTH/busybox"
    expect_status 1
    expect_error 'no basic auth credentials'
    docker load -q -i "$E_DIR/b.tar"
    docker tag busybox:latest "$AUTH/mine"
    run --separate-stderr docker push "$AUTH/mine"
    expect_status 1
    expect_error 'no basic auth credentials'
}

@test "login, pull, push, logout" {
    run --separate-stderr docker login -u user --password-stdin "$AUTH" <<<secret
    expect_status 0
    expect_output 'Login Succeeded'
    expect_error "WARNING! Your credentials are stored unencrypted in '$DOCKER_CONFIG/config.json'."
    expect_error 'https://docs.docker.com/go/credential-store/'
    same "$(stat -c %a "$DOCKER_CONFIG/config.json")" 600
    CONFIG | grep -q '"auth": "dXNlcjpzZWNyZXQ="'
    ok docker pull "$AUTH/busybox"
    docker tag "$AUTH/busybox" "$AUTH/mine"
    ok docker push "$AUTH/mine"
    docker rmi "$AUTH/mine" "$AUTH/busybox" >/dev/null
    ok docker run --rm "$AUTH/mine" true
    ok docker logout "$AUTH"
    expect_output "Removing login credentials for $AUTH"
    [ "$(CONFIG | grep -c dXNl)" = 0 ]
    run --separate-stderr docker pull "$AUTH/busybox"
    expect_status 1
    expect_error 'no basic auth credentials'
}

@test "login -p warns; wrong passwords and hosts are told; nothing is kept of them" {
    run --separate-stderr docker login -u user -p wrong "$AUTH"
    expect_status 1
    expect_error 'WARNING! Using --password via the CLI is insecure. Use --password-stdin.'
    expect_error "login attempt to http://$AUTH/v2/ failed with status: 401 Unauthorized"
    [ ! -e "$DOCKER_CONFIG/config.json" ]
    run --separate-stderr docker login -u user -p secret 127.0.0.1:1
    expect_status 1
    expect_error 'connection refused'
    [ ! -e "$DOCKER_CONFIG/config.json" ]
}

@test "login: what does not go together" {
    run --separate-stderr docker login -u user -p x --password-stdin "$AUTH"
    expect_error 'conflicting options: cannot specify both --password and --password-stdin'
    run --separate-stderr docker login --password-stdin "$AUTH"
    expect_error 'the --password-stdin option requires --username to be set'
    run --separate-stderr docker login "$AUTH" </dev/null
    expect_status 1
    expect_error 'Error: Cannot perform an interactive login from a non TTY device'
    run --separate-stderr docker login -u '' -p secret "$AUTH"
    expect_error 'username is empty'
    run --separate-stderr docker login a b
    expect_status 1
    expect_error "'$CLI login' requires at most 1 argument"
}

@test "login asks, without echo" {
    ok "$ON_PTY" -e 'Username: ' -s 'user\r' -e 'Password: ' -s 'secret\r' -e Succeeded -- docker login "$AUTH"
    expect_no_match 'secret'
    ok "$ON_PTY" -e 'existing credentials.*Username: user' -e 'Login Succeeded' -- docker login "$AUTH"
    run "$ON_PTY" -e 'Password: ' -s '\r' -- docker login -u user "$AUTH"
    expect_status 1
    expect_text 'Error: Password Required'
}

@test "login: Ctrl-C at the password leaves the terminal in order" {
    ok "$ON_PTY" -e 'Password: ' -s '\x03' -e 'after:  *echo ' -- \
        bash -c 'trap : INT; docker login -u user "$AUTH"; echo "after: $(stty -a | grep -o " -*echo ")"'
}

@test "a helper keeps the secret" {
    mkdir -p "$E_DIR/helpers"
    cat >"$E_DIR/helpers/docker-credential-test" <<-'END'
	#!/bin/sh
	read -r in
	echo "$1 $in" >>"$0.log"
	case $1 in
	store) echo "$in" | sed 's/"ServerURL":"[^"]*",//' >"$0.secret" ;;
	get) cat "$0.secret" 2>/dev/null || { echo credentials not found in native keychain; exit 1; } ;;
	erase) rm -f "$0.secret" ;;
	esac
	END
    chmod +x "$E_DIR/helpers/docker-credential-test"
    printf '{"credHelpers": {"%s": "test"}, "detachKeys": "ctrl-x"}' "$AUTH" >"$DOCKER_CONFIG/config.json"
    PATH=$E_DIR/helpers:$PATH
    run --separate-stderr docker login -u user --password-stdin "$AUTH" <<<secret
    expect_status 0
    same "$output$stderr" 'Login Succeeded'
    [ "$(CONFIG | grep -c dXNl)" = 0 ]
    CONFIG | grep -q ctrl-x
    ok docker pull "$AUTH/busybox"
    ok docker logout "$AUTH"
    run docker pull "$AUTH/busybox"
    expect_status 1
    grep -qx 'store {"ServerURL":"'"$AUTH"'","Username":"user","Secret":"secret"}' \
        "$E_DIR/helpers/docker-credential-test.log"
    grep -qx "get $AUTH" "$E_DIR/helpers/docker-credential-test.log"
    grep -qx "erase $AUTH" "$E_DIR/helpers/docker-credential-test.log"
    printf '{"credsStore": "absent"}' >"$DOCKER_CONFIG/config.json"
    run --separate-stderr docker login -u user --password-stdin "$AUTH" <<<secret
    expect_status 1
    expect_error 'Error saving credentials: error storing credentials - err: exec: "docker-credential-absent"'
}

@test "a configuration that is broken: said, and not thrown away" {
    echo '{bad' >"$DOCKER_CONFIG/config.json"
    run --separate-stderr docker pull "$AUTH/busybox"
    expect_error "WARNING: Error parsing config file ($DOCKER_CONFIG/config.json)"
    [ "$CLI" = dhow ] || return 0
    run docker login -u user --password-stdin "$AUTH" <<<secret
    expect_status 1
    same "$(CONFIG)" '{bad'
}

@test "--config names another directory" {
    docker --config "$BATS_TEST_TMPDIR/other" login -u user --password-stdin "$AUTH" <<<secret
    [ -f "$BATS_TEST_TMPDIR/other/config.json" ]
    [ ! -e "$DOCKER_CONFIG/config.json" ]
    ok docker --config "$BATS_TEST_TMPDIR/other" pull "$AUTH/busybox"
}

@test "TLS: a CA that nobody knows is refused; one in certs.d is taken" {
    run --separate-stderr docker login -u user -p secret "$TLS"
    expect_status 1
    expect_error 'certificate'
    registry_trust tls
    ok docker login -u user --password-stdin "$TLS" <<<secret
    docker load -q -i "$E_DIR/b.tar"
    docker tag busybox:latest "$TLS/busybox"
    ok docker push "$TLS/busybox"
    docker rmi "$TLS/busybox" busybox:latest >/dev/null
    ok docker run --rm "$TLS/busybox" echo trusted
    expect_text trusted
    rm -r "/etc/docker/certs.d/$TLS"
    run docker pull "$TLS/busybox"
    expect_status 1
}

@test "TLS: --insecure-registry asks for no proof" {
    [ ! -e "/etc/docker/certs.d/$TLS" ]
    engine_signal TERM
    registry_engine --insecure-registry "$TLS"
    ok docker login -u user --password-stdin "$TLS" <<<secret
    run --separate-stderr docker pull "$TLS/none"
    expect_error 'manifest unknown'
    engine_signal TERM
    registry_engine
}

@test "tokens: anonymous, for users, renewed when they end" {
    fault_registry fault "$E_DIR/layout"
    local host
    host=$(registry_host fault)
    ok docker pull "$host/token/busybox"
    ok docker pull "$host/token-named/busybox"
    [ "$(registry_requests fault '^GET /token.*token%?[0-9A-F]*/?.*auth=no')" -gt 0 ]
    run --separate-stderr docker pull "$host/token-private/busybox"
    expect_status 1
    expect_error 'unauthorized: incorrect username or password'
    docker login -u user --password-stdin "$host" <<<secret
    ok docker pull "$host/token-private/busybox"
    docker tag "$host/token/busybox" "$host/token-private/pushed"
    ok docker push "$host/token-private/pushed"
    [ "$(registry_requests fault '^(PUT|PATCH) .*auth=bearer')" -gt 0 ]
}

@test "a redirect to another host takes no credentials along" {
    local host
    host=$(registry_host fault)
    docker login -u user --password-stdin "$host" <<<secret
    ok docker pull "$host/token-redirect/busybox"
    same "$(registry_requests fault '^GET /elsewhere/.*auth=no')" 1
    same "$(registry_requests fault '^GET /elsewhere/.*auth=(basic|bearer)')" 0
}

@test "search" {
    local host
    host=$(registry_host fault)
    ok docker search "$host/box"
    expect_match '^NAME +DESCRIPTION +STARS +OFFICIAL'
    expect_match '^busybox +Small tools .*… +7 +\[OK\]'
    [ "$CLI" = docker ] || expect_no_match $'\e'
    ok docker search --limit 1 --no-trunc --format '{{.Name}}: {{.StarCount}}' "$host/box"
    expect_output 'busybox: 7'
    ok docker search --filter is-official=true --format '{{.Name}} {{.IsOfficial}}' "$host/box"
    expect_output 'busybox true'
    ok docker search --filter stars=3 --format '{{.Name}}' "$host/box"
    expect_output busybox
    run --separate-stderr docker search --limit 200 "$host/box"
    expect_status 1
    expect_error 'Limit 200 is outside the range of [1, 100]'
    run --separate-stderr docker search --filter x=y "$host/box"
    expect_status 1
    expect_error "filter 'x'"
}
