#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# AppArmor, and device rules on pure cgroup v2: for a machine that has them (docs/testing.md). Not a part of ./test.sh,
# because not every machine does.

load ../lib/escapes

setup_file() {
    grep -q Y /sys/module/apparmor/parameters/enabled || {
        echo "AppArmor is not enabled here" >&2
        return 1
    }
    setup_escapes
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_hostile
    assert_nothing_left
}

@test "the profile is loaded at the daemon's start, and info says so" {
    grep -q '^dhow-default (enforce)' /sys/kernel/security/apparmor/profiles
    ok docker info -f '{{json .SecurityOptions}}'
    expect_text '"name=apparmor"'
}

@test "processes are in it: the first one, exec, another user, no-new-privileges, --init" {
    run esc esc cat /proc/self/attr/current
    expect_output 'dhow-default (enforce)'
    run esc --init --user 1000 --security-opt no-new-privileges esc cat /proc/self/attr/current
    expect_output 'dhow-default (enforce)'
    docker run -d --name cont --net none esc sleep 1000 >/dev/null
    ok docker exec cont cat /proc/self/attr/current
    expect_output 'dhow-default (enforce)'
    ok docker inspect -f '{{.AppArmorProfile}}' cont
    expect_output dhow-default
    # Who is unconfined may stop it.
    ok docker kill cont
    wait_state cont exited
}

@test "unconfined by word and with --privileged; a profile that is not there is an error" {
    run esc --security-opt apparmor=unconfined esc cat /proc/self/attr/current
    expect_output unconfined
    run esc --privileged esc cat /proc/self/attr/current
    expect_output unconfined
    run -127 esc --security-opt apparmor=dhow-nosuch esc true
    expect_match 'apparmor|security label'
}

@test "it holds where capabilities, filter and masks have been given away" {
    local open=(--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt systempaths=unconfined)
    run esc "${open[@]}" esc escape calls mount
    expect_output 'mount: EACCES'
    run esc "${open[@]}" esc escape write /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/swappiness
    same "$(grep -c ': EACCES' <<<"$output")" 3
    run esc "${open[@]}" --security-opt apparmor=unconfined esc escape calls mount
    expect_output 'mount: ok'
    run esc "${open[@]}" --security-opt apparmor=unconfined esc escape write /proc/sys/kernel/core_pattern /proc/sysrq-trigger
    same "$(grep -c ': ok' <<<"$output")" 2
    # What containers need goes on working.
    ok esc --sysctl net.ipv4.ip_forward=1 esc sh -c 'echo x >/dev/shm/x; kill -0 1; echo 1 >/proc/self/oom_score_adj; id'
}

@test "device rules on cgroup v2" {
    [ -e /sys/fs/cgroup/cgroup.controllers ]
    run esc esc escape node c 1 11
    expect_output $'mknod: ok\nopen: EPERM'
    run esc --cap-add SYSLOG --device-cgroup-rule 'c 1:11 r' esc escape node c 1 11
    expect_line 'open: ok'
    run esc --cap-add SYSLOG --device-cgroup-rule 'c 1:* w' esc escape node c 1 11
    expect_line 'open: EPERM'
    run esc --device-cgroup-rule 'c 1:11 m' esc escape node c 1 11
    expect_line 'open: EPERM'
    run esc --privileged esc escape node c 1 11
    expect_line 'open: ok'
}
