# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# escapes.bash - for the tests of isolation: an engine with the image "esc", which is busybox and the attacks
# (tests/escapes/main.c). A test that expects an attack to fail runs it where it succeeds, too (a "control"), so that
# one that was never really tried is noticed.

# shellcheck source=tests/lib/helpers.bash
. "$BATS_TEST_DIRNAME/../lib/helpers.bash"

ESCAPE=$BUILD/tests/escapes/escape

setup_escapes() {
    setup_engine busybox
    SECRET=$E_DIR/host
    mkdir -p "$SECRET" "$E_DIR/tree/bin"
    echo "secret of the host" >"$SECRET/secret"
    cp "$ESCAPE" "$E_DIR/tree/bin/"
    export SECRET
    tree_image esc
    # Images are layers, too.
    baseline
}

# tree_image NAME: an image of busybox and what is in $E_DIR/tree, over it.
tree_image() {
    cp "$CACHE/images/busybox.tar" "$E_DIR/image.tar"
    tar --owner=0 --group=0 -C "$E_DIR/tree" -rf "$E_DIR/image.tar" .
    docker import -c 'CMD ["sh"]' "$E_DIR/image.tar" "$1" >/dev/null
}

# hostile NAME [SCRIPT]: an image in which the links of $LINKS ("PATH TARGET" lines) stand where something else should;
# the script changes it further, in its root.
hostile() {
    local tree=$E_DIR/hostile at to
    rm -rf "$tree"
    mkdir "$tree"
    tar -C "$tree" -xf "$CACHE/images/busybox.tar"
    cp "$ESCAPE" "$tree/bin/"
    # shellcheck disable=SC2153
    while read -r at to; do
        [ -n "$at" ] || continue
        rm -rf "${tree:?}/$at"
        mkdir -p "$tree/$(dirname "$at")"
        ln -s "$to" "$tree/$at"
    done <<<"$LINKS"
    (cd "$tree" && eval "${2:-}")
    tar --owner=0 --group=0 -C "$tree" -cf "$E_DIR/image.tar" .
    docker import -c 'CMD ["sh"]' "$E_DIR/image.tar" "$1" >/dev/null
    rm -rf "$tree"
}

# What a test has left: containers, volumes, the images it made.
remove_hostile() {
    local images
    remove_all
    docker volume prune -af >/dev/null 2>&1 || docker volume prune -f >/dev/null
    images=$(docker images --format '{{.Repository}} {{.ID}}' | awk '$1 !~ /^(busybox|alpine|esc)$/ { print $2 }')
    # shellcheck disable=SC2086
    [ -z "$images" ] || docker rmi -f $images >/dev/null
}

# esc ARGS...: docker run of the image without network.
esc() {
    timeout 120 docker run --rm --net none "$@"
}

# The secret is what it was, and nothing came beside it.
assert_host_untouched() {
    same "$(ls -A "$SECRET")" secret
    same "$(cat "$SECRET/secret")" "secret of the host"
}
