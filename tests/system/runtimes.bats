# Other OCI runtimes in place of our own: dhowd --add-runtime, --default-runtime, run --runtime.

load ../lib/helpers
load ../lib/limits

setup_file() {
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    engine_start "${DAEMON[@]}" || return 1
    "$ROOT/scripts/images" load busybox || return 1
    baseline
}

teardown_file() {
    local parent=${E_CGROUP:-none}
    teardown_engine
    # Also where only other runtimes make groups.
    ! ls -d /sys/fs/cgroup/*"$parent" 2>/dev/null || fail 'groups are left'
}

setup() {
    dhow_only 'it is about dhowd'
}

teardown() {
    remove_all
    assert_nothing_left
}

RUNC=$(PATH=$PATH:/usr/sbin:/sbin command -v runc)
CRUN=$(command -v crun)
DAEMON=(--add-runtime "other=$RUNC" --add-runtime "crun=$CRUN" --add-runtime "own=$BUILD/src/runtime/dhow-runtime" --add-runtime gone=/nosuch/runtime)
MB=1048576

# each_runtime FUNCTION: with runc, with crun, and with our own runtime by its command line.
each_runtime() {
    local r
    for r in other crun own; do
        "$1" "$r" || fail "with the runtime $r"
        remove_all
    done
}

@test "runtimes are listed, chosen by name, and unknown ones refused" {
    [ -n "$RUNC" ]
    [ -n "$CRUN" ]
    ok docker info --format '{{json .Runtimes}}'
    expect_text "\"other\":{\"path\":\"$RUNC\"}"
    expect_text '"runc":{'
    run --separate-stderr docker run --rm --runtime nosuch busybox true
    expect_status 125
    expect_error 'unknown or invalid runtime name: nosuch'
    run -127 --separate-stderr docker run --rm --runtime gone busybox true
    expect_error 'runtime gone: exec: "/nosuch/runtime": executable file not found'
    docker create --name web --runtime other busybox true
    same "$(docker inspect -f '{{.HostConfig.Runtime}}' web)" other
    local bad=("$BUILD/src/daemon/dhowd" --data-root "$BATS_TEST_TMPDIR/d" --exec-root "$BATS_TEST_TMPDIR/r" -H
        "unix://$BATS_TEST_TMPDIR/s" --pidfile "$BATS_TEST_TMPDIR/p")
    run "${bad[@]}" --add-runtime runc=/bin/true
    expect_status 1
    expect_text "runtime name 'runc' is reserved"
    run "${bad[@]}" --add-runtime nothing
    expect_status 1
    expect_text 'not NAME=PATH'
    run "${bad[@]}" --default-runtime nosuch
    expect_status 1
    expect_text "specified default runtime 'nosuch' does not exist"
}

runs() {
    ok docker run --rm --runtime "$1" --user nobody:daemon -e A=b --hostname barker -w /made busybox \
        sh -c 'id -un; id -gn; echo $A $HOSTNAME; pwd; grep Seccomp: /proc/self/status | tr -d "\t"; ip -o addr show eth0 | grep -c inet'
    expect_output $'nobody\ndaemon\nb barker\n/made\nSeccomp:2\n1'
    # It is that runtime: ours leaves no seccomp profile to others.
    run docker run --rm --runtime "$1" busybox sh -c 'echo out; echo err >&2; exit 7'
    expect_status 7
    expect_line out
    expect_line err
    same "$(echo typed | docker run --rm -i --runtime "$1" busybox cat)" typed
    run docker run --rm -t --runtime "$1" busybox tty
    expect_status 0
    expect_text /dev/pts/0
    run -127 --separate-stderr docker run --rm --runtime "$1" busybox nosuch
    expect_error 'exec: "nosuch": executable file not found in $PATH'
    run --separate-stderr docker run --rm --runtime "$1" --user nosuch busybox true
    expect_status 125
    expect_error 'unable to find user nosuch: no matching entries in passwd file'
}

@test "run: user, environment, network, streams, terminal, exit code, what cannot run" {
    each_runtime runs
}

no_state_of() {
    local id
    id=$(docker inspect -f '{{.Id}}' "$1")
    ! ls -d /run/*/"$id" 2>/dev/null || fail "$1 has state there"
}

lives() {
    docker run -d --name web --runtime "$1" -p 127.0.0.1::80 -m 64m busybox \
        sh -c 'trap "echo told; exit 5" TERM; echo ready; while :; do sleep 0.1; done'
    wait_logs web ready
    memory_is web $((64 * MB)) $((128 * MB))
    run docker exec web sh -c 'echo inside; exit 3'
    expect_status 3
    expect_output inside
    run docker exec -t web tty
    expect_status 0
    expect_text /dev/pts/
    same "$(echo typed | docker exec -i web cat)" typed
    run -127 docker exec web nosuch
    expect_text 'OCI runtime exec failed: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH'
    same "$(docker exec -u nobody web id -un)" nobody
    docker pause web
    same "$(state web)" paused
    docker unpause web
    docker update -m 32m --memory-swap 64m --pids-limit 20 web
    memory_is web $((32 * MB)) $((64 * MB))
    limit_is web pids pids.max 20 pids.max 20
    docker cp web:/etc/passwd "$BATS_TEST_TMPDIR/passwd"
    grep -q ^root: "$BATS_TEST_TMPDIR/passwd"
    docker stop web
    wait_logs web told
    same "$(docker inspect -f '{{.State.ExitCode}}' web)" 5
    docker start web
    docker pause web
    docker kill web
    wait_state web exited
    same "$(docker inspect -f '{{.State.ExitCode}}' web)" 137
    # It keeps its state where we say, not in its own place.
    no_state_of web
    # What the program wrote is in the container's layer.
    docker start web
    docker exec web touch /written
    docker restart -t 0 web
    docker exec web ls /written
    docker diff web | grep -qx 'A /written'
    docker rm -f web
}

@test "a life: exec, pause, update, stop, kill, restart" {
    each_runtime lives
}

outlives() {
    docker run -d --name web --runtime "$1" busybox sh -c 'echo ready; sleep 1000'
    wait_logs web ready
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' web)
    engine_signal KILL
    engine_start "${DAEMON[@]}"
    same "$(docker inspect -f '{{.State.Pid}}' web)" "$pid"
    same "$(docker exec web echo again)" again
    # A new daemon finds it paused, and leaves the freezing to the runtime.
    docker pause web
    engine_signal KILL
    engine_start "${DAEMON[@]}"
    same "$(state web)" paused
    docker unpause web
    same "$(timeout 20 docker exec web echo thawed)" thawed
    kill -KILL "$(engine_processes)"
    wait_state web exited
    same "$(docker inspect -f '{{.State.ExitCode}}' web)" 137
    docker start web
    same "$(docker exec web echo again)" again
    docker pause web
    kill -KILL "$(engine_processes)"
    wait_state web exited
    docker rm web
}

@test "it outlives the daemon; a shim that is killed leaves nothing, of a paused container neither" {
    each_runtime outlives
}

pressed() {
    run docker run --name oom --runtime "$1" -m 16m --memory-swap 16m busybox sh -c 'exec tail /dev/zero'
    expect_status 137
    same "$(docker inspect -f '{{.State.OOMKilled}}' oom)" true
    same "$(docker run --rm --init --runtime "$1" busybox cat /proc/1/comm)" docker-init
    run "$ON_PTY" -g 30x90 -e '/ # ' -s 'stty size\r' -e '30 90' -s 'exit 9\r' -- \
        docker run --rm -it --runtime "$1" busybox sh
    expect_status 9
    local i pids=()
    for i in 1 2 3 4 5; do
        in_bg "out$i" docker run --rm --runtime "$1" busybox echo "number $i"
        pids+=("$BG")
    done
    wait "${pids[@]}"
    for i in 1 2 3 4 5; do
        same "$(cat "$BATS_TEST_TMPDIR/out$i")" "number $i"
    done
}

@test "out of memory, --init, an interactive terminal, several at once" {
    each_runtime pressed
}

@test "what another runtime could not do is refused, not done otherwise" {
    docker run -d --name donor --ipc shareable busybox sleep 1000
    run docker run --rm --runtime other --ipc container:donor busybox ls /dev/shm
    expect_status 125
    expect_text "cannot share /dev/shm of another container"
    run docker run --rm --runtime other --userns auto busybox true
    [ "$status" -ne 0 ]
    expect_text "cannot be given a user namespace"
}

@test "a runtime that hangs or fails holds nobody up for ever" {
    cat >"$E_DIR/moody" <<SCRIPT
#!/bin/sh
for w; do
    if [ "\$w" = "\$(cat $E_DIR/mood)" ]; then
        [ -e $E_DIR/fails ] && exit 1
        exec sleep 1000
    fi
done
exec $RUNC "\$@"
SCRIPT
    chmod +x "$E_DIR/moody"
    echo none >"$E_DIR/mood"
    engine_signal TERM
    engine_start --add-runtime "moody=$E_DIR/moody"
    docker run -d --name cc --runtime moody busybox sleep 1000
    echo kill >"$E_DIR/mood"
    ok timeout 30 docker rm -f cc
    # Neither start nor delete: the error is told, and what was created is gone.
    touch "$E_DIR/fails"
    cat >"$E_DIR/moody" <<SCRIPT
#!/bin/sh
for w; do
    case \$w in start | delete) exit 1 ;; esac
done
exec $RUNC "\$@"
SCRIPT
    run timeout 30 docker run --rm --runtime moody busybox sleep 1000
    [ "$status" -ne 0 ]
    [ "$status" -ne 124 ]
    expect_text 'status 1'
    rm "$E_DIR/fails"
    engine_signal TERM
    engine_start "${DAEMON[@]}"
}

@test "runsc, whose containers have a kernel of their own" {
    local id ip
    # ptrace: where /dev/kvm is none; the sockets of the container's namespace: this version takes every such
    # namespace of a newer kernel for the host's, and has no network stack of its own for that.
    cat >"$E_DIR/daemon.json" <<JSON
{"runtimes": {"runsc": {"path": "$(command -v runsc)", "runtimeArgs": ["--platform=ptrace", "--network=host"]}}}
JSON
    engine_signal TERM
    engine_start --config-file "$E_DIR/daemon.json"
    ok docker run --rm --runtime runsc --user nobody:daemon -e A=b --hostname barker -w /made busybox \
        sh -c 'id -un; id -gn; echo $A $HOSTNAME; pwd; dmesg | grep -c gVisor'
    expect_output $'nobody\ndaemon\nb barker\n/made\n1'
    run docker run --rm --runtime runsc busybox sh -c 'echo out; echo err >&2; exit 7'
    expect_status 7
    expect_line out
    expect_line err
    same "$(echo typed | docker run --rm -i --runtime runsc busybox cat)" typed
    run -127 docker run --rm --runtime runsc busybox nosuch
    expect_text 'error finding executable "nosuch" in PATH'
    run docker run --rm -t --runtime runsc busybox stty -a
    expect_text 'isig icanon iexten echo'

    docker run -d --name srv --runtime runsc -p 127.0.0.1::80 -m 64m --memory-swap 64m busybox sh -c '
        trap "echo told; exit 5" TERM
        mkdir /w; echo page >/w/index.html; httpd -p 80 -h /w
        echo ready; while :; do sleep 0.1; done'
    wait_logs srv ready
    wait_until 10 curl -sf -m 5 "http://$(docker port srv 80)/"
    same "$(docker run --rm --link srv:srv busybox wget -qO- http://srv/)" page
    ip=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' srv)
    same "$(docker exec srv ip -o -4 addr show eth0 | grep -oF "$ip/")" "$ip/"
    run docker exec srv sh -c 'echo inside; exit 3'
    expect_status 3
    expect_output inside
    same "$(docker exec -u nobody srv id -un)" nobody
    memory_is srv $((64 * MB)) $((64 * MB))
    docker pause srv
    same "$(state srv)" paused
    docker unpause srv
    engine_signal KILL
    engine_start --config-file "$E_DIR/daemon.json"
    same "$(docker exec srv echo again)" again
    id=$(docker inspect -f '{{.Id}}' srv)
    docker stop srv
    wait_logs srv told
    same "$(docker inspect -f '{{.State.ExitCode}}' srv)" 5
    ! ls -d /run/*/"$id" 2>/dev/null || fail 'runsc has state in its own place'
    docker start srv
    docker kill srv
    same "$(docker wait srv)" 137
    run docker run --name oom --runtime runsc -m 64m --memory-swap 64m busybox sh -c 'exec tail /dev/zero'
    expect_status 137
    same "$(docker inspect -f '{{.State.OOMKilled}}' oom)" true
    remove_all
    engine_signal TERM
    engine_start "${DAEMON[@]}"
}

@test "a kill that comes while the policy starts the container again is not lost" {
    # A runtime that takes its time for every start but the first.
    cat >"$E_DIR/slow" <<SCRIPT
#!/bin/sh
for w; do
    if [ "\$w" = create ]; then
        [ ! -e $E_DIR/once ] || { : >$E_DIR/under_way; sleep 2; }
        : >$E_DIR/once
    fi
done
exec $RUNC "\$@"
SCRIPT
    chmod +x "$E_DIR/slow"
    engine_signal TERM
    engine_start --add-runtime "slow=$E_DIR/slow"
    mkdir "$E_DIR/shared"
    docker run -d --name cc --restart unless-stopped --runtime slow -v "$E_DIR/shared:/s" busybox \
        sh -c '[ -e /s/again ] && exec sleep 1000; : >/s/again; exit 3'
    wait_until 20 test -e "$E_DIR/under_way"
    same "$(state cc)" restarting
    docker kill cc
    same "$(state cc)" exited
    same "$(docker inspect -f '{{.State.ExitCode}} {{.State.Running}} {{.State.Restarting}}' cc)" '137 false false'
    # It is on record that somebody wants it so.
    engine_signal KILL
    engine_start --add-runtime "slow=$E_DIR/slow"
    same "$(state cc)" exited
    docker rm cc
    engine_signal TERM
    engine_start "${DAEMON[@]}"
}

@test "daemon.json: runtimes with arguments, default-runtime" {
    # A runtime that writes down what it is asked.
    cat >"$E_DIR/wrapped" <<SCRIPT
#!/bin/sh
echo "\$@" >>$E_DIR/asked
[ "\$1" = --special ] && shift
exec $RUNC "\$@"
SCRIPT
    chmod +x "$E_DIR/wrapped"
    cat >"$E_DIR/daemon.json" <<JSON
{"runtimes": {"wrapped": {"path": "$E_DIR/wrapped", "runtimeArgs": ["--special"]}}, "default-runtime": "wrapped"}
JSON
    engine_signal TERM
    engine_start --config-file "$E_DIR/daemon.json"
    same "$(docker info --format '{{.DefaultRuntime}}')" wrapped
    same "$(docker run --rm busybox echo hi)" hi
    grep -q '^--special --root .* create --bundle ' "$E_DIR/asked"
    grep -q '^--special --root .* start ' "$E_DIR/asked"
    grep -q '^--special --root .* delete --force ' "$E_DIR/asked"
    : >"$E_DIR/asked"
    same "$(docker run --rm --runtime runc busybox echo own)" own
    same "$(cat "$E_DIR/asked")" ''
    engine_signal TERM
    engine_start "${DAEMON[@]}"
}
