# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# volumes.bash - images whose content the tests of volumes know.

# tree DIR: a directory with busybox and its usual applets.
tree() {
    local applet
    mkdir -p "$1"/bin "$1"/etc "$1"/tmp
    cp "$(command -v busybox)" "$1/bin/busybox"
    for applet in sh ls cat cp stat true id touch mount sleep env echo head grep rm mkdir readlink tail date; do
        ln -sf busybox "$1/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
}

# import DIR NAME LINE...: the directory as an image, with these lines of a Dockerfile.
import() {
    local dir=$1 name=$2 line
    local -a changes=()
    shift 2
    for line in "$@"; do
        changes+=(--change "$line")
    done
    tar -C "$dir" -c . | docker import "${changes[@]}" - "$name" >/dev/null
}

# An image with something to copy below /d: owner, mode, links.
volume_image() {
    local dir
    dir=$(mktemp -d "$E_DIR/tree.XXXXXX")
    tree "$dir"
    mkdir -p "$dir/d/sub" "$dir/empty"
    echo hello >"$dir/d/f"
    ln "$dir/d/f" "$dir/d/sub/hard"
    ln -s f "$dir/d/rel"
    ln -s /etc/passwd "$dir/d/abs"
    ln -s /d "$dir/linkd"
    ln -s /.. "$dir/up"
    chown 33:34 "$dir/d" "$dir/d/f"
    chmod 2751 "$dir/d"
    chmod 4755 "$dir/d/f"
    chown 7:8 "$dir/empty"
    chmod 711 "$dir/empty"
    import "$dir" volimg 'VOLUME /d' 'CMD ["sh"]'
    rm -r "$dir"
}

# Every volume, and every container before them.
remove_volumes() {
    local names
    remove_all
    names=$(docker volume ls -q)
    # shellcheck disable=SC2086
    [ -z "$names" ] || docker volume rm $names >/dev/null
}

no_volumes() {
    [ -z "$(docker volume ls -q)" ] || fail "volumes are left: $(docker volume ls -q)"
}

volume_count() {
    docker volume ls -q | wc -l
}
