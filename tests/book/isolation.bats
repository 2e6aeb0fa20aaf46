# Isolation and shared memory: rows SYS-*, IPC-*, SEC-*.

load ../lib/helpers

setup_file() {
    setup_engine busybox
    mkdir -p "$E_DIR/tree/bin"
    cp "$BUILD/tests/escapes/ipc" "$E_DIR/tree/bin/ipc"
    tar --owner=0 --group=0 -C "$E_DIR/tree" -cf "$E_DIR/ipc.tar" .
    docker import -c 'ENTRYPOINT ["/bin/ipc"]' "$E_DIR/ipc.tar" dockerinaction/ch6_ipc >/dev/null
    baseline
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
    assert_nothing_left
}

# ns NAME TYPE: which namespace the container's first process is in.
ns() {
    readlink "/proc/$(docker inspect -f '{{.State.Pid}}' "$1")/ns/$2"
}

@test "SYS-01 SYS-02: a program in a container runs on the host's kernel, as a process like any other" {
    docker run -d --name cont --net none busybox sleep 1000
    same "$(docker exec cont uname -r)" "$(uname -r)"
    same "$(tr '\0' ' ' <"/proc/$(docker inspect -f '{{.State.Pid}}' cont)/cmdline")" 'sleep 1000 '
}

@test "SYS-03 SYS-04: eight aspects: PID, UTS, MNT, IPC, NET namespaces, users, root, cgroups" {
    docker run -d --name one --net none busybox sleep 1000
    docker run -d --name two busybox sleep 1000
    local type
    for type in pid uts mnt ipc net; do
        [ "$(ns one $type)" != "$(readlink "/proc/self/ns/$type")" ]
        [ "$(ns one $type)" != "$(ns two $type)" ]
    done
    # The user namespace is the machine's unless one asks for another.
    same "$(ns one user)" "$(readlink /proc/self/ns/user)"
    run docker exec one ls "$E_DIR"
    [ "$status" -ne 0 ]
    [ "$(cat "/proc/$(docker inspect -f '{{.State.Pid}}' one)/cgroup")" != "$(cat /proc/self/cgroup)" ]
    # A namespace each: no process of the other, no name, no interface.
    same "$(docker exec one ps -o pid,comm | grep -c sleep)" 1
    [ "$(docker exec one hostname)" != "$(docker exec two hostname)" ]
    same "$(docker exec one ls /sys/class/net)" lo
}

@test "SYS-05: containers of one image do not share what they change" {
    docker run -d --name one --net none busybox sh -c 'echo mine >/file; sleep 1000'
    docker run -d --name two --net none busybox sleep 1000
    wait_until 5 docker exec one test -s /file
    run docker exec two cat /file
    [ "$status" -ne 0 ]
}

@test "SYS-08 SYS-09: the same port, temporary file, PID file and lock in two containers at once" {
    local name
    for name in one two; do
        docker run -d --name $name busybox sh -c 'set -e; echo $$ >/var/run.pid; mkdir /tmp/lock; exec nc -l -p 80'
    done
    is_state one running
    is_state two running
    same "$(docker exec one cat /var/run.pid)" "$(docker exec two cat /var/run.pid)"
}

@test "PID-10: no process of another container or of the host can be seen or signalled" {
    docker run -d --name other --net none busybox sleep 1000
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' other)
    run docker run --rm --net none busybox sh -c "kill -9 $pid; kill -0 $$; ls /proc | grep -c '^[0-9]'"
    expect_no_match '^[0-9]{2,}$'
    is_state other running
}

@test "IPC-01: an IPC namespace of one's own by default" {
    docker run -d --name ch6_ipc_producer dockerinaction/ch6_ipc -producer
    wait_logs ch6_ipc_producer 'Produced a message'
    run docker run --rm dockerinaction/ch6_ipc -consumer
    expect_status 1
    expect_match 'no queue: No such file'
}

@test "IPC-02: --ipc container: the consumer reads the producer's messages, and its shared memory" {
    docker run -d --name ch6_ipc_producer --ipc shareable dockerinaction/ch6_ipc -producer
    wait_logs ch6_ipc_producer 'Produced a message'
    docker run -d --name ch6_ipc_consumer --ipc container:ch6_ipc_producer dockerinaction/ch6_ipc -consumer
    wait_state ch6_ipc_consumer exited
    run docker logs ch6_ipc_consumer
    expect_output $'Consumed a message: message 0\nShared memory: in memory'
    # What the one writes, the other has; it stays when the first is gone.
    docker run -d --name third --ipc container:ch6_ipc_producer busybox sleep 1000
    docker run --rm --ipc container:ch6_ipc_producer busybox sh -c 'echo shared >/dev/shm/file'
    same "$(docker exec third cat /dev/shm/file)" shared
    docker rm -f ch6_ipc_producer >/dev/null
    same "$(docker exec third cat /dev/shm/file)" shared
}

@test "IPC-02: what cannot be joined: not shareable, not running, not there" {
    docker run -d --name private --net none busybox sleep 1000
    docker run -d --name nothing --net none --ipc none busybox sleep 1000
    docker create --name idle --ipc shareable busybox true
    local name
    for name in private nothing; do
        run docker run --rm --ipc "container:$name" busybox true
        expect_status 125
        expect_text "can't join IPC of container $(docker inspect -f '{{.Id}}' $name): non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
    done
    run docker run --rm --ipc container:idle busybox true
    expect_text "can't join IPC of container $(docker inspect -f '{{.Id}}' idle): container $(docker inspect -f '{{.Id}}' idle) is not running"
    run docker run --rm --ipc container:nosuch busybox true
    expect_text 'No such container: nosuch'
    run docker run --rm --ipc foo busybox true
    expect_match '[Ii]nvalid IPC mode: foo'
}

@test "IPC-03: --ipc host: both are in the host's namespace" {
    docker run -d --name ch6_ipc_producer --ipc host dockerinaction/ch6_ipc -producer
    wait_logs ch6_ipc_producer 'Produced a message'
    same "$(ns ch6_ipc_producer ipc)" "$(readlink /proc/self/ns/ipc)"
    run docker run --rm --ipc host dockerinaction/ch6_ipc -consumer
    docker run --rm --ipc host dockerinaction/ch6_ipc -clear
    expect_match '^Consumed a message: message [0-9]+$'
    expect_line 'Shared memory: in memory'
}

@test "SEC-01: --security-opt: what there is, and what there is not" {
    ok docker run --rm --net none --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
    expect_match '1$'
    ok docker run --rm --net none --security-opt no-new-privileges:false busybox grep NoNewPrivs /proc/self/status
    expect_match '0$'
    run docker run --rm --security-opt no-new-privileges=maybe busybox true
    expect_text 'invalid --security-opt 2: "no-new-privileges=maybe"'
    run docker run --rm --security-opt foo=bar busybox true
    expect_text 'invalid --security-opt 2: "foo=bar"'
    run docker run --rm --security-opt foo busybox true
    expect_text 'nvalid --security-opt: "foo"'
    echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' \
        >"$E_DIR/profile.json"
    run docker run --rm --net none --security-opt seccomp="$E_DIR/profile.json" busybox mkdir /x
    expect_text 'Operation not permitted'
    run docker run --rm --net none --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status
    expect_match '0$'
    ok docker run --rm --net none --security-opt label=disable --security-opt apparmor=unconfined busybox true
    docker create --name cont --security-opt apparmor=unconfined --security-opt label:disable busybox true
    same "$(docker inspect -f '{{.AppArmorProfile}} {{json .HostConfig.SecurityOpt}}' cont)" \
        'unconfined ["apparmor=unconfined","label:disable"]'
}

@test "SEC-03: --lxc-conf says what --cpuset-cpus says; what means nothing without LXC is refused" {
    if [ "$CLI" = docker ]; then
        # Its own client has dropped the flag.
        run docker create --lxc-conf="lxc.cgroup.cpuset.cpus=0" busybox true
        [ "$status" -ne 0 ]
        expect_text 'unknown flag: --lxc-conf'
        return
    fi
    docker run -d --lxc-conf="lxc.cgroup.cpuset.cpus=0" --name ch6_stresser busybox sleep 1000
    same "$(docker inspect -f '{{.HostConfig.CpusetCpus}}' ch6_stresser)" 0
    same "$(docker exec ch6_stresser grep Cpus_allowed_list /proc/self/status | cut -f 2)" 0
    docker create --name cont --lxc-conf 'lxc.cgroup.cpu.shares = 512' --lxc-conf lxc.cap.drop='net_raw mknod' \
        --lxc-conf lxc.cgroup.memory.limit_in_bytes=64m --lxc-conf lxc.utsname=web busybox true
    same "$(docker inspect -f '{{.HostConfig.CpuShares}} {{.HostConfig.CapDrop}} {{.HostConfig.Memory}} {{.Config.Hostname}}' cont)" \
        '512 [CAP_MKNOD CAP_NET_RAW] 67108864 web'
    run docker run --rm --lxc-conf lxc.network.type=veth busybox true
    expect_status 125
    expect_text 'lxc.network.type means nothing here'
    run docker run --rm --lxc-conf nonsense busybox true
    expect_text 'Unable to parse key/value option: nonsense'
    run docker run --rm --cpuset-cpus 0 --lxc-conf lxc.cgroup.cpuset.cpus=1 busybox true
    expect_text 'conflicting options'
}
