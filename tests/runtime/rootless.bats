#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Ordinary users, and root of a user namespace only: containers without anything that is the machine's root's.

load ../lib/runtime

setup() {
    ours_only "runs a copy of our own"
    setup_bundle
    cp "$BUILD/src/runtime/dhow-runtime" "$B/dhow-runtime"
    chown -R 1000:1000 "$B/state" "$B/rootfs"
    chown 1000:1000 "$B"
}

teardown() {
    teardown_bundle
}

# as PROGRAM...: from here on the runtime is started by these words.
as() {
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$*" "$B/dhow-runtime" >"$B/runtime"
    chmod 755 "$B/runtime"
    RUNTIME=$B/runtime
}

USER_1000="setpriv --reuid 1000 --regid 1000 --clear-groups"

# The starter file that `spec --rootless` writes for that user.
rootless_spec() {
    rm -f "$B/config.json"
    rt spec --rootless --bundle "$B"
    mv "$B/config.json" "$B/base.json"
    PLACE='l.pop("cgroupsPath")'
    config "$PLACE"
}

@test "an ordinary user: the whole life of a container from spec --rootless" {
    as "$USER_1000"
    rootless_spec
    inside 'id -u; tr -s " " </proc/self/uid_map; cat /proc/self/setgroups; echo x >/dev/null && hostname; ls /sys/class >/dev/null && echo sys; echo $$; exit 3' "$PLACE"
    expect_status 3
    expect_output $'0\n 0 1000 1\ndeny\ndhow\nsys\n1'
    config "$PLACE"
    created
    is_status "$C" created
    same "$(stat -c %u "/proc/$PID")" 1000
    rt start "$C"
    run rt exec "$C" sh -c 'ls /proc/self/fd; id -u; readlink /proc/self/ns/pid; exit 7'
    expect_status 7
    expect_output $'0\n1\n2\n3\n0\n'"$(readlink "/proc/$PID/ns/pid")"
    run rt exec "$C" nosuch
    expect_status 255
    expect_text 'exec: \"nosuch\": executable file not found'
    same "$(rt ps --format json "$C")" "[$PID]"
    run rt pause "$C"
    expect_status 1
    expect_text "has no cgroup"
    run rt events --stats "$C"
    expect_status 1
    run rt update --pids-limit 7 "$C"
    expect_status 1
    run rt kill --all "$C" KILL
    expect_status 0
    wait_until 5 is_status "$C" stopped
    rt delete "$C"
}

@test "an ordinary user: a terminal, a bind mount, masked paths, a seccomp filter" {
    as "$USER_1000"
    rootless_spec
    mkdir "$B/src"
    echo here >"$B/src/file"
    chown -R 1000:1000 "$B/src"
    inside 'cat /mnt/file; stat -c %u /mnt/file; touch /mnt/new; ls /secret | wc -l; mkdir /tmp/x' "$PLACE" \
        'mount("/mnt", B + "/src", ["rbind", "ro"])' 'l["maskedPaths"].append("/secret")' \
        'l["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
    expect_line here
    expect_line 0
    expect_text "Read-only file system"
    expect_text "No space left on device"
    config "$PLACE" 'p["terminal"] = True; sh("tty; exit 5")'
    run "$ON_PTY" -e '/dev/pts/0' -- "$RUNTIME" --root "$B/state" run -b "$B" "$C"
    expect_status 5
}

@test "an ordinary user: what cannot be given is refused with the reason, and nothing is left" {
    as "$USER_1000"
    rootless_spec
    inside true "$PLACE" 'l["resources"] = {"memory": {"limit": 33554432}}'
    expect_status 1
    expect_text "rootless needs no limits"
    inside true
    expect_status 1
    expect_text "no cgrouppath when no permission is granted for cgroups"
    inside true "$PLACE" 'no_ns("user"); l.pop("uidMappings"); l.pop("gidMappings")'
    expect_status 1
    expect_text "operation not permitted"
    inside true "$PLACE" 'users()'
    expect_status 1
    expect_text "_map: operation not permitted"
    [ -z "$(state_left)" ]
}

@test "root of a user namespace: with a namespace of its own below it, and in that one itself" {
    as "setpriv --reuid 1000 --regid 1000 --clear-groups unshare -Ur"
    rootless_spec
    inside 'id -u; tr -s " " </proc/self/uid_map; exit 4' "$PLACE" 'l["uidMappings"][0]["hostID"] = l["gidMappings"][0]["hostID"] = 0'
    expect_status 4
    expect_output $'0\n 0 0 1'
    inside 'id -u; echo x >/dev/null; ls /dev/null; exit 5' "$PLACE" 'no_ns("user"); l.pop("uidMappings"); l.pop("gidMappings")'
    expect_status 5
    expect_output $'0\n/dev/null'
}
