#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The same containers under a real dockerd and under dhowd, seen from inside and compared field by field.

load ../lib/helpers

setup_file() {
    dhow_only 'it is about both'
    PATH=$("$ROOT/scripts/dockerd"):$PATH
    "$ROOT/scripts/docker-cli" >/dev/null
    "$ROOT/scripts/images" build busybox
    # Firewall rules and sysctls of dockerd's stay in a network namespace of its own.
    DHOW_ENGINE=docker CLI=docker engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    DOCKER_DIR=$E_DIR
    DHOW_ENGINE=docker E_ISOLATE=1 engine_start
    look_image
    CLI=dhow engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    DHOW_DIR=$E_DIR
    engine_start
    look_image
    export DOCKER_DIR DHOW_DIR
}

# No directory twice in it: dockerd minds.
look_image() {
    cp "$CACHE/images/busybox.tar" "$E_DIR/image.tar"
    tar --owner=0 --group=0 --transform 's,^,./bin/,' -C "$BUILD/tests/escapes" -rf "$E_DIR/image.tar" look
    docker import -c 'CMD ["look"]' "$E_DIR/image.tar" look >/dev/null
}

teardown_file() {
    [ -z "${DHOW_DIR:-}" ] || { engine_use "$DHOW_DIR" && engine_destroy; }
    [ -n "${DOCKER_DIR:-}" ] || return 0
    engine_use "$DOCKER_DIR"
    DHOW_ENGINE=docker engine_destroy
    find /sys/fs/cgroup -mindepth 2 -maxdepth 2 -name "$E_BRIDGE" -exec rmdir {} + || true
}

@test "namespaces, rights, filter, mounts, devices, limits, environment: as under dockerd, but for what is known" {
    run "$ROOT/tests/escapes/compare" "$DOCKER_DIR/bin/docker" "$DHOW_DIR/bin/docker"
    expect_status 0
    expect_match '^[0-9]+ containers, [0-9]{4,} fields, 0 unknown differences$'
}
