#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Kernels, and filters around us, without the newer system calls: what has a fallback does the same with the older
# calls, what has none says so and leaves nothing.

load ../lib/runtime

setup() {
    ours_only "about our own fallbacks"
    setup_bundle
}

teardown() {
    teardown_bundle
}

# without CALL...: from here on the runtime runs without these.
without() {
    printf '#!/bin/sh\nexec "%s" %s -- "%s" "$@"\n' "$BUILD/tests/runtime/without" "$*" \
        "$BUILD/src/runtime/dhow-runtime" >"$B/runtime"
    chmod 755 "$B/runtime"
    RUNTIME=$B/runtime
}

FALLBACKS=(openat2 clone3 close_range faccessat2)

# With every call that has a fallback missing, one container goes its whole way.
life() {
    started 'sh("echo up; sleep 1000")'
    wait_until 5 grep -q up "$B/out"
    run rt exec "$C" sh -c 'ls /proc/self/fd; exit 7'
    expect_status 7
    expect_output $'0\n1\n2\n3'
    rt pause "$C"
    is_status "$C" paused
    rt resume "$C"
    rt kill "$C" KILL
    wait_until 5 is_status "$C" stopped
    rt delete "$C"
}

@test "the wrapper really takes calls away" {
    run "$BUILD/tests/runtime/without" openat2 clone3 close_range -- python3 -c '
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for nr in (437, 435, 436):
    assert libc.syscall(nr, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.ENOSYS, nr
print("gone")'
    expect_output gone
}

@test "without openat2, clone3, close_range, faccessat2: the whole life of a container" {
    without "${FALLBACKS[@]}"
    life
}

@test "without them: user namespace, joined namespaces, time offsets, bound and idmapped mounts" {
    without "${FALLBACKS[@]}"
    mkdir "$B/src"
    echo here >"$B/src/file"
    chown 100000:100000 "$B/src/file"
    inside 'id -u; tr -s " " </proc/self/uid_map; cat /mnt/file; stat -c %u /mnt/file' 'users()' 'mount("/mnt", B + "/src", ["bind"])'
    expect_output $'0\n 0 100000 65536\nhere\n0'
    inside 'cut -d. -f1 /proc/uptime' 'ns("time"); l["timeOffsets"] = {"boottime": {"secs": 1000000}}'
    [ "$output" -gt 1000000 ]
    NETNS=dhow-oci-${B##*.}
    ip netns add "$NETNS"
    inside 'ls /sys/class/net' "ns('network', '/run/netns/$NETNS')"
    ip netns del "$NETNS"
    expect_output lo
    # only clone3 can make a time namespace and the rest in one go
    inside true 'ns("time")'
    expect_status 1
    expect_text "clone: function not implemented"
}

@test "without openat2: no symlink leads out of the root" {
    without openat2
    mkdir -p "$B/outside" "$B/rootfs/$B/outside"
    ln -s "$B/outside" "$B/rootfs/absolute"
    ln -s ../../../../../../../../../../../../../../../../../../../../../"$B/outside" "$B/rootfs/relative"
    ln -s loop "$B/rootfs/loop"
    inside "grep -c ' $B/outside tmpfs ' /proc/mounts; echo x >/relative/f; cat /absolute/f" 'mount("/absolute", "tmpfs", [], kind="tmpfs")'
    expect_output $'1\nx'
    inside "grep -c ' $B/outside tmpfs ' /proc/mounts" 'mount("/relative", "tmpfs", [], kind="tmpfs")'
    expect_output 1
    [ -z "$(ls -A "$B/outside")" ] || fail "$(ls "$B/outside")"
    inside true 'mount("/loop/x", "tmpfs", [], kind="tmpfs")'
    expect_status 1
    expect_text "oo many levels of symbolic links"
    # /proc has to be where it says
    rmdir "$B/rootfs/proc"
    ln -s etc "$B/rootfs/proc"
    inside true
    expect_status 1
    expect_text "must be mounted on ordinary directory"
}

@test "without clone3: the process is in its cgroup before its program runs" {
    without clone3
    inside 'cat /proc/self/cgroup' 'no_ns("cgroup")'
    expect_status 0
    same "$(grep -c "/$C\$" <<<"$output")" "$(grep -c "^0:\|:memory:\|:cpu:\|:cpuacct:\|:devices:\|:blkio:\|:pids:" /proc/self/cgroup)"
    config
    started 'no_ns("cgroup")'
    run rt exec "$C" cat /proc/self/cgroup
    expect_status 0
    same "$output" "$(cat "/proc/$PID/cgroup")"
}

@test "without what has no fallback: an error that says what is needed, and nothing is left" {
    local call
    for call in fsopen open_tree move_mount mount_setattr; do
        RUNTIME=$BUILD/src/runtime/dhow-runtime
        without $call
        inside true
        expect_status 1
        expect_text "function not implemented: this needs Linux 5.12 or newer"
        [ -z "$(state_left)" ]
        [ -z "$(cgroups_left)" ]
    done
    RUNTIME=$BUILD/src/runtime/dhow-runtime
    started
    without pidfd_open
    run rt state "$C"
    expect_status 1
    expect_text "pidfd_open: function not implemented"
    RUNTIME=$BUILD/src/runtime/dhow-runtime
}
