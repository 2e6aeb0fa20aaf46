#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# From a container to the kernel: system calls, /proc, /sys, devices, cgroups, handles, keys, sockets.

load ../lib/escapes

setup_file() {
    setup_escapes
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_hostile
    assert_nothing_left
}

# Capabilities with which the kernel lets each of the calls pass, once the filter does.
POWERS=(--cap-add SYS_ADMIN --cap-add SYS_BOOT --cap-add SYS_MODULE --cap-add SYS_TIME --cap-add SYSLOG
    --cap-add SYS_PACCT --cap-add SYS_RAWIO --cap-add SYS_PTRACE)
# For the controls, and for what has to hold without AppArmor's help (which tests/vm looks at); no AppArmor, no effect.
UNCONFINED=(--security-opt apparmor=unconfined)

@test "the default filter refuses what reaches into the kernel" {
    run esc esc escape calls
    expect_status 0
    expect_line 'clone3: ENOSYS'
    [ "$(grep -c . <<<"$output")" -ge 32 ]
    run grep -vE ': EPERM$|^clone3: ENOSYS$|^(raw|packet): ok$' <<<"$output"
    if [ "$DHOW_ENGINE" = dhow ]; then
        expect_output ''
    else # 20.10 is older than what was found about these
        expect_no_match '^[^iva]'
    fi
    # Control: without the filter none is refused; a kernel may lack a few.
    run esc "${POWERS[@]}" "${UNCONFINED[@]}" --security-opt seccomp=unconfined esc escape calls
    expect_status 0
    expect_no_match 'EPERM|EACCES'
    [ "$(grep -c ': ok$' <<<"$output")" -ge 24 ]
}

@test "capabilities alone do not open what the filter closes for good" {
    run esc "${POWERS[@]}" esc escape calls io_uring userfaultfd kexec add_key keyctl swapon
    [ "$(grep -c EPERM <<<"$output")" -ge 5 ]
    same "$(docker run --rm --net none esc escape calls mount)" 'mount: EPERM'
    same "$(docker run --rm --net none --cap-add SYS_ADMIN "${UNCONFINED[@]}" esc escape calls mount)" 'mount: ok'
}

@test "no user namespace of one's own by default: unshare, clone, clone3" {
    run esc --user 1000 esc escape calls unshare-user clone-user clone3
    expect_output $'unshare-user: EPERM\nclone-user: EPERM\nclone3: ENOSYS'
    run esc --user 1000 --security-opt seccomp=unconfined esc escape calls unshare-user clone-user clone3
    expect_output $'unshare-user: ok\nclone-user: ok\nclone3: ok'
}

@test "raw and packet sockets end with NET_RAW" {
    run esc esc escape calls raw packet
    expect_output $'raw: ok\npacket: ok'
    run esc --cap-drop net_raw esc escape calls raw packet
    expect_output $'raw: EPERM\npacket: EPERM'
}

@test "/proc and /sys: settings of the machine cannot be opened for writing" {
    local files=(/proc/sys/kernel/core_pattern /proc/sys/fs/file-max /proc/sys/vm/panic_on_oom
        /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/uevent_seqnum
        /sys/kernel/mm/transparent_hugepage/enabled)
    local f here=()
    for f in "${files[@]}"; do
        [ ! -e "$f" ] || here+=("$f")
    done
    [ "${#here[@]}" -ge 5 ]
    run esc esc escape write "${here[@]}"
    expect_status 0
    expect_no_match ': ok'
    same "$(grep -cE 'EROFS|EACCES' <<<"$output")" "${#here[@]}"
    # Control: nothing stands in the way of a privileged one (the attack opens, and writes nothing).
    run esc --privileged esc escape write "${files[0]}" "${files[1]}" "${files[2]}"
    same "$(grep -c ': ok' <<<"$output")" 3
    # Nor by a name in one's own namespaces.
    run esc esc sh -c 'escape write /proc/1/root/proc/sys/kernel/core_pattern /proc/self/task/1/root/proc/sysrq-trigger'
    expect_no_match ': ok'
}

@test "/proc and /sys: what tells about the machine is masked" {
    local files=(/proc/kcore /proc/keys /proc/timer_list /proc/interrupts)
    run esc esc escape read "${files[@]}"
    expect_no_match ': ok'
    run esc "${UNCONFINED[@]}" esc escape read "${files[@]}"
    expect_no_match ': ok'
    expect_match '/proc/kcore: (empty|ENOENT)' # a kernel may have none
    expect_line '/proc/keys: empty'
    run esc esc ls -A /sys/firmware /proc/acpi /proc/scsi
    expect_no_match '^[a-z]+$'
    run esc --security-opt systempaths=unconfined esc escape read /proc/keys /proc/interrupts
    expect_line '/proc/interrupts: ok'
}

@test "a volume cannot take the place of /proc, nor of anything in it" {
    dhow_only "is runc's to say"
    mkdir -p "$E_DIR/vol"
    local at
    for at in /proc/sys /proc/self /proc/1/attr /proc/sys/kernel; do
        run esc -v "$E_DIR/vol:$at" esc true
        [ "$status" -ne 0 ]
        expect_text 'inside /proc'
    done
    # A link leads there just as little.
    LINKS='/door /proc/self' hostile door
    run esc -v "$E_DIR/vol:/door" door true
    expect_text 'inside /proc'
    run esc -v "$E_DIR/vol:/proc" esc ls /proc
    [ "$status" -ne 0 ] || expect_output ''
}

@test "a node of the host's disk can be made and not opened" {
    local major minor name
    run esc esc escape node c 1 11
    expect_output $'mknod: ok\nopen: EPERM'
    run esc --device-cgroup-rule 'c 1:11 r' --cap-add SYSLOG esc escape node c 1 11
    expect_line 'open: ok'
    read -r major minor name < <(awk 'NR > 2 && $3 > 0 { print $1, $2, $4; exit }' /proc/partitions)
    [ -n "$minor" ] || return 0 # a machine without disks
    run esc esc escape node b "$major" "$minor"
    expect_output $'mknod: ok\nopen: EPERM'
    # A machine may keep its disks even from its root.
    if (: <"/dev/$name") 2>/dev/null; then
        run esc --device-cgroup-rule "b $major:$minor r" esc escape node b "$major" "$minor"
        expect_line 'open: ok'
    fi
    run esc --cap-drop mknod esc escape node c 1 11
    expect_line 'mknod: EPERM'
}

@test "a file of the host by its handle (shocker)" {
    local kind hex
    read -r kind hex < <("$ESCAPE" handle "$SECRET/secret")
    run esc esc escape shocker /etc/hosts "$kind" "$hex"
    expect_line 'open_by_handle_at: EPERM'
    # With the capability the filter allows the call, and the kernel the access: what one asks for with it.
    run esc --cap-add DAC_READ_SEARCH esc escape shocker /etc/hosts "$kind" "$hex"
    expect_line 'read: secret of the host'
}

@test "CVE-2022-0492: the release agent of a cgroup hierarchy" {
    local controller
    controller=$(awk -F: '$2 != "" && $2 !~ /=/ { print $2; exit }' /proc/self/cgroup)
    if [ -z "$controller" ]; then # v2 has none: there is nothing to mount, for whomever
        run esc --privileged esc escape agent memory
        expect_no_match '(open|write): ok'
        return
    fi
    run esc esc escape agent "$controller"
    expect_output 'mount: EPERM'
    run esc esc escape agent "$controller" own
    expect_output 'unshare: EPERM'
    # Without the filter the namespaces can be had; the kernel still asks for the machine's own SYS_ADMIN.
    run esc --security-opt seccomp=unconfined esc escape agent "$controller" own
    expect_line 'unshare: ok'
    expect_no_match 'write: ok'
    run esc --privileged --cgroupns host esc escape agent "$controller"
    expect_line 'write: ok'
}

@test "one's own cgroup is there to be read" {
    local file
    file=$(esc esc sh -c 'ls /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs 2>/dev/null | head -n 1')
    [ -n "$file" ]
    run esc esc escape write "$file"
    expect_output "$file: EROFS"
    run esc esc sh -c "mount -o remount,rw $(dirname "$file"); mount -o bind,remount,rw $(dirname "$file"); escape write $file"
    expect_line "$file: EROFS"
    run esc --privileged esc escape write "$file"
    expect_output "$file: ok"
}

@test "a keyring of one's own" {
    local a b host
    host=$("$ESCAPE" calls session | head -n 1)
    a=$(esc --security-opt seccomp=unconfined esc escape calls session | head -n 1)
    b=$(esc --security-opt seccomp=unconfined esc escape calls session | head -n 1)
    [[ $a =~ ^keyring:\ [0-9]+$ && $b =~ ^keyring:\ [0-9]+$ ]]
    [ "$a" != "$b" ]
    [ "$a" != "$host" ]
}

@test "CVE-2020-15257: no abstract socket of ours to be found from the host's network" {
    local pid
    docker run -d --name other --net none esc sleep 1000 >/dev/null
    in_bg socket python3 -c '
import signal, socket
s = socket.socket(socket.AF_UNIX)
s.bind("\0dhow-escape-control")
s.listen()
signal.pause()'
    pid=$BG
    run docker run --rm --net host esc sh -c 'n=0; until grep -q @dhow-escape-control /proc/net/unix || [ $n -gt 3000 ]; do n=$((n + 1)); usleep 20000; done; cat /proc/net/unix'
    kill "$pid"
    expect_text @dhow-escape-control
    run grep -E '@' <<<"$output"
    if [ "$DHOW_ENGINE" = dhow ]; then
        [ "$(grep -cE 'dhow|shim' <<<"$output")" = 1 ]
    fi
}

@test "who watches over a container cannot be killed from in there" {
    local id
    id=$(docker run -d --name victim --net none esc sleep 1000)
    run docker run --rm --net none esc escape kill
    expect_line 'parent: 0'
    expect_no_match '^kill 0: ok'
    is_state victim running
    docker rm -f "$id" >/dev/null
}

# Whoever holds the host's may change its mode and owner.
@test "the null device of the standard streams is the container's own, also for exec" {
    local look='stat -L -c %d:%i /proc/self/fd/0 /dev/null | sort -u | wc -l'
    # The control: the host's is another.
    ok esc -v /dev/null:/null esc sh -c 'stat -L -c %d:%i /dev/null /null | sort -u | wc -l'
    expect_output 2
    ok esc esc sh -c "$look"
    expect_output 1
    docker run -d --name cont --net none esc sh -c 'stat -L -c %d:%i /proc/1/fd/0 /dev/null | sort -u | wc -l; sleep 1000' >/dev/null
    wait_logs cont '^1$'
    ok docker exec cont sh -c "$look"
    expect_output 1
    docker exec -d cont sh -c 'stat -L -c %d:%i /proc/self/fd/0 /proc/self/fd/2 /dev/null | sort -u | wc -l >/out'
    wait_until 10 docker exec cont grep -qx 1 /out
}

@test "what is typed ahead on the container's terminal does not reach the user's shell (TIOCSTI)" {
    run "$ON_PTY" -e 'nothing came' -- bash -c \
        'docker run --rm -it --net none esc sh -c "escape calls tiocsti; escape calls tiocsti"; read -rt 1 x && echo "came: $x" || echo nothing came'
    expect_status 0
    expect_match 'tiocsti: (ok|EIO)'
    expect_no_match 'came: '
}
