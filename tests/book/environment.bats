# Variables injected into containers: rows ENV-*, WPS-05 to WPS-07.

load ../lib/helpers
load ../lib/volumes

setup_file() {
    setup_engine busybox
    local dir
    dir=$(mktemp -d "$E_DIR/tree.XXXXXX")
    tree "$dir"
    import "$dir" wordpress:5.0.0-php7.2-apache 'ENV WORDPRESS_DB_NAME=wordpress KEPT=image' \
        'CMD ["sleep", "1000"]' 'EXPOSE 80' 'VOLUME /var/www/html'
    docker tag busybox mysql:5.7
    baseline
}

teardown_file() {
    teardown_engine
}

teardown() {
    remove_volumes
    assert_nothing_left
}

@test "ENV-01: --env" {
    ok docker run --rm --env MY_ENVIRONMENT_VAR="this is a test" busybox:1.29 env
    expect_line 'MY_ENVIRONMENT_VAR=this is a test'
    expect_match '^PATH='
    expect_match '^HOSTNAME=[0-9a-f]{12}$'
    expect_line 'HOME=/root'
    ok docker run --rm --env MY_ENVIRONMENT_VAR="this is a test" busybox:latest env
    expect_line 'MY_ENVIRONMENT_VAR=this is a test'
}

@test "ENV-02: the image's and Docker's own values are overridden, the last of a name counts" {
    ok docker run --rm -e WORDPRESS_DB_NAME=mine -e HOME=/elsewhere -e HOSTNAME=other -e TWICE=1 -e TWICE=2 \
        wordpress:5.0.0-php7.2-apache env
    expect_line WORDPRESS_DB_NAME=mine
    expect_line KEPT=image
    expect_line HOME=/elsewhere
    expect_line HOSTNAME=other
    expect_line TWICE=2
    expect_no_match '^TWICE=1'
    same "$(grep -c '^WORDPRESS_DB_NAME=' <<<"$output")" 1
    ok docker run --rm -e EMPTY= busybox env
    expect_line EMPTY=
}

@test "ENV-02: -e K takes the caller's value, or nothing" {
    FROM_CALLER='a value' run docker run --rm -e FROM_CALLER -e NOT_SET_ANYWHERE busybox env
    expect_status 0
    expect_line 'FROM_CALLER=a value'
    expect_no_match NOT_SET_ANYWHERE
}

@test "ENV-02: --env-file" {
    local file=$BATS_TEST_TMPDIR/env
    printf '%s\n' '# a comment' '' 'A=1' '  B=2 with spaces ' 'C=#no comment' 'FROM_CALLER' 'NOT_SET_ANYWHERE' \
        'D="quoted"' 'E=' >"$file"
    FROM_CALLER=yes run docker run --rm --env-file "$file" -e A=over busybox env
    expect_status 0
    expect_line A=over
    expect_line 'B=2 with spaces '
    expect_line 'C=#no comment'
    expect_line FROM_CALLER=yes
    expect_line 'D="quoted"'
    expect_line E=
    expect_no_match NOT_SET_ANYWHERE
}

@test "ENV-02: bad lines and files" {
    local file=$BATS_TEST_TMPDIR/env
    echo '=x' >"$file"
    run --separate-stderr docker create --env-file "$file" busybox true
    expect_status 125
    expect_error "no variable name on line '=x'"
    echo 'A B=x' >"$file"
    run --separate-stderr docker create --env-file "$file" busybox true
    expect_status 125
    expect_error "variable 'A B' contains whitespaces"
    printf 'A=\xff\n' >"$file"
    run --separate-stderr docker create --env-file "$file" busybox true
    expect_status 125
    expect_error 'invalid utf8 bytes at line 1'
    run --separate-stderr docker create --env-file "$BATS_TEST_TMPDIR/none" busybox true
    expect_status 125
    expect_error 'no such file or directory'
    run --separate-stderr docker create --env =x busybox true
    expect_status 125
    expect_error 'invalid environment variable: =x'
    same "$(docker ps -aq)" ""
}

@test "ENV-03: links and the host name are told by variables" {
    docker run -d --name wpdb -e MYSQL_ROOT_PASSWORD=ch2demo --expose 3306 mysql:5.7 sleep 1000
    ok docker run --rm --link wpdb:mysql busybox env
    expect_match '^MYSQL_PORT_3306_TCP_ADDR='
    expect_line 'MYSQL_ENV_MYSQL_ROOT_PASSWORD=ch2demo'
    expect_match '^HOSTNAME='
}

@test "ENV-05 ENV-06: create with variables starts nothing" {
    ok docker create --name one --env 'WORDPRESS_DB_HOST=<my database hostname>' wordpress:5.0.0-php7.2-apache
    expect_id
    same "$(state one)" created
    ok docker create --name two --env 'WORDPRESS_DB_HOST=<my database hostname>' --env WORDPRESS_DB_USER=site_admin \
        --env WORDPRESS_DB_PASSWORD=MeowMix42 wordpress:5.0.0-php7.2-apache
    ok docker inspect -f '{{json .Config.Env}}' two
    expect_text '"WORDPRESS_DB_HOST=<my database hostname>"'
    expect_text '"WORDPRESS_DB_PASSWORD=MeowMix42"'
}

@test "ENV-07: two clients, one database server" {
    docker run -d --name wpdb mysql:5.7 sleep 1000
    docker create --name ca --link wpdb:mysql -e WORDPRESS_DB_NAME=client_a_wp wordpress:5.0.0-php7.2-apache
    docker create --name cb --link wpdb:mysql -e WORDPRESS_DB_NAME=client_b_wp wordpress:5.0.0-php7.2-apache
    docker start ca cb
    ok docker exec ca env
    expect_line WORDPRESS_DB_NAME=client_a_wp
    ok docker exec cb env
    expect_line WORDPRESS_DB_NAME=client_b_wp
}

@test "WPS-05: the script of one client; --read-only may be given twice" {
    local script=$BATS_TEST_TMPDIR/start-wp-for-client.sh
    cat >"$script" <<-'END'
	#!/bin/sh
	if [ ! -n "$CLIENT_ID" ]; then echo "Client ID not set"; exit 1; fi
	WP_CID=$(docker create \
	    --link $DB_CID:mysql \
	    --name wp_$CLIENT_ID \
	    -p 80 \
	    --read-only -v /run/apache2/ --tmpfs /tmp \
	    -e WORDPRESS_DB_NAME=$CLIENT_ID \
	    --read-only wordpress:5.0.0-php7.2-apache)
	docker start $WP_CID
	AGENT_CID=$(docker create \
	    --name agent_$CLIENT_ID \
	    --link $WP_CID:insideweb \
	    --link $MAILER_CID:insidemailer \
	    busybox sleep 1000)
	docker start $AGENT_CID
	END
    run env -u CLIENT_ID sh "$script"
    expect_status 1
    expect_output 'Client ID not set'
    local DB_CID MAILER_CID
    DB_CID=$(docker run -d -e MYSQL_ROOT_PASSWORD=ch2demo mysql:5.7 sleep 1000)
    MAILER_CID=$(docker run -d busybox sleep 1000)
    export DB_CID MAILER_CID
    CLIENT_ID=dockerinaction run sh "$script"
    expect_status 0
    same "$(state wp_dockerinaction)" running
    same "$(state agent_dockerinaction)" running
    ok docker exec wp_dockerinaction env
    expect_line WORDPRESS_DB_NAME=dockerinaction
    run docker exec wp_dockerinaction touch /x
    expect_text 'Read-only file system'
    ok docker exec wp_dockerinaction touch /run/apache2/x /tmp/x
}
