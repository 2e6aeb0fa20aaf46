# Capabilities, privileged containers, devices: rows CAP-*.

load ../lib/helpers

# Today's capsh has a line more ("Current IAB"), in which what is missing is named, too: grep -v IAB.

setup_file() {
    setup_engine busybox
    # The book's ubuntu, as far as its commands need it: bash, capsh, and ifconfig and id of busybox.
    local tree=$E_DIR/tree program lib
    mkdir -p "$tree"
    tar -C "$tree" -xf "$CACHE/images/busybox.tar"
    for program in bash capsh; do
        program=$(command -v $program)
        rm -f "$tree/bin/${program##*/}"
        cp "$program" "$tree/bin/"
        while read -r lib; do
            mkdir -p "$tree/${lib%/*}"
            cp -L "$lib" "$tree/$lib"
        done < <(ldd "$program" | grep -o '/[^ ]*')
    done
    tar --owner=0 --group=0 -C "$tree" -cf "$E_DIR/ubuntu.tar" .
    docker import -c 'CMD ["/bin/bash"]' "$E_DIR/ubuntu.tar" ubuntu:latest >/dev/null
    baseline
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
    assert_nothing_left
}

# The bounding set of a container with these options, as bits.
bounding() {
    docker run --rm --net none "$@" busybox sed -n 's/^CapBnd:\t//p' /proc/self/status
}

@test "CAP-01: what a container does not have by default" {
    run docker run --rm ubuntu:latest /bin/bash -c 'capsh --print | grep -v IAB'
    local cap
    for cap in sys_module sys_rawio sys_pacct sys_nice sys_resource sys_time sys_tty_config audit_control \
        mac_override mac_admin syslog net_admin sys_admin; do
        expect_no_match "^(Current|Bounding).*cap_$cap\b"
    done
    # 15 are named by the book; these two of them Docker has given back since.
    expect_match 'Bounding.*cap_setpcap.*cap_audit_write'
}

@test "CAP-02: net_raw is there" {
    run docker run --rm -u nobody ubuntu:latest /bin/bash -c 'capsh --print | grep -v IAB | grep net_raw'
    expect_status 0
    expect_match 'net_raw'
}

@test "CAP-03: --cap-drop net_raw" {
    run docker run --rm -u nobody --cap-drop net_raw ubuntu:latest /bin/bash -c 'capsh --print | grep -v IAB | grep net_raw'
    expect_status 1
    expect_output ''
}

@test "CAP-04: sys_admin is not" {
    run docker run --rm -u nobody ubuntu:latest /bin/bash -c 'capsh --print | grep -v IAB | grep sys_admin'
    expect_status 1
    expect_output ''
}

@test "CAP-05: --cap-add sys_admin" {
    run docker run --rm -u nobody --cap-add sys_admin ubuntu:latest /bin/bash -c 'capsh --print | grep -v IAB | grep sys_admin'
    expect_status 0
    expect_match sys_admin
}

@test "CAP-03 CAP-06: repeated, in any spelling; ALL, and names that are none" {
    local none=0000000000000000 raw=0000000000002000
    same "$(bounding --cap-drop all)" $none
    same "$(bounding --cap-drop ALL --cap-add net_raw)" $raw
    same "$(bounding --cap-drop all --cap-add NET_RAW)" $raw
    same "$(bounding --cap-drop all --cap-add Cap_Net_Raw --cap-add net_raw)" $raw
    same "$(bounding --cap-drop net_raw --cap-drop mknod)" "$(printf %016x $((0x$(bounding) & ~0x2000 & ~(1 << 27))))"
    # Both added and dropped: added.
    same "$(bounding --cap-add net_raw --cap-drop net_raw)" "$(bounding)"
    same "$(bounding --cap-drop all --cap-add net_raw --cap-add mknod)" 0000000008002000
    local flag
    for flag in add drop; do
        run docker run --rm --cap-$flag nosuch busybox true
        expect_status 125
        expect_match "invalid Cap(Add|Drop): unknown capability: \"CAP_NOSUCH\""
    done
}

# Docker 20.10 fails on machines that withhold a capability from it.
privileged() {
    run docker run --rm --privileged "$@"
    if [ "$DHOW_ENGINE" = docker ] && [[ $output == *'unable to apply caps'* ]]; then
        skip "this machine's root lacks capabilities, which Docker does not allow for"
    fi
}

@test "CAP-07 CAP-11: --privileged id" {
    privileged ubuntu:latest id
    expect_status 0
    expect_match '^uid=0\(root\)'
}

@test "CAP-08: --privileged capsh --print: all that the machine has" {
    privileged ubuntu:latest capsh --print
    local cap
    for cap in sys_admin net_admin sys_module sys_time syslog; do
        expect_match "^Current.*(cap_$cap|=ep)"
    done
    run docker run --rm --privileged busybox sed -n 's/^CapEff:\t//p' /proc/self/status
    same "$output" "$(sed -n 's/^CapEff:\t//p' /proc/self/status)"
}

@test "CAP-09: --privileged ls /dev: all of the host's devices" {
    privileged ubuntu:latest ls /dev
    local name n=0
    for name in /dev/*; do
        [ -c "$name" ] || [ -b "$name" ] || continue
        [ ! -L "$name" ] || continue
        [ "$name" != /dev/console ] || continue # comes with -t
        n=$((n + 1))
        expect_line "${name##*/}"
    done
    [ $n -gt 10 ]
}

@test "CAP-10: --privileged ifconfig: still one's own interfaces" {
    privileged ubuntu:latest ifconfig
    expect_match '^eth0'
    same "$(grep -c '^[a-z]' <<<"$output")" 2
}

@test "CAP-11: what else --privileged opens: cgroups, /sys, nothing masked, no filter" {
    privileged busybox sh -c 'grep -E " (/sys|/sys/fs/cgroup[^ ]*) " /proc/mounts; grep Seccomp: /proc/self/status
        cut -d" " -f 5 /proc/self/mountinfo | grep -c ^/proc/'
    expect_no_match ' ro,'
    expect_match '^Seccomp:.0$'
    expect_line 0
    # An exec of a container that is not: all capabilities, and the filter gone.
    docker run -d --name cont --net none busybox sleep 1000
    run docker exec --privileged cont grep -E 'CapEff|Seccomp:' /proc/self/status
    expect_match '^Seccomp:.0$'
    expect_text "$(grep CapEff /proc/self/status)"
}

@test "CAP-11: --device: a node with its rights, under another name, a directory" {
    ok docker run --rm --net none --device /dev/fuse busybox ls -l /dev/fuse
    expect_match '^crw'
    ok docker run --rm --net none --device /dev/fuse:/dev/other busybox ls -l /dev/other
    run docker run --rm --net none --device /dev/fuse:/dev/other:r busybox sh -c ': >/dev/other'
    expect_text 'not permitted'
    run docker run --rm --net none --device /dev/fuse:rx busybox true
    expect_status 125
    run docker run --rm --device /dev/nosuch busybox true
    expect_text 'error gathering device information while adding custom device "/dev/nosuch": no such file or directory'
    run docker run --rm --device /etc busybox true
    expect_text 'error gathering device information while adding custom device "/etc": not a device node'
    ok docker run --rm --net none --device /dev/net:/dev/inside busybox ls -l /dev/inside/tun
    run docker run --rm --device-cgroup-rule 'x 1:3 r' busybox true
    expect_text "invalid device cgroup format 'x 1:3 r'"
}
