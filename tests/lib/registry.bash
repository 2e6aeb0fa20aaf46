# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# registry.bash - image registries for the tests: Debian's docker-registry, and one that misbehaves. Each lives
# below $E_DIR/registries and ends with the test file. Loaded after helpers.

# registry_start NAME [--auth] [--tls] [--mirror-of NAME] [--address IP]: a docker-registry on a free port.
#   --auth    for user "user" with password "secret"
#   --tls     with a certificate that only the CA in registry_dir NAME/ca.crt vouches for
#   --mirror-of   passes on what another registry has, and keeps it
registry_start() {
    local name=$1 dir=$E_DIR/registries/$1 address=127.0.0.1 auth='' tls='' upstream=''
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        --auth) auth=1 ;;
        --tls) tls=1 ;;
        --mirror-of) upstream=$(registry_host "$2") && shift ;;
        --address) address=$2 && shift ;;
        *) die "registry_start: $1" ;;
        esac
        shift
    done
    mkdir -p "$dir/data"
    {
        printf 'version: 0.1\nlog: {level: info, accesslog: {disabled: false}}\n'
        printf 'storage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\n' "$dir/data"
        [ -z "$auth" ] || printf 'auth: {htpasswd: {realm: tests, path: %s}}\n' "$dir/users"
        [ -z "$upstream" ] || printf 'proxy: {remoteurl: "http://%s"}\n' "$upstream"
        printf 'http:\n  addr: %s:0\n' "$address"
        [ -z "$tls" ] || printf '  tls: {certificate: %s, key: %s}\n' "$dir/server.crt" "$dir/server.key"
    } >"$dir/config.yml"
    # user:secret
    # shellcheck disable=SC2016
    printf '%s\n' 'user:$2y$05$hvROxzW/z17EVXMCwX579OSI0ChZ8zZBHn0viQ8EymiG2bnAgVr5y' >"$dir/users"
    [ -z "$tls" ] || registry_certificates "$dir" "$address"
    registry_run "$name"
}

# A CA, and a certificate of it for one address.
registry_certificates() {
    local dir=$1 address=$2
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=test CA' \
        -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=registry" \
        -keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
    openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
        -extfile <(printf 'subjectAltName=IP:%s\n' "$address") -out "$dir/server.crt" 2>/dev/null
}

registry_dir() {
    printf '%s\n' "$E_DIR/registries/$1"
}

# HOST:PORT
registry_host() {
    cat "$E_DIR/registries/$1/host"
}

registry_listens() {
    [ -s "$1/host" ] || sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' "$1/log" | tail -n 1 | grep . >"$1/host"
}

# registry_run NAME: starts it, or starts it again on the port it had.
registry_run() {
    local dir=$E_DIR/registries/$1
    [ ! -s "$dir/host" ] || sed -i "s/^  addr: .*/  addr: $(cat "$dir/host")/" "$dir/config.yml"
    rm -f "$dir/host"
    : >"$dir/log"
    OTEL_TRACES_EXPORTER=none detached docker-registry serve "$dir/config.yml" </dev/null >>"$dir/log" 2>&1 &
    printf '%s\n' $! >"$dir/pid"
    disown $!
    wait_until 20 registry_listens "$dir" || fail "registry $1:" "$(cat "$dir/log")"
}

# fault_registry NAME LAYOUT: tests/lib/fault_registry.py
fault_registry() {
    local dir=$E_DIR/registries/$1
    mkdir -p "$dir"
    : >"$dir/log"
    detached python3 "$ROOT/tests/lib/fault_registry.py" "$dir" "$2" </dev/null >>"$dir/errors" 2>&1 &
    printf '%s\n' $! >"$dir/pid"
    disown $!
    wait_until 20 test -s "$dir/host" || fail "fault registry:" "$(cat "$dir/errors")"
}

# fault_registry_engine: prepares an engine's directory with the registry "fault" beside it, which has busybox with a
# layer of 3 MB more.
fault_registry_engine() {
    "$ROOT/scripts/images" build busybox
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    mkdir "$E_DIR/layout" "$E_DIR/more"
    head -c 3000000 /dev/urandom >"$E_DIR/more/noise"
    tar -C "$E_DIR/more" -cf "$E_DIR/more.tar" noise
    archive "$CACHE/images/busybox.tar" busybox:latest "$E_DIR/l.tar" --gzip --oci "--layer=$E_DIR/more.tar"
    tar -C "$E_DIR/layout" -xf "$E_DIR/l.tar"
    fault_registry fault "$E_DIR/layout"
}

# registry_kill NAME [SIGNAL]: ends it, at once by default.
registry_kill() {
    local pid
    pid=$(cat "$E_DIR/registries/$1/pid") || return 0
    kill -s "${2:-KILL}" "$pid" 2>/dev/null || return 0
    wait_gone "$pid"
}

# Ends all of them; before teardown_engine, which removes their files.
registries_stop() {
    local dir
    for dir in "$E_DIR"/registries/*/; do
        [ ! -d "$dir" ] || registry_kill "$(basename "$dir")"
    done
    [ ! -f "$E_DIR/certs" ] || while read -r dir; do
        rm -rf "$dir"
    done <"$E_DIR/certs"
}

# registry_trust NAME: lets engines and tools know the CA of a registry with --tls.
registry_trust() {
    local dir
    dir=/etc/docker/certs.d/$(registry_host "$1")
    mkdir -p "$dir"
    cp "$E_DIR/registries/$1/ca.crt" "$dir/ca.crt"
    printf '%s\n' "$dir" >>"$E_DIR/certs"
}

# What the registry was asked since the mark: registry_requests NAME REGEX prints the number of lines.
registry_requests() {
    grep -cE -- "$2" "$E_DIR/registries/$1/log" || true
}

# archive ROOTFS_TAR NAME:TAG OUT [OPTIONS of make-image]
archive() {
    local tar=$1 name=$2 out=$3
    shift 3
    "$ROOT/tests/lib/make-image" "$@" "$tar" "$name" "$out"
}

# registry_seed NAME IMAGE...: puts scripts/images' images (busybox, nginx ...) below library/, with all their
# tags, without any engine.
registry_seed() {
    local host image tag config tmp
    host=$(registry_host "$1")
    shift
    tmp=$(mktemp -d "$E_DIR/seed.XXXXXX")
    for image; do
        config='{"Cmd": ["sh"]}'
        [ "$image" != nginx ] ||
            config='{"Cmd": ["nginx", "-g", "daemon off;"], "ExposedPorts": {"80/tcp": {}}}'
        archive "$CACHE/images/$image.tar" "$image:latest" "$tmp/$image.tar" --gzip "--config=$config"
        for tag in $("$ROOT/scripts/images" tags "$image"); do
            case $tag in */*) ;; *) tag=library/$tag ;; esac
            copy_image "docker-archive:$tmp/$image.tar" "docker://$host/$tag" || return 1
        done
    done
    rm -rf "$tmp"
}

# copy_image FROM TO [OPTIONS]: with skopeo, to and from registries without TLS.
copy_image() {
    local from=$1 to=$2
    shift 2
    skopeo copy -q --insecure-policy --src-tls-verify=false --dest-tls-verify=false "$@" "$from" "$to"
}

# registry_engine [OPTION...]: an engine with these options; dockerd keeps its hands off the firewall.
registry_engine() {
    local options=("$@")
    [ "$DHOW_ENGINE" = dhow ] || options+=(--iptables=false --ip6tables=false)
    engine_start "${options[@]}"
}

# no_image NAME...: removes images where they exist.
no_image() {
    docker rmi -f "$@" >/dev/null 2>&1 || true
}

# ---- the engine's store ----

# What images take up in it: nothing of a pull that failed or an image that was removed may be left.
store_state() {
    case $DHOW_ENGINE in
    dhow) find "$E_DIR"/data/{layers,blobs,tmp} -mindepth 1 2>/dev/null | sed "s|^$E_DIR/data/||" | sort ;;
    docker)
        find "$E_DIR"/data/overlay2 -mindepth 1 -maxdepth 1 ! -name l | wc -l
        find "$E_DIR"/data/image/overlay2/imagedb/content/sha256 -type f
        ;;
    esac
}

store_is_empty() {
    store_state | cmp -s - "$E_DIR/empty"
}

no_images() {
    local ids
    ids=$(docker images -aq --no-trunc | sort -u)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || docker rmi -f $ids >/dev/null
}
