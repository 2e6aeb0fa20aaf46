# PID namespace and exec: rows PID-01 to PID-13.

load ../lib/helpers

setup_file() {
    setup_engine busybox
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_all
}

@test "PID-01 PID-13: each container numbers its processes from 1; a shell may be PID 1" {
    ok docker run --rm busybox:1.29 sh -c 'echo $$; true'
    expect_output 1
    ok docker run --rm busybox:1.29 sh -c 'echo $$; true'
    expect_output 1
}

@test "PID-02 PID-03 PID-05 PID-07: namespaceA and namespaceB see only their own processes" {
    docker run -d --name namespaceA busybox:1.29 /bin/sh -c "sleep 30000"
    docker run -d --name namespaceB busybox:1.29 /bin/sh -c "nc -l 0.0.0.0 -p 80"
    wait_until 10 is_program namespaceA sleep 30000
    wait_until 10 is_program namespaceB nc -l 0.0.0.0 -p 80
    # Debian's busybox leaves the TIME column out, as the book's first edition had it.
    ok docker exec namespaceA ps
    expect_match '^PID +USER +(TIME +)?COMMAND$'
    expect_match '^ +1 root +(0:00 )?sleep 30000$'
    expect_match '^ +[0-9]+ root +(0:00 )?ps$'
    same "${#lines[@]}" 3
    ok docker exec namespaceB ps
    expect_match '^ +1 root +(0:00 )?nc -l 0\.0\.0\.0 -p 80$'
    expect_match '^ +[0-9]+ root +(0:00 )?ps$'
    same "${#lines[@]}" 3
}

@test "PID-02: the variants busybox and busybox:latest" {
    docker run -d --name namespaceA busybox /bin/sh -c "sleep 30000"
    docker run -d --name namespaceB busybox:latest /bin/sh -c "sleep 30000"
    same "$(docker ps -q | wc -l)" 2
}

@test "PID-04 PID-06 PID-08: the first edition's nc syntax (modern: nc -l -p 80)" {
    # `nc -l -p 0.0.0.0:80` was an old busybox's; today's says "bad port".
    docker run -d --name namespaceB busybox:latest /bin/sh -c "nc -l -p 80"
    wait_until 10 is_program namespaceB nc -l -p 80
    ok docker exec namespaceB ps
    expect_match '^ +1 root +(0:00 )?nc -l -p 80$'
}

@test "PID-09 PID-10: exec runs in the container's namespaces; nothing of others is seen or signalled" {
    local pid
    docker run -d --name aa busybox:1.29 sleep 30000
    docker run -d --name bb busybox:1.29 sleep 40000
    ok docker exec aa ps -o args
    expect_line 'sleep 30000'
    expect_no_match 'sleep 40000'
    pid=$(docker inspect -f '{{.State.Pid}}' bb)
    [ -d "/proc/$pid" ]
    run docker exec aa kill -9 "$pid"
    [ "$status" -ne 0 ]
    same "$(state bb)" running
    for ns in pid mnt uts ipc net; do
        [ "$(readlink "/proc/$pid/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ]
        same "$(docker exec bb readlink /proc/self/ns/$ns)" "$(readlink "/proc/$pid/ns/$ns")"
    done
}

@test "PID-11: PID 1 is the command every time" {
    local i
    for i in 1 2; do
        docker run -d --name "c$i" busybox:1.29 sleep 1234
        ok docker exec "c$i" cat /proc/1/cmdline
        same "$(printf '%s' "$output" | tr -d '\0')" sleep1234
    done 2>/dev/null
}

@test "PID-12: --pid host lists all processes of the computer" {
    ok docker run --pid host busybox:1.29 ps
    expect_match "^ *$$ "
    ok docker run --pid host busybox:latest ps -o pid,args
    expect_match "^ *$(cat "$E_PIDFILE") "
}
