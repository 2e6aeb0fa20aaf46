#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# From a container to the process that joins it: its program, its memory, its descriptors, its directory.

load ../lib/escapes

setup_file() {
    setup_escapes
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_hostile
    assert_nothing_left
}

# attack NAME ARGS...: a container that runs it, waiting.
attack() {
    local name=$1
    shift
    docker run -d --name "$name" --net none "$@" >/dev/null
    wait_logs "$name" waiting
}

# ---- CVE-2019-5736 ----

# Programs with sanitizers are dynamic, and their loader is not in the container: nothing is executed there.
needs_static() {
    ! ldd "$BUILD/src/shim/dhow-shim" 2>/dev/null | grep -q '=>' || skip "the programs are not static in this build"
}

@test "CVE-2019-5736: exec of /proc/self/exe does not give the runtime's program away" {
    dhow_only "overwrites runc if it can"
    needs_static
    local shim=$BUILD/src/shim/dhow-shim before i
    before=$(sha256sum "$shim")
    attack thief esc escape overwrite 120
    for ((i = 0; i < 400; i++)); do
        docker exec thief /proc/self/exe escape >/dev/null 2>&1 || true
        ! logs_have thief 'open for writing' || break
    done
    wait_logs thief 'open for writing' 30
    ok docker logs thief
    expect_line 'found the program of the runtime'
    # ETXTBSY: a shim runs. The runtime's test below is the one where none does.
    expect_match 'open for writing: (EROFS|EPERM|ETXTBSY)'
    same "$(sha256sum "$shim")" "$before"
}

@test "CVE-2019-5736: nor does a container whose first program is /proc/self/exe, or a script of it" {
    dhow_only "overwrites runc if it can"
    needs_static
    local shim=$BUILD/src/shim/dhow-shim before
    before=$(sha256sum "$shim")
    # Two containers that see each other: the one starts over and over, the other looks.
    LINKS='' hostile script 'printf "#!/proc/self/exe\n" >script; chmod 755 script'
    attack thief esc escape overwrite 120
    local i
    for ((i = 0; i < 200; i++)); do
        run timeout 60 docker run --rm --net none --pid container:thief --entrypoint /proc/self/exe esc x
        run timeout 60 docker run --rm --net none --pid container:thief --entrypoint /script script
        ! logs_have thief 'open for writing|nobody' || break
    done
    wait_logs thief 'open for writing' 25
    logs_have thief 'open for writing: (EROFS|EPERM|ETXTBSY)'
    same "$(sha256sum "$shim")" "$before"
    docker rm -f thief >/dev/null
}

@test "CVE-2019-5736: dhow-runtime's program is out of reach, and a copy of it that is not would be found" {
    dhow_only "the runtime is Dhow's"
    needs_static
    local dir=$E_DIR/oci rt=$E_DIR/oci/dhow-runtime before i
    mkdir -p "$dir/b/rootfs"
    tar -C "$dir/b/rootfs" -xf "$CACHE/images/busybox.tar"
    cp "$ESCAPE" "$dir/b/rootfs/bin/"
    cp "$BUILD/src/runtime/dhow-runtime" "$rt"
    "$rt" spec --bundle "$dir/b"
    python3 - "$dir/b/config.json" "dhow-escape-$$" <<'END'
import json, sys
c = json.load(open(sys.argv[1]))
c["process"].update(terminal=False, args=["escape", "overwrite", "120"])
c["linux"]["cgroupsPath"] = "/" + sys.argv[2]
json.dump(c, open(sys.argv[1], "w"))
END
    before=$(sha256sum "$rt")
    "$rt" --root "$dir/state" run -d --bundle "$dir/b" thief </dev/null >"$dir/out" 2>&1 3>&-
    wait_until 10 file_has "$dir/out" waiting
    for ((i = 0; i < 400; i++)); do
        "$rt" --root "$dir/state" exec thief /proc/self/exe --version >/dev/null 2>&1 || true
        ! file_has "$dir/out" 'open for writing' || break
    done
    wait_until 20 file_has "$dir/out" 'open for writing'
    "$rt" --root "$dir/state" delete --force thief
    run cat "$dir/out"
    expect_line 'found the program of the runtime'
    expect_match 'open for writing: (EROFS|EPERM)'
    same "$(sha256sum "$rt")" "$before"
}

@test "CVE-2019-5736: the init of --init cannot be written to" {
    run esc --init esc sh -c 'readlink /proc/1/exe; escape write /proc/1/exe "$(readlink /proc/1/exe)"'
    expect_match 'init'
    expect_no_match ': ok'
    same "$(grep -cE ': (EROFS|ETXTBSY)' <<<"$output")" 2
}

# ---- CVE-2016-9962 ----

@test "CVE-2016-9962: a process that joins can be neither traced nor read before it is the program" {
    local i
    docker run -d --name tracer --net none esc escape trace 8 >/dev/null
    wait_logs tracer waiting
    for ((i = 0; i < 200; i++)); do
        docker exec tracer true 2>/dev/null || break
    done
    wait_logs tracer 'memory:' 20
    ok docker logs tracer
    expect_line 'attempts: some'
    expect_match '^seize: (EPERM|EACCES)'
    expect_line 'descriptors: 0'
    expect_line 'memory: 0'
}

@test "a process of the container itself can be traced: the control of the one before" {
    run esc esc sh -c 'cp /bin/escape /tmp/prey; mkdir /a /b; /tmp/prey swap /a /b & escape trace 3; kill -9 $!'
    expect_line 'attempts: some'
    expect_line 'seize: ok'
    expect_match 'descriptors: [1-9]'
}

# ---- descriptors ----

# Reads "fd N: KIND" lines: nothing but 0, 1 and 2.
only_standard() {
    same "$(grep -o '^fd [0-9]*' <<<"$1" | sort -u | tr '\n' ' ')" 'fd 0 fd 1 fd 2 '
}

@test "descriptors: run, run -i, run -it, --init, exec, exec -i, exec -it" {
    local id
    only_standard "$(esc esc escape fds)"
    only_standard "$(esc -i esc escape fds </dev/zero)"
    only_standard "$(esc --init esc escape fds)"
    only_standard "$(esc --security-opt no-new-privileges --user 1000 esc escape fds)"
    only_standard "$(esc --privileged esc escape fds)"
    only_standard "$(esc --ipc host --pid host --uts host esc escape fds)"
    run "$ON_PTY" -- docker run --rm -it --net none esc escape fds
    only_standard "$(tr -d '\r' <<<"$output")"
    id=$(docker run -d --name open --net none -p 127.0.0.1::80 -v "$SECRET:/v" esc sleep 1000)
    only_standard "$(docker exec open escape fds)"
    only_standard "$(docker exec -i open escape fds </dev/zero)"
    only_standard "$(docker exec --privileged -u 1000 -w /v open escape fds)"
    run "$ON_PTY" -- docker exec -it open escape fds
    only_standard "$(tr -d '\r' <<<"$output")"
    # The control: a fourth one is seen.
    run docker exec "$id" sh -c 'exec 5</etc/passwd; escape fds'
    expect_line 'fd 5: file'
}

@test "descriptors: with published ports, of a health check, after a restart and after the daemon's" {
    docker run -d --name web -p 127.0.0.1::80 --health-cmd 'escape fds' --health-interval 1s esc \
        sh -c 'escape fds; sleep 1000' >/dev/null
    wait_logs web 'fd 2'
    only_standard "$(docker logs web 2>&1)"
    wait_until 20 checked
    only_standard "$(docker inspect -f '{{range .State.Health.Log}}{{.Output}}{{end}}' web)"
    docker restart -t 0 web >/dev/null
    wait_until 10 twice
    only_standard "$(docker logs web 2>&1)"
    docker rm -f web >/dev/null
    docker run -d --name auto --restart on-failure:2 --net none esc sh -c 'escape fds; exit 1' >/dev/null
    thrice() { is_state auto exited && [ "$(docker logs auto 2>&1 | grep -c 'fd 0')" = 3 ]; }
    wait_until 20 thrice
    only_standard "$(docker logs auto 2>&1)"
    docker rm -f auto >/dev/null
    [ "$DHOW_ENGINE" = dhow ] || return 0
    docker run -d --name lives --net none esc sleep 1000 >/dev/null
    engine_signal KILL
    engine_start
    only_standard "$(docker exec lives escape fds)"
    only_standard "$(docker exec -i lives escape fds </dev/zero)"
    docker restart -t 0 lives >/dev/null
    only_standard "$(docker exec lives escape fds)"
}

checked() {
    docker inspect -f '{{range .State.Health.Log}}{{.Output}}{{end}}' web | grep -q 'fd 2'
}

twice() {
    [ "$(docker logs web 2>&1 | grep -c 'fd 0')" = 2 ]
}

# ---- CVE-2024-21626 ----

@test "CVE-2024-21626: no working directory leads out through a descriptor" {
    local n
    docker run -d --name inner --net none esc sleep 1000 >/dev/null
    for n in {0..20}; do
        run docker exec -w "/proc/self/fd/$n" inner escape climb "$SECRET/secret"
        expect_no_match 'marker: ok'
        [ "$status" -ne 0 ] || { show_run; fail "the directory was taken"; }
    done
    for n in 3 4 5 6 7 8 9 10 11 12; do
        run timeout 60 docker run --rm --net none -w "/proc/self/fd/$n" esc escape climb "$SECRET/secret"
        expect_no_match 'marker: ok'
    done
    docker import -c 'WORKDIR /proc/self/fd/8' -c 'CMD ["sh"]' "$E_DIR/image.tar" wd >/dev/null
    run esc wd escape climb "$SECRET/secret"
    expect_no_match 'marker: ok'
    run esc esc sh -c 'ln -s /proc/self/fd/8 /door; cd /door 2>/dev/null; escape climb '"$SECRET/secret"
    expect_no_match 'marker: ok'
    docker exec inner ln -s /proc/self/fd/7/../../.. /door
    run docker exec -w /door inner escape climb "$SECRET/secret"
    expect_no_match 'marker: ok'
    # The control: from a directory that is out there, climbing finds it.
    (cd "$SECRET" && run "$ESCAPE" climb "$SECRET/secret" && expect_line 'marker: ok')
}
