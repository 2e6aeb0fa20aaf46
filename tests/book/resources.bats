# Limits and devices of chapter 6: rows RES-01 to RES-07, scenario SCN-25. Small programs stand for the images.

load ../lib/helpers
load ../lib/limits

setup_file() {
    setup_engine busybox
    local image
    for image in dockerfile/mariadb wordpress:4.1 dockerinaction/ch6_stresser dockerinaction/ch6_htop ubuntu:latest; do
        docker tag busybox "$image"
    done
}

teardown_file() {
    docker rmi dockerfile/mariadb wordpress:4.1 dockerinaction/ch6_stresser dockerinaction/ch6_htop ubuntu:latest >/dev/null
    teardown_engine
}

teardown() {
    remove_all
    assert_nothing_left
}

MB=1048576

@test "RES-01: -m and --memory on run and create" {
    docker run -d --name one -m 32m busybox sleep 1000
    docker create --name two --memory 48m busybox sleep 1000
    docker start two
    memory_is one $((32 * MB)) $((64 * MB))
    memory_is two $((48 * MB)) $((96 * MB))
}

@test "RES-02: a number and perhaps a unit, which is b, k, m or g" {
    local row
    for row in 33554432:33554432 33554432b:33554432 32768k:33554432 32m:33554432 1g:1073741824; do
        docker run -d --name "m${row%%:*}" --memory "${row%%:*}" busybox sleep 1000
        limit_is "m${row%%:*}" memory memory.limit_in_bytes "${row#*:}" memory.max "${row#*:}"
    done
    run docker run --memory 32x busybox true
    expect_status 125
    expect_text 'invalid argument "32x" for "-m, --memory" flag'
}

@test "RES-03 RES-04 SCN-25: memory, CPU shares, a user and no capabilities, together and linked" {
    docker run -d --name ch6_mariadb --memory 256m --cpu-shares 1024 --user nobody --cap-drop all dockerfile/mariadb \
        sleep 1000
    memory_is ch6_mariadb $((256 * MB)) $((512 * MB))
    shares_are ch6_mariadb 1024 39
    same "$(docker exec ch6_mariadb sh -c 'id -un; grep CapBnd /proc/1/status' | tr -d '\t')" \
        $'nobody\nCapBnd:0000000000000000'
    docker run -d -P --name ch6_wordpress --memory 512m --cpu-shares 512 --user nobody --cap-drop net_raw \
        --link ch6_mariadb wordpress:4.1 sleep 1000
    memory_is ch6_wordpress $((512 * MB)) $((1024 * MB))
    shares_are ch6_wordpress 512 20
    docker exec ch6_wordpress grep -w ch6_mariadb /etc/hosts
}

cpu_used() {
    curl -sS --unix-socket "$E_SOCK" "http://localhost/containers/$1/stats?stream=0&one-shot=1" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["cpu_stats"]["cpu_usage"]["total_usage"])'
}

@test "RES-04: twice the shares, twice the time of a processor that both want" {
    local loop='until [ -e /dev/shm/go ]; do sleep 0.05; done; while :; do :; done' more less
    docker run -d --name more --cpuset-cpus 0 --cpu-shares 1024 --net none busybox sh -c "$loop"
    docker run -d --name less --cpuset-cpus 0 --cpu-shares 512 --net none busybox sh -c "$loop"
    local more_before less_before
    less_before=$(cpu_used less)
    more_before=$(cpu_used more)
    docker exec more touch /dev/shm/go
    docker exec less touch /dev/shm/go
    begun() { [ $(($(cpu_used less) - less_before)) -gt 200000000 ] && [ $(($(cpu_used more) - more_before)) -gt 200000000 ]; }
    wait_until 20 begun
    # From here on both run, and only what they get from here on counts.
    less_before=$(cpu_used less)
    more_before=$(cpu_used more)
    enough() {
        less=$(($(cpu_used less) - less_before))
        more=$(($(cpu_used more) - more_before))
        [ $((less + more)) -gt 2000000000 ]
    }
    wait_until 60 enough
    [ $((more * 10)) -gt $((less * 14)) ] && [ $((more * 10)) -lt $((less * 28)) ] || fail "$more to $less"
}

@test "RES-05 RES-06 SCN-25: --cpuset-cpus 0 keeps a load on that processor; lists and ranges" {
    local pid
    docker run -d --cpuset-cpus 0 --name ch6_stresser dockerinaction/ch6_stresser sh -c 'while :; do :; done'
    pid=$(docker inspect -f '{{.State.Pid}}' ch6_stresser)
    same "$(awk '/Cpus_allowed_list/ { print $2 }' "/proc/$pid/status")" 0
    same "$(awk '{ print $39 }' "/proc/$pid/stat")" 0
    run docker run -t --rm dockerinaction/ch6_htop top -b -n 1
    expect_status 0
    local online
    online=$(cat /sys/devices/system/cpu/online)
    ok docker run --rm --cpuset-cpus "$online" busybox grep Cpus_allowed_list /proc/self/status
    expect_match "[[:space:]]$online\$"
    if [ "$(nproc)" -gt 1 ]; then
        ok docker run --rm --cpuset-cpus 0,1 busybox grep Cpus_allowed_list /proc/self/status
        expect_match '[[:space:]]0-1$'
        ok docker run --rm --cpuset-cpus 0-1 busybox grep Cpus_allowed_list /proc/self/status
        expect_match '[[:space:]]0-1$'
    fi
    run docker run --rm --cpuset-cpus 0,999 busybox true
    expect_status 125
    expect_text 'Requested CPUs are not available - requested 0,999'
}

@test "RES-07: --device mounts a device of the host; it must be there" {
    ok docker run -t --rm --device /dev/fuse:/dev/video0 ubuntu:latest ls -al /dev
    expect_match '^c.* 10, +229 .* video0'
    run docker run --rm --device /dev/nosuch:/dev/video0 ubuntu:latest ls -al /dev
    [ "$status" -ge 125 ]
    expect_text '/dev/nosuch'
    same "$(docker ps -q)" ''
}
