#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the specification's "process" asks for, looked at from inside.

load ../lib/runtime

setup() {
    setup_bundle
}

teardown() {
    teardown_bundle
}

@test "args, env, cwd (made where it is missing), user, umask, additional groups" {
    inside 'pwd; id -u; id -g; id -G; umask; echo $X; touch f; stat -c %a f' 'p["cwd"] = "/tmp/deep/dir"' \
        'p["user"] = {"uid": 1000, "gid": 1001, "umask": 0o77, "additionalGids": [5, 6]}' \
        'p["env"].append("X=y z")' 'c["root"]["readonly"] = False; mount("/tmp", "tmpfs", ["mode=1777"], kind="tmpfs")'
    expect_line /tmp/deep/dir
    expect_line 1000
    expect_line 1001
    expect_line "1001 5 6"
    expect_line 0077
    expect_line "y z"
    inside 'touch /tmp/f; stat -c %a /tmp/f' 'p["user"]["umask"] = 0o27' 'mount("/tmp", "tmpfs", [], kind="tmpfs")'
    expect_output 640
}

@test "a relative cwd is refused; HOME comes from the passwd file" {
    inside true 'p["cwd"] = "tmp"'
    expect_status 1
    expect_text "Cwd must be an absolute path"
    inside 'echo $HOME'
    expect_output /root
}

@test "rlimits, and one that the kernel refuses is an error" {
    inside 'ulimit -Sn; ulimit -Hn; ulimit -c' \
        'p["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 100}, {"type": "RLIMIT_CORE", "soft": 18446744073709551615, "hard": 18446744073709551615}]'
    expect_output $'99\n100\nunlimited'
    inside true 'p["rlimits"] = [{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}]'
    expect_status 1
    expect_text "invalid rlimit type: RLIMIT_NOSUCH"
}

@test "capabilities: five sets, each its own" {
    inside 'grep Cap /proc/self/status' \
        'p["capabilities"] = {"bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"], "permitted": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_CHOWN"], "inheritable": ["CAP_CHOWN"], "ambient": ["CAP_CHOWN"]}' \
        'p["user"] = {"uid": 1000, "gid": 1000}'
    expect_match '^CapInh:\s+0000000000000001$'
    expect_match '^CapPrm:\s+0000000000000001$'
    expect_match '^CapEff:\s+0000000000000001$'
    expect_match '^CapBnd:\s+00000000000000a1$'
    expect_match '^CapAmb:\s+0000000000000001$'
    inside 'grep CapEff /proc/self/status' 'p["capabilities"] = {}'
    expect_match '^CapEff:\s+0000000000000000$'
}

@test "an unknown capability is a warning and no more" {
    inside 'grep CapBnd /proc/self/status' 'caps("CAP_CHOWN", "CAP_NO_SUCH")'
    expect_status 0
    expect_text CAP_NO_SUCH
    expect_match '^CapBnd:\s+0000000000000001$'
}

@test "noNewPrivileges" {
    inside 'grep NoNewPrivs /proc/self/status'
    expect_match '1$'
    inside 'grep NoNewPrivs /proc/self/status' 'p["noNewPrivileges"] = False'
    expect_match '0$'
}

@test "oomScoreAdj is set, and left alone where it is not given" {
    inside 'cat /proc/self/oom_score_adj' 'p["oomScoreAdj"] = 123'
    expect_output 123
    config 'sh("cat /proc/self/oom_score_adj")'
    run sh -c 'echo 77 >/proc/self/oom_score_adj; exec "$@"' - "$RUNTIME" --root "$B/state" run -b "$B" "$C"
    expect_output 77
}

@test "scheduler, ioPriority, personality" {
    inside 'cut -d" " -f 19,41 /proc/self/stat; ionice; uname -m' \
        'p["scheduler"] = {"policy": "SCHED_BATCH", "nice": 5}' \
        'p["ioPriority"] = {"class": "IOPRIO_CLASS_BE", "priority": 6}' 'l["personality"] = {"domain": "LINUX32"}'
    expect_line "5 3"
    expect_line "best-effort: prio 6"
    expect_line i686
    inside true 'p["scheduler"] = {"policy": "SCHED_NOSUCH"}'
    expect_status 1
    expect_text "invalid scheduler policy: SCHED_NOSUCH"
}

@test "execCPUAffinity holds for processes that follow the first" {
    started 'p["execCPUAffinity"] = {"initial": "0", "final": "0"}'
    run rt exec "$C" grep Cpus_allowed_list /proc/self/status
    expect_match '\b0$'
}

@test "what this machine or this runtime has not is refused, not ignored" {
    [ -d /sys/fs/selinux ] && [ -e /sys/fs/selinux/enforce ] || {
        inside true 'p["selinuxLabel"] = "system_u:system_r:container_t:s0"'
        expect_status 1
        expect_text "selinux is disabled or not supported"
    }
    [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] || {
        inside true 'p["apparmorProfile"] = "docker-default"'
        expect_status 1
        expect_text "apparmor not supported"
    }
    inside true 'l["intelRdt"] = {"closID": "x"}'
    expect_status 1
    expect_text "Intel RDT is not supported"
}

@test "hooks: all six, in order, with the state on their input" {
    cat >"$B/hook" <<END
#!/bin/sh
cat >"$B/\$1.json"
echo "\$1 \$(readlink /proc/self/ns/mnt)" >>"$B/order"
END
    chmod 755 "$B/hook"
    cp "$B/hook" "$B/rootfs/hook"
    mkdir -p "$B/rootfs/$B"
    config 'c["root"]["readonly"] = False' "
def hook(name, path=B + '/hook'): return [{'path': path, 'args': ['hook', name], 'env': ['PATH=/usr/bin:/bin']}]
c['hooks'] = {n: hook(n) for n in ('prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop')}
c['hooks']['startContainer'] = hook('startContainer', '/hook')"
    created
    rt start "$C"
    rt delete --force "$C"
    same "$(cut -d' ' -f1 "$B/order" | tr '\n' ' ')" "prestart createRuntime createContainer poststart poststop "
    same "$(cut -d' ' -f1 "$B/rootfs/$B/order")" startContainer
    same "$(jq -r .status "$B/prestart.json")" creating
    same "$(jq -r .status "$B/poststart.json")" running
    same "$(jq -r .status "$B/poststop.json")" stopped
    same "$(jq -r .status "$B/rootfs/$B/startContainer.json")" created
    same "$(jq -r .id "$B/createRuntime.json")" "$C"
    same "$(jq -r .pid "$B/createRuntime.json")" "$PID"
    # the former in the host's mount namespace, createContainer in the container's
    local host
    host=$(readlink /proc/self/ns/mnt)
    grep -qxF "createRuntime $host" "$B/order"
    run ! grep -qxF "createContainer $host" "$B/order"
}

@test "a hook that fails, or takes too long, ends create with nothing left; poststart only warns" {
    config 'c["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo no good >&2; exit 3"]}]}'
    run rt create --bundle "$B" "$C"
    expect_status 1
    expect_text "exit status 3"
    expect_text "no good"
    config 'c["hooks"] = {"createContainer": [{"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1}]}'
    run rt create --bundle "$B" "$C"
    expect_status 1
    expect_text "hook ran past specified timeout of 1.0s"
    config 'c["hooks"] = {"startContainer": [{"path": "/bin/false"}]}'
    created
    run rt start "$C"
    expect_status 1
    rt delete --force "$C"
    started 'c["hooks"] = {"poststart": [{"path": "/bin/false"}]}'
    is_status "$C" running
}

@test "seccomp: actions, arguments, errno, flags" {
    inside 'mkdir /tmp/x 2>&1; sync && echo synced; grep Seccomp: /proc/self/status' \
        'mount("/tmp", "tmpfs", [], kind="tmpfs")' \
        'l["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
    expect_text "No space left on device"
    expect_line synced
    expect_match 'Seccomp:.*2$'
    inside 'mkdir /tmp/x; echo alive' 'mount("/tmp", "tmpfs", [], kind="tmpfs")' \
        'l["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_KILL_PROCESS"}]}'
    expect_text "Bad system call"
    inside true 'l["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_NOSUCH"]}'
    expect_status 1
    expect_text 'SECCOMP_FILTER_FLAG_NOSUCH'
    # a process that follows has the same filter
    started 'l["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
    run rt exec "$C" sh -c 'mkdir /tmp/x'
    expect_text "No space left on device"
}

@test "seccomp: a compiled filter is kept, and nothing that is not ours alone is taken for one" {
    ours_only "about our own cache"
    local profile='l["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}'
    local dir=$B/state/seccomp:cache file before
    inside 'mkdir /tmp/x' "$profile"
    expect_text "No space left on device"
    file=$(ls "$dir")
    same "$(stat -c %a "$dir") $(stat -c %a "$dir/$file")" "700 600"
    before=$(stat -c %i "$dir/$file")
    inside 'mkdir /tmp/x' "$profile"
    expect_text "No space left on device"
    same "$(stat -c %i "$dir/$file")" "$before"
    # another profile is another file
    inside 'mkdir /tmp/x' "${profile/28/2}"
    expect_text "No such file or directory"
    same "$(find "$dir" -type f | wc -l)" 2
    # damaged, writable by others, somebody else's, a link: compiled anew
    local harm
    for harm in 'printf XXXX | dd of="$dir/$file" bs=1 seek=70 conv=notrunc status=none' \
        'truncate -s 80 "$dir/$file"' 'chmod 666 "$dir/$file"' 'chown 1000 "$dir/$file"' \
        'mv "$dir/$file" "$B/moved"; ln -s "$B/moved" "$dir/$file"'; do
        before=$(stat -c %i "$dir/$file")
        eval "$harm"
        inside 'mkdir /tmp/x' "$profile"
        expect_text "No space left on device"
        [ "$(stat -c %i "$dir/$file")" != "$before" ] || fail "used in spite of: $harm"
        same "$(stat -c '%F %a %u' "$dir/$file")" "regular file 600 0"
    done
    # a directory that others may write is not used at all
    chmod 777 "$dir"
    rm "$dir"/*
    inside 'mkdir /tmp/x' "$profile"
    expect_text "No space left on device"
    [ -z "$(ls "$dir")" ]
}

@test "seccomp: what is to be notified reaches the listener, with and without new privileges" {
    cat >"$B/agent.py" <<'END'
import array, fcntl, json, socket, struct, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); open(sys.argv[1] + ".ready", "w")
c, _ = s.accept()
data, anc, _, _ = c.recvmsg(65536, socket.CMSG_SPACE(4))
fd = array.array("i", anc[0][2])[0]
state = json.loads(data)
print(state["metadata"], state["fds"][0], state["state"]["id"], flush=True)
req = bytearray(80)
fcntl.ioctl(fd, 0xc0502100, req)            # SECCOMP_IOCTL_NOTIF_RECV
id = struct.unpack_from("Q", req)[0]
fcntl.ioctl(fd, 0xc0182101, bytearray(struct.pack("QqiI", id, 0, -95, 0)))  # SEND: EOPNOTSUPP
END
    local nnp
    for nnp in True False; do
        rm -f "$B"/sock*
        python3 "$B/agent.py" "$B/sock" >"$B/agent" 3>&- &
        wait_until 5 test -e "$B/sock.ready"
        inside 'mkdir /tmp/x' "p['noNewPrivileges'] = $nnp" \
            'l["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": B + "/sock", "listenerMetadata": "meta", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}'
        expect_text "not supported"
        wait
        same "$(cat "$B/agent")" "meta seccompFd $C"
    done
}
