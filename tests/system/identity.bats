# Containers in user namespaces: their IDs, the host's, and the files of both.

load ../lib/helpers
load ../lib/volumes

setup_file() {
    dhow_only "its users are the machine's"
    setup_engine busybox
    volume_image
    local dir
    dir=$(mktemp -d "$E_DIR/tree.XXXXXX")
    tree "$dir"
    # A program with a right of its own: CAP_NET_RAW, as ping has it.
    rm "$dir/bin/grep"
    cp "$dir/bin/busybox" "$dir/bin/grep"
    python3 - "$dir/bin/grep" <<-'END'
	import os, struct, sys
	os.setxattr(sys.argv[1], 'security.capability', struct.pack('<5I', 0x02000001, 1 << 13, 0, 0, 0))
	END
    tar --xattrs --xattrs-include='*' -C "$dir" -c . | docker import - capable >/dev/null
    rm -r "$dir"
    # For both clients: docker's knows no --userns=auto.
    engine_signal TERM
    engine_start --userns-remap=auto
    baseline
}

teardown_file() {
    [ "$DHOW_ENGINE" = dhow ] || return 0
    teardown_engine
}

teardown() {
    remove_volumes
    assert_nothing_left
}

# again OPTIONS: another daemon, with other options.
again() {
    engine_signal TERM
    engine_start "$@"
}

# own WORDS: Dhow's own client, whose --userns knows more.
own() {
    "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" "$@"
}

# Host ID of a container's user 0.
base() {
    awk '{ print $2; exit }' "/proc/$(docker inspect -f '{{.State.Pid}}' "$1")/uid_map"
}

# The daemon with tables of its own for subordinate IDs: tables LINE...
tables() {
    rm -rf "${E_DIR:?}/etc"
    cp -a /etc "$E_DIR/etc"
    printf '%s\n' "$@" >"$E_DIR/etc/subuid"
    cp "$E_DIR/etc/subuid" "$E_DIR/etc/subgid"
    printf '#!/bin/sh\nexec unshare -m sh -c '"'"'mount --bind "$0" /etc && exec "$@"'"'"' %s "$@"\n' "$E_DIR/etc" \
        >"$E_DIR/bin/with-tables"
    chmod +x "$E_DIR/bin/with-tables"
}

@test "inside: root of 65536 IDs, with rights over what is the container's and over nothing else" {
    ok docker run --rm busybox sh -c 'cat /proc/self/uid_map /proc/self/gid_map; id -u'
    expect_match '^ +0 +[0-9]+ +65536$'
    same "$(sort -u <<<"$output" | wc -l)" 2
    ok docker run --rm busybox sh -c 'touch /f && chown 65535:1 /f && stat -c %u:%g /f /bin/busybox /etc/hosts'
    expect_output $'65535:1\n0:0\n0:0'
    run docker run --rm busybox chown 65536 /etc/passwd
    expect_status 1
    run docker run --rm busybox mknod /disk b 7 0
    expect_status 1
    expect_text 'Operation not permitted'
    ok docker run --rm --cap-add SYS_ADMIN busybox sh -c 'mount -t tmpfs none /tmp && hostname elsewhere && hostname'
    expect_output elsewhere
    ok docker run --rm --cap-add NET_ADMIN busybox sh -c 'ip addr add 10.9.9.9/32 dev eth0 && ip addr show eth0'
    expect_text 10.9.9.9
    ok docker run --rm --network none --cap-add NET_ADMIN busybox sh -c 'ip addr add 10.9.9.9/32 dev lo && ls /sys/class/net'
    expect_output lo
    # Rights over the machine it has not, whatever it was given.
    # shellcheck disable=SC2016
    run docker run --rm --cap-add ALL --security-opt seccomp=unconfined --security-opt systempaths=unconfined busybox \
        sh -c 'v=$(cat /proc/sys/kernel/panic) && echo "$v" >/proc/sys/kernel/panic'
    expect_status 1
    expect_match '[Pp]ermission denied'
}

@test "the standard places: terminal, streams by name, sysctls, devices, limits, init" {
    ok docker run --rm -u 1000:1000 busybox sh -c 'echo out >/dev/stdout; echo err >/dev/stderr'
    expect_line out
    expect_line err
    # shellcheck disable=SC2016
    ok "$ON_PTY" -- docker run --rm -it busybox sh -c 'stat -c %u:%g $(tty) /dev/console'
    same "$(tr -d '\r' <<<"$output")" $'0:5\n0:5'
    ok docker run --rm --sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=123456 busybox \
        cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax
    expect_output $'1\n123456'
    ok docker run --rm --device /dev/zero:/dev/naught busybox sh -c 'head -c 3 /dev/naught | wc -c'
    expect_output 3
    ok docker run --rm --ipc host busybox test -d /dev/shm
    ok docker run --rm --init -u 7 busybox cat /proc/1/comm
    expect_output docker-init
    ok docker run --rm --read-only --tmpfs /t:uid=1000,gid=1001,mode=750 busybox stat -c '%u:%g %a' /t
    expect_output '1000:1001 750'
    run docker run --rm --read-only busybox touch /f
    expect_text 'Read-only file system'
    run docker run --rm -u 70000 busybox true
    expect_status 125
    expect_match 'set(uid|gid) 70000: invalid argument|setgid 0'
}

@test "outside: a range for each container, the image's layers shared, the container's IDs on the disk" {
    docker run -d --name first busybox sh -c 'echo mine >/f; chown 5:6 /f; exec sleep 1000'
    docker run -d --name second busybox sleep 1000
    wait_until 10 docker exec first test -e /f
    local a b pid
    a=$(base first) b=$(base second)
    [ "$a" -ge 65536 ] && [ "$b" -ge 65536 ] && [ "$a" != "$b" ]
    pid=$(docker inspect -f '{{.State.Pid}}' first)
    same "$(ps -o uid= -o gid= -p "$pid" | tr -s ' ' | sed 's/^ //')" "$a $a"
    ok docker top first -o uid,pid,args
    expect_match "^$a +$pid +sleep"
    # Nothing of the image was copied or changed hands.
    local id
    id=$(docker inspect -f '{{.Id}}' second)
    same "$(find "$E_DIR/data/containers/$id/upper" -mindepth 1)" ''
    same "$(find "$E_DIR/data" -path "*/volumes/*" -prune -o \( -uid +65535 -o -gid +65535 \) -print)" ''
    id=$(docker inspect -f '{{.Id}}' first)
    same "$(stat -c %u:%g "$E_DIR/data/containers/$id/upper/f")" 5:6
    # Nor is it seen on the host.
    [ -z "$(engine_mounts)" ] || fail "mounts: $(engine_mounts)"
}

@test "commit, export, diff and cp show the container's IDs, running and stopped" {
    docker run -d --name work busybox sh -c 'mkdir /w; echo x >/w/f; chown 1000:2000 /w/f; chmod 4755 /w/f; sleep 1000'
    wait_until 10 docker exec work test -u /w/f
    local there
    for there in running stopped; do
        same "$(docker diff work)" $'A /w\nA /w/f'
        docker commit work made:"$there" >/dev/null
        same "$(docker run --rm made:"$there" stat -c '%u:%g %a' /w/f /w)" $'1000:2000 4755\n0:0 755'
        same "$(own run --rm --userns=host made:"$there" stat -c '%u:%g %a' /w/f /w)" $'1000:2000 4755\n0:0 755'
        same "$(docker export work | tar -tv --numeric-owner | awk '$6 ~ "^w/f|etc/passwd" { print $2, $6 }' | sort)" \
            $'0/0 etc/passwd\n1000/2000 w/f'
        same "$(docker cp work:/w - | tar -tv --numeric-owner | awk '{ print $2, $6 }')" $'0/0 w/\n1000/2000 w/f'
        docker rmi made:"$there" >/dev/null
        [ $there = stopped ] || docker stop -t 0 work
    done
    echo in >"$E_DIR/in"
    chown 5:6 "$E_DIR/in"
    docker cp -a "$E_DIR/in" work:/w/stopped
    docker start work
    docker cp -a "$E_DIR/in" work:/w/running
    docker cp -a "$E_DIR/in" work:/dev/shm/in
    same "$(docker exec work stat -c '%u:%g' /w/stopped /w/running /dev/shm/in)" $'5:6\n5:6\n5:6'
    chown 70000 "$E_DIR/in"
    run docker cp -a "$E_DIR/in" work:/w/far
    expect_status 1
    expect_text 'Container ID 70000 cannot be mapped to a host ID'
}

@test "a program's file capability is good in the namespace, and an export's is as the image's was" {
    ok docker run --rm -u 1000 capable grep CapEff /proc/self/status
    expect_text 0000000000002000
    docker run -d --name cap capable sleep 1000
    docker export cap >"$E_DIR/cap.tar"
    python3 - "$E_DIR/cap.tar" <<-'END'
	import sys, tarfile
	m = tarfile.open(sys.argv[1]).getmember('bin/grep')
	cap = m.pax_headers['SCHILY.xattr.security.capability'].encode('utf-8', 'surrogateescape')
	assert len(cap) == 20 and cap[3] == 2, cap
	END
    rm "$E_DIR/cap.tar"
}

@test "binds and volumes keep their owners" {
    local dir=$E_DIR/bind
    mkdir -p "$dir"
    echo root >"$dir/root"
    echo user >"$dir/user"
    echo far >"$dir/far"
    chown 1234:1235 "$dir/user"
    chown 70000 "$dir/far"
    chmod 600 "$dir"/*
    ok docker run --rm -v "$dir:/m" busybox sh -c \
        'stat -c "%u:%g" /m/root /m/user /m/far; cat /m/user; touch /m/new; chown 77:78 /m/new'
    expect_output $'0:0\n1234:1235\n65534:0\nuser'
    same "$(stat -c %u:%g "$dir/new")" 77:78
    run docker run --rm -v "$dir:/m" busybox chown 0 /m/far
    expect_status 1
    run docker run --rm -v "$dir:/m:ro" busybox touch /m/no
    expect_text 'Read-only file system'
    ok docker run --rm -v "$dir/user:/u" busybox cat /u
    expect_output user
    # What is in the image there goes along, as what it is.
    ok docker run --rm -v vol:/d volimg stat -c '%u:%g %a' /d /d/f
    expect_output $'33:34 2751\n33:34 4755'
    same "$(stat -c '%u:%g %a' "$E_DIR/data/volumes/vol/_data/f")" '33:34 4755'
    ok own run --rm --userns=host -v vol:/d busybox stat -c %u:%g /d/f
    expect_output 33:34
    docker volume create --opt type=tmpfs --opt device=tmpfs --opt o=uid=7 mem
    ok docker run --rm -v mem:/d busybox stat -c %u:%g /d
    expect_output 7:0
    # A file system that cannot map: nobody's, as it is.
    ok docker run --rm -v /sys/kernel:/k busybox stat -c %u:%g /k
    expect_output 65534:65534
    rm -r "$dir"
}

@test "exec, restart and other daemons find the IDs as they were" {
    docker run -d --name stay busybox sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
    local at pid
    at=$(base stay)
    pid=$(docker inspect -f '{{.State.Pid}}' stay)
    same "$(docker exec stay readlink /proc/self/ns/user)" "$(readlink "/proc/$pid/ns/user")"
    same "$(docker exec -u 1000:1001 stay id -u)" 1000
    same "$(docker exec -u 1000:1001 stay sh -c 'echo seen >/dev/stdout')" seen
    docker restart -t 5 stay
    same "$(base stay)" "$at"
    engine_signal KILL
    engine_start
    same "$(docker exec stay awk '{ print $2 }' /proc/self/uid_map)" "$at"
    echo x >"$E_DIR/x"
    docker cp "$E_DIR/x" stay:/x
    same "$(docker exec stay stat -c %u:%g /x)" 0:0
    docker restart -t 5 stay
    same "$(base stay)" "$at"
    # Others take other ranges.
    own run -d --name next --userns=auto busybox sleep 1000
    [ "$(base next)" != "$at" ]
    own inspect -f '{{.HostConfig.UsernsMode}}' next >"$E_DIR/mode"
    same "$(cat "$E_DIR/mode")" auto
    again --userns-remap=auto
}

@test "who shares a network, queues or processes shares the user namespace" {
    docker run -d --name donor --ipc shareable busybox sleep 1000
    local at
    at=$(base donor)
    local how
    for how in network ipc pid; do
        ok docker run --rm --$how=container:donor busybox awk '{ print $2 }' /proc/self/uid_map
        expect_line "$at"
    done
    ok docker run --rm --network=container:donor --cap-add NET_ADMIN busybox ip addr add 10.8.8.8/32 dev eth0
    ok docker exec donor ip addr show eth0
    expect_text 10.8.8.8
    # The host's root may look on.
    ok own run --rm --userns=host --network=container:donor busybox ip addr show eth0
    expect_text 10.8.8.8
    own run -d --name open --userns=host busybox sleep 1000
    run docker run --rm --network=container:open busybox true
    expect_status 125
    expect_text "cannot share the network namespace of container"
    docker run -d --name other --ipc shareable busybox sleep 1000
    run docker run --rm --network=container:donor --ipc=container:other busybox true
    expect_status 125
    expect_text 'in different user namespaces'
}

@test "what contradicts a user namespace is refused in Docker's words" {
    run docker run --rm --privileged busybox true
    expect_status 125
    expect_text 'privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode'
    run docker run --rm --network host busybox true
    expect_status 125
    expect_text "cannot share the host's network namespace when user namespaces are enabled"
    run docker run --rm --pid host busybox true
    expect_status 125
    expect_text 'cannot share the host PID namespace when user namespaces are enabled'
    run docker run --rm --userns bogus busybox true
    expect_status 125
    expect_text -- '--userns: invalid USER mode'
    ok api POST /containers/create '{"Image":"busybox","HostConfig":{"UsernsMode":"bogus"}}'
    expect_text 'invalid user namespace mode: bogus'
    expect_line 400
    local words
    for words in --privileged '--network host' '--pid host'; do
        # shellcheck disable=SC2086
        ok docker run --rm --userns host $words busybox awk '{ print $2, $3 }' /proc/self/uid_map
        expect_output '0 4294967295'
    done
}

@test "keep: rights over the container's own alone, with the host's IDs" {
    ok own run --rm --userns=keep busybox sh -c 'cat /proc/self/uid_map; touch /f; stat -c %u /f; mknod /n c 1 3 || echo refused'
    expect_match '^ +0 +0 +4294967295$'
    expect_line refused
    run own run --rm --userns=keep --network host busybox true
    expect_status 125
}

@test "ranges come from the tables, are each given once, and are free again with the container" {
    tables other:100000:65536 dhow:300000:131072
    E_WRAP=$E_DIR/bin/with-tables again --userns-remap=auto
    docker run -d --name one busybox sleep 1000
    docker run -d --name two busybox sleep 1000
    same "$(printf '%s\n' "$(base one)" "$(base two)" | sort)" $'300000\n365536'
    run docker run --rm busybox true
    expect_status 125
    expect_text 'no range of 65536 IDs is left for another user namespace: all 2 are in use'
    # Another daemon knows it, too.
    E_WRAP=$E_DIR/bin/with-tables again --userns-remap=auto
    run docker create busybox true
    expect_status 1
    local freed
    freed=$(base one)
    docker rm -f one
    docker run -d --name three busybox sleep 1000
    same "$(base three)" "$freed"
    docker rm -f two three
    # A range that somebody else's entry overlaps is left out.
    tables somebody:1879048192:10 else:1879113729:1
    E_WRAP=$E_DIR/bin/with-tables again --userns-remap=auto
    docker run -d --name one busybox sleep 1000
    same "$(base one)" 1879179264
    again --userns-remap=auto
}

@test "userns-remap: one range for all, by name or number; host opts out; the store is the same" {
    tables root:500000:1000 root:700000:64536
    E_WRAP=$E_DIR/bin/with-tables again --userns-remap=0
    docker run -d --name one busybox sleep 1000
    docker run -d --name two busybox sleep 1000
    same "$(docker exec one sed 's/  */ /g' /proc/self/uid_map)" $' 0 500000 1000\n 1000 700000 64536'
    same "$(base two)" 500000
    same "$(docker exec one sh -c 'touch /f; chown 1001 /f; stat -c %u /f')" 1001
    docker run -d --name out --userns=host busybox sleep 1000
    same "$(base out)" 0
    same "$(docker inspect -f '{{.HostConfig.UsernsMode}}' out)" host
    same "$(docker inspect -f '{{.HostConfig.UsernsMode}}' one)" ''
    ok docker info -f '{{.SecurityOptions}}'
    expect_text name=userns
    # Without it what was made keeps it, what is new has none.
    again
    docker restart -t 0 one
    same "$(base one)" 500000
    docker run -d --name new busybox sleep 1000
    same "$(base new)" 0
    ok docker info -f '{{.SecurityOptions}}'
    expect_no_match userns
    again --userns-remap=default
    docker run -d --name default busybox sleep 1000
    same "$(base default)" 2147287040
    again --userns-remap=auto
}

@test "userns-remap: who does not exist or has no IDs, in Docker's words" {
    local who text dir=$E_DIR/elsewhere
    mkdir "$dir"
    while IFS='|' read -r who text; do
        run "$BUILD/src/daemon/dhowd" --data-root "$dir/d" --exec-root "$dir/r" -H "unix://$dir/s" --pidfile "$dir/p" \
            --bridge "$E_BRIDGE" --userns-remap="$who"
        expect_status 1
        expect_text "$text"
    done <<-'END'
	nosuch|Error during uid lookup for "nosuch": getent unable to find entry "nosuch" in passwd database
	424242|Uid 424242 has no entry in /etc/passwd: getent unable to find entry "424242" in passwd database
	daemon:nosuch|Error during groupname lookup for "nosuch": getent unable to find entry "nosuch" in group database
	a:b:c|Invalid user/group specification in --userns-remap: "a:b:c"
	daemon|Can't create ID mappings: No subuid ranges found for user "daemon"
	END
    rm -r "$dir"
}
