# docker update: limits and restart policies of containers that are there.

load ../lib/helpers
load ../lib/limits

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

MB=1048576

idle() {
    docker run -d --net none --name "$@" >/dev/null
}

crash() {
    engine_signal KILL
    if [ "$DHOW_ENGINE" = docker ]; then
        local pid
        pid=$(cat "$E_DIR/run/containerd/containerd.pid")
        wait_gone "$pid" 5 || kill -KILL "$pid"
    fi
}

refuses() { # TEXT ARGUMENT...
    local text=$1
    shift
    run --separate-stderr docker update "$@"
    [ "$status" -ne 0 ] || { show_run; fail "update $* was taken"; }
    expect_error "$text"
}

@test "every limit of a running container: in the kernel, from inside, in inspect" {
    idle web busybox sleep 1000
    ok docker update -m 64m --memory-swap 128m --memory-reservation 32m --cpu-shares 512 --cpu-period 50000 \
        --cpu-quota 25000 --pids-limit 50 --cpuset-cpus 0 --cpuset-mems 0 web
    expect_output web
    memory_is web $((64 * MB)) $((128 * MB))
    limit_is web memory memory.soft_limit_in_bytes $((32 * MB)) memory.low $((32 * MB))
    shares_are web 512 20
    quota_is web 25000 50000
    limit_is web pids pids.max 50 pids.max 50
    limit_is web cpuset cpuset.cpus 0 cpuset.cpus 0
    same "$(inside web memory/memory.limit_in_bytes memory.max)" $((64 * MB))
    same "$(docker exec web grep Cpus_allowed_list /proc/self/status | tr -d '\t')" Cpus_allowed_list:0
    same "$(grep Cpus_allowed_list "/proc/$(docker inspect -f '{{.State.Pid}}' web)/status" | tr -d '\t')" \
        Cpus_allowed_list:0
    configured web Memory $((64 * MB))
    configured web MemorySwap $((128 * MB))
    configured web MemoryReservation $((32 * MB))
    configured web CpuShares 512
    configured web CpuPeriod 50000
    configured web CpuQuota 25000
    configured web PidsLimit 50
    configured web CpusetCpus '"0"'
    configured web CpusetMems '"0"'
    # One at a time: the others stay.
    docker update --cpu-shares 1024 web
    docker update --pids-limit -1 web
    docker update --cpu-quota 40000 web
    docker update --cpu-period 80000 web
    shares_are web 1024 39
    limit_is web pids pids.max max pids.max max
    quota_is web 40000 80000
    memory_is web $((64 * MB)) $((128 * MB))
    docker update --cpu-quota -1 web
    quota_is web -1 80000
}

@test "memory up and down, with swap and without" {
    idle web -m 64m busybox sleep 1000
    memory_is web $((64 * MB)) $((128 * MB))
    docker update -m 200m --memory-swap 300m web
    memory_is web $((200 * MB)) $((300 * MB))
    docker update -m 20m --memory-swap 40m web
    memory_is web $((20 * MB)) $((40 * MB))
    docker update -m 30m web
    memory_is web $((30 * MB)) $((40 * MB))
    docker update --memory-swap 100m web
    memory_is web $((30 * MB)) $((100 * MB))
    refuses 'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time' \
        -m 512m web
    memory_is web $((30 * MB)) $((100 * MB))
    configured web Memory $((30 * MB))
}

@test "a memory limit where there was none, and swap without limit" {
    dhow_only 'takes "no limit" for a limit that is too low, and does not set -1'
    idle web busybox sleep 1000
    docker update -m 64m web
    memory_is web $((64 * MB)) $((128 * MB))
    configured web MemorySwap $((128 * MB))
    docker update --memory-swap -1 web
    memory_is web $((64 * MB)) -1
    docker update -m 300m web
    memory_is web $((300 * MB)) -1
    configured web MemorySwap -1
}

@test "--cpus, and what does not go together with it" {
    idle web busybox sleep 1000
    docker update --cpus 0.5 web
    quota_is web 50000 100000
    configured web NanoCpus 500000000
    docker update --cpus 1.5 web
    quota_is web 150000 100000
    refuses 'Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set' --cpu-quota 20000 web
    refuses 'Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set' --cpu-period 20000 web
    idle other --cpu-period 20000 busybox sleep 1000
    refuses 'Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set' --cpus 1 other
    quota_is web 150000 100000
}

@test "nonsense is refused in Docker's words and changes nothing" {
    idle web -m 64m busybox sleep 1000
    refuses 'you must provide one or more flags when using this command' web
    refuses 'No such container: nosuch' --cpu-shares 10 nosuch
    refuses 'Minimum memory limit allowed is ' -m 4k web
    refuses 'Minimum memory reservation allowed is ' --memory-reservation 4k web
    refuses 'ange of CPUs is from 0.01 to ' --cpus 1000 web
    refuses 'the minimum allowed cpu-shares is 2' --cpu-shares 1 web
    refuses 'the maximum allowed cpu-shares is 262144' --cpu-shares 262145 web
    refuses 'Requested CPUs are not available - requested 800, available: ' --cpuset-cpus 800 web
    refuses 'Invalid value abc for cpuset cpus' --cpuset-cpus abc web
    refuses 'Requested memory nodes are not available - requested 99' --cpuset-mems 99 web
    refuses 'CPU cfs quota can not be less than 1ms (i.e. 1000)' --cpu-quota 5 web
    refuses 'CPU cfs period can not be less than 1ms' --cpu-period 5 web
    refuses 'invalid argument "-1" for "-m, --memory" flag' -m -1 web
    refuses 'invalid argument "x" for "--cpus" flag: failed to parse x as a rational number' --cpus x web
    refuses 'invalid restart policy' --restart bogus web
    refuses 'maximum retry count' --restart always:3 web
    refuses 'requires at least 1 argument'
    [ "$DHOW_ENGINE" = docker ] || refuses 'Minimum memoryswap limit should be larger than memory limit' --memory-swap 5m web
    memory_is web $((64 * MB)) $((128 * MB))
    [ "$DHOW_ENGINE" = docker ] || shares_are web 1024 100
    configured web CpuShares 0
    # Several: those that are there, then the error of the one that is not.
    idle other busybox sleep 1000
    run --separate-stderr docker update --cpu-shares 300 web nosuch other
    expect_status 1
    expect_output $'web\nother'
    expect_error 'No such container: nosuch'
    shares_are other 300 12
}

@test "a limit below what is in use is refused, and nothing of the update stays" {
    idle big -m 100m busybox sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=50 2>/dev/null; echo ready; sleep 1000'
    wait_logs big ready
    refuses 'unable to set memory limit to 20971520 (current usage: ' -m 20m --memory-swap 20m --cpu-shares 77 big
    memory_is big $((100 * MB)) $((200 * MB))
    shares_are big 1024 100
    configured big Memory $((100 * MB))
    configured big CpuShares 0
    same "$(state big)" running
}

@test "what was set before the kernel refused is taken back" {
    dhow_only 'leaves it half done'
    idle web busybox sleep 1000
    if pure_v2; then
        # The only thing that v2 refuses here is a limit below what is used: tested above.
        docker update --cpu-shares 512 --pids-limit 30 web
        refuses 'maximum allowed cpu-shares' -m 64m --cpu-shares 300000 --pids-limit 20 web
        shares_are web 512 20
        limit_is web pids pids.max 30 pids.max 30
        limit_is web memory - - memory.max max
        return
    fi
    # No group gets more of the processors than the one above it.
    local parent
    parent=$(dirname "$(group web cpu)")
    echo 30000 >"$parent/cpu.cfs_quota_us"
    run --separate-stderr docker update -m 64m --memory-swap 96m --memory-reservation 16m --cpu-shares 300 --cpus 1 web
    echo -1 >"$parent/cpu.cfs_quota_us"
    expect_status 1
    expect_error 'cpu.cfs_quota_us": invalid argument'
    memory_is web 9223372036854771712 -1
    limit_is web memory memory.soft_limit_in_bytes 9223372036854771712 - -
    shares_are web 1024 -
    quota_is web -1 100000
    configured web Memory 0
    configured web NanoCpus 0
    # The same in the other direction: from limits back to the limits before.
    docker update -m 64m --memory-swap 96m --cpu-shares 300 web
    echo 30000 >"$parent/cpu.cfs_quota_us"
    run docker update -m 128m --memory-swap 256m --cpu-shares 400 --cpus 1 web
    echo -1 >"$parent/cpu.cfs_quota_us"
    expect_status 1
    memory_is web $((64 * MB)) $((96 * MB))
    shares_are web 300 -
}

@test "a container that does not run gets its limits at its start, and keeps them over the daemon's" {
    docker create --net none --name web -m 64m busybox sleep 1000
    ok docker update -m 32m --cpus 0.5 --pids-limit 40 --restart unless-stopped web
    crash
    engine_start
    configured web Memory $((32 * MB))
    configured web RestartPolicy.Name '"unless-stopped"'
    docker start web
    memory_is web $((32 * MB)) $((128 * MB))
    quota_is web 50000 100000
    limit_is web pids pids.max 40 pids.max 40
    # Also what was changed while it runs.
    docker update --pids-limit 41 web
    crash
    engine_start
    docker restart -t 0 web
    configured web PidsLimit 41
    limit_is web pids pids.max 41 pids.max 41
}

@test "a paused container" {
    idle web -m 64m busybox sleep 1000
    docker pause web
    ok docker update -m 32m --cpuset-cpus 0 web
    memory_is web $((32 * MB)) $((128 * MB))
    same "$(state web)" paused
    docker unpause web
    same "$(docker exec web grep Cpus_allowed_list /proc/1/status | tr -d '\t')" Cpus_allowed_list:0
}

@test "the restart policy, without a restart" {
    idle web busybox sh -c 'trap "exit 3" TERM; echo ready; sleep 1000 & wait'
    ready() { [ "$(docker logs web | grep -c ready)" = "$1" ]; }
    wait_until 10 ready 1
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' web)
    ok docker update --restart on-failure:2 web
    same "$(docker inspect -f '{{.State.Pid}}' web)" "$pid"
    configured web RestartPolicy.MaximumRetryCount 2
    kill -TERM "$pid"
    again() { is_state web running && [ "$(docker inspect -f '{{.RestartCount}}' web)" = 1 ]; }
    wait_until 10 again
    wait_until 10 ready 2
    docker update --restart no web
    kill -TERM "$(docker inspect -f '{{.State.Pid}}' web)"
    wait_state web exited
    same "$(docker inspect -f '{{.RestartCount}}' web)" 1
    idle fleeting --rm busybox sleep 1000
    refuses 'Restart policy cannot be updated because AutoRemove is enabled for the container' --restart always fleeting
    docker update --restart no fleeting
}

@test "an event for each update, none for a refused one" {
    local since
    since=$(date +%s.%N)
    idle web busybox sleep 1000
    docker update --cpu-shares 100 web
    refuses 'ange of CPUs' --cpus 1000 web
    ok docker events --since "$since" --until "$(date +%s.%N)" --filter event=update \
        --format '{{.Type}} {{.Action}} {{index .Actor.Attributes "name"}}'
    expect_output 'container update web'
}

@test "update by the API: warnings, what it does not know, what it cannot read" {
    idle web busybox sleep 1000
    ok api POST /containers/web/update '{}'
    expect_match '^\{"Warnings": ?(\[\]|null)\}$'
    expect_line 200
    ok api POST /containers/web/update '{"Bogus": 1, "CpuShares": 200, "PidsLimit": null}'
    expect_line 200
    shares_are web 200 8
    ok api POST /containers/web/update '{"KernelMemory": 100000000, "RestartPolicy": {"Name": "always"}}'
    expect_text 'Specifying a kernel memory limit is deprecated and will be removed in a future release.'
    expect_line 200
    configured web RestartPolicy.Name '"always"'
    ok api POST /containers/web/update '{"Memory": "x"}'
    expect_text 'cannot unmarshal string'
    expect_match '^(400|500)$'
    ok api POST /containers/web/update ''
    expect_text EOF
    ok api POST /containers/nosuch/update '{"CpuShares": 200}'
    expect_line 404
    ok api POST /containers/web/update '{"Memory": 67108864, "MemorySwap": 134217728}'
    ok api POST /containers/web/update '{"Memory": 1000000000}'
    expect_line 409
}

@test "update while the container ends and starts, and while others update it" {
    dhow_only 'fails when the container ends just then'
    idle web -m 64m busybox sleep 1000
    local i pids=()
    for i in 1 2 3 4; do
        (for _ in 1 2 3 4 5; do docker update -m $((30 + i))m --memory-swap 200m --cpuset-cpus 0 web; done) \
            >/dev/null 2>&1 3>&- &
        pids+=($!)
    done
    for _ in 1 2 3; do docker restart -t 0 web >/dev/null; done
    wait "${pids[@]}"
    local bytes
    bytes=$(docker inspect -f '{{.HostConfig.Memory}}' web)
    memory_is web "$bytes" $((200 * MB))
}
