# Volumes: the commands, what containers mount, what is refused, what is left.

load ../lib/helpers
load ../lib/volumes

setup_file() {
    setup_engine busybox
    volume_image
    baseline
}

teardown_file() {
    teardown_engine
}

setup() {
    HOST=$BATS_TEST_TMPDIR/host
    mkdir -p "$HOST"
}

teardown() {
    remove_volumes
    assert_nothing_left
    no_volumes
}

# refused TEXT ARGS...: create must fail with this text and leave neither container nor volume.
refused() {
    local text=$1
    shift
    run --separate-stderr docker create --name refused "$@" busybox true
    [ "$status" -ne 0 ] || { show_run; fail "accepted: $*"; }
    expect_error "$text"
    same "$(docker ps -aq)" ""
    no_volumes
}

# ---- the commands ----

@test "volume create, inspect, ls, rm" {
    ok docker volume create vol
    expect_output vol
    ok docker volume create vol
    expect_output vol
    ok docker volume create --label a=b labelled
    ok docker volume create
    expect_id
    ok docker volume inspect -f '{{.Name}} {{.Driver}} {{.Scope}}' vol
    expect_output 'vol local local'
    ok docker volume inspect -f '{{json .Labels}}' labelled
    expect_output '{"a":"b"}'
    [ -d "$(docker volume inspect -f '{{.Mountpoint}}' vol)" ]
    ok docker inspect --type volume -f '{{.Name}}' vol
    expect_output vol
    ok docker inspect -f '{{.Name}}' vol
    expect_output vol
    ok docker volume ls
    expect_line 'DRIVER    VOLUME NAME'
    expect_line 'local     vol'
    ok docker volume ls --format '{{.Name}}|{{.Labels}}|{{.Label "a"}}|{{.Links}}' --filter name=labelled
    expect_output 'labelled|a=b|b|N/A'
    ok docker volume rm vol labelled
    expect_output $'vol\nlabelled'
    same "$(volume_count)" 1
}

@test "volume ls: filters" {
    docker volume create --label x=1 va
    docker volume create vb
    docker create --name c1 -v va:/x busybox true
    same "$(docker volume ls -q --filter dangling=true)" vb
    same "$(docker volume ls -q --filter dangling=false)" va
    same "$(docker volume ls -q --filter label=x)" va
    same "$(docker volume ls -q --filter label=x=1)" va
    same "$(docker volume ls -q --filter label=x=2)" ""
    same "$(docker volume ls -q --filter name=b)" vb
    same "$(docker volume ls -q --filter driver=local | wc -l)" 2
    same "$(docker volume ls -q --filter driver=other)" ""
    run --separate-stderr docker volume ls --filter dangling=maybe
    expect_status 1
    expect_error "nvalid filter 'dangling=[maybe]'"
    run --separate-stderr docker volume ls --filter foo=bar
    expect_status 1
    expect_error "nvalid filter 'foo'"
}

@test "volume create: what is refused" {
    local row
    local -a bad=(
        'a|create a: volume name is too short, names should be at least two alphanumeric characters'
        'a/b|create a/b: "a/b" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        '..|create ..: ".." includes invalid characters'
        '-d nosuch vol|create vol: error looking up volume plugin nosuch: plugin "nosuch" not found'
        '--opt foo=bar vol|create vol: invalid option: "foo"'
        '--opt type=tmpfs vol|create vol: missing required option: "device"'
        '--opt device=/tmp vol|create vol: missing required option: "type"'
        '--name one two|conflicting options: cannot specify a volume-name through both --name and as a positional arg'
    )
    for row in "${bad[@]}"; do
        # shellcheck disable=SC2086
        run --separate-stderr docker volume create ${row%%|*}
        expect_status 1
        expect_error "${row#*|}"
    done
    no_volumes
}

@test "volume rm: absent ones and ones in use" {
    local id id2
    docker volume create vol
    id=$(docker create -v vol:/x busybox true)
    run --separate-stderr docker volume rm nosuch
    expect_status 1
    expect_error 'get nosuch: no such volume'
    ok docker volume rm -f nosuch
    run --separate-stderr docker volume rm vol
    expect_status 1
    expect_error "remove vol: volume is in use - [$id]"
    run --separate-stderr docker volume rm -f vol
    expect_status 1
    id2=$(docker create -v vol:/y busybox true)
    run --separate-stderr docker volume rm vol
    expect_error "volume is in use - [$id, $id2]"
    docker rm "$id" "$id2"
    ok docker volume rm vol
}

@test "volume prune: anonymous ones, or all" {
    dhow_only "API 1.41 prunes all unused volumes"
    docker volume create named
    docker volume create --label keep=1 kept
    docker volume create
    docker create --name c1 -v /anonymous busybox true
    ok docker volume prune -f
    expect_line 'Deleted Volumes:'
    expect_text 'Total reclaimed space: 0B'
    same "$(volume_count)" 3
    docker run --rm -v named:/x busybox sh -c 'echo 12345 >/x/f'
    ok docker volume prune -af --filter 'label!=keep'
    expect_line named
    expect_text 'Total reclaimed space: 6B'
    same "$(volume_count)" 2
    run docker volume prune <<<n
    same "$(volume_count)" 2
}

@test "events tell of volumes" {
    local since now
    since=$(date +%s)
    docker volume create vol
    docker run --rm -v vol:/x busybox true
    docker volume rm vol
    now=$(date +%s.%N)
    ok docker events --since "$since" --until "$now" --filter type=volume --format '{{.Action}} {{.Actor.ID}}'
    expect_line 'create vol'
    expect_line 'mount vol'
    expect_line 'unmount vol'
    expect_line 'destroy vol'
    ok docker events --since "$since" --until "$now" --filter type=volume --filter event=mount
    expect_text 'destination=/x, driver=local, propagation=, read/write=true'
}

# ---- what a container mounts ----

@test "a named volume keeps what is written, rm -v keeps it" {
    docker run --name c1 -v vol:/x busybox sh -c 'echo kept >/x/f'
    docker rm -v c1
    ok docker run --rm -v vol:/y/z/ busybox cat /y/z/f
    expect_output kept
    run docker run --rm -v vol:/x:ro busybox touch /x/g
    expect_status 1
    expect_text 'Read-only file system'
}

@test "anonymous volumes go with rm -v and --rm only" {
    docker run --name c1 -v /x busybox true
    same "$(volume_count)" 1
    docker rm c1
    same "$(volume_count)" 1
    docker run --name c1 -v /x busybox true
    docker rm -v c1
    same "$(volume_count)" 1
    docker run --rm -v /x -v named:/y busybox true
    same "$(volume_count)" 2
}

@test "a volume is filled from the image once: owner, mode, links" {
    local args
    for args in '-v vol:/d' '--mount type=volume,source=vol2,target=/d' '-v /d' '' '-v vol3:/linkd'; do
        # shellcheck disable=SC2086
        ok docker run --rm $args volimg sh -c 'stat -c "%a %u:%g" /d /d/f; cat /d/sub/hard /d/rel; readlink /d/abs; stat -c %h /d/f'
        expect_output $'2751 33:34\n4755 33:34\nhello\nhello\n/etc/passwd\n2'
    done
    ok docker run --rm -v vol4:/empty volimg stat -c '%a %u:%g' /empty
    expect_output '711 7:8'
    ok docker run --rm -v vol5:/d:nocopy volimg ls -A /d
    expect_output ''
    ok docker run --rm --mount type=volume,source=vol6,target=/d,volume-nocopy volimg ls -A /d
    expect_output ''
    docker run --rm -v vol:/d volimg sh -c 'rm /d/f; echo mine >/d/g'
    ok docker run --rm -v vol:/d volimg ls -A /d
    expect_output $'abs\ng\nrel\nsub'
    ok docker run --rm -v vol:/d -v vol7:/up/d volimg true
    [ ! -e "$(docker volume inspect -f '{{.Mountpoint}}' vol7)/etc" ]
}

@test "two containers at once: one volume, filled once" {
    local i
    local -a pids=()
    for i in 1 2 3 4 5 6; do
        in_bg "r$i" docker run --rm -v shared:/d volimg cat /d/f
        pids+=("$BG")
    done
    wait "${pids[@]}"
    for i in 1 2 3 4 5 6; do
        same "$(cat "$BATS_TEST_TMPDIR/r$i")" hello
    done
    same "$(docker volume ls -q --filter name=shared)" shared
}

@test "a volume cannot lie over a file" {
    run --separate-stderr docker run --rm -v vol:/etc/passwd volimg true
    expect_status 125
    # Docker has a longer path, or other words for named volumes.
    # shellcheck disable=SC2154
    [[ $stderr == *'cannot mount volume over existing file, file exists'* || $stderr == *'is not directory'* ]]
    [ "$DHOW_ENGINE" = docker ] || no_volumes
}

@test "binds: a missing host directory is made, ro, propagation, files" {
    ok docker run --rm -v "$HOST/new/dir:/x" busybox sh -c 'echo hi >/x/f'
    same "$(cat "$HOST/new/dir/f")" hi
    run docker run --rm -v "$HOST/new/dir:/x:ro" busybox touch /x/g
    expect_status 1
    ok docker run --rm -v "$HOST/new/dir/f:/file" busybox cat /file
    expect_output hi
    ok docker create --name c1 -v "$HOST/./new/../new/dir/:/x/:rslave,ro" busybox true
    ok docker inspect -f '{{json .Mounts}}' c1
    expect_output "[{\"Type\":\"bind\",\"Source\":\"$HOST/new/dir\",\"Destination\":\"/x\",\"Mode\":\"rslave,ro\",\"RW\":false,\"Propagation\":\"rslave\"}]"
}

@test "a read-only bind is read-only with what is mounted in it" {
    dhow_only "Docker 25 and later"
    mkdir "$HOST/sub"
    mount -t tmpfs none "$HOST/sub"
    run docker run --rm -v "$HOST:/x:ro" busybox touch /x/sub/f
    umount "$HOST/sub"
    expect_status 1
    expect_text 'Read-only file system'
}

@test "--mount of all types" {
    echo hi >"$HOST/f"
    run docker run --rm --mount "type=bind,source=$HOST,target=/x,ro" busybox sh -c 'cat /x/f; touch /x/g'
    expect_status 1
    expect_line hi
    expect_text 'Read-only file system'
    run docker run --rm --mount type=tmpfs,target=/x,tmpfs-size=1m,tmpfs-mode=0700 busybox sh -c 'stat -c %a /x; grep " /x " /proc/mounts'
    expect_line 700
    expect_text 'size=1024k'
    ok docker run --rm --mount type=tmpfs,target=/x busybox stat -c %a /x
    expect_output 1777
    ok docker run --name c1 --mount type=volume,source=vol,target=/x,volume-label=a=b busybox true
    ok docker volume inspect -f '{{json .Labels}}' vol
    expect_output '{"a":"b"}'
    ok docker inspect -f '{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.Driver}} {{.Mode}} {{.RW}}{{end}}' c1
    expect_output 'volume vol /x local z true'
}

@test "--tmpfs with and without options" {
    ok docker run --rm --tmpfs /x:size=1m,mode=700,exec busybox sh -c 'stat -c %a /x; grep " /x " /proc/mounts'
    expect_line 700
    expect_text 'tmpfs /x tmpfs rw,nosuid,nodev,relatime,size=1024k,mode=700'
    ok docker run --rm --tmpfs /x busybox grep ' /x ' /proc/mounts
    expect_text 'tmpfs /x tmpfs rw,nosuid,nodev,noexec,relatime'
}

@test "--volumes-from: volumes and binds, read-only, overridden" {
    docker create --name src -v sv:/s -v /sa -v "$HOST:/sh:ro" busybox true
    docker run --rm --volumes-from src busybox sh -c 'echo 1 >/s/f; echo 2 >/sa/f'
    ok docker run --rm --volumes-from src:ro busybox sh -c 'cat /s/f /sa/f'
    expect_output $'1\n2'
    run docker run --rm --volumes-from src:ro busybox touch /s/g
    expect_status 1
    run docker run --rm --volumes-from src busybox touch /sh/g
    expect_status 1
    ok docker run --rm --volumes-from src -v "$HOST:/s" busybox ls /s
    expect_output ''
    # --rm takes what nobody else holds, and src holds it.
    same "$(volume_count)" 2
    docker create --name heir --volumes-from src busybox true
    docker rm -v src
    same "$(volume_count)" 2
    docker rm -v heir
    same "$(docker volume ls -q)" sv
}

@test "--read-only: what stays writable" {
    local script='for f in /x /etc/hosts /etc/hostname /etc/resolv.conf /an/x /tf/x /h/x /dev/shm/x; do
        touch $f 2>/dev/null && echo $f; done; true'
    ok docker run --rm --read-only -v /an --tmpfs /tf -v "$HOST:/h" busybox sh -c "$script"
    expect_no_match '^/x$'
    expect_no_match '^/etc/'
    expect_line /an/x
    expect_line /tf/x
    expect_line /h/x
    expect_line /dev/shm/x
}

@test "volumes with options: a directory, a tmpfs" {
    echo there >"$HOST/f"
    docker volume create --opt type=none --opt o=bind --opt "device=$HOST" dir
    ok docker run --rm -v dir:/x busybox cat /x/f
    expect_output there
    docker volume create --opt type=tmpfs --opt device=tmpfs --opt o=size=1m,uid=1000 mem
    ok docker run --rm -v mem:/x busybox sh -c 'stat -c %u /x; grep " /x " /proc/mounts'
    expect_line 1000
    expect_text 'size=1024k'
    docker volume create --opt type=none --opt o=bind --opt device=/nonexistent/dir bad
    # The client takes "no such file" for the program's.
    run -127 --separate-stderr docker run --rm -v bad:/x:nocopy busybox true
    expect_error 'failed to mount local volume: mount /nonexistent/dir:'
    expect_error 'no such file or directory'
    [ -f "$HOST/f" ]
    docker volume rm dir
    [ -f "$HOST/f" ]
}

@test "ps shows volumes and filters by them" {
    docker create --name ca -v vol:/x busybox true
    docker create --name cb -v vol:/y -v "$HOST:/h" busybox true
    same "$(docker ps -a --filter volume=vol --format '{{.Names}}' | sort | xargs)" 'ca cb'
    same "$(docker ps -a --filter volume=/y --format '{{.Names}}')" cb
    same "$(docker ps -a --filter "volume=$HOST" --format '{{.Names}}')" cb
    same "$(docker ps -a --filter volume=no --format '{{.Names}}')" ""
    same "$(docker ps -a --filter name=ca --format '{{.Mounts}}|{{.LocalVolumes}}')" 'vol|1'
}

@test "volumes survive a restart of the daemon, and so does who holds them" {
    dhow_only "Docker's containerd must be ended with it"
    docker volume create --label a=b vol
    docker run -d --name c1 -v vol:/x -v /an busybox sh -c 'echo 1 >/x/f; sleep 1000'
    engine_signal KILL
    engine_start
    ok docker volume inspect -f '{{json .Labels}}' vol
    expect_output '{"a":"b"}'
    run --separate-stderr docker volume rm vol
    expect_status 1
    expect_error 'volume is in use'
    ok docker exec c1 cat /x/f
    expect_output 1
    docker rm -vf c1
    same "$(docker volume ls -q)" vol
}

# ---- what is refused ----

@test "bad specifications: docker's words, nothing made" {
    local row
    local -a bad=(
        'foo/bar:/x|create foo/bar: "foo/bar" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        "x/y:/y|includes invalid characters for a local volume name"
        "/a:/|invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'"
        "vol:/|invalid volume specification: 'vol:/': invalid mount config for type \"volume\": invalid specification: destination can't be '/'"
        "/a:b|invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' mount path must be absolute"
        '/a:/b:bad|invalid mode: bad'
        'v1:/b:ro,rw|invalid mode: ro,rw'
        'v1:/b:z,Z|invalid mode: z,Z'
        '/a:/b:ro,rprivate,rshared|invalid mode: ro,rprivate,rshared'
        "v1:/b:rslave|invalid volume specification: 'v1:/b:rslave': invalid mount config for type \"volume\": field BindOptions must not be specified"
        "/a:/b:nocopy|invalid volume specification: '/a:/b:nocopy': invalid mount config for type \"bind\": field VolumeOptions must not be specified"
        "/a:/b:c:d|invalid volume specification: '/a:/b:c:d'"
        ':/x|empty section between colons'
    )
    for row in "${bad[@]}"; do
        refused "${row#*|}" -v "${row%%|*}"
    done
    [ ! -e /a ]
}

@test "bad --mount: docker's words, nothing made" {
    local row
    local -a bad=(
        'type=bind,source=/nonexist,target=/x|invalid mount config for type "bind": bind source path does not exist: /nonexist'
        "type=bind,source=rel,target=/x|invalid mount config for type \"bind\": invalid mount path: 'rel' mount path must be absolute"
        'type=bind,target=/x|invalid mount config for type "bind": field Source must not be empty'
        'type=foo,target=/x|invalid mount config for type "foo": mount type unknown'
        'type=tmpfs,source=/a,target=/x|invalid mount config for type "tmpfs": field Source must not be specified'
        'type=volume,source=a/b,target=/x|create a/b: "a/b" includes invalid characters'
        "type=volume,source=ab,target=x|invalid mount config for type \"volume\": invalid mount path: 'x' mount path must be absolute"
        "type=volume,source=ab,target=/|invalid mount config for type \"volume\": invalid specification: destination can't be '/'"
        'type=volume,target=/x,ro|invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes'
        'type=bind,source=/tmp,target=/x,bind-propagation=bad|invalid mount config for type "bind": invalid propagation mode: bad'
        'type=tmpfs,target=/x,tmpfs-size=-1|invalid value for tmpfs-size: -1'
    )
    for row in "${bad[@]}"; do
        refused "${row#*|}" --mount "${row%%|*}"
    done
}

@test "duplicate mount points, bad --tmpfs, bad --volumes-from" {
    refused 'Duplicate mount point: /x' -v "$HOST:/x" -v "$HOST/:/x/"
    refused 'Duplicate mount point: /x' -v "$HOST:/x" --mount type=tmpfs,target=/x
    refused "invalid mount path: 'x' mount path must be absolute" --tmpfs x
    refused "invalid specification: destination can't be '/'" --tmpfs /
    refused 'No such container: nosuch' --volumes-from nosuch
    refused 'invalid mode: bad' --volumes-from nosuch:bad
    refused 'invalid mode: nocopy' --volumes-from nosuch:nocopy
    if [ "$DHOW_ENGINE" = dhow ]; then
        # Docker notices when volumes have been made, or when the container starts.
        refused 'Duplicate mount point: /x' -v v2:/x -v v1:/x
        refused 'Duplicate mount point: /x' -v v1:/x --tmpfs /x
        refused 'invalid tmpfs option ["foo"]' --tmpfs /x:foo
        refused 'invalid tmpfs option ["size=-1"]' --tmpfs /x:size=-1
        refused "mount path must be absolute" -v x
        refused 'plugin "nosuch" not found' --volume-driver nosuch -v vol:/x
        refused 'invalid characters' -v good:/a -v bad/name:/b
    fi
}

@test "a name that is taken: the volumes that were made for it go again" {
    dhow_only "Docker reserves the name first"
    docker create --name taken busybox true
    run docker create --name taken -v vol:/x -v /an busybox true
    expect_status 1
    expect_text 'is already in use by container'
    no_volumes
}
