# Corners of create and start: what Docker does where one would not look for it.

load ../lib/helpers

setup_file() {
    setup_engine busybox
    local name
    for name in proc-link proc-file dev-link sys-link resolv-link; do
        odd_image "$name"
    done
    baseline
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
    assert_nothing_left
}

# Busybox with something odd at a place that every container mounts on.
odd_image() {
    local tree
    tree=$(mktemp -d "$E_DIR/odd.XXXXXX")
    mkdir -p "$tree"/{bin,etc,tmp,real,run}
    cp "$(command -v busybox)" "$tree/bin/busybox"
    ln -s busybox "$tree/bin/sh"
    case $1 in
    proc-link) ln -s /real "$tree/proc" ;;
    proc-file) echo text >"$tree/proc" ;;
    dev-link) ln -s /nowhere "$tree/dev" ;;
    sys-link) ln -s /real "$tree/sys" ;;
    resolv-link) ln -s "../../../../../../..$E_DIR/outside" "$tree/etc/resolv.conf" ;;
    esac
    tar -C "$tree" -c . | docker import - "odd-$1" >/dev/null
    rm -rf "$tree"
}

# ---- networks that are not there ----

@test "a network that does not exist is looked for at the start, not at the creation" {
    run --separate-stderr docker run --name lonely --net nosuch busybox true
    expect_status 125
    expect_error 'Error response from daemon: network nosuch not found'
    expect_no_error 'Unable to find image'
    same "$(state lonely)" created
    same "$(docker inspect -f '{{.State.Error}}' lonely)" 'network nosuch not found'
    run --separate-stderr docker start lonely
    expect_status 1
    expect_error 'network nosuch not found'
    run --separate-stderr docker run --rm --name gone --net nosuch busybox true
    expect_status 125
    run docker inspect gone
    [ "$status" -ne 0 ]
}

@test "more than one network at creation is refused" {
    run api POST /containers/create '{"Image":"busybox","NetworkingConfig":{"EndpointsConfig":{"a":{},"b":{}}}}'
    [[ $(tail -n 1 <<<"$output") == [45]* ]]
}

# ---- the init layer ----

@test "a container finds the empty file that says what it is in, and diff does not" {
    ok docker run --name env busybox sh -c 'test -f /.dockerenv && wc -c </.dockerenv'
    expect_output 0
    ok docker diff env
    expect_output ''
    ok docker commit env committed
    ok docker run --rm --net none committed test -f /.dockerenv
    docker rmi committed
}

@test "an image with something odd where every container mounts is run as from a plain one" {
    local image
    for image in proc-link proc-file dev-link sys-link resolv-link; do
        ok docker run --name odd "odd-$image" busybox sh -c \
            'cd /proc/self && test -c /dev/null && test -d /sys/kernel && test -f /etc/resolv.conf && grep -q . /etc/hosts && echo well'
        expect_output well
        ok docker diff odd
        expect_no_match 'proc|resolv|hosts'
        docker rm odd
    done
    [ ! -e "$E_DIR/outside" ]
}

# ---- control groups ----

cgroup_of() {
    sed -n 's/^[0-9]*:pids:\|^0:://p' "/proc/$(docker inspect -f '{{.State.Pid}}' "$1")/cgroup" | head -n 1
}

@test "a cgroup parent that climbs is refused" {
    dhow_only 'takes what is left when the climbing is cut off'
    local parent
    for parent in ../../x /a/../../x .. a/../b "$(printf '%064d' 0)"; do
        run --separate-stderr docker run --rm --net none --cgroup-parent "$parent" busybox true
        expect_status 125
        expect_error "invalid cgroup parent \"$parent\""
    done
    run docker ps -aq
    expect_output ''
}

@test "a relative cgroup parent lies in the engine's own tree" {
    dhow_only 'has it at the root of the hierarchy'
    ok docker run -d --name grouped --net none --cgroup-parent team/web busybox sleep 1000
    same "$(cgroup_of grouped)" "$E_CGROUP/team/web/$(docker inspect -f '{{.Id}}' grouped)"
    docker stats --no-stream grouped
    # Another daemon finds it again and leaves it alone.
    engine_signal KILL
    engine_start
    wait_state grouped running
    ok docker top grouped
    docker rm -f grouped
    find /sys/fs/cgroup -depth -type d -path "*$E_CGROUP/team*" -exec rmdir {} +
}

@test "an absolute cgroup parent is one of the hierarchy" {
    local parent=/$E_BRIDGE.parent
    ok docker run -d --name grouped --net none --cgroup-parent "$parent" busybox sleep 1000
    same "$(cgroup_of grouped)" "$parent/$(docker inspect -f '{{.Id}}' grouped)"
    docker rm -f grouped
    run find /sys/fs/cgroup -mindepth 3 -type d -path "*$parent/*"
    expect_output ''
    find /sys/fs/cgroup -maxdepth 2 -type d -name "${parent#/}" -exec rmdir {} +
}

# ---- limits ----

@test "limits that cannot be are refused, before anything is made" {
    local row
    for row in \
        '--cpuset-cpus 8000|Requested CPUs are not available - requested 8000, available: ' \
        '--cpuset-cpus x|Invalid value x for cpuset cpus' \
        '--cpuset-cpus 3-1|Invalid value 3-1 for cpuset cpus' \
        '--cpuset-mems 99|Requested memory nodes are not available - requested 99, available: ' \
        '--cpu-quota 5|CPU cfs quota can not be less than 1ms (i.e. 1000)' \
        '--cpu-period 5|CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s' \
        '--memory 10m --memory-reservation 20m|Minimum memory limit can not be less than memory reservation limit' \
        '--memory-reservation 10|Minimum memory reservation allowed is '; do
        # shellcheck disable=SC2086
        run --separate-stderr docker run --rm --net none ${row%%|*} busybox true
        expect_status 125
        expect_error "${row#*|}"
    done
}

@test "what is not done is warned of" {
    run --separate-stderr docker create --net host -p 80:80 busybox true
    expect_status 0
    expect_error 'WARNING: Published ports are discarded when using host network mode'
    run --separate-stderr docker create --net none --oom-kill-disable busybox true
    expect_status 0
    if [ -e /sys/fs/cgroup/memory/memory.oom_control ]; then
        expect_error 'WARNING: OOM killer is disabled for the container, but no memory limit is set'
    fi
    if ! [ -e /sys/fs/cgroup/blkio/blkio.weight ] && [ -d /sys/fs/cgroup/blkio ]; then
        run --separate-stderr docker create --name weight --net none --blkio-weight 100 busybox true
        expect_error 'WARNING: Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.'
        same "$(docker inspect -f '{{.HostConfig.BlkioWeight}}' weight)" 0
    fi
    run api POST /containers/create '{"Image":"busybox"}'
    expect_text '"Warnings":[]'
}

@test "no limit of processes is null" {
    local limit
    for limit in 0 -1; do
        docker create --name pids --pids-limit "$limit" busybox true
        same "$(docker inspect -f '{{json .HostConfig.PidsLimit}}' pids)" null
        docker rm pids
    done
    docker create --name pids --pids-limit 7 busybox true
    same "$(docker inspect -f '{{json .HostConfig.PidsLimit}}' pids)" 7
}

# ---- platforms ----

@test "an image for another platform is not taken for the one that was asked for" {
    run api POST '/containers/create?platform=linux/arm64' '{"Image":"busybox"}'
    expect_text 'image with reference busybox was found but '
    expect_text 'linux/arm64'
    same "$(tail -n 1 <<<"$output")" 404
    run api POST '/containers/create?platform=nosuch' '{"Image":"busybox"}'
    same "$(tail -n 1 <<<"$output")" 400
    run --separate-stderr docker run --rm --platform linux/arm64 busybox true
    expect_status 125
    ok docker run --rm --net none --platform "linux/$(dpkg --print-architecture)" busybox true
}

# ---- words ----

@test "words for what is not there" {
    run --separate-stderr docker kill nosuch
    expect_status 1
    expect_error 'annot kill container: nosuch: No such container: nosuch'
    run --separate-stderr docker ps --filter publish=x
    expect_status 1
    expect_error 'error while looking up for publish x: strconv.ParseUint: parsing "x": invalid syntax'
    run --separate-stderr docker ps --filter expose=9-2/udp
    expect_error 'Invalid range specified for the Port: 9-2'
    run --separate-stderr docker run --rm --net none -w /etc/passwd busybox true
    expect_status 125
    expect_error 'Cannot mkdir: /etc/passwd is not a directory'
}

@test "an image's entrypoint of nothing is none" {
    docker export "$(docker create busybox true)" |
        docker import -c 'ENTRYPOINT [""]' -c 'CMD ["echo", "well"]' - no-entry >/dev/null
    ok docker run --rm --net none no-entry
    expect_output well
    docker rmi no-entry
}

@test "port, stats, inspect: what is odd" {
    docker create --name odd busybox true
    run --separate-stderr docker port odd x
    expect_status 1
    expect_error 'Error: invalid port (x): strconv.ParseUint: parsing "x": invalid syntax'
    ok docker stats --no-stream --format '{{.CPUPerc}} {{.MemUsage}} {{.PIDs}}' odd
    expect_output '0.00% 0B / 0B 0'
    ok docker inspect -f '{{json .Config.Entrypoint}} {{.Config.Entrypoint}} {{printf "%T %T" 1 .Config.Image}}' odd
    expect_output 'null [] int string'
    ok docker image inspect -f '{{json .Config.Labels}}' busybox
    expect_output null
    run --separate-stderr docker inspect --size --type image -f '{{.Os}}' busybox
    expect_output linux
    expect_error 'WARNING: --size ignored for image'
}
