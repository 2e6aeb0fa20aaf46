# docker stats and its API: the table, one shot, streams, containers that do not run.

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

# sample QUERY NAME EXPRESSION: one answer of the API through python.
sample() {
    curl -sS --unix-socket "$E_SOCK" "http://localhost/containers/$2/stats?$1" |
        python3 -c "import json, sys; s = json.load(sys.stdin); print($3)"
}

@test "stats --no-stream: the table" {
    docker run -d --name web -m 64m --pids-limit 9 busybox sh -c 'sleep 1000 & echo ready; exec sleep 1000'
    wait_logs web ready
    run docker stats --no-stream
    expect_status 0
    same "$(head -n 1 <<<"$output" | tr -s ' ')" \
        'CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS'
    expect_match '^[0-9a-f]{12} +web +[0-9.]+% +[0-9.]+[KM]iB / 64MiB +[0-9.]+% +[0-9.]+k?B / [0-9.]+k?B +.* 2 *$'
    same "$(wc -l <<<"$output")" 2
    docker stop -t 0 web
    run docker stats --no-stream
    same "$(wc -l <<<"$output")" 1
    run docker stats --no-stream -a
    expect_match '^[0-9a-f]{12} +web +0\.00% +0B / 0B +0\.00% +0B / 0B +0B / 0B +0 *$'
}

@test "stats --format: templates, table, json; --no-trunc; one that is not there" {
    local id
    id=$(docker run -d --name web -m 64m busybox sleep 1000)
    ok docker stats --no-stream --format '{{.Name}} {{.PIDs}} {{.ID}}' web
    expect_output "web 1 ${id:0:12}"
    ok docker stats --no-stream --no-trunc --format '{{.ID}}' web
    expect_output "$id"
    ok docker stats --no-stream --format 'table {{.Name}}\t{{.PIDs}}' web
    same "$(tr -s ' ' <<<"$output" | sed 's/ $//')" $'NAME PIDS\nweb 1'
    if modern_cli; then
        ok docker stats --no-stream --format json web
        python3 -c 'import json, sys
row = json.loads(sys.argv[1])
assert sorted(row) == ["BlockIO", "CPUPerc", "Container", "ID", "MemPerc", "MemUsage", "Name", "NetIO", "PIDs"], row
assert row["Name"] == "web" and row["MemUsage"].endswith(" / 64MiB"), row' "$output"
    fi
    run docker stats --no-stream nosuch
    expect_status 1
    expect_text 'No such container: nosuch'
}

@test "stats streams: rows come and go with their containers" {
    in_bg table docker stats --format '{{.Name}} {{.CPUPerc}} {{.PIDs}}'
    local stats=$BG
    docker run -d --name first --net none busybox sh -c 'while :; do :; done' >/dev/null
    wait_until 10 file_has "$BATS_TEST_TMPDIR/table" '^first [1-9][0-9.]*% 1'
    docker run -d --name second --net none busybox sleep 1000 >/dev/null
    wait_until 10 file_has "$BATS_TEST_TMPDIR/table" '^second '
    docker rm -f first >/dev/null
    gone() { : >"$BATS_TEST_TMPDIR/table"; wait_until 5 file_has "$BATS_TEST_TMPDIR/table" '^second ' && ! file_has "$BATS_TEST_TMPDIR/table" '^first '; }
    wait_until 10 gone
    kill -TERM "$stats"
    wait "$stats" || true
}

@test "the API: one shot has no earlier sample, one sample has, a stream goes on" {
    docker run -d --name web --net none -m 64m --pids-limit 9 busybox sh -c 'while :; do :; done' >/dev/null
    same "$(sample 'stream=0&one-shot=1' web 's["precpu_stats"]["cpu_usage"]["total_usage"], s["preread"]')" \
        "0 0001-01-01T00:00:00Z"
    ok sample stream=0 web 's["cpu_stats"]["cpu_usage"]["total_usage"] > s["precpu_stats"]["cpu_usage"]["total_usage"] > 0,
        s["cpu_stats"]["system_cpu_usage"] > s["precpu_stats"]["system_cpu_usage"] > 0, s["read"] > s["preread"] > "2000",
        s["memory_stats"]["limit"], s["memory_stats"]["usage"] > 0, s["pids_stats"], s["name"], s["cpu_stats"]["online_cpus"] > 0'
    expect_output "True True True 67108864 True {'current': 1, 'limit': 9} /web True"
    # The second of a stream knows the first.
    curl -sSN --unix-socket "$E_SOCK" --max-time 100 "http://localhost/containers/web/stats" 2>/dev/null | head -n 2 |
        python3 -c 'import json, sys
one, two = map(json.loads, sys.stdin)
assert two["preread"] == one["read"] and two["precpu_stats"]["cpu_usage"] == one["cpu_stats"]["cpu_usage"]'
    ok api GET '/containers/web/stats?stream=1&one-shot=1'
    expect_line 400
    ok api GET '/containers/nosuch/stats?stream=0'
    expect_line 404
}

@test "what the API says of memory, block devices and interfaces" {
    docker run -d --name web -m 64m busybox sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=10 2>/dev/null; echo ready; sleep 1000' >/dev/null
    wait_logs web ready
    ok sample 'stream=0&one-shot=1' web '10 << 20 <= s["memory_stats"]["usage"] < 64 << 20,
        "total_inactive_file" in s["memory_stats"]["stats"] or "inactive_file" in s["memory_stats"]["stats"],
        sorted(s["networks"]), sorted(s["blkio_stats"])[0], "throttling_data" in s["cpu_stats"]'
    expect_output "True True ['eth0'] io_merged_recursive True"
    # Throttled: what the limit has taken away is counted.
    docker run -d --name slow --net none --cpus 0.1 busybox sh -c 'while :; do :; done' >/dev/null
    throttled() { [ "$(sample 'stream=0&one-shot=1' slow 's["cpu_stats"]["throttling_data"]["throttled_periods"] > 0')" = True ]; }
    wait_until 10 throttled
}

@test "one that does not run: zeros" {
    docker create --name web busybox true
    ok sample stream=0 web 's["cpu_stats"]["cpu_usage"]["total_usage"], s["memory_stats"], s["pids_stats"], s["read"], s["name"]'
    expect_output "0 {} {} 0001-01-01T00:00:00Z /web"
    ok docker stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}' web
    expect_output 'web 0.00% 0B / 0B 0'
}
