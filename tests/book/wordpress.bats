# WordPress, MySQL and the provisioning scripts: rows RO-01 to RO-20, ENV-04 to ENV-09, WPS, INIT-08 to INIT-15, scenarios
# SCN-04 to SCN-07 and SCN-10, images IMG-07, IMG-08, IMG-10, IMG-11. The images (see examples/README.md) are pulled
# under the book's names from a registry that stands for docker.io.

load ../lib/helpers

FARM=$BATS_TEST_DIRNAME/../../examples/wordpress-farm
WORDPRESS=wordpress:5.0.0-php7.2-apache

setup_file() {
    local mirror image
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    mirror=$("$ROOT/examples/images/registry" start "$E_DIR/registry") || return 1
    engine_start --registry-mirror "$mirror" || return 1
    for image in busybox:1.29 dockerinaction/ch2_mailer dockerinaction/ch2_agent mysql:5.7 mysql:5 \
        "$WORDPRESS" wordpress:4; do
        docker pull -q "$image" || return 1
    done
    baseline
}

teardown_file() {
    "$ROOT/examples/images/registry" stop "$E_DIR/registry"
    teardown_engine
}

teardown() {
    local ids
    ids=$(docker ps -aq)
    # shellcheck disable=SC2086
    [ -z "$ids" ] || docker rm -vf $ids >/dev/null
}

# host_port CONTAINER: the port of the host that its port 80 is published on.
host_port() {
    docker port "$1" 80 | sed -n '1s/.*://p'
}

site() {
    printf 'http://127.0.0.1:%s' "$(host_port "$1")"
}

answers_with() {
    curl -fsSL --max-time 10 "$1/" 2>/dev/null | grep -qF -- "$2"
}

# expect_page ADDRESS TEXT: status 200 and that text, after redirections, within a minute.
expect_page() {
    wait_until 60 answers_with "$1" "$2" || fail "$1 does not show: $2" "$(curl -sSL "$1/" 2>&1 | head -n 20)"
}

expect_installation() {
    expect_page "$1" '<title>WordPress &rsaquo; Installation</title>'
}

# install_site ADDRESS TITLE: fills in WordPress' form of five minutes.
install_site() {
    curl -fsS -o "$BATS_TEST_TMPDIR/installed" "$1/wp-admin/install.php?step=2" --data-urlencode "weblog_title=$2" \
        -d user_name=admin -d admin_password=MeowMix42 -d admin_password2=MeowMix42 -d pw_weak=on \
        -d admin_email=admin@work.invalid -d blog_public=0 -d language= -d Submit=Install
    file_has "$BATS_TEST_TMPDIR/installed" 'WordPress has been installed' || fail "$(cat "$BATS_TEST_TMPDIR/installed")"
}

# publish ADDRESS TITLE: logs in and writes a post.
publish() {
    local jar=$BATS_TEST_TMPDIR/cookies nonce
    curl -fsS -o /dev/null -c "$jar" -b 'wordpress_test_cookie=WP%20Cookie%20check' -d log=admin -d pwd=MeowMix42 \
        -d testcookie=1 "$1/wp-login.php"
    nonce=$(curl -fsS -b "$jar" "$1/wp-admin/admin-ajax.php?action=rest-nonce")
    curl -fsS -o /dev/null -b "$jar" -H "X-WP-Nonce: $nonce" --data-urlencode "title=$2" -d content=Words \
        -d status=publish "$1/?rest_route=/wp/v2/posts"
}

databases() {
    docker exec -e MYSQL_PWD=ch2demo "$1" mysql -Ne 'SHOW DATABASES'
}

provision() {
    CLIENT_ID=$1 "$FARM/start-wp-for-client.sh"
}

@test "RO-01 to RO-11 RO-19 RO-20 SCN-04: WordPress with a read-only root" {
    docker run -d --name wp --read-only $WORDPRESS
    wait_state wp exited
    same "$(docker inspect --format "{{.State.Running}}" wp)" false
    [ "$(docker inspect wp | head -c 1)" = '[' ]
    ok docker logs wp
    expect_line 'WordPress not found in /var/www/html - copying now...'
    expect_line 'Complete! WordPress has been successfully copied to /var/www/html'
    expect_match 'Fatal Error Unable to create lock file: '

    docker run -d --name wp_writable $WORDPRESS
    wait_logs wp_writable 'AH00094: Command line'
    if built docker container diff wp_writable; then
        same "$(sort <<<"$output")" $'A /run/apache2/apache2.pid\nC /run\nC /run/apache2'
        same "$(docker diff wp_writable)" "$output"
    fi

    docker run -d --name wp2 --read-only -v /run/apache2/ --tmpfs /tmp $WORDPRESS
    wait_logs wp2 'AH00094: Command line'
    ok docker logs wp2
    expect_line 'WordPress not found in /var/www/html - copying now...'
    expect_line 'Complete! WordPress has been successfully copied to /var/www/html'
    expect_match '\[mpm_prefork:notice\] \[pid 1(:tid 1)?\] AH00163: Apache/2\.4\.[0-9]+ \(Debian\).* configured -- resuming normal'
    expect_match "\[core:notice\] \[pid 1(:tid 1)?\] AH00094: Command line: 'apache2 -D FOREGROUND'"
    run docker exec wp2 touch /etc/specialised
    expect_match 'Read-only file system'
    ok docker exec wp2 touch /tmp/x /run/apache2/x /var/www/html/x
}

@test "RO-12 RO-14 RO-15 SCN-04: a database, linked to a read-only WordPress on port 8000" {
    docker run -d --name wpdb -e MYSQL_ROOT_PASSWORD=ch2demo mysql:5.7
    docker run -d --name wp3 --link wpdb:mysql -p 8000:80 --read-only -v /run/apache2/ --tmpfs /tmp $WORDPRESS
    same "$(docker inspect --format "{{.State.Running}}" wp3)" true
    expect_installation http://127.0.0.1:8000
    same "$(docker inspect --format "{{.State.Running}}" wp3)" true
    ok databases wpdb
    expect_line wordpress
}

@test "RO-03 RO-07 RO-13 RO-16 RO-17 RO-18 SCN-05: the first edition's WordPress fails three times, then runs" {
    docker run -d --name wp --read-only wordpress:4
    wait_state wp exited
    same "$(docker inspect --format "{{.State.Running}}" wp)" false
    ok docker logs wp
    expect_line 'error: missing WORDPRESS_DB_HOST and MYSQL_PORT_3306_TCP environment variables'
    expect_text 'Did you forget to --link some_mysql_container:mysql or set an external db'
    expect_text 'with -e WORDPRESS_DB_HOST=hostname:port?'

    docker run -d --name wpdb -e MYSQL_ROOT_PASSWORD=ch2demo mysql:5
    docker run -d --name wp2 --link wpdb:mysql -p 80 --read-only wordpress:4
    wait_state wp2 exited 60
    same "$(docker inspect --format "{{.State.Running}}" wp2)" false
    ok docker logs wp2
    expect_match "Read-only file system: AH00023: Couldn't create the rewrite-map mutex \(file /var/lock/apache2/rewrite-map\.1\)"

    docker run -d --name wp3 --link wpdb:mysql -p 80 -v /run/lock/apache2/ -v /run/apache2/ --read-only wordpress:4
    expect_installation "$(site wp3)"
}

@test "ENV-04 to ENV-09: what WordPress is told by its environment" {
    local id key
    id=$(docker create --env WORDPRESS_DB_HOST=db.example.invalid $WORDPRESS)
    is_state "$id" created
    id=$(docker create --env WORDPRESS_DB_HOST=db.example.invalid --env WORDPRESS_DB_USER=site_admin \
        --env WORDPRESS_DB_PASSWORD=MeowMix42 $WORDPRESS)
    ok docker inspect -f '{{json .Config.Env}}' "$id"
    # The docker CLI keeps them in a map: their order differs from one time to the next.
    expect_text '"WORDPRESS_DB_USER=site_admin"'
    expect_text '"WORDPRESS_DB_PASSWORD=MeowMix42"'

    docker run -d --name wpdb -e MYSQL_ROOT_PASSWORD=ch2demo mysql:5.7
    docker run -d --name elsewhere -e MYSQL_RANDOM_ROOT_PASSWORD=1 -e MYSQL_DATABASE=first -e MYSQL_USER=site_admin \
        -e MYSQL_PASSWORD=MeowMix42 mysql:5.7
    docker create --name wp_a --link wpdb:mysql -e WORDPRESS_DB_NAME=client_a_wp -p 80 \
        -e WORDPRESS_AUTH_KEY=chosen $WORDPRESS
    docker create --name wp_b --link wpdb:mysql -e WORDPRESS_DB_NAME=client_b_wp -p 80 wordpress:4
    # An own user, who may use this database only.
    docker create --name wp_c --link elsewhere:elsewhere -e WORDPRESS_DB_HOST=elsewhere:3306 -e WORDPRESS_DB_NAME=first \
        -e WORDPRESS_DB_USER=site_admin -e WORDPRESS_DB_PASSWORD=MeowMix42 -p 80 $WORDPRESS
    docker start wp_a wp_b wp_c
    for id in wp_a wp_b wp_c; do
        expect_installation "$(site "$id")"
    done
    ok databases wpdb
    expect_line client_a_wp
    expect_line client_b_wp
    cat >"$BATS_TEST_TMPDIR/show.php" <<-'END'
	<?php define('SHORTINIT', true);
	require '/var/www/html/wp-config.php';
	foreach (['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT',
	    'LOGGED_IN_SALT', 'NONCE_SALT'] as $name)
	    echo "$name=", constant($name), "\n";
	END
    # exec knows the container's environment, not what the entrypoint has made of it.
    ok docker exec -e WORDPRESS_DB_HOST=mysql -e WORDPRESS_DB_USER=root -e WORDPRESS_DB_PASSWORD=ch2demo -i wp_a php <"$BATS_TEST_TMPDIR/show.php"
    expect_line AUTH_KEY=chosen
    for key in SECURE_AUTH_KEY LOGGED_IN_KEY NONCE_KEY AUTH_SALT SECURE_AUTH_SALT LOGGED_IN_SALT NONCE_SALT; do
        expect_match "^$key=[0-9a-f]{64}\$"
    done
}

@test "IMG-07 IMG-08 IMG-10 IMG-11: what the images of WordPress and MySQL declare, and what they refuse" {
    same "$(docker image inspect -f '{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{json .Config.Volumes}}' $WORDPRESS)" \
        '["docker-entrypoint.sh"] ["apache2-foreground"] {"/var/www/html":{}}'
    same "$(docker image inspect -f '{{json .Config.ExposedPorts}} {{json .Config.Volumes}}' mysql:5.7)" \
        '{"3306/tcp":{}} {"/var/lib/mysql":{}}'
    run docker run --rm mysql:5.7
    expect_status 1
    expect_text 'Database is uninitialized and password option is not specified'
    expect_text 'You need to specify one of MYSQL_ROOT_PASSWORD, MYSQL_ALLOW_EMPTY_PASSWORD and MYSQL_RANDOM_ROOT_PASSWORD'
    run docker run --rm -e WORDPRESS_DB_HOST=nowhere $WORDPRESS
    expect_status 1
    expect_text 'error: missing required WORDPRESS_DB_PASSWORD environment variable'
    docker run -d --name empty -e MYSQL_ALLOW_EMPTY_PASSWORD=yes mysql:5
    wait_logs empty 'port: 3306' 60
    same "$(docker exec empty mysql -Ne 'SELECT 1')" 1
}

@test "INIT-08 INIT-10 to INIT-15 SCN-10: a start-up script, and another entry point" {
    ok docker run --rm $WORDPRESS cat /usr/local/bin/docker-entrypoint.sh
    expect_line '#!/bin/bash'
    expect_text 'WordPress not found in $PWD - copying now...'
    run docker run --rm wordpress:4 cat /entrypoint.sh
    expect_status 1
    expect_line 'error: missing WORDPRESS_DB_HOST and MYSQL_PORT_3306_TCP environment variables'
    ok docker run --rm --entrypoint="cat" $WORDPRESS /usr/local/bin/docker-entrypoint.sh
    expect_line '#!/bin/bash'
    ok docker run --rm --entrypoint="cat" wordpress:4 /entrypoint.sh
    expect_line '#!/bin/sh'
}

@test "WPS-01 WPS-08 WPS-09 SCN-06: one client's system by script, twice" {
    local ids
    ok "$FARM/start-wp.sh"
    ok "$FARM/start-wp.sh"
    ok docker ps -q
    same "${#lines[@]}" 8
    # The newest four: agent, site, mailer, database.
    mapfile -t ids < <(docker ps -q --no-trunc)
    expect_installation "$(site "${ids[1]}")"
    expect_installation "$(site "${ids[5]}")"
    wait_logs "${ids[0]}" '^System up\.' 60
    wait_logs "${ids[4]}" '^System up\.' 60
    ok docker logs "${ids[2]}"
    expect_output 'CH2 Example Mailer has started.'
}

@test "WPS-02 WPS-04 WPS-06: the first edition's scripts" {
    local sql mailer wp agent client=first_edition
    sql=$(docker create -e MYSQL_ROOT_PASSWORD=ch2demo mysql:5)
    docker start "$sql"
    mailer=$(docker create dockerinaction/ch2_mailer)
    docker start "$mailer"
    wp=$(docker create --link "$sql":mysql --name wp_$client -p 80 -v /run/lock/apache2/ -v /run/apache2/ \
        -e WORDPRESS_DB_NAME=$client --read-only wordpress:4)
    docker start "$wp"
    agent=$(docker create --name agent_$client --link "$wp":insideweb --link "$mailer":insidemailer \
        dockerinaction/ch2_agent)
    docker start "$agent"
    expect_installation "$(site wp_$client)"
    wait_logs agent_$client '^System up\.' 60
}

@test "WPS-03 WPS-05 WPS-07 WPS-10 WPS-11 SCN-07: the farm, two clients" {
    local client before
    # shellcheck source=examples/wordpress-farm/start-shared.sh
    . "$FARM/start-shared.sh"
    run env -u CLIENT_ID "$FARM/start-wp-for-client.sh"
    expect_status 1
    expect_output 'Client ID not set'
    for client in dockerinaction another; do
        ok provision $client
        expect_installation "$(site wp_$client)"
        wait_logs agent_$client '^System up\.' 60
    done
    ok databases "$DB_CID"
    expect_line dockerinaction
    expect_line another
    [ "$(host_port wp_dockerinaction)" != "$(host_port wp_another)" ]

    # What is written is in the database: the container can go and come again.
    install_site "$(site wp_dockerinaction)" 'Docker in Action'
    publish "$(site wp_dockerinaction)" 'The farm is open'
    expect_page "$(site wp_dockerinaction)" 'The farm is open'
    docker rm -vf agent_dockerinaction wp_dockerinaction
    ok provision dockerinaction
    expect_page "$(site wp_dockerinaction)" 'The farm is open'
    expect_page "$(site wp_dockerinaction)" 'Docker in Action'
    wait_logs agent_dockerinaction '^System up\.' 60
    # The other client has nothing of that.
    expect_installation "$(site wp_another)"

    # A site comes back by itself. Its agent may have seen that it was away.
    same "$(docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' wp_dockerinaction)" always
    docker rm -f agent_dockerinaction
    # This takes its own exec with it.
    docker exec wp_dockerinaction kill 1 || true
    wait_until 30 restarted wp_dockerinaction
    expect_page "$(site wp_dockerinaction)" 'The farm is open'

    # A site that is stopped is reported; the other's agent stays content.
    docker run -d --name watcher --link wp_dockerinaction:insideweb --link "$MAILER_CID":insidemailer \
        dockerinaction/ch2_agent
    wait_logs watcher '^System up\.' 60
    docker stop wp_dockerinaction
    wait_logs "$MAILER_CID" '^Sending email: To: admin@work  Message: The service is down!' 20
    wait_state watcher exited
    is_state agent_another running

    # So does the database.
    same "$(docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' "$DB_CID")" always
    docker exec "$DB_CID" kill 1 || true
    wait_until 60 restarted "$DB_CID"
    expect_installation "$(site wp_another)"
    docker start wp_dockerinaction
    expect_page "$(site wp_dockerinaction)" 'The farm is open'
    # shellcheck disable=SC2046
    ok docker rm -vf $(docker ps -a -q)
    assert_nothing_left
    same "$(docker volume ls -q)" ''
}

restarted() {
    [ "$(docker inspect -f '{{.State.Status}} {{.RestartCount}}' "$1")" = 'running 1' ]
}
