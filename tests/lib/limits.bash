# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# limits.bash - a container's cgroup as the kernel shows it, on v1 (and beside v2) and on v2 alone.

pure_v2() {
    [ -f /sys/fs/cgroup/cgroup.controllers ]
}

# group NAME CONTROLLER: its directory on the host.
group() {
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' "$1")
    if pure_v2; then
        printf '/sys/fs/cgroup%s\n' "$(sed -n 's/^0:://p' "/proc/$pid/cgroup")"
    else
        printf '/sys/fs/cgroup/%s%s\n' "$2" "$(awk -F: -v c="$2" '$2 == c { print $3 }' "/proc/$pid/cgroup")"
    fi
}

# limit NAME CONTROLLER V1FILE V2FILE: what that file holds.
limit() {
    local dir
    dir=$(group "$1" "$2")
    if pure_v2; then cat "$dir/$4"; else cat "$dir/$3"; fi
}

# limit_is NAME CONTROLLER V1FILE V1VALUE V2FILE V2VALUE
limit_is() {
    if pure_v2; then
        same "$5: $(limit "$1" "$2" "$3" "$5")" "$5: $6"
    else
        same "$3: $(limit "$1" "$2" "$3" "$5")" "$3: $4"
    fi
}

# inside NAME CONTROLLER/V1FILE V2FILE: the same, read by the container itself.
inside() {
    if pure_v2; then
        docker exec "$1" cat "/sys/fs/cgroup/$3"
    else
        docker exec "$1" cat "/sys/fs/cgroup/$2"
    fi
}

memory_is() { # NAME BYTES MEMORY+SWAP
    limit_is "$1" memory memory.limit_in_bytes "$2" memory.max "$2"
    if [ "$3" -lt 0 ]; then
        limit_is "$1" memory memory.memsw.limit_in_bytes 9223372036854771712 memory.swap.max max
    else
        limit_is "$1" memory memory.memsw.limit_in_bytes "$3" memory.swap.max $(($3 - $2))
    fi
}
shares_are() { # NAME SHARES WEIGHT
    limit_is "$1" cpu cpu.shares "$2" cpu.weight "$3"
}
quota_is() { # NAME QUOTA PERIOD
    local quota=$2
    [ "$quota" != -1 ] || quota=max
    limit_is "$1" cpu cpu.cfs_quota_us "$2" cpu.max "$quota $3"
    pure_v2 || limit_is "$1" cpu cpu.cfs_period_us "$3" - -
}
configured() { # NAME MEMBER VALUE: as inspect shows it
    same "$2=$(docker inspect -f "{{json .HostConfig.$2}}" "$1")" "$2=$3"
}
