#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The operations of the runtime specification and runc's command line around them.

load ../lib/runtime

setup() {
    setup_bundle
}

teardown() {
    teardown_bundle
}

@test "create leaves the program waiting, start executes it, delete removes everything" {
    created 'sh("echo went; sleep 1000")'
    is_status "$C" created
    same "$(cat "$B/out")" ""
    same "$(rt state "$C" | jq -r .pid)" "$PID"
    [ -d "/proc/$PID" ]
    rt start "$C"
    wait_until 5 grep -q went "$B/out"
    is_status "$C" running
    rt kill "$C" KILL
    wait_until 5 is_status "$C" stopped
    same "$(rt state "$C" | jq -r .pid)" 0
    rt delete "$C"
    run rt state "$C"
    expect_status 1
    expect_text "container does not exist"
}

@test "state says what the specification asks for" {
    created 'c["annotations"] = {"org.example": "yes"}'
    run rt state "$C"
    same "$(jq -r .id <<<"$output")" "$C"
    same "$(jq -r .bundle <<<"$output")" "$B"
    same "$(jq -r '.annotations["org.example"]' <<<"$output")" yes
    jq -e '.ociVersion, .created, .owner, .rootfs' <<<"$output"
}

@test "an ID that is taken or not one is refused, and nothing changes" {
    created
    run rt create --bundle "$B" "$C"
    expect_status 1
    is_status "$C" created
    for id in ../x a/b '' .; do
        run rt create --bundle "$B" "$id"
        expect_status 1
        expect_text "invalid container ID format"
    done
}

@test "start, kill and delete only in the states that allow them" {
    started
    run rt start "$C"
    expect_status 1
    expect_text "cannot start an already running container"
    run rt delete "$C"
    expect_status 1
    expect_text "that is not stopped: running"
    is_status "$C" running
    rt kill "$C" 9
    wait_until 5 is_status "$C" stopped
    run rt kill "$C" TERM
    expect_status 1
    expect_text "container not running"
    run rt start "$C"
    expect_status 1
    expect_text "cannot start a container that has stopped"
    run rt kill "$C" NOSUCH
    expect_status 1
    expect_text 'unknown signal \"NOSUCH\"'
}

@test "a created container can be deleted, a running one with --force" {
    created
    rt delete "$C"
    started
    rt delete --force "$C"
    run rt delete "$C"
    expect_status 1
    run rt delete --force "$C"
    expect_status 0
}

@test "changes of config.json after create change nothing" {
    created 'sh("echo first; sleep 1000")'
    config 'sh("echo second")'
    rt start "$C"
    wait_until 5 grep -q first "$B/out"
}

@test "run ends with the program's exit code and leaves nothing; --keep and --detach" {
    inside 'exit 42'
    expect_status 42
    inside 'kill -9 $$' 'no_ns("pid")'
    expect_status 137
    config 'p["args"] = ["true"]'
    rt run --bundle "$B" --keep "$C"
    is_status "$C" stopped
    rt delete "$C"
    config
    rt run --bundle "$B" --detach "$C" </dev/null >/dev/null 2>&1 3>&-
    is_status "$C" running
}

@test "a program that cannot be executed: the text Docker's users know, and nothing is left" {
    config 'p["args"] = ["nosuch"]'
    run rt create --bundle "$B" "$C"
    expect_status 1
    expect_text 'exec: \"nosuch\": executable file not found in $PATH'
    echo garbage >"$B/rootfs/bin/garbage"
    config 'p["args"] = ["/bin/garbage"]'
    run rt create --bundle "$B" "$C"
    expect_status 1
    expect_text 'permission denied'
    chmod 755 "$B/rootfs/bin/garbage"
    # only execve itself can tell: start has to hear of it
    created
    rt delete "$C"
    created 'p["args"] = ["/bin/garbage"]'
    run rt start "$C"
    expect_status 1
    expect_text 'exec format error'
    wait_until 5 is_status "$C" stopped
}

@test "exec: exit code, environment, directory, user, capability, process file" {
    started 'p["env"].append("OWN=1")' 'c["root"]["readonly"] = False'
    run rt exec "$C" sh -c 'exit 7'
    expect_status 7
    run rt exec --env A=b --cwd /tmp --user 12:34 "$C" sh -c 'echo $A $OWN; pwd; id -u; id -g'
    expect_output $'b 1\n/tmp\n12\n34'
    run rt exec --cap CAP_SYS_TIME "$C" grep CapBnd /proc/self/status
    expect_match 'CapBnd:.*2[0-9a-f]{6}$'
    run rt exec "$C" nosuch
    expect_status 255
    expect_text 'exec failed: unable to start container process: exec: \"nosuch\": executable file not found'
    python3 -c 'import json, sys; p = json.load(open(sys.argv[1]))["process"]
p["args"] = ["sh", "-c", "echo from-file"]; print(json.dumps(p))' "$B/config.json" >"$B/process.json"
    run rt exec --process "$B/process.json" "$C"
    expect_output from-file
    rt exec --detach --pid-file "$B/exec-pid" "$C" sleep 500 </dev/null >/dev/null 2>&1 3>&-
    [ "$(tr '\0' ' ' <"/proc/$(cat "$B/exec-pid")/cmdline")" = "sleep 500 " ]
    run rt ps --format json "$C"
    expect_text "$(cat "$B/exec-pid")"
    run rt ps "$C"
    expect_match '^root +[0-9]+ .* sleep 500$'
}

@test "a group that somebody has frozen is refused, not joined for ever" {
    local group=/sys/fs/cgroup/freezer/$C file=freezer.state frozen=FROZEN thawed=THAWED
    [ -d /sys/fs/cgroup/freezer ] || {
        group=/sys/fs/cgroup/$C
        file=cgroup.freeze frozen=1 thawed=0
    }
    mkdir "$group"
    echo $frozen >"$group/$file"
    inside true
    echo $thawed >"$group/$file"
    rmdir "$group"
    expect_status 1
    expect_text "container's cgroup unexpectedly frozen"
}

@test "values that mean nothing are refused, properties that are not known are not" {
    inside true 'p["env"].append("NOVALUE")'
    expect_status 1
    expect_text 'invalid environment variable: \"NOVALUE\"'
    inside true 'c["process"] = 7'
    expect_status 1
    inside true 'c["ociVersion"] = "2.0.0"'
    expect_status 1
    inside 'echo ran' 'c["org.example.new"] = {"x": 1}; l["newer"] = [1]; p["other"] = True'
    expect_status 0
    expect_output ran
    config
    started
    run rt exec --cap CAP_NO_SUCH "$C" true
    expect_status 0
    expect_text "ignoring unknown or unavailable capabilities: [CAP_NO_SUCH]"
}

@test "pause and resume" {
    started
    run rt resume "$C"
    expect_status 1
    expect_text "container not paused"
    rt pause "$C"
    is_status "$C" paused
    run rt exec "$C" true
    expect_status 255
    expect_text "cannot exec in a paused container"
    rt resume "$C"
    is_status "$C" running
    rt exec "$C" true
    rt pause "$C"
    rt delete --force "$C"
}

@test "list: table, JSON, quiet" {
    run rt list
    expect_output "ID          PID         STATUS      BUNDLE      CREATED     OWNER"
    run rt list -q
    expect_output ""
    created
    run rt list
    expect_match "^$C +$PID +created +$B +[0-9T:.-]+Z +root$"
    same "$(rt list --format json | jq -r '.[0].status')" created
    same "$(rt list --quiet)" "$C"
}

@test "a terminal goes to the console socket" {
    cat >"$B/recv.py" <<'END'
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); open(sys.argv[1] + ".ready", "w")
c, _ = s.accept()
data, anc, _, _ = c.recvmsg(256, socket.CMSG_SPACE(4))
fd = array.array("i", anc[0][2])[0]
out = b""
try:
    while b"end" not in out:
        out += os.read(fd, 4096)
except OSError:
    pass
print(data.decode(), out.decode())
END
    run rt create --bundle "$B" --console-socket "$B/sock" "$C"
    expect_status 1
    expect_text "cannot use console socket if"
    config 'p["terminal"] = True; p["consoleSize"] = {"height": 33, "width": 77}; sh("tty; stty size; echo end")'
    run rt create --bundle "$B" "$C"
    expect_status 1
    expect_text "without setting console socket"
    python3 "$B/recv.py" "$B/sock" >"$B/tty" 3>&- &
    wait_until 5 test -e "$B/sock.ready"
    rt create --bundle "$B" --console-socket "$B/sock" "$C" </dev/null >/dev/null 2>&1 3>&-
    rt start "$C"
    wait
    grep -q '^/dev/pts/0\|/dev/pts/0' "$B/tty"
    grep -q '33 77' "$B/tty"
}

@test "run and exec with a terminal of one's own" {
    config 'p["terminal"] = True; sh("tty; stty size; read x; echo got $x; exit 5")'
    run "$ON_PTY" -g 40x100 -e '40 100' -s 'hi\r' -e 'got hi' -- "$RUNTIME" --root "$B/state" run -b "$B" "$C"
    expect_status 5
    # From the first moment, also on a busy machine.
    config
    started
    for _ in 1 2 3 4 5 6 7 8; do
        run "$ON_PTY" -g 41x101 -e '/dev/pts/0' -e '41 101' -- "$RUNTIME" --root "$B/state" exec -t "$C" sh -c 'tty; stty size'
        expect_status 0
    done
}

@test "signals sent to a foreground run reach the program" {
    config 'sh("trap \"echo caught; exit 9\" TERM; echo ready; while :; do sleep 0.1; done")'
    "$RUNTIME" --root "$B/state" run --bundle "$B" "$C" >"$B/out" 2>&1 3>&- &
    local pid=$!
    wait_until 5 grep -q ready "$B/out"
    kill -TERM $pid
    local rc=0
    wait $pid || rc=$?
    same $rc 9
    grep -q caught "$B/out"
}

@test "descriptors: 0, 1, 2 and those of --preserve-fds, nothing else" {
    inside 'ls /proc/self/fd' 'c["root"]["readonly"] = False'
    expect_output $'0\n1\n2\n3' # 3 is the directory that ls reads
    echo kept >"$B/kept"
    config 'sh("cat <&3; ls -l /proc/$$/fd | wc -l")'
    run timeout 120 "$RUNTIME" --root "$B/state" run -b "$B" --preserve-fds 1 "$C" 3<"$B/kept"
    expect_line kept
    run "$RUNTIME" --root "$B/state" run -b "$B" --preserve-fds 40 "$C"
    expect_status 1
    expect_text "preserved-fd"
}

@test "descriptors: none of the runtime's own for one that the caller has not opened" {
    ours_only "runc 1.1 hands its own on"
    config 'sh("ls -l /proc/$$/fd")'
    run "$RUNTIME" --root "$B/state" run -b "$B" --preserve-fds 2 "$C" 3>&- 4>&-
    expect_status 1
    expect_text "preserved-fd"
    LISTEN_FDS=1 run "$RUNTIME" --root "$B/state" run -b "$B" "$C" 3>&-
    expect_status 1
    expect_text "preserved-fd"
}

@test "--log and --log-format json: one object a line with runc's members" {
    run "$RUNTIME" --root "$B/state" --log "$B/log" --log-format json state nosuch
    expect_status 1
    expect_output "container does not exist"
    same "$(jq -r '.level + " " + .msg' "$B/log")" "error container does not exist"
    jq -e .time "$B/log"
}

@test "wrong words: runc's texts and exit codes" {
    run rt frob
    expect_status 3
    expect_text "No help topic for 'frob'"
    run rt kill
    expect_status 1
    expect_text "requires a minimum of 1 argument(s)"
    run rt create --frob x
    expect_status 1
    expect_text "flag provided but not defined: -frob"
    run rt spec --bundle "$B"
    [ "$status" = 1 ]
    expect_text "File config.json exists. Remove it first"
    run rt --version
    expect_match '^spec: 1\.'
}

@test "features is JSON that names what there is" {
    ours_only "its own features"
    run rt features
    expect_status 0
    jq -e '.ociVersionMax == "1.2.0" and (.hooks | length == 6) and (.linux.namespaces | index("time"))
        and .linux.mountExtensions.idmap.enabled and (.linux.intelRdt.enabled | not)
        and (.linux.seccomp.actions | index("SCMP_ACT_NOTIFY"))
        and (.linux.capabilities | length == 41)' <<<"$output"
}

@test "update and events: limits change and are seen, running out of memory is told" {
    started 'l["resources"]["memory"] = {"limit": 64 << 20}'
    rt update --memory 32m --memory-swap 32m --pids-limit 77 "$C"
    run rt events --stats "$C"
    expect_status 0
    same "$(jq .data.memory.usage.limit <<<"$output")" $((32 << 20))
    same "$(jq .data.pids.limit <<<"$output")" 77
    echo '{"memory": {"limit": 16777216, "swap": 16777216}, "cpu": {"shares": 512}}' | rt update --resources - "$C"
    same "$(rt events --stats "$C" | jq .data.memory.usage.limit)" $((16 << 20))
    rt events --interval 100ms "$C" >"$B/events" 3>&- &
    wait_until 5 grep -q '"stats"' "$B/events"
    rt exec "$C" sh -c 'x=$(head -c 100000000 /dev/zero | tr "\0" x)' || true
    wait_until 5 grep -q '"type":"oom"' "$B/events"
    rt kill "$C" KILL
    wait # events ends with the container
}
