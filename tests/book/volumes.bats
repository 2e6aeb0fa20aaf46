# Volumes of chapter 4: rows VOL-*. Images that the book downloads are stand-ins made here: a "cassandra" that
# keeps its key spaces in files, writers, and the packed ones.

load ../lib/helpers
load ../lib/volumes

setup_file() {
    setup_engine busybox nginx
    local dir
    dir=$(mktemp -d "$E_DIR/tree.XXXXXX")
    tree "$dir"
    # cqlsh "create NAME" / "select NAME": a table that is a file below the server's data directory.
    cat >"$dir/bin/cqlsh" <<-'END'
	#!/bin/sh
	data=/var/lib/cassandra/data
	case $1 in
	create) echo "$2 | SimpleStrategy" >$data/$2 ;;
	select) ! [ -e $data/$2 ] || cat $data/$2; echo "($(ls $data | grep -c .) rows)" ;;
	esac
	END
    chmod 755 "$dir/bin/cqlsh"
    import "$dir" cassandra:2.2 'VOLUME /var/lib/cassandra/data' 'CMD ["sleep", "1000"]' 'EXPOSE 9042'
    import "$dir" dockerinaction/ch4_writer_a 'CMD while true; do date >>/data/logA; sleep 1; done'
    import "$dir" dockerinaction/ch4_writer_b 'CMD while true; do date >>/data/logB; sleep 1; done'
    mkdir -p "$dir/packed" "$dir/operations/tools" "$dir/development" "$dir/production"
    echo 'packed' >"$dir/packed/packedData"
    import "$dir" dockerinaction/ch4_packed 'CMD ["true"]'
    printf '#!/bin/sh\necho some tool\n' >"$dir/operations/tools/someTool"
    chmod 755 "$dir/operations/tools/someTool"
    import "$dir" dockerinaction/ch4_tools 'VOLUME /operations' 'CMD ["true"]'
    rm -r "$dir/operations"
    import "$dir" dockerinaction/ch4_ia 'CMD ["sleep", "1000"]'
    echo 'mode=development' >"$dir/development/config"
    echo 'mode=production' >"$dir/production/config"
    import "$dir" dockerinaction/ch4_packed_config 'CMD ["true"]'
    import "$dir" dockerinaction/ch4_polyapp 'CMD ["cat", "/config/config"]'
    docker tag nginx:latest httpd:latest
    baseline
}

teardown_file() {
    teardown_engine
}

setup() {
    # The book's ~.
    HOME=$BATS_TEST_TMPDIR/home
    mkdir -p "$HOME"
}

teardown() {
    remove_volumes
    assert_nothing_left
    no_volumes
}

@test "VOL-02 VOL-16 VOL-17: a volume container" {
    ok docker run -d --volume /var/lib/cassandra/data --name cass-shared alpine echo Data Container
    wait_state cass-shared exited
    same "$(docker logs cass-shared)" 'Data Container'
    ok docker inspect -f '{{json .Mounts}}' cass-shared
    expect_text '"Type":"volume"'
    expect_text '"Destination":"/var/lib/cassandra/data"'
    expect_text '"Driver":"local"'
    expect_text '"RW":true'
    expect_match '"Source":"/.*/volumes/[0-9a-f]{64}/_data"'
    docker rm -v cass-shared
    docker run -d -v /var/lib/cassandra/data --name cass-shared alpine echo Data Container
    same "$(volume_count)" 1
}

@test "VOL-03 VOL-05 VOL-06 VOL-07 VOL-09 VOL-10 VOL-11: data outlive the containers that use them" {
    docker run -d --volume /var/lib/cassandra/data --name cass-shared alpine echo Data Container
    docker run -d --volumes-from cass-shared --name cass1 cassandra:2.2
    same "$(docker inspect -f '{{range .Mounts}}{{.Source}}{{end}}' cass1)" \
        "$(docker inspect -f '{{range .Mounts}}{{.Source}}{{end}}' cass-shared)"
    ok docker exec cass1 cqlsh select docker_hello_world
    expect_output '(0 rows)'
    docker exec cass1 cqlsh create docker_hello_world
    ok docker exec cass1 cqlsh select docker_hello_world
    expect_line 'docker_hello_world | SimpleStrategy'
    docker stop -t 0 cass1
    docker rm -vf cass1
    same "$(volume_count)" 1
    docker run -d --volumes-from cass-shared --name cass2 cassandra:2.2
    ok docker exec cass2 cqlsh select docker_hello_world
    expect_line 'docker_hello_world | SimpleStrategy'
    ok docker rm -vf cass2 cass-shared
    expect_output $'cass2\ncass-shared'
    no_volumes
}

@test "VOL-04 VOL-08: a client with a link is gone when it ends" {
    docker run -d --name cass1 cassandra:2.2
    ok docker run --rm --link cass1:cass cassandra:2.2 grep cass /etc/hosts
    expect_match 'cass1?'
    same "$(docker ps -aq | wc -l)" 1
    same "$(volume_count)" 1
}

@test "VOL-12 VOL-13 VOL-14: a host directory in place of the image's; read-only" {
    mkdir ~/example-docs
    echo 'from the host' >~/example-docs/index.html
    docker run -d --name bmweb -v ~/example-docs:/usr/share/nginx/html -p 127.0.0.1::80 httpd:latest
    ok docker exec bmweb ls -A /usr/share/nginx/html
    expect_output index.html
    docker rm -vf bmweb
    [ -f ~/example-docs/index.html ]
    run docker run --rm --name bmweb_ro --volume ~/example-docs:/usr/share/nginx/html/:ro httpd:latest \
        touch /usr/share/nginx/html/new
    [ "$status" -ne 0 ]
    expect_text 'Read-only file system'
    ok docker run --rm -v ~/example-docs/index.html:/a.html alpine cat /a.html
    expect_output 'from the host'
}

@test "VOL-18 VOL-19 VOL-20 VOL-21: a host directory shared by name" {
    mkdir ~/web-logs-example
    docker run --name plath -d -v ~/web-logs-example:/data dockerinaction/ch4_writer_a
    wait_until 10 test -s ~/web-logs-example/logA
    ok docker run --rm -v ~/web-logs-example:/reader-data alpine:latest head -n 1 /reader-data/logA
    same "$output" "$(head -n 1 ~/web-logs-example/logA)"
    ok docker stop -t 0 plath
}

@test "VOL-22 VOL-23 VOL-24: two writers, two readers" {
    mkdir ~/web-logs-example
    docker run --name woolf -d --volume ~/web-logs-example:/data dockerinaction/ch4_writer_a
    docker run --name alcott -d -v ~/web-logs-example:/data dockerinaction/ch4_writer_b
    wait_until 10 test -s ~/web-logs-example/logA
    wait_until 10 test -s ~/web-logs-example/logB
    ok docker run --rm --entrypoint head -v ~/web-logs-example:/towatch:ro alpine:latest /towatch/logA
    expect_match '[0-9]{4}'
    ok docker run --rm -v ~/web-logs-example:/toread:ro alpine:latest head /toread/logB
    expect_match '[0-9]{4}'
}

@test "VOL-25 VOL-26 VOL-27 VOL-28 VOL-30: --volumes-from several" {
    ok docker run --name fowler -v ~/example-books:/library/PoEAA -v /library/DSL alpine:latest \
        echo 'Fowler collection created.'
    expect_output 'Fowler collection created.'
    [ -d ~/example-books ]
    ok docker run --name knuth -v /library/TAoCP.vol1 -v /library/TAoCP.vol2 -v /library/TAoCP.vol3 \
        -v /library/TAoCP.vol4.a alpine:latest echo 'Knuth collection created'
    expect_output 'Knuth collection created'
    ok docker run --name reader --volumes-from fowler --volumes-from knuth alpine:latest ls -l /library/
    local name
    for name in PoEAA DSL TAoCP.vol1 TAoCP.vol2 TAoCP.vol3 TAoCP.vol4.a; do
        expect_match " $name\$"
    done
    same "$(docker inspect --format '{{len .Mounts}}' reader)" 6
    docker rm -v fowler knuth
    same "$(volume_count)" 5
    docker rm -v reader
    no_volumes
    [ -d ~/example-books ]
}

@test "VOL-31 VOL-32: rm -v skips what somebody else still has" {
    docker run --name one -v /data alpine true
    docker run --name two --volumes-from one alpine true
    docker rm -v one
    same "$(volume_count)" 1
    docker rm -v two
    no_volumes
}

@test "VOL-33 VOL-34 VOL-35: a data-packed volume container" {
    docker run --name dpvc -v /config dockerinaction/ch4_packed /bin/sh -c 'cp /packed/* /config/'
    ok docker run --rm --volumes-from dpvc alpine:latest ls /config
    expect_output packedData
    ok docker run --rm --volumes-from dpvc alpine:latest cat /config/packedData
    expect_output packed
    docker rm -v dpvc
    no_volumes
}

@test "VOL-36 VOL-37 VOL-38: a tool injected by a volume" {
    docker run --name tools dockerinaction/ch4_tools
    ok docker run --rm --volumes-from tools alpine:latest sh -c 'ls /operations/*'
    expect_output someTool
    docker run -d --name important_application --volumes-from tools dockerinaction/ch4_ia
    ok docker exec important_application /operations/tools/someTool
    expect_output 'some tool'
    docker rm -vf important_application
    same "$(volume_count)" 1
    docker rm -v tools
    no_volumes
}

@test "VOL-39 VOL-40: one application, two configurations" {
    docker run --name devConfig -v /config dockerinaction/ch4_packed_config:latest /bin/sh -c 'cp /development/* /config/'
    docker run --name prodConfig -v /config dockerinaction/ch4_packed_config:latest /bin/sh -c 'cp /production/* /config/'
    ok docker run --name devApp --volumes-from devConfig dockerinaction/ch4_polyapp
    expect_output 'mode=development'
    ok docker run --name prodApp --volumes-from prodConfig dockerinaction/ch4_polyapp
    expect_output 'mode=production'
}
