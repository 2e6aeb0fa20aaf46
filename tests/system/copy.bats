# docker cp, both ways, and what a hostile container can do about it.

load ../lib/helpers

setup_file() {
    setup_engine busybox
}

teardown_file() {
    teardown_engine
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir -p local/sub
    echo l >local/file
    ln -s file local/link
}

teardown() {
    remove_all
    assert_nothing_left
}

container() {
    docker run -d --name cont busybox sh -c 'mkdir -p /src/sub; echo f >/src/f; ln -s f /src/l; ln -s /src /to-src
        ln /src/f /src/h; chown 12:34 /src/f; chmod 751 /src/f; touch -d "2001-02-03 04:05:06" /src/f; : >/done; sleep 1000'
    wait_until 5 docker exec cont test -e /done
    [ "$1" = running ] || docker kill cont
}

copies() {
    container "$1"
    # Out: new name, into a directory, contents only, a link as itself and followed.
    docker cp cont:/src new
    docker cp cont:/src .
    docker cp cont:/src/. local/sub
    docker cp cont:/to-src link
    docker cp -L cont:/to-src followed
    same "$(cat new/f src/f local/sub/f followed/f)" $'f\nf\nf\nf'
    same "$(readlink link)" /src
    same "$(readlink new/l)" f
    same "$(stat -c '%a %Y %h' new/f)" "751 $(date -d '2001-02-03 04:05:06' +%s) 2"
    docker cp -a cont:/src/f owned
    same "$(stat -c %u:%g owned)" 12:34
    # In.
    docker cp local cont:/in
    docker cp local cont:/src
    docker cp local/file cont:/src/f
    docker cp local/. cont:/to-src
    tar -cf - local | docker cp - cont:/tmp
    ok sh -c 'docker cp cont:/ - | tar -tf -'
    expect_match '^/?in/file$'
    expect_match '^/?in/sub/l$'
    expect_match '^/?src/local/file$'
    expect_match '^/?src/link$'
    expect_match '^/?tmp/local/link$'
    same "$(docker cp cont:/src/f - | tar -xOf -)" l
}

@test "cp out of and into a running container" {
    copies running
    same "$(docker exec cont cat /in/file /src/f)" $'l\nl'
}

@test "cp out of and into a stopped container; it starts with what was copied" {
    copies stopped
    docker start cont
    wait_until 5 docker exec cont test -e /in/file
}

@test "cp refuses as docker does" {
    container running
    mkdir dir
    local words error
    while IFS='|' read -r words error; do
        # shellcheck disable=SC2086
        run --separate-stderr docker cp $words
        expect_status 1
        expect_error "$error"
    done <<'END'
cont:/nosuch .|Could not find the file /nosuch in container cont
nosuch cont:/|nosuch: no such file or directory
cont:/src/f nosuch/|no such directory
cont:/src local/file|cannot copy directory
local cont:/src/f|cannot copy directory
local/file cont:/nosuch/|no such directory
local/file local/file|must specify at least one container source
cont:/src cont:/x|copying between containers is not supported
END
    run --separate-stderr docker cp local/file nosuch:/x
    expect_status 1
}

@test "cp to a volume goes there, to a read-only one not" {
    mkdir vol ro
    docker run -d --name cont -v "$PWD/vol:/vol" -v "$PWD/ro:/ro:ro" busybox sleep 1000
    docker cp local/file cont:/vol/one
    same "$(cat vol/one)" l
    run --separate-stderr docker cp local/file cont:/ro/one
    expect_status 1
    [ ! -e ro/one ]
    docker kill cont
    docker cp local/file cont:/vol/two
    same "$(cat vol/two)" l
    run --separate-stderr docker cp local/file cont:/ro/one
    expect_status 1
    [ ! -e ro/one ]
}

@test "a container cannot lead cp out with links (CVE-2018-15664)" {
    mkdir outside
    docker run -d --name cont busybox sh -c "
        mkdir -p $PWD /real; ln -s /real /door
        while :; do ln -sfn / /door; ln -sfn ../../../../../../../.. /door; ln -sfn /real /door; done"
    local i
    for ((i = 0; i < 40; i++)); do
        docker cp local/file "cont:/door/$PWD/outside/evil" 2>/dev/null || true
        docker cp local/file cont:/door/etc/dhow-evil 2>/dev/null || true
        docker cp cont:/door/etc/passwd got 2>/dev/null || true
        [ ! -e got ] || ! grep -q "$(hostname)\|systemd\|_apt" got || fail "the host's file came out"
    done
    same "$(ls -A outside)" ""
    [ ! -e /etc/dhow-evil ]
}

@test "cp runs nothing of the container (CVE-2019-14271)" {
    # A library of the container that a daemon in its root would load.
    docker run -d --name cont busybox sh -c "
        mkdir -p /lib/x86_64-linux-gnu /etc; echo 'passwd: files evil' >/etc/nsswitch.conf
        printf '#!/bin/sh\necho ran >/ran\n' >/lib/x86_64-linux-gnu/libnss_files.so.2
        cp /lib/x86_64-linux-gnu/libnss_files.so.2 /bin/tar; chmod +x /bin/tar; : >/done; sleep 1000"
    wait_until 5 docker exec cont test -e /done
    docker cp cont:/etc got
    docker cp local cont:/in
    run docker exec cont ls /ran
    expect_status 1
}

@test "an archive's names stay in the container" {
    container running
    python3 - >evil.tar <<'END'
import io, sys, tarfile
out = io.BytesIO()
with tarfile.open(fileobj=out, mode="w") as t:
    def link(name, to):
        i = tarfile.TarInfo(name); i.type = tarfile.SYMTYPE; i.linkname = to; t.addfile(i)
    def put(name, data=b"evil\n"):
        i = tarfile.TarInfo(name); i.size = len(data); t.addfile(i, io.BytesIO(data))
    link("abs", "/etc")
    put("abs/dhow-evil")
    link("up", "../" * 12 + "etc")
    put("up/dhow-evil-up")
sys.stdout.buffer.write(out.getvalue())
END
    docker cp - cont:/tmp <evil.tar || true
    [ ! -e /etc/dhow-evil ] && [ ! -e /etc/dhow-evil-up ]
    python3 -c '
import io, sys, tarfile
t = tarfile.open(fileobj=sys.stdout.buffer, mode="w|")
i = tarfile.TarInfo("../../../../../../etc/dhow-evil-dots"); t.addfile(i); t.close()' >dots.tar
    run docker cp - cont:/tmp <dots.tar
    [ ! -e /etc/dhow-evil-dots ]
    same "$(docker exec cont sh -c 'ls /sbin/dhow* 2>/dev/null')" ""
}

@test "commit pauses a running container, and not with --pause=false" {
    container running
    ok docker commit cont committed
    is_state cont running
    ok docker commit --pause=false cont committed
    same "$(docker run --rm committed cat /src/f)" f
    ok docker events --since 1h --until "$(($(date +%s) + 1))" --filter event=pause --filter event=commit --format '{{.Action}}'
    same "$(grep -c commit <<<"$output") $(grep -c pause <<<"$output")" '2 1'
    docker rm -f cont
    docker image prune -f >/dev/null
    docker rmi committed >/dev/null
    docker image prune -f >/dev/null
}
