#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The specification's Linux part and its mounts, looked at from inside.

load ../lib/runtime

setup() {
    setup_bundle
}

teardown() {
    [ -z "${HELPER:-}" ] || kill -KILL "$HELPER"
    [ -z "${NETNS:-}" ] || ip netns del "$NETNS"
    teardown_bundle
}

@test "namespaces: new ones where asked for, the runtime's elsewhere" {
    started 'ns("time"); users()'
    local kind
    for kind in pid net ipc uts mnt cgroup user time; do
        [ "$(readlink "/proc/$PID/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")" ] || fail "$kind is the host's"
    done
    rt delete --force "$C"
    started 'c.pop("hostname"); l["namespaces"] = [{"type": "mount"}]; l.pop("maskedPaths"); l.pop("readonlyPaths")' \
        'c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/dev/mqueue"]'
    for kind in pid net ipc uts cgroup user time; do
        same "$(readlink "/proc/$PID/ns/$kind")" "$(readlink "/proc/self/ns/$kind")"
    done
    [ "$(readlink "/proc/$PID/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
}

@test "namespaces with a path are joined, of the right type only" {
    unshare -mnipuCT --fork sleep 1000 3>&- &
    HELPER=$!
    wait_until 5 pgrep -P "$HELPER" sleep
    local inner kind
    inner=$(pgrep -P "$HELPER" sleep)
    HELPER=$inner
    started "
for kind, file in (('network', 'net'), ('ipc', 'ipc'), ('uts', 'uts'), ('pid', 'pid'), ('cgroup', 'cgroup'), ('time', 'time')):
    ns(kind, '/proc/$inner/ns/' + file)
c.pop('hostname')"
    for kind in net ipc uts pid cgroup time; do
        same "$kind $(readlink "/proc/$PID/ns/$kind")" "$kind $(readlink "/proc/$inner/ns/$kind")"
    done
    run rt exec "$C" readlink /proc/self/ns/net
    expect_output "$(readlink "/proc/$inner/ns/net")"
    rt delete --force "$C"
    inside true "ns('network', '/proc/$inner/ns/uts')"
    expect_status 1
    expect_text "is not a network namespace"
    inside true "ns('network', '/nonexistent')"
    expect_status 1
    expect_text "no such file or directory"
}

@test "a user namespace by path, alone and with the host's others" {
    unshare -U sleep 1000 3>&- &
    HELPER=$!
    wait_until 5 grep -q sleep "/proc/$HELPER/comm"
    echo "0 100000 65536" >"/proc/$HELPER/gid_map"
    echo "0 100000 65536" >"/proc/$HELPER/uid_map"
    inside 'id -u; tr -s " " </proc/self/uid_map; readlink /proc/self/ns/user; touch /tmp/f' "ns('user', '/proc/$HELPER/ns/user')" \
        'mount("/tmp", "tmpfs", [], kind="tmpfs")'
    expect_status 0
    expect_line 0
    expect_line " 0 100000 65536"
    expect_line "$(readlink "/proc/$HELPER/ns/user")"
    NETNS=dhow-oci-${B##*.}
    ip netns add "$NETNS"
    inside 'id -u; readlink /proc/self/ns/net' "users(); ns('network', '/run/netns/$NETNS')" \
        'c["mounts"] = [m for m in c["mounts"] if not m["destination"].startswith("/sys")]'
    expect_status 0
    expect_line 0
    run ip netns exec "$NETNS" readlink /proc/self/ns/net
    grep -qF "net:[" <<<"$output"
}

@test "uidMappings and gidMappings; duplicates and mappings without a user namespace are refused" {
    inside 'id -u; tr -s " " </proc/self/uid_map; tr -s " " </proc/self/gid_map; echo x >/dev/null && ls -ln /dev/null | cut -c1-10' \
        'users(200000, 5000)'
    expect_output $'0\n 0 200000 5000\n 0 200000 5000\ncrw-rw-rw-'
    inside true 'users(); no_ns("user")'
    expect_status 1
    expect_text "user namespace isn't enabled"
    inside true 'l["namespaces"].append({"type": "pid"})'
    expect_status 1
    expect_text "duplicated ns"
}

@test "timeOffsets" {
    inside 'cut -d. -f1 /proc/uptime' 'ns("time"); l["timeOffsets"] = {"boottime": {"secs": 1000000}, "monotonic": {"secs": 500}}'
    [ "$output" -gt 1000000 ]
    inside true 'l["timeOffsets"] = {"boottime": {"secs": 1}}'
    expect_status 1
    expect_text "time offsets need a new time namespace"
}

@test "hostname and domainname; not without a UTS namespace" {
    inside 'hostname; cat /proc/sys/kernel/domainname' 'c["hostname"] = "one"; c["domainname"] = "two"'
    expect_output $'one\ntwo'
    inside true 'no_ns("uts")'
    expect_status 1
    expect_text "without a private UTS namespace"
}

@test "root: readonly, a path relative to the bundle, a missing one" {
    inside 'echo x >/f'
    expect_text "Read-only file system"
    inside 'echo x >/f && cat /f' 'c["root"] = {"path": "rootfs"}'
    expect_output x
    inside true 'c["root"] = {"path": "nosuch"}'
    expect_status 1
    expect_text "invalid rootfs"
}

@test "mounts: in order, made where missing, with their options" {
    mkdir "$B/src" "$B/src/sub"
    echo data >"$B/src/file"
    inside 'grep -E " /(mnt|new|tmp|single)" /proc/self/mountinfo | cut -d" " -f 5,6; cat /mnt/file /single; echo x >/mnt/f' \
        'c["root"]["readonly"] = False' \
        'mount("/mnt", "src", ["bind", "ro", "nosuid", "nodev", "noexec"])' \
        'mount("/new/deep", "none", ["size=64k", "mode=700", "noatime"], kind="tmpfs")' \
        'mount("/single", B + "/src/file", ["bind"])' \
        'mount("/tmp", "tmpfs", ["nosymfollow", "nodiratime"], kind="tmpfs")'
    expect_match '^/mnt ro,nosuid,nodev,noexec,relatime$'
    expect_match '^/new/deep rw,noatime$'
    expect_match '^/tmp rw,nodiratime,relatime,nosymfollow$'
    expect_text "Read-only file system"
    same "$(grep -c '^data$' <<<"$output")" 2
    inside true 'mount("/mnt", "/nonexistent", ["bind"])'
    expect_status 1
    expect_text "no such file or directory"
    inside true 'mount("/mnt", "none", ["nosuchoption=1"], kind="tmpfs")'
    expect_status 1
    expect_text nosuchoption
}

@test "recursive attributes: rro reaches what is mounted below, ro does not" {
    local script='for d in /mnt /mnt/sub; do touch $d/f 2>/dev/null && echo "$d rw" || echo "$d ro"; done'
    mkdir -p "$B/src/sub"
    # a tree of two made by the caller, in a mount namespace of its own
    config "sh('''$script''')" 'mount("/mnt", B + "/src", ["rbind", "rro"])' 'c["root"]["readonly"] = False'
    run unshare -m sh -c "mount -t tmpfs x $B/src/sub; exec $RUNTIME --root $B/state run -b $B $C"
    expect_output $'/mnt ro\n/mnt/sub ro'
    config "sh('''$script''')" 'mount("/mnt", B + "/src", ["rbind", "ro"])' 'c["root"]["readonly"] = False'
    run unshare -m sh -c "mount -t tmpfs x $B/src/sub; exec $RUNTIME --root $B/state run -b $B $C"
    expect_output $'/mnt ro\n/mnt/sub rw'
}

@test "idmapped mounts: files of the host belong to others inside, and what is made there to the host's" {
    mkdir "$B/src"
    touch "$B/src/file"
    inside 'stat -c %u:%g /mnt/file' 'c["root"]["readonly"] = False' \
        'mount("/mnt", B + "/src", ["bind"], uidMappings=[{"containerID": 0, "hostID": 7000, "size": 10}], gidMappings=[{"containerID": 0, "hostID": 8000, "size": 10}])'
    expect_output 7000:8000
    inside 'stat -c %u:%g /mnt/file; touch /mnt/made' 'users()' 'mount("/mnt", B + "/src", ["bind", "idmap"])'
    expect_output 0:0
    same "$(stat -c %u:%g "$B/src/made")" 0:0
    inside 'stat -c %u:%g /mnt/file' 'users()' 'mount("/mnt", B + "/src", ["bind"])'
    expect_output 65534:65534
}

@test "a directory that only the host's root may enter can be bound into a user namespace" {
    mkdir -p "$B/private/inner"
    echo seen >"$B/private/inner/file"
    chmod 700 "$B/private"
    inside 'cat /mnt/file' 'users()' 'mount("/mnt", B + "/private/inner", ["bind"])'
    expect_output seen
}

@test "tmpcopyup: a tmpfs that begins with what is below it" {
    mkdir "$B/rootfs/etc/dir"
    ln -s passwd "$B/rootfs/etc/link"
    chown 12:34 "$B/rootfs/etc/passwd"
    chmod 4711 "$B/rootfs/etc/passwd"
    inside 'stat -c "%a %u:%g" /etc/passwd; readlink /etc/link; ls -d /etc/dir; touch /etc/new && grep -c " /etc tmpfs" /proc/mounts' \
        'mount("/etc", "tmpfs", ["tmpcopyup"], kind="tmpfs")'
    expect_output $'4711 12:34\npasswd\n/etc/dir\n1'
    [ ! -e "$B/rootfs/etc/new" ]
}

@test "rootfsPropagation" {
    local want
    for want in shared slave private unbindable; do
        inside 'grep " / / " /proc/self/mountinfo || grep " / " /proc/self/mountinfo' "l['rootfsPropagation'] = '$want'"
        expect_status 0
        case $want in
        shared) expect_match ' / .*shared:' ;;
        unbindable) expect_match ' / .*unbindable' ;;
        private) expect_no_match ' / .*(shared|master):' ;;
        esac
    done
    inside true "l['rootfsPropagation'] = 'nosuch'"
    expect_status 1
    expect_text "rootfsPropagation=nosuch is not supported"
}

@test "devices: the default ones, and those listed with their mode and owner" {
    inside 'cd /dev; stat -c "%n %t:%T" null zero full random urandom tty; for n in fd stdin stdout stderr ptmx; do readlink $n; done; stat -c "%F %a %u:%g %t:%T" /dev/mine /dev/sub/pipe'  \
        'l["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 3, "gid": 4}, {"path": "/dev/sub/pipe", "type": "p", "fileMode": 0o600}]'
    expect_text $'null 1:3\nzero 1:5\nfull 1:7\nrandom 1:8\nurandom 1:9\ntty 5:0'
    expect_text $'/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx'
    expect_line "character special file 640 3:4 1:3"
    expect_line "fifo 600 0:0 0:0"
}

@test "device rules: nothing beyond the default ones unless it is allowed" {
    inside 'head -c 0 /dev/mine; head -c 1 /dev/zero | wc -c' \
        'l["devices"] = [{"path": "/dev/mine", "type": "c", "major": 10, "minor": 229}]'
    expect_text "Operation not permitted"
    expect_line 1
    inside 'head -c 0 /dev/mine && echo opened' \
        'l["devices"] = [{"path": "/dev/mine", "type": "c", "major": 10, "minor": 229}]; l["resources"]["devices"].append({"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"})'
    expect_line opened
}

@test "masked and read-only paths, also when they are symlinks or missing" {
    echo hidden >"$B/rootfs/secret/file"
    ln -s /secret "$B/rootfs/alias"
    inside 'ls /secret | wc -l; cat /etc/group | wc -c; touch /tmp/f; ls -ld /etc/group | cut -c1' 'c["root"]["readonly"] = False' \
        'l["maskedPaths"] = ["/alias", "/etc/group", "/no/such"]; l["readonlyPaths"] = ["/tmp", "/none"]'
    expect_text "Read-only file system"
    expect_line 0
    expect_line c
    run ! grep -q hidden <<<"$output"
}

@test "sysctl of the container's own namespaces; those of the host are refused" {
    inside 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni /proc/sys/fs/mqueue/msg_max' \
        'l["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmni": "4097", "fs.mqueue.msg_max": "11"}'
    expect_output $'1\n4097\n11'
    inside true 'l["sysctl"] = {"vm.swappiness": "1"}'
    expect_status 1
    expect_text "not in a separate kernel namespace"
    inside true 'l["sysctl"] = {"net.ipv4.ip_forward": "1"}; no_ns("network")'
    expect_status 1
    expect_text "host network namespace"
}

@test "cgroupsPath and resources" {
    started 'l["resources"].update({"memory": {"limit": 33554432, "swap": 67108864, "reservation": 16777216}, "pids": {"limit": 55}, "cpu": {"shares": 333, "quota": 50000, "period": 100000, "cpus": "0"}})'
    grep -q "/$C\$" "/proc/$PID/cgroup"
    run rt exec "$C" sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max pids/pids.max pids.max cpu/cpu.cfs_quota_us cpu.max cpuset/cpuset.cpus cpuset.cpus 2>/dev/null'
    expect_line 33554432
    expect_line 55
    expect_match '^50000( 100000)?$'
    expect_line 0
    rt delete --force "$C"
    inside true 'l["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4194304}]'
    grep -qw hugetlb /proc/cgroups || { expect_status 1; expect_text "hugetlb cgroup controller is not available"; }
    inside true 'l["resources"]["unified"] = {"cgroup.max.depth": "3"}'
    expect_status 0
    inside true 'l["resources"]["unified"] = {"../x": "3"}'
    expect_status 1
}

@test "exec --cgroup runs in an existing group below the container's" {
    [ -e /sys/fs/cgroup/unified ] || [ -e /sys/fs/cgroup/cgroup.procs ] || skip "no cgroup v2 hierarchy"
    started
    local d
    for d in /sys/fs/cgroup/*/"$C" /sys/fs/cgroup/"$C"; do
        [ ! -d "$d" ] || mkdir -p "$d/inner"
    done
    run rt exec --cgroup inner "$C" cat /proc/1/../self/cgroup
    expect_match "inner"
}

@test "--systemd-cgroup is refused with a reason" {
    ours_only "its own text"
    run "$RUNTIME" --root "$B/state" --systemd-cgroup run -b "$B" "$C"
    expect_status 1
    expect_text "use the cgroupfs cgroup driver"
}

@test "--no-pivot" {
    config 'sh("ls /secret; ls / | head -n 1")'
    run "$RUNTIME" --root "$B/state" run -b "$B" --no-pivot "$C"
    expect_output bin
}
