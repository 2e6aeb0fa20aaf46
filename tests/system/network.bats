# The default bridge, published ports, the other network modes, hosts and resolv.conf.

load ../lib/helpers

setup_file() {
    setup_engine busybox mailer
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
    assert_nothing_left
}

# A web server that says its name.
SERVE='mkdir /w; hostname >/w/index.html; exec httpd -f -p 80 -h /w'

address_of() {
    docker inspect -f '{{.NetworkSettings.IPAddress}}' "$1"
}

fetch() {
    curl -sf --max-time "${2:-20}" "http://$1/"
}

answers() {
    [ "$(fetch "$1")" = "$2" ]
}

bridge_address() {
    ip -o -4 addr show "$E_BRIDGE" | awk '{ print $4 }'
}

@test "a container has an address of the bridge, a route, and reaches the host and others" {
    local ip gateway
    gateway=$(bridge_address)
    gateway=${gateway%/*}
    docker run -d --name aa --hostname serves busybox sh -c "$SERVE"
    ip=$(address_of aa)
    same "$(docker inspect -f '{{.NetworkSettings.Gateway}}' aa)" "$gateway"
    ok docker exec aa ip -o -4 addr show eth0
    expect_text " $ip/"
    ok docker exec aa ip route
    expect_match "^default via $gateway dev eth0"
    wait_until 5 answers "$ip" serves
    ok docker run --rm busybox wget -q -O - "http://$ip/"
    expect_output serves
    ok docker run --rm busybox ping -c 1 -W 30 "$gateway"
    ok docker exec aa cat /sys/class/net/eth0/address
    expect_output "$(docker inspect -f '{{.NetworkSettings.MacAddress}}' aa)"
}

@test "-p HOST:CONTAINER" {
    docker run -d --name web --hostname aa -p 28100:80 busybox sh -c "$SERVE"
    wait_until 5 answers 127.0.0.1:28100 aa
    answers "$(bridge_address | cut -d/ -f1):28100" aa
    ok docker port web
    expect_line '80/tcp -> 0.0.0.0:28100'
    ok docker port web 80
    expect_line '0.0.0.0:28100'
    ok docker ps
    expect_text '0.0.0.0:28100->80/tcp'
}

@test "-p IP:HOST:CONTAINER is only there" {
    docker run -d --name web --hostname aa -p 127.0.0.1:28101:80 busybox sh -c "$SERVE"
    wait_until 5 answers 127.0.0.1:28101 aa
    run answers "$(bridge_address | cut -d/ -f1):28101" aa
    [ "$status" -ne 0 ]
    same "$(docker port web 80/tcp)" 127.0.0.1:28101
}

@test "-p CONTAINER and -p IP::CONTAINER choose a port" {
    local port
    docker run -d --name web --hostname aa -p 80 busybox sh -c "$SERVE"
    port=$(docker port web 80 | head -n 1)
    wait_until 5 answers "127.0.0.1:${port##*:}" aa
    docker run -d --name local --hostname bb -p 127.0.0.1::80 busybox sh -c "$SERVE"
    port=$(docker port local 80)
    [[ $port =~ ^127\.0\.0\.1:[0-9]+$ ]]
    wait_until 5 answers "$port" bb
}

@test "-p with /udp, ranges, several at once" {
    docker run -d --name web -p 28110:53/udp -p 28111-28112:81-82 -p 28113:80 busybox sh -c "$SERVE"
    ok docker port web
    expect_line '53/udp -> 0.0.0.0:28110'
    expect_line '81/tcp -> 0.0.0.0:28111'
    expect_line '82/tcp -> 0.0.0.0:28112'
    expect_line '80/tcp -> 0.0.0.0:28113'
}

@test "datagrams go both ways" {
    local echo
    docker run -d --name udp -p 127.0.0.1:28114:7/udp busybox sleep 1000
    # The image has no program for it: one of the host's, in the container's network.
    nsenter -n -t "$(docker inspect -f '{{.State.Pid}}' udp)" python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 7))
while True:
    data, peer = s.recvfrom(100)
    s.sendto(data, peer)
' 3>&- &
    echo=$!
    run python3 - <<-'END'
	import socket, time
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.settimeout(0.5)
	for i in range(100):
	    s.sendto(b"ping", ("127.0.0.1", 28114))
	    try:
	        print(s.recv(100).decode())
	        break
	    except (TimeoutError, ConnectionRefusedError):
	        time.sleep(0.1)
	END
    kill "$echo"
    expect_output ping
}

@test "-P publishes what is exposed, by image and by --expose" {
    local port
    docker run -d --name web --hostname aa -P --expose 80 --expose 90-91 --expose 5353/udp busybox sh -c "$SERVE"
    ok docker port web
    expect_match '^80/tcp -> 0\.0\.0\.0:[0-9]+$'
    expect_match '^90/tcp -> '
    expect_match '^91/tcp -> '
    expect_match '^5353/udp -> '
    port=$(docker port web 80 | head -n 1)
    wait_until 5 answers "127.0.0.1:${port##*:}" aa
}

@test "--expose alone publishes nothing" {
    docker run -d --name web --expose 80 busybox sleep 1000
    same "$(docker port web)" ""
    ok docker ps
    expect_match ' 80/tcp +web$'
}

@test "a published port is free again after stop, and taken again by start" {
    docker run -d --name web --hostname aa -p 28120:80 busybox sh -c "$SERVE"
    wait_until 5 answers 127.0.0.1:28120 aa
    docker stop -t 0 web
    run fetch 127.0.0.1:28120 3
    [ "$status" -ne 0 ]
    docker start web
    wait_until 5 answers 127.0.0.1:28120 aa
    docker rm -f web
    docker run -d --name other --hostname bb -p 28120:80 busybox sh -c "$SERVE"
    wait_until 5 answers 127.0.0.1:28120 bb
}

@test "containers reach published ports of others by the host's address" {
    local host
    host=$(bridge_address | cut -d/ -f1)
    docker run -d --name web --hostname aa -p 28121:80 busybox sh -c "$SERVE"
    wait_until 5 answers 127.0.0.1:28121 aa
    ok docker run --rm busybox timeout 30 wget -q -O - "http://$host:28121/"
    expect_output aa
    if [ "$DHOW_ENGINE" = dhow ]; then
        # Also its own.
        ok docker exec web timeout 30 wget -q -O - "http://$host:28121/"
        expect_output aa
    fi
}

@test "--net none has a loopback and nothing else" {
    ok docker run --rm --net none busybox ip -o link
    expect_match '^1: lo: .*UP'
    same "$(grep -c ': eth' <<<"$output")" 0
    run docker run --rm --net none busybox ping -c 1 -W 1 8.8.8.8
    [ "$status" -ne 0 ]
    expect_match 'Network is unreachable'
    ok docker run --rm --network none busybox ping -c 1 127.0.0.1
}

@test "any user may take low ports and ping, in the container's own network only; --sysctl wins" {
    local host_port host_ping net names='net.ipv4.ip_unprivileged_port_start net.ipv4.ping_group_range'
    host_port=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)
    host_ping=$(cat /proc/sys/net/ipv4/ping_group_range)
    for net in bridge none; do
        # shellcheck disable=SC2086
        same "$(docker run --rm --net "$net" busybox sysctl -n $names)" $'0\n0\t2147483647'
    done
    same "$(docker run --rm -u 1000:1000 --cap-drop ALL -h low busybox \
        sh -c 'httpd -p 80 -h /etc && wget -qO- http://127.0.0.1/hostname')" low
    # shellcheck disable=SC2086
    same "$(docker run --rm --sysctl net.ipv4.ip_unprivileged_port_start=900 busybox sysctl -n $names)" \
        $'900\n0\t2147483647'
    # shellcheck disable=SC2086
    same "$(docker run --rm --net host busybox sysctl -n $names)" "$host_port"$'\n'"$host_ping"
    same "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" "$host_port"
}

@test "--net host is the host's network and name" {
    ok docker run --rm --net host busybox readlink /proc/self/ns/net
    expect_output "$(readlink /proc/self/ns/net)"
    ok docker run --rm --net host busybox hostname
    expect_output "$(hostname)"
}

@test "--net container:X shares the network of X" {
    docker run -d --name web --hostname aa busybox sh -c "$SERVE"
    wait_until 5 docker run --rm --net container:web busybox wget -q -O /dev/null http://127.0.0.1/
    ok docker run --rm --net container:web busybox sh -c 'wget -q -O - http://127.0.0.1/; hostname'
    expect_output $'aa\naa'
    ok docker run --rm --net "container:$(docker inspect -f '{{.Id}}' web)" busybox readlink /proc/self/ns/net
    expect_output "$(docker exec web readlink /proc/self/ns/net)"
    run docker run --rm --net container:nosuch busybox true
    expect_status 125
    expect_text 'No such container: nosuch'
    run docker run --rm --net container:web -p 80:80 busybox true
    expect_status 125
    expect_text 'conflicting options: port publishing and the container type network mode'
    run docker run --rm --net container:web --expose 80 busybox true
    expect_status 125
    expect_text 'conflicting options: port exposing and the container type network mode'
    # What only the image exposes is no contradiction.
    ok docker run --rm --net container:web --entrypoint true dockerinaction/ch2_mailer
    docker create --name stopped busybox
    run docker run --rm --net container:stopped busybox true
    expect_status 125
}

@test "--hostname, --domainname, and the ID as name" {
    local id
    ok docker run --rm --hostname barker busybox hostname
    expect_output barker
    ok docker run --rm -h barker busybox cat /etc/hostname
    expect_output barker
    ok docker run --rm --hostname barker --domainname in.test busybox hostname -f
    expect_output barker.in.test
    id=$(docker run -d busybox sleep 1000)
    same "$(docker exec "$id" hostname)" "${id:0:12}"
    docker exec "$id" cat /etc/hosts | grep -qE "^$(address_of "$id")[[:space:]]+${id:0:12}$"
}

@test "/etc/hosts: loopback names, --add-host, host-gateway" {
    ok docker run --rm --add-host test:10.10.10.2 --add-host docker.com:127.0.0.1 --add-host gw:host-gateway \
        busybox cat /etc/hosts
    expect_match '^127\.0\.0\.1[[:space:]]+localhost$'
    expect_match '^::1[[:space:]]+(localhost )?ip6-localhost ip6-loopback$|^::1[[:space:]]+localhost ip6-localhost ip6-loopback$'
    expect_match '^10\.10\.10\.2[[:space:]]+test$'
    expect_match '^127\.0\.0\.1[[:space:]]+docker\.com$'
    expect_match "^[0-9.]+[[:space:]]+gw$"
    run docker run --rm --add-host nonsense busybox true
    expect_status 125
    expect_text 'bad format for add-host: "nonsense"'
    run docker run --rm --add-host a:banana busybox true
    expect_status 125
    expect_text 'invalid IP address in add-host: "banana"'
}

@test "/etc/resolv.conf: --dns, --dns-search, --dns-option, else the host's" {
    ok docker run --rm --dns 8.8.8.8 --dns-search docker.com --dns-option ndots:3 busybox cat /etc/resolv.conf
    expect_line 'nameserver 8.8.8.8'
    expect_line 'search docker.com'
    expect_line 'options ndots:3'
    ok docker run --rm busybox cat /etc/resolv.conf
    expect_match '^nameserver '
    run docker run --rm --dns banana busybox true
    expect_status 125
    expect_text banana
}

@test "the container may write its own hosts file; the next start writes it anew" {
    docker run -d --name aa busybox sleep 1000
    docker exec aa sh -c 'echo 1.2.3.4 mine >>/etc/hosts'
    ok docker exec aa cat /etc/hosts
    expect_line '1.2.3.4 mine'
}

@test "--mac-address, --ip only where it is allowed" {
    # The docker CLI 28 sends it in a way that only API 1.44 knows.
    [ "$DHOW_ENGINE" = docker ] || ok docker run --rm --mac-address 92:d0:c6:0a:29:33 busybox cat /sys/class/net/eth0/address
    [ "$DHOW_ENGINE" = docker ] || expect_output '92:d0:c6:0a:29:33'
    run docker run --rm --mac-address banana busybox true
    expect_status 125
    run docker run --rm --ip 10.1.2.3 busybox true
    expect_status 125
    expect_text 'user specified IP address is supported on user defined networks only'
}

@test "addresses are given back" {
    local i first
    docker run --name keep -d busybox sleep 1000
    first=$(docker run --rm busybox ip -o -4 addr show eth0 | awk '{ print $4 }')
    for i in $(seq 5); do
        docker run --rm busybox true
    done
    # A /16 would not show it; what counts is that nothing remains, which teardown asserts.
    [ -n "$first" ]
    [ "$(address_of keep)" != "${first%/*}" ]
}

@test "nothing outside reaches a container except by what it publishes" {
    dhow_only "20.10 forwards to unpublished ports"
    # A neighbour on another bridge of this host: its own namespace and a veth.
    local ip ns
    docker run -d --name web --hostname aa busybox sh -c "$SERVE"
    ip=$(address_of web)
    wait_until 5 answers "$ip" aa
    ns="n$E_BRIDGE"
    ip netns add "$ns" 2>/dev/null || skip "no network namespaces by ip"
    ip link add "v$E_BRIDGE" type veth peer name eth0 netns "$ns"
    ip addr add 10.99.99.1/30 dev "v$E_BRIDGE"
    ip link set "v$E_BRIDGE" up
    ip -n "$ns" addr add 10.99.99.2/30 dev eth0
    ip -n "$ns" link set eth0 up
    ip -n "$ns" route add default via 10.99.99.1
    run ip netns exec "$ns" curl -sf --max-time 2 "http://$ip/"
    local code=$status
    ip netns del "$ns"
    ip link del "v$E_BRIDGE" 2>/dev/null || true
    [ "$code" -ne 0 ] || fail "an unpublished port can be reached from outside"
}

@test "inspect: NetworkSettings" {
    docker run -d --name web -p 127.0.0.1:28130:80 busybox sleep 1000
    ok docker inspect web
    python3 -c '
import json, sys
n = json.load(sys.stdin)[0]["NetworkSettings"]
assert n["Ports"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "28130"}]}, n
b = n["Networks"]["bridge"]
assert b["IPAddress"] and b["Gateway"] and b["IPPrefixLen"] and b["MacAddress"], n
assert len(b["EndpointID"]) == 64, n
' <<<"$output"
    same "$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' web)" "$(address_of web)"
}

@test "the firewall table is restored within a second when others flush or delete it" {
    dhow_only "does not watch"
    docker run -d --name web -p 127.0.0.1:18099:80 busybox sh -c "$SERVE"
    wait_until 10 answers 127.0.0.1:18099 "$(docker inspect -f '{{printf "%.12s" .Id}}' web)"
    # It is told when it is done.
    told() { [ "$(grep -c 'has been restored' "$E_LOG")" -ge "$1" ]; }
    local table how n=0
    table=$(nft list tables | awk -v b="$E_BRIDGE" '$3 ~ b { print $3 }')
    for how in "flush table inet $table" "delete table inet $table" "flush map inet $table ports_on" \
        "delete table inet $table"; do
        nft "$how"
        wait_until 2 fetch 127.0.0.1:18099 || fail "not restored after $how" "$(tail -3 "$E_LOG")"
        # Else the next damage may come in the middle of this one's repair, and is then one with it.
        wait_until 5 told $((++n)) || fail "no word about $how" "$(tail -3 "$E_LOG")"
    done
}

@test "the firewall table is restored when it is damaged again during its repair" {
    dhow_only "does not watch"
    docker run -d --name web -p 127.0.0.1:18099:80 busybox sh -c "$SERVE"
    wait_until 10 answers 127.0.0.1:18099 "$(docker inspect -f '{{printf "%.12s" .Id}}' web)"
    local table
    table=$(nft list tables | awk -v b="$E_BRIDGE" '$3 ~ b { print $3 }')
    # One process for both, with more and more looking in between, hits each part of the repair.
    for pause in {0..40}; do
        {
            echo "flush table inet $table"
            for ((i = 0; i < pause; i++)); do echo "list tables"; done
            echo "delete table inet $table"
        } | nft -i >/dev/null 2>&1 || true
    done
    wait_until 3 fetch 127.0.0.1:18099 || fail "not restored" "$(tail -3 "$E_LOG")"
    ! grep 'damaged by somebody else:' "$E_LOG" || fail "a repair was given up"
}
