#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# From an image or a shared volume to the host's files: links where the engine mounts, copies, reads or writes, some of
# them exchanged while it does.

load ../lib/escapes

setup_file() {
    setup_escapes
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_hostile
    assert_host_untouched
    assert_nothing_left
}

# What prints a container's mount points, one a line.
points='cut -d" " -f 5 /proc/self/mountinfo'

# ---- images ----

@test "an image whose /proc or /sys is a link: they are mounted in a directory of that name, or not at all" {
    local at
    for at in proc sys; do
        LINKS="/$at $SECRET" hostile evil
        run esc evil sh -c "test -L /$at && echo a link; cat /$at/secret $SECRET/secret; grep -c ' /$at $at' /proc/mounts"
        expect_no_match 'a link|secret of the host'
        expect_match '^1$|ordinary directory'
    done
    # A runtime alone, without what the engine puts between: it refuses.
    [ "$DHOW_ENGINE" = dhow ] || return 0
    mkdir -p "$E_DIR/b/rootfs"
    tar -C "$E_DIR/b/rootfs" -xf "$CACHE/images/busybox.tar"
    rmdir "$E_DIR/b/rootfs/proc"
    ln -s "$SECRET" "$E_DIR/b/rootfs/proc"
    "$BUILD/src/runtime/dhow-runtime" spec --bundle "$E_DIR/b"
    sed -i 's/"terminal": true/"terminal": false/' "$E_DIR/b/config.json"
    run "$BUILD/src/runtime/dhow-runtime" --root "$E_DIR/state" run --bundle "$E_DIR/b" "escape-$$"
    [ "$status" -ne 0 ]
    expect_text 'must be mounted on ordinary directory'
    rm -rf "$E_DIR/b" "$E_DIR/state"
}

@test "an image whose /dev, /dev/shm, /etc, /etc/hosts, ... are links writes nothing of the host" {
    local at
    for at in /dev /dev/shm /dev/pts /etc /etc/hosts /etc/hostname /etc/resolv.conf /sys/fs/cgroup /tmp; do
        LINKS="$at $SECRET" hostile evil
        run timeout 120 docker run --rm --tmpfs /tmp evil sh -c "cat $at/secret $at; ls $at/"
        expect_no_match 'secret of the host'
        run "$ON_PTY" -- docker run --rm -it --net none evil sh -c "cat $at/secret $at"
        expect_no_match 'secret of the host'
        assert_host_untouched
        LINKS="$at ../../../../../../../..$SECRET/secret" hostile evil2
        run timeout 120 docker run --rm evil2 cat "$at"
        expect_no_match 'secret of the host'
        assert_host_untouched
    done
}

@test "users are looked up in the image, whatever its /etc/passwd links to" {
    printf 'root:x:0:0::/:/bin/sh\nhostuser:x:4242:4242::/:/bin/sh\n' >"$E_DIR/passwd"
    LINKS="/etc/passwd $E_DIR/passwd" hostile evil
    run esc -u hostuser evil id
    [ "$status" -ne 0 ]
    expect_text 'unable to find user hostuser'
    LINKS="/etc/group $E_DIR/passwd" hostile evil
    run esc -u 0:hostuser evil id
    expect_text 'unable to find group hostuser'
    # The control: a link to a file of the image is followed.
    LINKS="/etc/passwd /users" hostile tame "cp $E_DIR/passwd users"
    run esc -u hostuser tame id -u
    expect_output 4242
}

@test "a volume at a link stays in the container's root, and is not filled from outside" {
    LINKS="/data $SECRET" hostile evil
    run esc -v vol:/data evil sh -c 'ls -A /data; touch /data/mine; ls -d '"$SECRET"
    expect_no_match secret$
    assert_host_untouched
    run docker run --rm -v vol:/look esc ls -A /look
    expect_no_match secret
    mkdir -p "$E_DIR/bound"
    run esc -v "$E_DIR/bound:/data" evil touch /data/here
    [ -e "$E_DIR/bound/here" ]
    run esc -w /data/dir evil pwd
    [ ! -e "$SECRET/dir" ]
    run esc --tmpfs /data evil touch /data/there
    assert_host_untouched
}

@test "the init layer and the generated files are not written through links" {
    LINKS=$'/etc/mtab '"$SECRET"$'/secret\n/etc/hosts '"$SECRET"$'/new\n/.dockerenv '"$SECRET"'/env' hostile evil
    run docker run --rm evil true
    assert_host_untouched
    docker create --name cont evil true >/dev/null
    run docker start -a cont
    assert_host_untouched
    docker rm -f cont >/dev/null
}

# ---- CVE-2021-30465 and its kin: exchanged meanwhile ----

# swapper A B: a container that exchanges two names of the volume "shared" without end.
swapper() {
    docker run -d --name swapper --net none -v shared:/v esc escape swap "/v/$1" "/v/$2" >/dev/null
    wait_logs swapper swapping
}

@test "CVE-2021-30465: a mount point that becomes a link meanwhile leads nowhere outside" {
    local i met=0 seen='' outside=$SECRET
    mkdir -p "$E_DIR/bound"
    echo bound >"$E_DIR/bound/file"
    docker run --rm --net none -v shared:/v esc sh -c "mkdir /v/sub; ln -s ../../../../../../../..$outside /v/link"
    swapper sub link
    # Both must be met: the directory, and the link, by which the mount lies at what that means in the container.
    both() { [[ $seen == *$'\n/v/sub'* && $seen == *$'\n'"$outside"* ]]; }
    for ((i = 0; i < 25 || (i < 500 && !met); i++)); do
        run esc -v shared:/v -v "$E_DIR/bound:/v/sub" esc sh -c "$points; cat $outside/secret /v/sub/secret /v/link/secret"
        expect_no_match 'secret of the host'
        seen+=$output
        assert_host_untouched
        ! grep -qF "$outside" /proc/self/mountinfo
        if both; then met=1; fi
    done
    is_state swapper running
    both
    docker rm -f swapper >/dev/null
    # The control, standing still: the link is followed inside of the root, and the mount is there.
    docker run --rm --net none -v shared:/v esc sh -c 'rm -rf /v/sub /v/link; ln -s /target /v/sub'
    run esc -v shared:/v -v "$E_DIR/bound:/v/sub" esc cat /target/file
    expect_output bound
}

@test "CVE-2025-31133: a /dev/null that is something else masks nothing, and nothing is opened by it" {
    local i
    docker run --rm --net none -v shared:/v esc sh -c 'cp -a /dev/* /v/ 2>/dev/null
        mkdir -p /v/pts /v/shm /v/mqueue; ln -s /proc/sys/kernel/core_pattern /v/link'
    # Standing still: the link in the place of the null device.
    docker run --rm --net none -v shared:/v esc sh -c 'mv /v/null /v/real; mv /v/link /v/null'
    run esc -v shared:/dev esc sh -c 'escape write /proc/sys/kernel/core_pattern; escape read /proc/keys /proc/interrupts; '"$points"
    expect_no_match 'core_pattern$'
    expect_no_match '^/proc/(sys/kernel/core_pattern|keys|interrupts): ok'
    docker run --rm --net none -v shared:/v esc sh -c 'mv /v/null /v/link; mv /v/real /v/null'
    swapper null link
    for ((i = 0; i < 20; i++)); do
        run esc -v shared:/dev esc sh -c 'escape write /proc/sys/kernel/core_pattern; escape read /proc/keys; '"$points"
        expect_no_match 'core_pattern$'
        expect_no_match '^/proc/sys/kernel/core_pattern: ok'
        expect_no_match '^/proc/keys: ok'
    done
    is_state swapper running
    # The control: without its mask the file can be read.
    run esc --security-opt systempaths=unconfined esc escape read /proc/interrupts
    expect_line '/proc/interrupts: ok'
}

@test "CVE-2025-52565: a /dev/console that becomes a link to a file of the kernel" {
    local i
    docker run --rm --net none -v shared:/v esc sh -c 'cp -a /dev/* /v/ 2>/dev/null; mkdir -p /v/pts /v/shm /v/mqueue
        : >/v/console; ln -s /proc/sys/kernel/core_pattern /v/link'
    swapper console link
    for ((i = 0; i < 12; i++)); do
        run "$ON_PTY" -- docker run --rm -it --net none -v shared:/dev esc sh -c \
            'escape write /proc/sys/kernel/core_pattern; '"$points"
        expect_no_match 'core_pattern.?$'
        expect_no_match 'core_pattern: ok'
    done
    is_state swapper running
    # The control: a console is mounted there where the container has a /dev of its own.
    run "$ON_PTY" -- docker run --rm -it --net none esc sh -c "$points"
    expect_match '^/dev/console'
}

@test "CVE-2025-52881: what the runtime writes to /proc does not go where a shared mount leads" {
    dhow_only "is runc's to say"
    local at
    for at in /proc/self /proc/self/attr /proc/sys; do
        docker run --rm --net none -v shared:/v esc sh -c "rm -f /v/link; ln -s $at /v/link"
        mkdir -p "$E_DIR/bound"
        run esc -v shared:/v -v "$E_DIR/bound:/v/link" esc true
        [ "$status" -ne 0 ]
        expect_text 'inside /proc'
    done
    run esc --sysctl net.ipv4.ip_forward=1 -v shared:/v esc cat /proc/sys/net/ipv4/ip_forward
    expect_output 1
}

# ---- cp ----

@test "CVE-2018-15664: cp while a directory becomes a link to outside and back" {
    local i
    docker run -d --name swapper --net none esc sh -c \
        "mkdir /dir; ln -s ../../../../../../../..$SECRET /link; exec escape swap /dir /link" >/dev/null
    wait_logs swapper swapping
    echo new >"$E_DIR/new"
    for ((i = 0; i < 40; i++)); do
        docker cp "$E_DIR/new" swapper:/dir/planted >/dev/null 2>&1 || true
        assert_host_untouched
        rm -rf "$E_DIR/got"
        if docker cp swapper:/dir/secret "$E_DIR/got" >/dev/null 2>&1; then
            fail "the host's file came out of the container"
        fi
    done
    is_state swapper running
    # The control: it does copy, and by a link inside of the root.
    docker exec swapper sh -c "mkdir -p $SECRET; echo inside >$SECRET/secret"
    docker rm -f swapper >/dev/null
    docker run -d --name still --net none esc sh -c \
        "mkdir -p $SECRET; echo inside >$SECRET/secret; ln -s $SECRET /link; sleep 1000" >/dev/null
    wait_until 5 docker exec still test -e /link
    docker cp still:/link/secret "$E_DIR/got" >/dev/null
    same "$(cat "$E_DIR/got")" inside
    rm -f "$E_DIR/got" "$E_DIR/new"
}

@test "CVE-2019-14271: no library of the container is loaded by who copies from it" {
    local lib=$E_DIR/evil.so dir
    printf '%s\n' '#include <stdlib.h>' '#include <stdio.h>' \
        '__attribute__((constructor)) static void start(void) {' \
        '    FILE *f = fopen("/tmp/dhow-escaped-library", "w");' '    if (f) fclose(f); }' >"$E_DIR/evil.c"
    cc -shared -fPIC -o "$lib" "$E_DIR/evil.c"
    # The control: it acts as soon as it is loaded.
    LD_PRELOAD=$lib /bin/true
    [ -e /tmp/dhow-escaped-library ]
    rm /tmp/dhow-escaped-library
    LINKS='' hostile evil "for d in lib lib64 usr/lib lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu; do
        mkdir -p \$d; for n in nss_files nss_dns nss_compat nss_myhostname nss_systemd c resolv; do
        cp $lib \$d/lib\$n.so.2; cp $lib \$d/lib\$n.so.6; done; done
        printf 'passwd: files compat systemd\ngroup: files compat\nhosts: files dns\n' >etc/nsswitch.conf
        echo $lib >etc/ld.so.preload; cp $lib evil.so; echo /evil.so >>etc/ld.so.preload"
    docker run -d --name evil --net none evil sleep 1000 >/dev/null
    for dir in /etc /lib /home; do
        docker cp "evil:$dir" - >/dev/null
        docker cp "$E_DIR/evil.c" "evil:$dir/" >/dev/null
    done
    docker exec -u nobody evil true
    docker top evil >/dev/null
    docker diff evil >/dev/null
    [ ! -e /tmp/dhow-escaped-library ]
    docker exec evil test ! -e /tmp/dhow-escaped-library
    docker rm -f evil >/dev/null
    rm -f "$lib" "$E_DIR/evil.c"
}
