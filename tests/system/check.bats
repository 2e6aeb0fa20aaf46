# dhow system check: what the engine knows against what the machine has.

load ../lib/helpers

setup_file() {
    [ "${DHOW_ENGINE:-dhow}" = dhow ] || return 0
    setup_engine busybox
}

teardown_file() {
    teardown_engine
}

setup() {
    dhow_only "has no such command"
}

teardown() {
    remove_all
    assert_nothing_left
}

check() {
    "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system check "$@"
}

@test "a sound engine has no problems" {
    docker run -d --name cc -p 127.0.0.1:18077:80 busybox sleep 1000
    docker create --name made -v /data busybox
    ok check
    expect_match '^Checked 2 containers \(1 running\), [1-9][0-9]* layers, 1 volumes: 0 problems$'
    expect_match '^Last start '
    ok check --format json
    python3 -c '
import json, sys
c = json.load(sys.stdin)
assert c["Problems"] == [] and c["Checked"]["Running"] == 1, c
assert 0 < c["LastStart"]["Milliseconds"] < 60000, c
' <<<"$output"
    ok api GET /dhow/check
    expect_text '"Problems":[]'
    docker rm -fv cc made
}

@test "while containers come and go it finds nothing, and its repairs harm none" {
    local i churn
    for i in 1 2 3; do
        (for _ in $(seq 12); do docker run --rm busybox true; done) &
    done
    churn=$(jobs -p)
    for i in $(seq 40); do
        ok check --repair
        expect_text ": 0 problems"
    done
    for i in $churn; do
        wait "$i"
    done
    ok check
}

@test "a container in a group of its user's is not taken for nobody's" {
    docker run -d --name cc --cgroup-parent mygroup busybox sleep 1000
    docker run -d --name dd --cgroup-parent deep/er busybox sleep 1000
    ok check --repair
    expect_text ": 0 problems"
    engine_signal KILL
    engine_start
    ok check --repair
    same "$(state cc) $(state dd)" "running running"
    # One of nobody's is found there, too.
    local orphan cg
    orphan=$(printf 'cd%.0s' $(seq 32))
    cg=$(find /sys/fs/cgroup -type d -path "*$E_CGROUP/deep/er" | head -n 1)
    mkdir "$cg/$orphan"
    ok check --repair
    expect_match "deep/er/$orphan belongs to no container \(repaired\)"
    [ ! -e "$cg/$orphan" ]
    same "$(state cc) $(state dd)" "running running"
    docker rm -f cc dd
    ok check
    # They stay, with what somebody may have set in them, until the engine ends.
    find /sys/fs/cgroup -depth -type d \( -path "*$E_CGROUP/deep*" -o -path "*$E_CGROUP/mygroup" \) -exec rmdir {} +
}

@test "what belongs to nobody is found, and swept by --repair" {
    local cg orphan
    docker run -d --name cc busybox sleep 1000
    orphan=$(printf 'ab%.0s' $(seq 32))
    cg=$(find /sys/fs/cgroup -mindepth 2 -maxdepth 4 -type d -path "*$E_CGROUP" | head -n 1)
    mkdir "$cg/$orphan" "$E_DIR/data/containers/$orphan" "$E_DIR/run/containers/$orphan" "$E_DIR/data/layers/$orphan"
    # New things may be somebody's work under way: they do not count yet.
    run check --min-age 10m
    expect_status 1
    expect_text "cgroup "
    expect_no_match "containers/$orphan"
    ok check --repair --min-age 10m
    expect_match "$orphan belongs to no container \(repaired\)"
    [ ! -e "$cg/$orphan" ]
    ok check --min-age 10m
    rmdir "$E_DIR/data/containers/$orphan" "$E_DIR/run/containers/$orphan" "$E_DIR/data/layers/$orphan"
    is_state cc running
}

@test "system df -v: every byte below the data root, and what belongs to nothing" {
    same_as_du() {
        local all
        all=$(api GET /dhow/df | python3 -c '
import json, sys
u = json.loads(sys.stdin.readline())
assert u["Total"] == sum(p["Size"] for p in u["Parts"]) + u["Unaccounted"], u
print(u["Total"])')
        [ "$all" = "$(du -sxB1 "$E_DIR/data" | cut -f1)" ]
    }
    part() { "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v | grep -oE "^$1 +[0-9]+ +[1-9].*" ; }
    docker run --name cc -v vv:/v busybox sh -c 'seq 20000; seq 20000 >/v/x; ln /v/x /v/y; seq 30000 >/z' >/dev/null
    docker commit cc child:1
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v
    expect_line 'unaccounted: 0 B'
    local kind
    for kind in 'Images, unique' 'Images, shared' 'Image configurations' 'Containers, writable layers' 'Containers, logs' \
        'Containers, other files' Volumes Database Events Reserve Directories; do
        part "$kind" || fail "no bytes of: $kind" "$(docker system df -v)"
    done
    wait_until 5 same_as_du || fail "not what du says"
    head -c 50000 /dev/zero >"$E_DIR/data/stray"
    mkdir "$E_DIR/data/layers/lost"
    head -c 70000 /dev/zero >"$E_DIR/data/layers/lost/file"
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v
    expect_line "unaccounted: $(du -cB1 "$E_DIR/data/stray" "$E_DIR/data/layers/lost" | awk 'END { print $1 }') B"
    expect_match '^  layers/lost: [0-9]+ B$'
    expect_match '^  stray: [0-9]+ B$'
    wait_until 5 same_as_du
    run check --min-age 0s
    expect_status 1
    expect_match '/layers/lost belongs to nothing'
    # What lies at the top may be somebody's: told, not deleted.
    run check --repair --min-age 0s
    expect_status 1
    expect_match '/layers/lost belongs to nothing .*\(repaired\)$'
    expect_match '/stray belongs to nothing \([0-9]+ bytes\)$'
    [ ! -e "$E_DIR/data/layers/lost" ]
    rm "$E_DIR/data/stray"
    ok check --min-age 0s
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system df -v
    expect_line 'unaccounted: 0 B'
    docker rm -v cc
    docker volume rm vv
    docker rmi child:1
}

@test "a volume or a container whose directory is gone is told" {
    docker volume create vv
    mv "$E_DIR/data/volumes/vv" "$E_DIR/vv"
    run check
    expect_status 1
    expect_text 'volume vv: its directory is gone'
    mv "$E_DIR/vv" "$E_DIR/data/volumes/vv"
    ok check
    docker volume rm vv
}

@test "what the last start did is remembered" {
    docker run -d --name cc busybox sleep 1000
    docker run -d --name lost busybox sleep 1000
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' lost)
    engine_signal KILL
    kill -KILL "$pid"
    mkdir "$E_DIR/data/containers/$(printf 'cd%.0s' $(seq 32))"
    engine_start
    ok check
    expect_match 'container [0-9a-f]+ ended while the daemon was away'
    expect_match 'which belongs to no container'
    expect_text '2 containers, of which 1 go on running'
    is_state cc running
}

# veth_of PID: the host's end of the interface of the container that the process is in.
veth_of() {
    local index
    index=$(nsenter -t "$1" -n ip -o link show eth0 | sed 's/.*@if\([0-9]*\):.*/\1/')
    ip -o link | sed -n "s/^$index: \\(dh[0-9a-f]*\\)[@:].*/\\1/p"
}

pid_of() {
    docker inspect -f '{{.State.Pid}}' "$1"
}

# finds_and_mends WHAT: check tells a problem that matches, --repair mends it, and nothing is left.
finds_and_mends() {
    run check
    expect_status 1
    expect_match "$1"
    ok check --repair
    expect_match "$1.*\\(repaired\\)"
    ok check
}

serves_page() {
    docker run -d --name "$1" -p "127.0.0.1:$2:80" busybox \
        sh -c 'mkdir /w; echo page >/w/index.html; httpd -f -p 80 -h /w'
    wait_until 5 curl -sf -m 5 -o /dev/null "http://127.0.0.1:$2/"
}

page_at() {
    [ "$(curl -sf -m 30 "http://127.0.0.1:$1/")" = page ]
}

@test "an interface that is deleted, down, or out of its bridge" {
    serves_page cc 18078
    ip link set "$(veth_of "$(pid_of cc)")" nomaster
    finds_and_mends 'interface dh[0-9a-f]+ is not a port of its bridge'
    page_at 18078
    ip link set "$(veth_of "$(pid_of cc)")" down
    finds_and_mends 'interface dh[0-9a-f]+ is down'
    page_at 18078
    ip link del "$(veth_of "$(pid_of cc)")"
    run ! page_at 18078
    finds_and_mends 'interface dh[0-9a-f]+ is gone'
    page_at 18078
    # And from within.
    ok docker exec cc ping -c 1 -W 30 "$(docker inspect -f '{{.NetworkSettings.Gateway}}' cc)"
}

@test "the same while no daemon is there: it is mended at the start" {
    serves_page cc 18079
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' cc)
    engine_signal KILL
    ip link del "$(veth_of "$pid")"
    engine_start
    page_at 18079
    ok check
    expect_match 'interface dh[0-9a-f]+ was gone: put back'
    same "$(docker inspect -f '{{.State.Pid}}' cc)" "$pid"
}

@test "a bridge that lacks its address, is down, or is gone" {
    serves_page cc 18080
    local address
    address=$(ip -o -4 address show dev "$E_BRIDGE" | awk '{ print $4 }')
    ip address del "$address" dev "$E_BRIDGE"
    finds_and_mends 'bridge .* lacks its address'
    page_at 18080
    ip link set "$E_BRIDGE" down
    finds_and_mends 'bridge .* is down'
    page_at 18080
    ip link del "$E_BRIDGE"
    finds_and_mends 'bridge .* is gone'
    page_at 18080
    docker run --rm busybox ping -c 1 -W 30 "${address%/*}"
}

@test "a stray interface, and elements of the firewall" {
    local table
    serves_page cc 18081
    ip link add dh0123456789 type veth peer name dhpeer0 && ip link set dh0123456789 master "$E_BRIDGE"
    finds_and_mends 'interface dh0123456789 on .*: of no container'
    gone() { ! ip link show dh0123456789 2>/dev/null; }
    wait_until 5 gone
    table=$(nft list tables | awk -v b="$E_BRIDGE" '$3 == b || $3 == "dhow-" b { print $3 }')
    # What is added does no harm until somebody looks.
    nft add element inet "$table" ports '{ tcp . 9 : 10.0.0.9 . 9 }'
    finds_and_mends 'firewall table .*1 of 1 published ports, 1 that nobody published'
    run ! grep -q 10.0.0.9 <<<"$(nft list map inet "$table" ports)"
    # What is taken away is noticed at once.
    nft flush map inet "$table" ports_on
    wait_until 5 page_at 18081
    nft flush table inet "$table"
    wait_until 5 page_at 18081
    nft delete table inet "$table"
    wait_until 5 page_at 18081
    # The page may be there before the repair has come to its end.
    wait_until 5 check
}

@test "elements that changed while no daemon was there" {
    local table
    serves_page cc 18082
    serves_page dd 18083
    engine_signal KILL
    table=$(nft list tables | awk -v b="$E_BRIDGE" '$3 == b || $3 == "dhow-" b { print $3 }')
    nft delete element inet "$table" ports_on '{ 127.0.0.1 . tcp . 18082 }'
    nft add element inet "$table" ports_on '{ 127.0.0.1 . tcp . 18084 : 10.0.0.9 . 9 }'
    engine_start
    page_at 18082
    page_at 18083
    run ! grep -q 18084 <<<"$(nft list map inet "$table" ports_on)"
    ok check
    # A chain that is missing: the table is written anew.
    engine_signal KILL
    nft flush chain inet "$table" postrouting
    engine_start
    nft list chain inet "$table" postrouting | grep -q masquerade
    ok check
}

@test "shims and run directories that are gone while no daemon is there" {
    local pid shim id
    docker run -d --name orphan busybox sleep 1000
    id=$(docker run -d --name lost busybox sleep 1000)
    docker run -d --name sound busybox sleep 1000
    pid=$(docker inspect -f '{{.State.Pid}}' orphan)
    shim=$(shim_of orphan)
    engine_signal KILL
    kill -KILL "$shim"
    rm -r "$E_DIR/run/containers/$id"
    engine_start
    same "$(state orphan) $(state lost) $(state sound)" "exited exited running"
    same "$(docker inspect -f '{{.State.ExitCode}}' orphan)" 137
    wait_until 5 sh -c "! [ -d /proc/$pid ]"
    ok check
    expect_match 'container [0-9a-f]+ ended while the daemon was away'
    docker start orphan lost
    same "$(state orphan) $(state lost)" "running running"
}

@test "a run directory that is gone under a daemon" {
    local id
    id=$(docker run -d --name cc busybox sleep 1000)
    mv "$E_DIR/run/containers/$id" "$E_DIR/away"
    run check
    expect_status 1
    expect_match 'shim +container .* runs, but its shim cannot be reached'
    mv "$E_DIR/away" "$E_DIR/run/containers/$id"
    ok check
}

@test "what has no run directory any more can be stopped and removed" {
    local id how
    for how in "stop" "rm -f"; do
        id=$(docker run -d --name cc busybox sleep 1000)
        rm -r "$E_DIR/run/containers/$id"
        # shellcheck disable=SC2086
        ok docker $how cc
        if [ "$how" != "rm -f" ]; then
            same "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' cc)" "exited 137"
            ok docker rm cc
        fi
        ok check
    done
}
