# Read-only containers and their writable places: rows RO-*. What needs WordPress itself is tested with the farm.

load ../lib/helpers
load ../lib/volumes

setup_file() {
    setup_engine busybox nginx
    local dir
    # A stand-in for the book's Apache: it wants to write its PID below /run/apache2, a scratch file in /tmp
    # and its site into a VOLUME.
    dir=$(mktemp -d "$E_DIR/tree.XXXXXX")
    tree "$dir"
    mkdir -p "$dir/run/apache2" "$dir/run/lock/apache2" "$dir/var/www/html" "$dir/usr/src"
    echo 'the site' >"$dir/usr/src/index.php"
    cat >"$dir/bin/server" <<-'END'
	#!/bin/sh
	cp /usr/src/index.php /var/www/html/ || exit 1
	echo "Complete! The site has been copied to /var/www/html"
	touch /tmp/lock || { echo "Unable to create lock file"; exit 1; }
	echo $$ >/run/apache2/apache2.pid || exit 1
	echo "resuming normal operations"
	exec sleep 1000
	END
    chmod 755 "$dir/bin/server"
    import "$dir" wordpress:stand-in 'VOLUME /var/www/html' 'CMD ["server"]' 'EXPOSE 80' 'ENV PATH=/bin'
    baseline
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_volumes
    assert_nothing_left
    no_volumes
}

@test "RO-02 RO-04 RO-06: a read-only container whose program must write ends; its VOLUME is writable" {
    docker run -d --name wp --read-only wordpress:stand-in
    wait_state wp exited
    ok docker inspect --format '{{.State.Running}}' wp
    expect_output false
    ok docker logs wp
    expect_line 'Complete! The site has been copied to /var/www/html'
    expect_line 'Unable to create lock file'
}

@test "RO-04 RO-05: inspect with and without a format" {
    docker run -d --name wp --read-only busybox sleep 1000
    ok docker inspect --format '{{.State.Running}}' wp
    expect_output true
    ok docker inspect --format '{{.HostConfig.ReadonlyRootfs}}' wp
    expect_output true
    ok docker inspect wp
    python3 -c 'import json, sys; d = json.load(sys.stdin); assert d[0]["Name"] == "/wp"' <<<"$output"
}

@test "RO-08: the same image with a writable file system goes on running" {
    docker run -d --name wp_writable wordpress:stand-in
    wait_logs wp_writable 'resuming normal operations'
    same "$(state wp_writable)" running
}

@test "RO-09: what is written into a volume is no difference of the container" {
    docker run -d --name wp_writable wordpress:stand-in
    wait_logs wp_writable 'resuming normal operations'
    built docker container diff wp_writable || return 0
    expect_line 'A /run/apache2/apache2.pid'
    expect_no_match '/var/www/html/'
}

@test "RO-10 RO-11: -v PATH/ and --tmpfs PATH are writable holes in a read-only root" {
    docker run -d --name wp2 --read-only -v /run/apache2/ --tmpfs /tmp wordpress:stand-in
    wait_logs wp2 'resuming normal operations'
    same "$(state wp2)" running
    ok docker exec wp2 cat /run/apache2/apache2.pid
    expect_output 1
    ok docker exec wp2 grep ' /tmp ' /proc/mounts
    expect_match '^tmpfs /tmp tmpfs rw'
    ok docker inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{"\n"}}{{end}}' wp2
    expect_line 'volume /run/apache2 true'
    expect_line 'volume /var/www/html true'
    run docker exec wp2 touch /etc/x
    expect_text 'Read-only file system'
}

@test "RO-14 RO-15: a link, a port, a read-only root and holes at once" {
    docker run -d --name wpdb -e MYSQL_ROOT_PASSWORD=ch2demo busybox sleep 1000
    # nginx needs its own three places.
    docker run -d --name wp3 --link wpdb:mysql -p 127.0.0.1::80 --read-only -v /run/ --tmpfs /tmp \
        -v /var/lib/nginx -v /var/log/nginx nginx:latest
    ok docker inspect --format '{{.State.Running}}' wp3
    expect_output true
    wait_until 10 curl -sf -o /dev/null "http://$(docker port wp3 80)"
    ok docker exec wp3 grep mysql /etc/hosts
    ok docker exec wp3 env
    expect_line 'MYSQL_ENV_MYSQL_ROOT_PASSWORD=ch2demo'
}

@test "RO-18: two anonymous volumes" {
    docker run -d --name wp3 -p 80 -v /run/lock/apache2/ -v /run/apache2/ --tmpfs /tmp --read-only wordpress:stand-in
    wait_logs wp3 'resuming normal operations'
    same "$(state wp3)" running
    same "$(docker inspect -f '{{len .Mounts}}' wp3)" 3
}

@test "RO-19: the files of a read-only container cannot be changed" {
    docker run -d --name fixed --read-only busybox sleep 1000
    local file
    for file in /etc/passwd /etc/hosts /etc/resolv.conf /new; do
        run docker exec fixed sh -c "echo x >>$file"
        [ "$status" -ne 0 ]
        expect_text 'Read-only file system'
    done
}
