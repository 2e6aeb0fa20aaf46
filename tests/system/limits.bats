# Limits given to run: in the kernel, from inside, in inspect; and what is refused.

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

# A disk that the kernel knows, by its node.
disk() {
    local name
    for name in /sys/block/*; do
        if [ -b "/dev/${name##*/}" ]; then
            printf '/dev/%s\n' "${name##*/}"
            return
        fi
    done
    fail "there is no block device"
}

@test "memory, swap, reservation and swappiness" {
    idle web -m 64m --memory-reservation 32m --memory-swappiness 33 busybox sleep 1000
    memory_is web $((64 * MB)) $((128 * MB))
    limit_is web memory memory.soft_limit_in_bytes $((32 * MB)) memory.low $((32 * MB))
    pure_v2 || limit_is web memory memory.swappiness 33 - -
    same "$(inside web memory/memory.limit_in_bytes memory.max)" $((64 * MB))
    configured web Memory $((64 * MB))
    configured web MemorySwap $((128 * MB))
    configured web MemoryReservation $((32 * MB))
    pure_v2 || configured web MemorySwappiness 33
    idle swap -m 64m --memory-swap 96m busybox sleep 1000
    memory_is swap $((64 * MB)) $((96 * MB))
    idle unlimited -m 64m --memory-swap -1 busybox sleep 1000
    memory_is unlimited $((64 * MB)) -1
    idle none -m 64m --memory-swap 64m busybox sleep 1000
    memory_is none $((64 * MB)) $((64 * MB))
    # 0 is none.
    idle free -m 0 busybox sleep 1000
    limit_is free memory memory.limit_in_bytes 9223372036854771712 memory.max max
}

@test "units: b, k, m, g, and bytes without one" {
    local row name
    for row in 8388608:8388608 8388608b:8388608 8192k:8388608 8m:8388608 8M:8388608 1g:1073741824; do
        name=u${row%%:*}
        docker create --name "$name" -m "${row%%:*}" busybox true >/dev/null
        configured "$name" Memory "${row#*:}"
    done
}

@test "a container of one megabyte" {
    dhow_only 'its runtime needs six'
    local i
    for i in 1 2 3; do
        ok docker run --rm --net none -m 1m busybox true
    done
    ok docker run --rm -m 1m busybox echo small
    expect_output small
    ok docker run --rm -t --init --read-only --tmpfs /tmp --user 1:1 -m 1m busybox true
    idle tiny -m 1m busybox sleep 1000
    memory_is tiny $MB $((2 * MB))
    ok docker exec tiny echo inside
    ok docker run --rm --net none -m 512k busybox true
}

@test "shares of the processors, and their range" {
    local row name
    for row in 2:1 512:20 1024:39 262144:10000; do
        name=s${row%%:*}
        idle "$name" --cpu-shares "${row%%:*}" busybox sleep 1000
        shares_are "$name" "${row%%:*}" "${row#*:}"
        configured "$name" CpuShares "${row%%:*}"
    done
}

@test "quota, period and number of processors" {
    idle web --cpu-period 50000 --cpu-quota 20000 busybox sleep 1000
    quota_is web 20000 50000
    configured web CpuQuota 20000
    configured web CpuPeriod 50000
    idle cpus --cpus 0.75 busybox sleep 1000
    quota_is cpus 75000 100000
    configured cpus NanoCpus 750000000
    idle quota --cpu-quota 30000 busybox sleep 1000
    quota_is quota 30000 100000
    idle free --cpu-quota -1 busybox sleep 1000
    quota_is free -1 100000
}

@test "a set of processors and memory nodes" {
    idle web --cpuset-cpus 0 --cpuset-mems 0 busybox sleep 1000
    limit_is web cpuset cpuset.cpus 0 cpuset.cpus 0
    limit_is web cpuset cpuset.mems 0 cpuset.mems 0
    same "$(docker exec web grep -E 'Cpus_allowed_list|Mems_allowed_list' /proc/1/status | tr -d '\t')" \
        $'Cpus_allowed_list:0\nMems_allowed_list:0'
    configured web CpusetCpus '"0"'
}

@test "a number of processes" {
    idle web --pids-limit 5 busybox sleep 1000
    limit_is web pids pids.max 5 pids.max 5
    configured web PidsLimit 5
    # PID 1, the shell and three more: no room for the sixth.
    run docker exec web sh -c 'for i in 1 2 3 4 5 6; do sleep 100 & done; wait'
    [ "$status" -ne 0 ]
    expect_match "can't fork|Resource temporarily unavailable"
    idle free --pids-limit -1 busybox sleep 1000
    limit_is free pids pids.max max pids.max max
}

@test "rates of a block device" {
    local dev number
    dev=$(disk)
    number=$(($(stat -c 0x%t "$dev"))):$(($(stat -c 0x%T "$dev")))
    idle web --device-read-bps "$dev:1mb" --device-write-bps "$dev:2mb" --device-read-iops "$dev:100" \
        --device-write-iops "$dev:200" busybox sleep 1000
    limit_is web blkio blkio.throttle.read_bps_device "$number $MB" io.max \
        "$number rbps=$MB wbps=$((2 * MB)) riops=100 wiops=200"
    if ! pure_v2; then
        limit_is web blkio blkio.throttle.write_bps_device "$number $((2 * MB))" - -
        limit_is web blkio blkio.throttle.read_iops_device "$number 100" - -
        limit_is web blkio blkio.throttle.write_iops_device "$number 200" - -
    fi
    configured web BlkioDeviceReadBps "[{\"Path\":\"$dev\",\"Rate\":$MB}]"
    configured web BlkioDeviceWriteIOps "[{\"Path\":\"$dev\",\"Rate\":200}]"
}

@test "the weight of block input and output is set, or said not to be" {
    local dev
    dev=$(disk)
    if pure_v2; then
        # The weight of a device needs a scheduler on it that weighs.
        idle web --blkio-weight 300 busybox sleep 1000
        limit_is web blkio - - io.weight "default 2930"
        configured web BlkioWeight 300
        return
    fi
    run --separate-stderr docker run -d --net none --name web --blkio-weight 300 \
        --blkio-weight-device "$dev:400" busybox sleep 1000
    expect_status 0
    if [ -e /sys/fs/cgroup/blkio/blkio.weight ]; then
        limit_is web blkio blkio.weight 300 - -
        return
    fi
    expect_error 'WARNING: Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.'
    expect_error 'WARNING: Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.'
    configured web BlkioWeight 0
}

@test "ulimits, /dev/shm, and what the OOM killer thinks of it" {
    idle web --ulimit nofile=100:200 --ulimit core=0 --shm-size 2m --oom-score-adj 300 \
        busybox sleep 1000
    same "$(docker exec web sh -c 'ulimit -n; ulimit -Hn; ulimit -c')" $'100\n200\n0'
    same "$(docker exec web df -k /dev/shm | awk 'NR == 2 { print $2 }')" 2048
    same "$(docker exec web cat /proc/1/oom_score_adj)" 300
    configured web Ulimits '[{"Name":"nofile","Hard":200,"Soft":100},{"Name":"core","Hard":0,"Soft":0}]'
    configured web ShmSize $((2 * MB))
    configured web OomScoreAdj 300
    same "$(docker run --rm --net none busybox df -k /dev/shm | awk 'NR == 2 { print $2 }')" 65536
}

@test "the OOM killer can be disabled where the kernel knows that" {
    run --separate-stderr docker run -d --net none --name web -m 64m --oom-kill-disable busybox sleep 1000
    expect_status 0
    if pure_v2; then
        expect_error 'WARNING: Your kernel does not support OomKillDisable. OomKillDisable discarded.'
    else
        limit web memory memory.oom_control - | grep -qx 'oom_kill_disable 1'
        configured web OomKillDisable true
    fi
}

@test "limits on kernel memory are gone, and said to be" {
    modern_cli || skip
    ok api POST '/containers/create?name=kmem' '{"Image": "busybox", "Cmd": ["true"], "HostConfig": {"KernelMemory": 67108864}}'
    expect_text 'Specifying a kernel memory limit is deprecated and will be removed in a future release.'
    ok api POST /containers/create '{"Image": "busybox", "Cmd": ["true"], "HostConfig": {"KernelMemory": 4096}}'
    expect_text 'Minimum kernel memory limit allowed is 6MB'
    expect_line 400
    if [ "$CLI" = dhow ]; then
        run --separate-stderr docker run --rm --net none --kernel-memory 64m busybox true
        expect_status 0
        expect_error 'WARNING: Specifying a kernel memory limit is deprecated'
    fi
}

@test "nonsense is refused in Docker's words, and nothing is made" {
    local row count=0
    # shellcheck disable=SC2089
    for row in \
        '-m 4k|Minimum memory limit allowed is ' \
        '-m abc|invalid argument "abc" for "-m, --memory" flag: invalid size: ' \
        '-m 64m --memory-swap 32m|Minimum memoryswap limit should be larger than memory limit, see usage' \
        '--memory-swap 32m|You should always set the Memory limit when using Memoryswap limit, see usage' \
        '--memory-reservation 4k|Minimum memory reservation allowed is ' \
        '-m 16m --memory-reservation 32m|Minimum memory limit can not be less than memory reservation limit, see usage' \
        '--memory-swappiness 101|Valid memory swappiness range is 0-100' \
        '--cpus 1000|ange of CPUs is from 0.01 to ' \
        '--cpus -1|ange of CPUs is from 0.01 to ' \
        '--cpus x|failed to parse x as a rational number' \
        '--cpus 1 --cpu-quota 5000|Conflicting options: Nano CPUs and CPU Quota cannot both be set' \
        '--cpus 1 --cpu-period 5000|Conflicting options: Nano CPUs and CPU Period cannot both be set' \
        '--cpu-shares 1|the minimum allowed cpu-shares is 2' \
        '--cpu-shares 262145|the maximum allowed cpu-shares is 262144' \
        '--cpu-quota 10|CPU cfs quota can not be less than 1ms (i.e. 1000)' \
        '--cpu-period 10|CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)' \
        '--cpuset-cpus 800|Requested CPUs are not available - requested 800, available: ' \
        '--cpuset-cpus 1-0|Invalid value 1-0 for cpuset cpus: invalid format: 1-0' \
        '--cpuset-mems 99|Requested memory nodes are not available - requested 99, available: ' \
        '--pids-limit x|strconv.ParseInt: parsing "x": invalid syntax' \
        '--blkio-weight-device /dev/null:5|invalid weight for device: /dev/null:5' \
        '--blkio-weight-device null:500|bad format for device path: null:500' \
        '--device-read-bps /dev/null:-1|invalid rate for device: /dev/null:-1' \
        '--device-write-iops /dev/null:x|invalid rate for device: /dev/null:x' \
        '--device-read-bps /dev/nosuch:1mb|/dev/nosuch' \
        '--device-read-bps /dev/tty:1mb|no such device' \
        '--ulimit nofile=10:5|ulimit soft limit must be less than or equal to hard limit: 10 > 5' \
        '--ulimit bogus=1|invalid ulimit type: bogus' \
        '--shm-size 1x|invalid suffix: ' \
        '--oom-score-adj 1001|Invalid value 1001, range for oom score adj is [-1000, 1000]'; do
        # shellcheck disable=SC2086,SC2090
        run --separate-stderr docker run --rm --net none ${row%%|*} busybox true
        [ "$status" -ge 125 ] || { show_run; fail "$row"; }
        expect_error "${row#*|}"
        count=$((count + 1))
    done
    same "$count" 30
    same "$(docker ps -aq)" ''
}

@test "real-time scheduling: the kernel's word on it" {
    run --separate-stderr docker run --rm --net none --cpu-rt-period 100000 --cpu-rt-runtime 200000 busybox true
    expect_status 125
    if [ -e /sys/fs/cgroup/cpu/cpu.rt_runtime_us ]; then
        expect_error 'cannot be higher than'
    else
        expect_error 'does not support CPU real-time scheduler'
    fi
}

oom_events() {
    docker events --since "$1" --until "$(date +%s.%N)" --filter "container=$2" --filter event=oom --filter event=die \
        --format '{{.Action}} {{index .Actor.Attributes "exitCode"}}' | tr '\n' ,
}

@test "out of memory: 137, OOMKilled, and events" {
    local since
    since=$(date +%s.%N)
    run docker run --name main --net none -m 16m --memory-swap 16m busybox sh -c 'exec tail /dev/zero'
    expect_status 137
    same "$(docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' main)" 'true 137'
    told() { [ "$(oom_events "$since" main | sed 's/<no value>//')" = 'oom ,die 137,' ]; }
    wait_until 5 told
    docker create --name fine --net none -m 16m busybox true
    docker start -a fine
    same "$(docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' fine)" 'false 0'
}

@test "out of memory: a child of PID 1 dies, told while the container lives" {
    dhow_only 'in between, it may not have told yet'
    local since
    since=$(date +%s.%N)
    idle web -m 16m --memory-swap 16m busybox sh -c 'tail /dev/zero; echo "child $?"; sleep 1000'
    wait_logs web 'child 137'
    told() { [ "$(oom_events "$since" web | sed 's/<no value>//')" = 'oom ,' ]; }
    wait_until 5 told
    same "$(state web)" running
    # A limit that comes later is watched, too.
    idle later busybox sh -c 'while ! [ -e /go ]; do sleep 0.1; done; tail /dev/zero; echo "child $?"; sleep 1000'
    docker update -m 16m --memory-swap 16m later
    docker exec later touch /go
    wait_logs later 'child 137'
    told() { [ "$(oom_events "$since" later | sed 's/<no value>//')" = 'oom ,' ]; }
    wait_until 5 told
    docker stop -t 0 later
    same "$(docker inspect -f '{{.State.OOMKilled}}' later)" true
}
