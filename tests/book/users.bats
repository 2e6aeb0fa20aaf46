# Users of containers and of their files: rows USR-*.

load ../lib/helpers
load ../lib/volumes

setup_file() {
    setup_engine busybox
    # The book's busybox of 2015: nobody is 99 there, and group default 1000.
    local dir applet
    dir=$(mktemp -d "$E_DIR/tree.XXXXXX")
    tree "$dir"
    for applet in awk chown sort tr; do
        ln -sf busybox "$dir/bin/$applet"
    done
    printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1:daemon:/usr/sbin:/bin/false \
        operator:x:37:37:Operator:/var:/bin/false nobody:x:99:99:nobody:/home:/bin/false >"$dir/etc/passwd"
    printf '%s\n' root:x:0: daemon:x:1: operator:x:37:operator users:x:100:operator,nobody nobody:x:99: \
        default:x:1000: >"$dir/etc/group"
    import "$dir" busybox:book 'CMD ["sh"]'
    import "$dir" worker:latest 'USER operator:default' 'CMD ["id"]'
    import "$dir" lost:latest 'USER nosuch' 'CMD ["id"]'
    docker tag busybox:latest ubuntu:latest
    rm -r "$dir"
    baseline
}

teardown_file() {
    teardown_engine
}

teardown() {
    assert_nothing_left
}

# told STATUS TEXT COMMAND...: fails so; the engines' words before it differ.
told() {
    local want=$1 text=$2
    shift 2
    run "$@"
    expect_status "$want"
    expect_text "$text"
}

@test "USR-01: a container's user 0 is not the host's when user namespaces are on" {
    dhow_only "it makes a user of the machine for that"
    engine_signal TERM
    engine_start --userns-remap=default
    docker run -d --name mapped busybox sleep 1000
    local pid
    pid=$(docker inspect -f '{{.State.Pid}}' mapped)
    same "$(docker exec mapped id -u)" 0
    [ "$(ps -o uid= -p "$pid")" -ge 65536 ] || fail "it is the host's user $(ps -o uid= -p "$pid")"
    docker rm -f mapped
    engine_signal TERM
    engine_start
}

@test "USR-02: docker run --rm busybox:latest awk -F: '\$0=\$1' /etc/passwd" {
    # shellcheck disable=SC2016
    ok docker run --rm busybox:book awk -F: '$0=$1' /etc/passwd
    expect_output $'root\ndaemon\noperator\nnobody'
    # shellcheck disable=SC2016
    ok docker run --rm busybox:latest awk -F: '$0=$1' /etc/passwd
    expect_line root
    expect_line nobody
}

@test "USR-03: docker run --rm --user nobody busybox:latest id" {
    ok docker run --rm --user nobody busybox:book id
    expect_match '^uid=99\(nobody\) gid=99\(nobody\)'
    ok docker run --rm --user nobody busybox:latest id
    expect_match '^uid=65534\(nobody\) gid=65534\(nobody\)'
    docker create --name later -u nobody busybox:book id
    ok docker start -a later
    expect_match '^uid=99\(nobody\) gid=99\(nobody\)'
    docker rm later
}

@test "USR-04: docker run --rm -u nobody:default busybox:latest id" {
    ok docker run --rm -u nobody:default busybox:book id
    expect_match '^uid=99\(nobody\) gid=1000\(default\)'
}

@test "USR-05: docker run --rm -u 10000:20000 busybox:latest id" {
    ok docker run --rm -u 10000:20000 busybox:latest id
    expect_match '^uid=10000 gid=20000'
}

@test "USR-03 USR-04 USR-05: every way to say who, with the groups and the home that go with it" {
    local who want groups="id -G | tr ' ' '\\n' | sort -n | tr '\\n' ' '"
    while read -r who want; do
        ok docker run --rm -u "$who" busybox:book sh -c "echo \$(id -u):\$(id -g) \$($groups) \$HOME"
        expect_output "$want"
    done <<-'END'
	operator 37:37 37 100 /var
	operator: 37:37 37 100 /var
	37 37:37 37 100 /var
	operator:1000 37:1000 1000 /var
	37:default 37:1000 1000 /var
	4242 4242:0 0 /
	4242:default 4242:1000 1000 /
	4242:4343 4242:4343 4343 /
	:default 0:1000 1000 /root
	END
    ok docker run --rm -u operator --group-add default --group-add 55 --group-add 55 busybox:book sh -c "$groups"
    expect_output '37 55 100 1000 '
    ok docker run --rm -u 1:2 --group-add users -e HOME=/else busybox:book sh -c "$groups; echo; echo \$HOME"
    expect_output $'2 100 \n/else'
    ok docker run --rm worker
    expect_match '^uid=37\(operator\) gid=1000\(default\)'
    ok docker run --rm -u root worker id -u
    expect_output 0
}

@test "USR-03 USR-04: users, groups and numbers that there are not" {
    told 125 'unable to find user nosuch: no matching entries in passwd file' \
        docker run --rm -u nosuch busybox:book true
    told 125 'unable to find group nosuch: no matching entries in group file' \
        docker run --rm -u root:nosuch busybox:book true
    told 125 'Unable to find group nosuch' docker run --rm --group-add nosuch busybox:book true
    told 125 'uids and gids must be in range 0-2147483647' docker run --rm -u 2147483648 busybox:book true
    told 125 'uids and gids must be in range 0-2147483647' docker run --rm -u 0:2147483648 busybox:book true
    told 125 'unable to find user nosuch: no matching entries in passwd file' docker run --rm lost
    docker create --name lost lost >/dev/null
    told 1 'unable to find user nosuch' docker start lost
    docker rm lost
}

@test "USR-03 USR-05: exec -u" {
    docker run -d --name at -u operator --group-add 55 busybox:book sleep 1000
    local say="echo \$(id -u):\$(id -g) \$(id -G | tr ' ' '\\n' | sort -n) \$HOME"
    same "$(docker exec at sh -c "$say")" '37:37 37 55 100 /var'
    same "$(docker exec -u 0 at sh -c "$say")" '0:0 0 55 /root'
    same "$(docker exec -u nobody:default at sh -c "$say")" '99:1000 55 1000 /home'
    same "$(docker exec -u 10000:20000 at sh -c "$say")" '10000:20000 55 20000 /'
    run docker exec -u nosuch at true
    expect_match 'unable to find user nosuch: no matching entries in passwd file'
    [ "$status" -ne 0 ]
    docker rm -f at
}

@test "USR-06: what one user of a shared volume may not read, another does" {
    docker volume create shared
    docker run --rm -v shared:/s busybox sh -c 'mkdir /s/d; echo secret >/s/d/f; chown -R 1001:1001 /s/d; chmod 700 /s/d'
    ok docker run --rm -u 1001 -v shared:/s busybox cat /s/d/f
    expect_output secret
    run docker run --rm -u 1002 -v shared:/s busybox cat /s/d/f
    expect_status 1
    expect_match '[Pp]ermission denied'
    docker volume rm shared
}

@test "USR-07 USR-08 SCN-27: a bind mount written by UID 2000 of two containers" {
    local dir=$E_DIR/logFiles
    mkdir "$dir"
    chown 2000:2000 "$dir"
    ok docker run --rm -v "$dir":/logFiles -u 2000:2000 ubuntu:latest /bin/sh -c \
        "echo This is important info > /logFiles/important.log"
    same "$(stat -c %u:%g "$dir/important.log")" 2000:2000
    ok docker run --rm -v "$dir":/logFiles -u 2000:2000 ubuntu:latest /bin/sh -c \
        "echo More info >> /logFiles/important.log"
    same "$(cat "$dir/important.log")" $'This is important info\nMore info'
    same "$(stat -c %u:%g "$dir/important.log")" 2000:2000
    rm -r "$dir"
}
