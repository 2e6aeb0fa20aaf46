# SIGHUP: the daemon reads its configuration file again, as dockerd does.

load ../lib/helpers
load ../lib/registry

setup_file() {
    fault_registry_engine
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$BUILD/src/runtime/dhow-runtime" >"$E_DIR/runtime"
    chmod +x "$E_DIR/runtime"
    printf '{}' >"$E_DIR/daemon.json"
    registry_engine --config-file "$E_DIR/daemon.json" --log-level info
    "$ROOT/scripts/images" load busybox
    baseline
}

teardown_file() {
    registries_stop
    teardown_engine
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || return 0
    remove_all
    [ "$DHOW_ENGINE" = docker ] || reload '{}'
    assert_nothing_left
}

daemon_pid() {
    cat "$E_PIDFILE"
}

log_lines() {
    wc -l <"$E_LOG"
}

# hup JSON: the file's new content, and the signal; leaves in MARK where the log was.
hup() {
    MARK=$(log_lines)
    printf '%s' "$1" >"$E_DIR/daemon.json"
    kill -HUP "$(daemon_pid)"
}

new_log() {
    tail -n +$((MARK + 1)) "$E_LOG"
}

# The attributes of the reloads since SINCE, a line each.
reloads() {
    docker events --since "$SINCE" --until "$(date +%s.%N)" --filter type=daemon --filter event=reload \
        --format '{{json .Actor.Attributes}}'
}

is_reloaded() {
    [ -n "$(reloads)" ]
}

# reload JSON: and it is in force. Leaves the event's attributes in $ATTRIBUTES.
reload() {
    SINCE=$(date +%s.%N)
    hup "$1"
    wait_until 10 is_reloaded || fail 'no event of a reload:' "$(new_log)"
    ATTRIBUTES=$(reloads)
}

logged() {
    new_log | grep -q "level=$1 .*$2"
}

# refused JSON REGEX: an error in the log, no event, and everything as it was.
refused() {
    local before
    SINCE=$(date +%s.%N)
    before=$(settings)
    hup "$1"
    wait_until 10 logged error "$2" || fail "not in the log: $2" "$(new_log)"
    same "$(settings)" "$before"
    same "$(reloads)" ''
}

settings() {
    docker info --format '{{.Debug}} {{.Labels}} {{json .RegistryConfig}} {{json .Runtimes}} {{.DefaultRuntime}} {{.LoggingDriver}}'
}

attribute() {
    python3 -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$ATTRIBUTES" "$1"
}

@test "what the file says is in force at once, and an event tells it" {
    reload '{"debug": true, "labels": ["a=1"], "insecure-registries": ["10.9.0.0/16", "reg:5000"],
        "registry-mirrors": ["http://mirror:5000"], "max-concurrent-downloads": 7, "max-concurrent-uploads": 2,
        "max-download-attempts": 4, "shutdown-timeout": 20}'
    same "$(docker info --format '{{.Debug}} {{.Labels}}')" 'true [a=1]'
    same "$(docker info --format '{{json .RegistryConfig.Mirrors}}')" '["http://mirror:5000/"]'
    ok docker info --format '{{json .RegistryConfig}}'
    expect_text '"10.9.0.0/16"'
    expect_text '"reg:5000":{'
    same "$(attribute debug)" true
    same "$(attribute labels)" '["a=1"]'
    same "$(attribute insecure-registries)" '["10.9.0.0/16","reg:5000"]'
    same "$(attribute registry-mirrors)" '["http://mirror:5000"]'
    same "$(attribute max-concurrent-downloads) $(attribute max-concurrent-uploads)" '7 2'
    same "$(attribute max-download-attempts) $(attribute shutdown-timeout)" '4 20'
    same "$(attribute default-runtime)" "$(docker info --format '{{.DefaultRuntime}}')"
    same "$(attribute name)" "$(docker info --format '{{.Name}}')"
    same "$(docker events --since "$SINCE" --until "$(date +%s.%N)" --filter type=daemon --format '{{.Actor.ID}}')" \
        "$(docker info --format '{{.ID}}')"
}

@test "an engine goes on by the file, not by what it was told before" {
    dhow_only 'keeps what the file no longer says until its next start'
    local fresh
    fresh=$(settings)
    reload "{\"debug\": true, \"labels\": [\"a=1\"], \"registry-mirrors\": [\"http://m\"], \"runtimes\":
        {\"more\": {\"path\": \"$E_DIR/runtime\"}}, \"default-runtime\": \"more\", \"max-download-attempts\": 2}"
    [ "$(settings)" != "$fresh" ]
    reload '{}'
    same "$(settings)" "$fresh"
    same "$(attribute max-download-attempts)" 5
    # No file is one without a word, but not where one was named.
    MARK=$(log_lines)
    rm "$E_DIR/daemon.json"
    kill -HUP "$(daemon_pid)"
    wait_until 10 logged error "unable to configure the daemon with file $E_DIR/daemon.json: .*no such file" ||
        fail "$(new_log)"
}

@test "a file that is broken changes nothing at all" {
    reload '{"labels": ["a=1"], "registry-mirrors": ["http://mirror:5000"]}'
    refused '{"labels": ["b=2"' 'unable to configure the .*daemon with file'
    refused '{"labels": ["b=2"], "nosuch": 1}' nosuch
    refused '{"labels": ["b=2"], "debug": "yes"}' debug
    refused '{"labels": ["b=2", "b=3"]}' 'conflict labels for b=3 and b=2'
    refused '{"labels": ["b=2"], "default-runtime": "nosuch"}' "default runtime 'nosuch' does not exist"
    refused '{"labels": ["b=2"], "max-concurrent-downloads": -1}' 'invalid max concurrent downloads: -1'
    # dockerd takes the labels and leaves the mirrors.
    [ "$DHOW_ENGINE" = docker ] ||
        refused '{"labels": ["b=2"], "registry-mirrors": ["ftp://x"]}' 'invalid mirror: unsupported scheme'
}

@test "a file that says what a flag says, too, changes nothing at all" {
    refused '{"labels": ["b=2"], "log-level": "info"}' 'specified both as a flag and in the configuration file: log-level'
    refused '{"labels": ["b=2"], "hosts": ["unix:///x"]}' 'specified both as a flag and in the configuration file: hosts'
}

@test "keys that need another start are named, and the others taken" {
    dhow_only 'is silent'
    reload '{"labels": ["c=3"], "dns": ["192.0.2.53"], "log-driver": "local", "icc": false, "userns-remap": "default"}'
    local key
    for key in dns log-driver icc userns-remap; do
        logged warn "$key.*next start" || fail "no warning of $key:" "$(new_log)"
    done
    same "$(new_log | grep -c 'level=warn .*next start')" 4
    same "$(docker info --format '{{.Labels}} {{.LoggingDriver}}')" '[c=3] json-file'
    docker create --name web busybox cat /etc/resolv.conf
    same "$(docker inspect -f '{{.HostConfig.LogConfig.Type}}' web)" json-file
    run docker start -a web
    expect_no_match '192\.0\.2\.53'
    # As at the first start: no word.
    reload '{"labels": ["c=3"]}'
    same "$(new_log | grep -c 'level=warn .*next start')" 0
}

@test "the log's level" {
    dhow_only 'has --debug alone'
    engine_signal TERM
    printf '{"log-level": "error"}' >"$E_DIR/daemon.json"
    engine_start --config-file "$E_DIR/daemon.json"
    hup '{"log-level": "none"}'
    wait_until 10 logged error 'unable to parse logging level: none'
    reload '{"log-level": "info"}'
    same "$(attribute log-level)" info
    logged info 'reload' || fail 'not told:' "$(new_log)"
    reload '{"log-level": "error"}'
    reload '{"log-level": "error", "labels": ["a=1"]}'
    same "$(new_log)" ''
    engine_signal TERM
    printf '{}' >"$E_DIR/daemon.json"
    engine_start --config-file "$E_DIR/daemon.json" --log-level info
}

@test "runtimes come and go, and what runs by them goes on" {
    dhow_only 'needs runc, and fails where the table is empty'
    local more="\"runtimes\": {\"more\": {\"path\": \"$E_DIR/runtime\"}}"
    run docker create --runtime more busybox true
    expect_text 'unknown or invalid runtime name: more'
    reload "{$more, \"default-runtime\": \"more\"}"
    same "$(attribute default-runtime)" more
    [[ $(attribute runtimes) == *"more:$E_DIR/runtime"* ]]
    docker run -d --name web busybox sleep 1000
    docker run -d --name own --runtime runc busybox sleep 1000
    same "$(docker inspect -f '{{.HostConfig.Runtime}}' web own | tr '\n' ' ')" 'more runc '
    reload '{}'
    same "$(docker inspect -f '{{.State.Status}} {{.HostConfig.Runtime}}' web)" 'running more'
    same "$(docker exec web echo hi)" hi
    same "$(docker inspect -f '{{.HostConfig.Runtime}}' "$(docker create busybox true)")" runc
    docker stop -t 0 web own
    docker start own
    run docker start web
    [ "$status" -ne 0 ]
    expect_text 'unknown or invalid runtime name: more'
    reload "{$more}"
    docker start web
    same "$(docker exec web echo again)" again
}

@test "a pull goes on with what it began with, the next one takes what is new" {
    local fault host
    host=$(registry_host fault)
    reload "{\"registry-mirrors\": [\"http://$host\"]}"
    fault=$(registry_requests fault 'GET /v2/slow/.*/blobs/')
    in_bg pull docker pull slow/busybox
    is_asked() { [ "$(registry_requests fault 'GET /v2/slow/.*/blobs/')" -gt "$fault" ]; }
    wait_until 20 is_asked
    # Nothing of it is left for the pull that is under way to use.
    reload '{"registry-mirrors": ["http://127.0.0.1:1"], "max-concurrent-downloads": 1, "max-download-attempts": 1}'
    wait "$BG" || fail "$(cat "$BATS_TEST_TMPDIR/pull.err")"
    ok docker images -q slow/busybox
    expect_match '^[0-9a-f]{12}$'
    docker rmi slow/busybox
    fault=$(registry_requests fault 'GET /v2/plain/')
    run docker pull plain/busybox
    [ "$status" -ne 0 ]
    same "$(registry_requests fault 'GET /v2/plain/')" "$fault"
    reload "{\"registry-mirrors\": [\"http://$host\"]}"
    ok docker pull plain/busybox
    docker rmi plain/busybox
}

@test "a registry becomes insecure, and secure again" {
    local address host
    address=$(ip -4 -o addr show "$E_BRIDGE" | awk '{ sub("/.*", "", $4); print $4 }')
    registry_start hub --address "$address"
    host=$(registry_host hub)
    registry_seed hub busybox
    run docker pull "$host/library/busybox"
    [ "$status" -ne 0 ]
    reload "{\"insecure-registries\": [\"$address/32\"]}"
    ok docker pull "$host/library/busybox"
    docker rmi "$host/library/busybox"
    reload '{"insecure-registries": []}'
    run docker pull "$host/library/busybox"
    [ "$status" -ne 0 ]
    registry_kill hub
}

@test "the firewall's table is looked after, whatever the file says" {
    dhow_only 'leaves it'
    local table
    docker run -d --name web -p 127.0.0.1::80 busybox sleep 1000
    table=$(nft list tables | awk -v b="$E_BRIDGE" '$3 == b || $3 == "dhow-" b { print $3 }')
    # What is added is not noticed by itself.
    nft add element inet "$table" ports '{ tcp . 9 : 10.0.0.9 . 9 }'
    sleep 0.2
    nft list map inet "$table" ports | grep -q 10.0.0.9
    hup '{'
    gone() { ! nft list map inet "$table" ports | grep -q 10.0.0.9; }
    wait_until 10 gone
    wait_until 5 logged warn 'the firewall table was damaged'
    nft list map inet "$table" ports_on | grep -q 127.0.0.1
    reload '{}'
    same "$(new_log | grep -c firewall)" 0
    ok "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system check
}

@test "it is in force after an upgrade, and the signal is heard after one" {
    dhow_only 'has no such command'
    local pid
    upgrade() { "$BUILD/src/cli/dhow" -H "unix://$E_SOCK" system upgrade "$@"; }
    pid=$(daemon_pid)
    reload '{"labels": ["a=1"], "debug": true}'
    ok upgrade
    same "$(docker info --format '{{.Debug}} {{.Labels}}')" 'true [a=1]'
    reload '{"labels": ["b=2"]}'
    same "$(docker info --format '{{.Debug}} {{.Labels}}')" 'false [b=2]'
    # One that comes while it is replaced is not lost, and not the end.
    SINCE=$(date +%s.%N)
    in_bg upgrade upgrade
    # The next daemon may look at any moment: it must not see half of the file.
    printf '{"labels": ["c=3"]}' >"$E_DIR/daemon.json.new"
    mv "$E_DIR/daemon.json.new" "$E_DIR/daemon.json"
    kill -HUP "$pid"
    wait "$BG" || fail "the upgrade failed" "$(cat "$BATS_TEST_TMPDIR/upgrade" "$BATS_TEST_TMPDIR/upgrade.err")"
    has_c() { [ "$(docker info --format '{{.Labels}}')" = '[c=3]' ]; }
    wait_until 10 has_c
    wait_until 10 is_reloaded
    # With a file that it could not read it is not replaced.
    refused '{"labels": ["d=4"' 'unable to configure'
    run upgrade
    [ "$status" -ne 0 ]
    expect_text 'cannot take over'
    same "$(docker info --format '{{.Labels}}') $(daemon_pid)" "[c=3] $pid"
}

@test "systemd hears of it" {
    dhow_only 'does not tell'
    python3 - "$BUILD/src/daemon/dhowd" "$BATS_TEST_TMPDIR" "dt$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')" <<'END'
import os, signal, socket, subprocess, sys
dhowd, where, bridge = sys.argv[1:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.settimeout(60)
notify.bind(where + '/notify')
daemon = subprocess.Popen(
    [dhowd, '-H', 'unix://' + where + '/s', '--data-root', where + '/d', '--exec-root', where + '/r',
     '--pidfile', where + '/p', '--bridge', bridge], env={'NOTIFY_SOCKET': where + '/notify'},
    stderr=subprocess.DEVNULL)
hear = lambda: notify.recv(4096).decode().split('\n')
assert 'READY=1' in hear()
daemon.send_signal(signal.SIGHUP)
said = hear()
assert said[0] == 'RELOADING=1' and said[1].startswith('MONOTONIC_USEC='), said
assert 'READY=1' in hear()
daemon.terminate()
assert daemon.wait() == 0
END
}

@test "a storm of signals: nobody sees half of a file, and nothing grows" {
    local pid fds i stop=$BATS_TEST_TMPDIR/stop
    local one='{"labels": ["x=1"], "registry-mirrors": ["http://one"]}'
    local two='{"labels": ["x=2"], "registry-mirrors": ["http://two"]}'
    pid=$(daemon_pid)
    reload "$one"
    fds=$(find "/proc/$pid/fd" | wc -l)
    look() {
        until [ -e "$stop" ]; do
            docker info --format '{{.Labels}} {{.RegistryConfig.Mirrors}}'
        done
    }
    work() {
        until [ -e "$stop" ]; do
            docker run --rm busybox true || return 1
        done
    }
    in_bg look look
    local looking=$BG
    in_bg work work
    for ((i = 0; i < 150; i++)); do
        # As an editor does: never half a file.
        if ((i % 2)); then printf '%s' "$one"; else printf '%s' "$two"; fi >"$E_DIR/daemon.json.new"
        mv "$E_DIR/daemon.json.new" "$E_DIR/daemon.json"
        kill -HUP "$pid"
        sleep 0.02
    done
    touch "$stop"
    wait "$looking"
    wait "$BG" || fail "$(cat "$BATS_TEST_TMPDIR/work.err")"
    same "$(sort -u "$BATS_TEST_TMPDIR/look")" "[x=1] [http://one/]"$'\n'"[x=2] [http://two/]"
    reload "$one"
    same "$(docker info --format '{{.Labels}} {{.RegistryConfig.Mirrors}}')" '[x=1] [http://one/]'
    # The stocks of shims and namespaces come and go; one a signal would be 150.
    few_fds() { [ "$(find "/proc/$pid/fd" | wc -l)" -le $((fds + 20)) ]; }
    wait_until 10 few_fds || fail "descriptors: $fds before, now $(find "/proc/$pid/fd" | wc -l)"
}
