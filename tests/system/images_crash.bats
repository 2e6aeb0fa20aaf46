# The daemon is killed in the middle of a load, an rmi, a commit: the next one finds a store in order.

load ../lib/helpers

setup_file() {
    setup_engine busybox
    docker run --name made busybox sh -c 'dd if=/dev/urandom of=/big bs=1M count=24 2>/dev/null; mkdir /d; for i in $(seq 300); do echo $i >/d/$i; done'
    docker commit made crash:one >/dev/null
    docker save -o "$E_DIR/one.tar" crash:one
}

teardown_file() {
    remove_all
    teardown_engine
}

# All that is below the data root for images has a row, and every row has what it speaks of.
accounted() {
    local rows files
    rows=$(sqlite3 "$E_DIR/data/state.db" 'SELECT substr(chain_id, 8) FROM layers ORDER BY 1' 2>/dev/null) ||
        rows=$(python3 -c '
import sqlite3, sys
for r in sqlite3.connect(sys.argv[1]).execute("SELECT substr(chain_id, 8) FROM layers ORDER BY 1"): print(r[0])' "$E_DIR/data/state.db")
    files=$(find "$E_DIR/data/layers" -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort)
    same "$files" "$rows" || return 1
    same "$(find "$E_DIR/data/tmp" -mindepth 1)" "" || return 1
    rows=$(python3 -c '
import sqlite3, sys
for r in sqlite3.connect(sys.argv[1]).execute("SELECT substr(id, 8) FROM images ORDER BY 1"): print(r[0])' "$E_DIR/data/state.db")
    files=$(find "$E_DIR/data/blobs/sha256" -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort)
    same "$files" "$rows"
}

# struck MS COMMAND...: the command, and the daemon killed so many milliseconds later.
struck() {
    local ms=$1
    shift
    "$@" >/dev/null 2>&1 3>&- &
    local pid=$!
    sleep "$(printf '0.%03d' "$ms")"
    engine_signal KILL
    wait "$pid" 2>/dev/null || true
    engine_start
    accounted
}

points() {
    local i
    for ((i = 0; i < 7; i++)); do
        echo "$((RANDOM % ${1:-150} + 1))"
    done
}

@test "kill -9 during load" {
    dhow_only "it is our store that is looked into"
    local ms
    for ms in $(points); do
        docker rmi -f crash:one >/dev/null 2>&1 || true
        struck "$ms" docker load -i "$E_DIR/one.tar"
        docker load -i "$E_DIR/one.tar" >/dev/null
        same "$(docker run --rm crash:one sh -c 'ls /d | wc -l; stat -c %s /big')" $'300\n25165824'
    done
}

@test "kill -9 during rmi" {
    dhow_only "it is our store that is looked into"
    local ms
    for ms in $(points 30); do
        docker load -i "$E_DIR/one.tar" >/dev/null
        struck "$ms" docker rmi crash:one
        if docker image inspect crash:one >/dev/null 2>&1; then
            docker run --rm crash:one ls /d/300
            docker rmi crash:one >/dev/null
        fi
        run docker image inspect crash:one
        expect_status 1
        docker image prune -f >/dev/null
    done
}

@test "kill -9 during commit" {
    dhow_only "it is our store that is looked into"
    local ms
    for ms in $(points); do
        struck "$ms" docker commit made crash:two
        docker commit made crash:two >/dev/null
        same "$(docker run --rm crash:two sh -c 'ls /d | wc -l')" 300
        docker rmi -f crash:two >/dev/null
        docker image prune -f >/dev/null
    done
    accounted
}
