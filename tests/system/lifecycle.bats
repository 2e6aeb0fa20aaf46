# Life of a container: create, start, stop, restart, kill, pause, wait, rm, prune, rename, top, stats, port, and
# what the program finds inside.

load ../lib/helpers

setup_file() {
    setup_engine busybox
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
    assert_nothing_left
}

TRAP='trap "echo stopping; exit 3" TERM; echo ready; while :; do sleep 0.1; done'

@test "stop sends SIGTERM and takes the program's exit code" {
    docker run -d --name cc busybox sh -c "$TRAP"
    wait_logs cc ready
    ok docker stop cc
    expect_output cc
    same "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' cc)" "exited 3"
    wait_logs cc stopping
}

@test "stop kills what does not listen, after the time-out" {
    local before took
    docker run -d --name cc --stop-timeout 600 busybox sleep 1000
    before=$EPOCHREALTIME
    docker stop -t 1 cc
    took=$((${EPOCHREALTIME/./} - ${before/./}))
    [ "$took" -ge 1000000 ]
    [ "$took" -lt 60000000 ]
    same "$(docker inspect -f '{{.State.ExitCode}}' cc)" 137
}

@test "--stop-signal and --stop-timeout" {
    docker run -d --name cc --stop-signal USR1 busybox sh -c 'trap "exit 5" USR1; echo ready; while :; do sleep 0.1; done'
    wait_logs cc ready
    docker stop cc
    same "$(docker inspect -f '{{.State.ExitCode}}' cc)" 5
    # Asked for in words, so that a busy machine does not look like the ten seconds that are waited by default.
    docker run -d --name dd --stop-timeout 1 busybox sleep 1000
    same "$(docker inspect -f '{{.Config.StopTimeout}}' dd)" 1
    local before=$SECONDS
    docker stop dd
    [ $((SECONDS - before)) -lt 10 ]
}

@test "kill with signals" {
    docker run -d --name cc busybox sh -c 'trap "echo usr1" USR1; echo ready; while :; do sleep 0.1; done'
    wait_logs cc ready
    ok docker kill -s USR1 cc
    wait_logs cc usr1
    ok docker kill --signal SIGUSR1 cc
    same "$(state cc)" running
    ok docker kill -s 9 cc
    wait_state cc exited
    same "$(docker inspect -f '{{.State.ExitCode}}' cc)" 137
}

@test "restart: files stay, the process is new" {
    local pid
    docker run -d --name cc busybox sh -c "echo once >>/file; $TRAP"
    wait_logs cc ready
    pid=$(docker inspect -f '{{.State.Pid}}' cc)
    ok docker restart cc
    expect_output cc
    [ "$(docker inspect -f '{{.State.Pid}}' cc)" != "$pid" ]
    twice() { [ "$(docker exec cc cat /file)" = $'once\nonce' ]; }
    wait_until 5 twice
}

# The rest of what a container wrote is thrown away with --rm: the kernel is not made to write it out.
@test "--rm: fsync is spared, restart keeps the files; without --rm everything is written out" {
    [ "$CLI$DHOW_ENGINE" = dhowdhow ] || skip "how the layers are mounted is Dhow's own"
    docker run -d --rm --name cc busybox sleep 1000
    docker exec cc sh -c 'echo kept >/file; sync'
    [[ $(docker exec cc head -n 1 /proc/mounts) == *volatile* ]]
    ok docker restart -t 0 cc
    same "$(docker exec cc cat /file)" kept
    ok docker restart -t 0 cc
    same "$(docker exec cc cat /file)" kept
    docker run -d --name dd busybox sleep 1000
    [[ $(docker exec dd head -n 1 /proc/mounts) != *volatile* ]]
}

@test "restart policies: always, on-failure:N, unless-stopped, no" {
    docker run -d --name no busybox sh -c 'exit 1'
    built docker create --restart always busybox || return 0
    docker rm "$output"
    docker run -d --name some --restart on-failure:2 busybox sh -c 'echo try; exit 1'
    docker run -d --name fine --restart on-failure busybox true
    docker run -d --name again --restart always busybox sh -c 'echo try; sleep 0.1'
    wait_state no exited
    counted() { [ "$(docker inspect -f '{{.State.Status}} {{.RestartCount}}' some)" = "exited 2" ]; }
    wait_until 15 counted
    same "$(docker logs some | wc -l)" 3
    wait_state fine exited
    same "$(docker inspect -f '{{.State.Status}} {{.RestartCount}}' fine)" "exited 0"
    more() { [ "$(docker inspect -f '{{.RestartCount}}' again)" -ge 2 ]; }
    wait_until 15 more
    # What a person stops stays stopped.
    docker stop -t 0 again
    sleep 1
    same "$(state again)" exited
}

@test "pause freezes, unpause lets go" {
    docker run -d --name cc busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done'
    wait_logs cc '^3$'
    ok docker pause cc
    expect_output cc
    # What was in the pipe may still come. One that is not frozen writes ten lines meanwhile.
    local before
    steady() { before=$(docker logs cc | wc -l) && sleep 0.5 && [ "$(docker logs cc | wc -l)" = "$before" ]; }
    wait_until 5 steady
    docker unpause cc
    more() { [ "$(docker logs cc | wc -l)" -gt "$before" ]; }
    wait_until 5 more
    # A paused one can be killed.
    docker pause cc
    docker kill cc
    wait_state cc exited
}

@test "a signal that may be the end reaches a paused container; another one waits" {
    local name stubborn='trap "echo heard" TERM; echo ready; while :; do sleep 0.1; done'
    docker run -d --name cc busybox sh -c 'trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done'
    docker run -d --name dd busybox sh -c "$stubborn"
    docker run -d --name ee --stop-signal INT busybox sh -c "$stubborn"
    for name in cc dd ee; do
        wait_logs $name ready
    done
    docker pause cc dd ee
    docker kill -s TERM cc dd ee
    wait_state cc exited
    same "$(docker inspect -f '{{.State.ExitCode}}' cc)" 3
    wait_state dd running
    wait_logs dd heard
    same "$(state ee)" paused
    docker unpause ee
    wait_logs ee heard
}

@test "start -a gives output and exit code; start of what runs is no error" {
    docker create --name cc busybox sh -c 'echo out; exit 4'
    run docker start -a cc
    expect_status 4
    expect_output out
    docker run -d --name dd busybox sleep 1000
    ok docker start dd
    expect_output dd
}

@test "wait blocks until the end; several; --condition by the API" {
    docker run -d --name cc busybox sh -c 'sleep 0.5; exit 3'
    docker run -d --name dd busybox sh -c 'sleep 0.2; exit 4'
    ok docker wait cc dd
    expect_output $'3\n4'
}

@test "rm -f, rm -v, rm of several; container prune" {
    docker run -d --name runs busybox sleep 1000
    docker create --name made busybox
    docker run --name ended busybox true
    ok docker container prune -f
    expect_match '^[0-9a-f]{64}$'
    same "$(docker ps -a --format '{{.Names}}')" runs
    ok docker rm -f runs
    expect_output runs
}

@test "container prune asks" {
    docker create --name made busybox
    run docker container prune <<<"n"
    same "$(docker ps -aq | wc -l)" 1
    run docker container prune <<<"y"
    same "$(docker ps -aq | wc -l)" 0
}

@test "rename of a running one; the name is known inside" {
    docker run -d --name old busybox sleep 1000
    docker rename old new
    same "$(docker ps --format '{{.Names}}')" new
    run docker inspect old
    expect_status 1
}

@test "top, with ps options" {
    docker run -d --name cc busybox sleep 1234
    ok docker top cc
    [[ ${lines[0]} =~ ^UID\ +PID\ +PPID ]]
    expect_match 'sleep 1234$'
    ok docker top cc -o pid,args
    expect_match "^ *$(docker inspect -f '{{.State.Pid}}' cc) +sleep 1234"
}

@test "stats --no-stream" {
    docker run -d --name cc busybox sleep 1000
    ok docker stats --no-stream
    [[ ${lines[0]} =~ ^CONTAINER\ ID\ +NAME\ +CPU\ %\ +MEM\ USAGE\ /\ LIMIT\ +MEM\ %\ +NET\ I/O\ +BLOCK\ I/O\ +PIDS ]]
    expect_match '^[0-9a-f]{12} +cc +[0-9.]+% '
    ok docker stats --no-stream --format '{{.Name}} {{.PIDs}}' cc
    expect_output 'cc 1'
}

@test "update of nothing: inspect has the whole of what create was given" {
    docker create --name cc -e A=b -l x=y -w /tmp -u 1:2 --hostname hh -m 64m --cpu-shares 512 \
        --cap-add NET_ADMIN --cap-drop MKNOD --read-only --init -p 28150:80 --entrypoint /bin/echo busybox one two
    ok docker inspect cc
    python3 -c '
import json, sys
c = json.load(sys.stdin)[0]
k, h = c["Config"], c["HostConfig"]
assert c["Name"] == "/cc" and c["Path"] == "/bin/echo" and c["Args"] == ["one", "two"], c
assert "A=b" in k["Env"] and k["Labels"]["x"] == "y" and k["WorkingDir"] == "/tmp" and k["User"] == "1:2", k
assert k["Hostname"] == "hh" and k["Entrypoint"] == ["/bin/echo"] and k["Cmd"] == ["one", "two"], k
assert h["RestartPolicy"] == {"Name": "no", "MaximumRetryCount": 0}, h
assert h["Memory"] == 64 << 20 and h["CpuShares"] == 512 and h["ReadonlyRootfs"] and h["Init"], h
assert [x.replace("CAP_", "") for x in h["CapAdd"]] == ["NET_ADMIN"], h
assert [x.replace("CAP_", "") for x in h["CapDrop"]] == ["MKNOD"], h
assert h["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "28150"}]}, h
assert c["State"]["Status"] == "created" and c["State"]["Pid"] == 0, c
' <<<"$output"
}

@test "--read-only, --tmpfs, -v of a host directory" {
    run docker run --rm --read-only busybox touch /file
    expect_status 1
    expect_text 'Read-only file system'
    ok docker run --rm --read-only --tmpfs /run busybox touch /run/file
    mkdir "$BATS_TEST_TMPDIR/host"
    echo here >"$BATS_TEST_TMPDIR/host/file"
    ok docker run --rm -v "$BATS_TEST_TMPDIR/host:/in" busybox sh -c 'cat /in/file; echo there >/in/new'
    expect_output here
    same "$(cat "$BATS_TEST_TMPDIR/host/new")" there
    run docker run --rm -v "$BATS_TEST_TMPDIR/host:/in:ro" busybox touch /in/file
    expect_status 1
    expect_text 'Read-only file system'
}

@test "isolation: capabilities, seccomp, masked paths, devices, new privileges" {
    ok docker run --rm busybox grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status
    expect_match '^CapEff:[[:space:]]+00000000a80425fb$'
    expect_match '^CapBnd:[[:space:]]+00000000a80425fb$'
    expect_match '^Seccomp:[[:space:]]+2$'
    run docker run --rm busybox sh -c 'echo 1 >/proc/sys/kernel/panic'
    [ "$status" -ne 0 ]
    same "$(docker run --rm busybox sh -c 'cat /proc/kcore | wc -c' 2>/dev/null)" 0
    run docker run --rm busybox unshare -m true
    [ "$status" -ne 0 ]
    run docker run --rm busybox mount -t tmpfs x /tmp
    [ "$status" -ne 0 ]
    ok docker run --rm busybox ls /dev
    same "$(grep -v "^core$" <<<"$output" | tr "\n" " ")" "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero "
    ok docker run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
    expect_match '1$'
    ok docker run --rm --cap-drop ALL busybox grep CapEff /proc/self/status
    expect_match '0000000000000000$'
    run docker run --rm busybox dmesg
    [ "$status" -ne 0 ]
}

@test "users and groups" {
    same "$(docker run --rm -u nobody busybox sh -c 'id -u; id -g')" $'65534\n65534'
    same "$(docker run --rm -u 1000 busybox sh -c 'id -u; id -g')" $'1000\n0'
    same "$(docker run --rm -u 1000:2000 busybox sh -c 'id -u; id -g')" $'1000\n2000'
    same "$(docker run --rm -u mail busybox id -G)" '8 100'
    same "$(docker run --rm -u 1:2 --group-add 7 --group-add mail busybox id -G)" '2 7 8'
    same "$(docker run --rm -u nobody busybox sh -c 'echo $HOME')" /home
    same "$(docker run --rm busybox sh -c 'echo $HOME')" /root
}

@test "environment, working directory, --env-file" {
    printf '# a comment\nA=1\nB=two words\n' >"$BATS_TEST_TMPDIR/env"
    export FROM_HOST=given
    ok docker run --rm --env-file "$BATS_TEST_TMPDIR/env" -e FROM_HOST -e C= busybox env
    expect_line 'A=1'
    expect_line 'B=two words'
    expect_line 'FROM_HOST=given'
    expect_line 'C='
    expect_match '^PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin$'
    expect_match '^HOSTNAME=[0-9a-f]{12}$'
    same "$(docker run --rm -w /new/dir busybox pwd)" /new/dir
}

@test "limits: memory, pids, cpu; OOM is noted" {
    ok docker run --rm -m 32m busybox sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max'
    expect_output 33554432
    run docker run --name oom -m 16m busybox sh -c 'exec tail /dev/zero'
    expect_status 137
    same "$(docker inspect -f '{{.State.OOMKilled}}' oom)" true
    run docker run --rm --pids-limit 5 busybox sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait'
    expect_text "can't fork"
    ok docker run --rm --ulimit nofile=64:64 busybox sh -c 'ulimit -n'
    expect_output 64
}

@test "--init reaps and forwards" {
    docker run -d --init --name cc busybox sleep 1000
    ok docker exec cc ps -o pid,args
    expect_match '^ +1 .*init'
    # Else it would be killed: 137.
    docker stop cc
    same "$(docker inspect -f '{{.State.ExitCode}}' cc)" 143
}

@test "--privileged sees the devices" {
    dhow_only "fails on machines with fewer capabilities"
    ok docker run --rm --privileged busybox ls /dev
    expect_line kmsg
    ok docker run --rm --privileged busybox mount -t tmpfs x /tmp
}

@test "--pid, --ipc, --uts of the host" {
    same "$(docker run --rm --pid host busybox readlink /proc/self/ns/pid)" "$(readlink /proc/self/ns/pid)"
    same "$(docker run --rm --ipc host busybox readlink /proc/self/ns/ipc)" "$(readlink /proc/self/ns/ipc)"
    same "$(docker run --rm --uts host busybox readlink /proc/self/ns/uts)" "$(readlink /proc/self/ns/uts)"
    docker run -d --name cc busybox sleep 1000
    same "$(docker run --rm --pid container:cc busybox readlink /proc/self/ns/pid)" "$(docker exec cc readlink /proc/self/ns/pid)"
}

@test "--ipc container:X shares what X lets others share" {
    docker run -d --name giver --ipc shareable busybox sleep 1000
    docker run -d --name miser --ipc private busybox sleep 1000
    same "$(docker run --rm --ipc container:giver busybox readlink /proc/self/ns/ipc 2>/dev/null)" \
        "$(docker exec giver readlink /proc/self/ns/ipc)"
    run docker run --rm --ipc container:miser busybox true
    expect_status 125
    expect_text 'non-shareable IPC'
}

@test "stop says at once that PID 1 ignores the signal" {
    dhow_only "waits silently"
    docker run -d --name deaf busybox sleep 1000
    docker run -d --name heedful --init busybox sleep 1000
    docker run -d --name traps busybox sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
    wait_until 5 sh -c "grep -q 'SigCgt:.*[4-7c-f]...\$' /proc/$(docker inspect -f '{{.State.Pid}}' traps)/status"
    same "$(docker inspect -f '{{json .State}}' deaf | grep -c StopSignalIgnored || true)" \
        "$([ "$CLI" = dhow ] && echo 1 || echo 0)"
    ok api GET /containers/deaf/json
    expect_text '"StopSignalIgnored":"SIGTERM"'
    ok api GET /containers/traps/json
    expect_no_match StopSignalIgnored
    heeds() { ! api GET /containers/heedful/json | grep -q StopSignalIgnored; }
    wait_until 5 heeds
    if [ "$CLI" = dhow ]; then
        in_bg deaf docker stop -t 500 deaf
        wait_until 2 file_has "$BATS_TEST_TMPDIR/deaf.err" 'deaf ignores SIGTERM; killing it in 500 seconds'
        is_state deaf running
        docker kill deaf
        wait "$BG"
        run --separate-stderr docker stop heedful traps
        expect_status 0
        same "$stderr" ""
    fi
}

@test "a hundred containers that ignore the signal stop in the time of one" {
    dhow_only "is not asked"
    local i names=()
    for i in $(seq 100); do
        names+=("n$i")
    done
    for i in "${names[@]}"; do
        docker run -d --net none --name "$i" busybox sleep 1000 >/dev/null
    done
    local start=$EPOCHREALTIME
    printf '%s\n' "${names[@]}" | xargs -P 100 -I{} curl -sf --unix-socket "$E_SOCK" -X POST "http://localhost/containers/{}/stop?t=2"
    local took=$((${EPOCHREALTIME/./} - ${start/./}))
    echo "stopping 100: $((took / 1000)) ms" >&3
    # One after the other would take 200 seconds.
    [ "$took" -lt 60000000 ]
    docker rm "${names[@]}" >/dev/null
}

# An exec that is frozen on its way into the container would hold up the shim, which waits for it.
@test "pause while execs start: none is frozen half-way" {
    dhow_only "has no such check"
    local i
    docker run -d --name cc busybox sleep 1000
    for i in $(seq 25); do
        docker exec cc true >/dev/null 2>&1 3>&- &
        docker exec cc true >/dev/null 2>&1 3>&- &
        docker pause cc
        ok docker system check
        docker unpause cc
    done
    wait
}
