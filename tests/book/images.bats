# Layers, commit, diff, union file systems, export and import: rows LAY, COM, DIFF, UFS, EXP.

load ../lib/helpers

setup_file() {
    setup_engine busybox
    # The names the book uses; what it calls ubuntu is any system with a shell here.
    docker tag busybox:latest ubuntu:latest
}

teardown_file() {
    teardown_engine
}

teardown() {
    local id
    remove_all
    # Newest first, so that children go before their parents.
    for id in $(docker images -aq | awk '!seen[$0]++'); do
        [ "$id" = "$(docker images -q busybox:latest)" ] || ! docker image inspect "$id" >/dev/null 2>&1 ||
            docker rmi -f "$id" >/dev/null
    done
    docker tag busybox:latest ubuntu:latest
    [ -z "$(docker images -q --filter dangling=true)" ]
}

# on_top IMAGE NEW COMMAND...: an image that is another one with a layer more.
on_top() {
    local from=$1 to=$2
    shift 2
    docker run --name on_top "$from" "$@" >/dev/null || return 1
    docker commit on_top "$to" >/dev/null || return 1
    docker rm on_top >/dev/null
}

layers_of() {
    docker image inspect -f '{{range .RootFS.Layers}}{{println .}}{{end}}' "$1" | sed '/^$/d'
}

two_apps() {
    on_top busybox java:6 touch /jdk
    on_top java:6 dockerinaction/ch3_myapp touch /myapp
    on_top java:6 dockerinaction/ch3_myotherapp touch /myotherapp
}

@test "LAY-01 LAY-02: images with a common parent have its layers once" {
    two_apps
    same "$(layers_of dockerinaction/ch3_myapp | head -n 2)" "$(layers_of java:6)"
    same "$(layers_of dockerinaction/ch3_myotherapp | head -n 2)" "$(layers_of java:6)"
    if [ "$DHOW_ENGINE" = dhow ]; then
        same "$(find "$E_DIR/data/layers" -mindepth 1 -maxdepth 1 | wc -l)" 4
    fi
    ok docker system df --format '{{.Type}} {{.TotalCount}}'
    expect_line 'Images 4'
}

@test "LAY-03: images lists repositories, not the layers between" {
    two_apps
    ok docker images --format '{{.Repository}}:{{.Tag}}'
    expect_line dockerinaction/ch3_myapp:latest
    expect_line dockerinaction/ch3_myotherapp:latest
    expect_line java:6
    # One that only others are made from has no line of its own, but with -a.
    docker rmi java:6
    ok docker images --format '{{.Repository}}:{{.Tag}}'
    expect_no_match '<none>'
    ok docker images -a --format '{{.Repository}}:{{.Tag}}'
    expect_match '<none>'
}

@test "LAY-04: rmi of several images gives back what nobody uses" {
    local java
    two_apps
    java=$(docker image inspect -f '{{.Id}}' java:6)
    ok docker rmi dockerinaction/ch3_myapp dockerinaction/ch3_myotherapp java:6
    expect_line 'Untagged: dockerinaction/ch3_myapp:latest'
    expect_line 'Untagged: dockerinaction/ch3_myotherapp:latest'
    expect_line 'Untagged: java:6'
    expect_line "Deleted: $java"
    same "$(grep -c '^Deleted: sha256:[0-9a-f]\{64\}$' <<<"$output")" 6
    # The layer below is still busybox's.
    ok docker run --rm busybox true
    if [ "$DHOW_ENGINE" = dhow ]; then
        same "$(find "$E_DIR/data/layers" -mindepth 1 -maxdepth 1 | wc -l)" 1
    fi
}

@test "LAY-05: IDs are 64 digits, shown as 12" {
    local id
    id=$(docker images -q --no-trunc busybox:latest)
    [[ $id =~ ^sha256:[0-9a-f]{64}$ ]]
    same "$(docker images -q busybox:latest)" "${id:7:12}"
}

@test "LAY-06: info names the storage driver" {
    ok docker info --format '{{.Driver}}'
    [ -n "$output" ]
}

@test "LAY-07 DIFF-01: what changed is known" {
    docker run --name image-dev ubuntu:latest sh -c 'mkdir -p /usr/share/git; for i in $(seq 50); do echo $i >/usr/share/git/$i; done'
    ok docker diff image-dev
    same "$(grep -c '^A /usr/share/git/' <<<"$output")" 50
    expect_line 'C /usr'
    expect_line 'A /usr/share'
}

@test "COM-01 COM-02 COM-03 COM-04: a file made in a container is in the image" {
    docker run --name hw_container ubuntu:latest touch /HelloWorld
    ok docker commit hw_container hw_image
    expect_match '^sha256:[0-9a-f]{64}$'
    docker rm -vf hw_container
    same "$(docker images --format '{{.Tag}}' hw_image)" latest
    ok docker run --rm hw_image ls -l /HelloWorld
    expect_match '^-rw-r--r-- .* /HelloWorld$'
}

@test "COM-05 COM-06 COM-07: an interactive container becomes an image with author and message" {
    local id
    printf 'echo "#!/bin/sh" >/bin/git; echo "echo git version 1.9.1 \\$*" >>/bin/git; chmod +x /bin/git\ngit\nexit\n' |
        docker run -i --name image-dev ubuntu:latest /bin/sh
    ok docker commit -a "@dockerinaction" -m "Added git" image-dev ubuntu-git
    id=$output
    [[ $id =~ ^sha256:[0-9a-f]{64}$ ]]
    same "$(docker image inspect -f '{{.Id}}|{{.Author}}|{{.Comment}}' ubuntu-git)" "$id|@dockerinaction|Added git"
    same "$(docker image inspect -f '{{.Parent}}' ubuntu-git)" "$(docker image inspect -f '{{.Id}}' ubuntu:latest)"
    ok docker history --format '{{.CreatedBy}}|{{.Comment}}' ubuntu-git
    same "${lines[0]}" '/bin/sh|Added git'
    same "$(docker run --rm ubuntu-git git 2>&1)" "git version 1.9.1"
}

@test "COM-08 COM-09 COM-10 COM-11: a new entrypoint is committed, under the same name" {
    local first second
    docker run --name image-dev ubuntu:latest sh -c 'printf "#!/bin/sh\necho git version 1.9.1, arguments: \$*\n" >/bin/git; chmod +x /bin/git'
    first=$(docker commit -c 'CMD ["/bin/bash"]' image-dev ubuntu-git)
    ok docker run --name cmd-git --entrypoint git ubuntu-git
    # The image's command is not passed to it.
    expect_output 'git version 1.9.1, arguments:'
    second=$(docker commit -m "Set CMD git" -a "@dockerinaction" cmd-git ubuntu-git)
    docker rm -vf cmd-git
    [ "$first" != "$second" ]
    same "$(docker image inspect -f '{{.Id}}' ubuntu-git)" "$second"
    same "$(docker image inspect -f '{{json .RepoTags}}' "$first")" '[]'
    ok docker run --name cmd-git ubuntu-git version
    expect_output 'git version 1.9.1, arguments: version'
}

@test "COM-12: every attribute that can be set is carried over, what is not set is inherited" {
    docker run --name base -e FROM_IMAGE=1 -w /tmp --expose 80 -l a=b busybox true
    docker commit -c 'VOLUME /data' -c 'STOPSIGNAL SIGINT' -c 'USER 1:1' base com:base
    # Anonymous volumes are another subject: the image is asked, not run.
    same "$(docker image inspect -f '{{.Config.WorkingDir}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}} {{.Config.User}} {{.Config.StopSignal}} {{json .Config.Labels}} {{json .Config.Cmd}}' com:base)" \
        '/tmp {"80/tcp":{}} {"/data":{}} 1:1 SIGINT {"a":"b"} ["true"]'
    docker commit base com:plain
    docker run --name next -e MORE=2 com:plain env
    docker commit next com:next
    ok docker image inspect -f '{{json .Config.Env}}' com:next
    expect_text '"FROM_IMAGE=1"'
    expect_text '"MORE=2"'
    same "$(docker image inspect -f '{{.Config.WorkingDir}} {{json .Config.ExposedPorts}}' com:next)" '/tmp {"80/tcp":{}}'
    same "$(docker run --rm com:next sh -c 'pwd; echo $FROM_IMAGE$MORE')" $'/tmp\n12'
}

@test "COM-13 COM-14 COM-15 COM-16: environment, entrypoint and command are saved" {
    docker run --name rich-image-example -e ENV_EXAMPLE1=Rich -e ENV_EXAMPLE2=Example busybox:latest
    docker commit rich-image-example rie
    ok docker run --rm rie /bin/sh -c 'echo $ENV_EXAMPLE1 $ENV_EXAMPLE2'
    expect_output 'Rich Example'
    docker run --name rich-image-example-2 --entrypoint "/bin/sh" rie -c 'echo $ENV_EXAMPLE1 $ENV_EXAMPLE2'
    docker commit rich-image-example-2 rie
    ok docker run --rm rie
    expect_output 'Rich Example'
}

@test "COM-17: a repository with a user and a tag" {
    docker run --name mod_ubuntu ubuntu:latest touch /mychange
    ok docker commit mod_ubuntu myuser/myfirstrepo:mytag
    expect_match '^sha256:[0-9a-f]{64}$'
    same "$(docker images --format '{{.Repository}} {{.Tag}}' myuser/myfirstrepo)" 'myuser/myfirstrepo mytag'
    run --separate-stderr docker commit mod_ubuntu My/Repo
    expect_status 1
    expect_error 'repository name'
}

@test "DIFF-02: a file that is new" {
    docker run --name tweak-a busybox:latest touch /HelloWorld
    ok docker diff tweak-a
    expect_output 'A /HelloWorld'
}

@test "DIFF-03: a file that is gone" {
    docker run --name tweak-d busybox:latest rm /bin/vi
    ok docker diff tweak-d
    expect_output $'C /bin\nD /bin/vi'
}

@test "DIFF-04: a file that is changed" {
    docker run --name tweak-c busybox:latest touch /bin/vi
    ok docker diff tweak-c
    expect_line 'C /bin'
    # The book's busybox has symlinks; here each name is a file of its own to the layer.
    expect_match '^C /bin/(vi|busybox)$'
}

@test "DIFF-05: cleaning up after it" {
    docker run --name tweak-a busybox:latest touch /HelloWorld
    docker run --name tweak-d busybox:latest rm /bin/vi
    docker rm -vf tweak-a
    ok docker rm -vf tweak-d
    expect_output tweak-d
    same "$(docker ps -aq)" ""
}

@test "DIFF-06: A, C and D, of files, directories and links, running and stopped" {
    docker run -d --name busy busybox sh -c '
        rm -r /var/log; mkdir /var/log; echo n >/var/log/new
        mkdir -p /a/b; echo 1 >/a/b/f; ln -s f /a/b/l; mkfifo /a/pipe
        chmod 700 /tmp; echo more >>/etc/passwd; rmdir /home
        : >/done; sleep 1000'
    wait_until 5 docker exec busy test -e /done
    local want=$'A /a\nA /a/b\nA /a/b/f\nA /a/b/l\nA /a/pipe\nA /done\nC /etc\nC /etc/passwd\nD /home\nC /tmp\nC /var\nC /var/log\nA /var/log/new'
    same "$(docker diff busy | LC_ALL=C sort -k2)" "$want"
    docker kill busy
    same "$(docker diff busy | LC_ALL=C sort -k2)" "$want"
    run --separate-stderr docker diff nosuch
    expect_status 1
    expect_error 'No such container: nosuch'
}

@test "UFS-01: reads come from the topmost layer that has the file" {
    on_top busybox ufs:1 sh -c 'echo one >/a; echo one >/b; echo one >/c; mkdir /d; echo 1 >/d/1'
    on_top ufs:1 ufs:2 sh -c 'echo two >/b; rm /c; rm -r /d; mkdir /d; echo 2 >/d/2'
    ok docker run --rm ufs:2 sh -c 'cat /a /b; ls /c 2>/dev/null; ls /d'
    expect_output $'one\ntwo\n2'
    ok docker run --rm ufs:1 sh -c 'cat /a /b /c; ls /d'
    expect_output $'one\none\none\n1'
}

@test "UFS-02: many layers" {
    local i
    docker tag busybox:latest ufs:deep
    for ((i = 1; i <= 60; i++)); do
        on_top ufs:deep ufs:deep sh -c "echo $i >/layer$i; echo $i >/top"
    done
    same "$(layers_of ufs:deep | wc -l)" 61
    ok docker run --rm ufs:deep sh -c 'cat /top; ls -d /layer* | wc -l'
    expect_output $'60\n60'
}

@test "UFS-03 UFS-04: history shows each layer with its size and command" {
    on_top ubuntu:latest ubuntu-git:1 sh -c 'dd if=/dev/zero of=/git bs=1000 count=2000 2>/dev/null'
    on_top ubuntu-git:1 ubuntu-git:2 touch /second
    on_top ubuntu-git:2 ubuntu-git:removed rm /git
    ok docker history ubuntu-git:removed
    [[ ${lines[0]} =~ ^IMAGE\ +CREATED\ +CREATED\ BY\ +SIZE\ +COMMENT ]]
    [[ ${lines[1]} =~ ^[0-9a-f]{12}\ .*\ rm\ /git\ +0B ]]
    [[ ${lines[2]} =~ ^[0-9a-f]{12}\ .*\ touch\ /second\ +0B ]]
    [[ ${lines[3]} =~ ^[0-9a-f]{12}\ .*2MB ]]
    same "$(docker history -q ubuntu-git:removed | wc -l)" 4
    # Removing a file does not make the image smaller.
    [ "$(docker image inspect -f '{{.Size}}' ubuntu-git:removed)" -gt 2000000 ]
}

@test "UFS-05 UFS-06: several tags of one image" {
    local tag id
    on_top ubuntu:latest ubuntu-git:auto touch /git
    for tag in removed 1.9 latest; do
        docker tag ubuntu-git:auto "ubuntu-git:$tag"
    done
    id=$(docker images -q ubuntu-git:auto)
    same "$(docker images -q ubuntu-git | sort -u)" "$id"
    same "$(docker images -q ubuntu-git | wc -l)" 4
}

packed() {
    docker run --name packed ubuntu:latest sh -c 'mkdir /src; printf "#!/bin/sh\necho \"\$*\"\n" >/src/echo; chmod 755 /src/echo; ln /src/echo /src/hard; ln -s echo /src/soft'
    docker commit -c 'WORKDIR /src' packed dockerinaction/ch7_packed:latest >/dev/null
}

@test "EXP-01 EXP-02: the flat file system of an exited container as a tar file" {
    local tar=$BATS_TEST_TMPDIR/contents.tar
    packed
    ok docker run --name export-test dockerinaction/ch7_packed:latest ./echo For Export
    expect_output 'For Export'
    docker export --output "$tar" export-test
    docker rm export-test
    ok tar -tf "$tar"
    expect_line src/echo
    expect_line bin/sh
    ok tar -tvf "$tar"
    expect_match 'src/hard link to src/echo$'
    expect_match 'src/soft -> echo$'
}

@test "EXP-02: export to standard output, of a running container, not to a terminal" {
    packed
    docker run -d --name running dockerinaction/ch7_packed:latest sh -c 'echo x >/made; sleep 1000'
    wait_until 5 docker exec running test -s /made
    ok sh -c 'docker export running | tar -xOf - made'
    expect_output x
    # Only what is its own: no /proc, nothing mounted.
    run sh -c 'docker export running | tar -tf - | grep ^proc/.'
    expect_output ""
    run "$ON_PTY" -- docker export running
    [ "$status" -ne 0 ]
    expect_text 'cowardly refusing to save to a terminal'
}

@test "EXP-03: import of a flat file system with an entrypoint" {
    mkdir "$BATS_TEST_TMPDIR/root"
    cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/root/busybox"
    tar -C "$BATS_TEST_TMPDIR/root" -cf "$BATS_TEST_TMPDIR/static_hello.tar" busybox
    ok sh -c "docker import -c 'ENTRYPOINT [\"/busybox\"]' - dockerinaction/ch7_static <'$BATS_TEST_TMPDIR/static_hello.tar'"
    expect_match '^sha256:[0-9a-f]{64}$'
    same "$(docker history -q dockerinaction/ch7_static | wc -l)" 1
    ok docker run --rm dockerinaction/ch7_static echo hi
    expect_output hi
}

@test "EXP-02 EXP-03: what is exported and imported is the same tree" {
    packed
    docker export packed >"$BATS_TEST_TMPDIR/a.tar"
    docker import "$BATS_TEST_TMPDIR/a.tar" flat >/dev/null
    docker create --name again flat true >/dev/null
    docker export again >"$BATS_TEST_TMPDIR/b.tar"
    same "$(tar -tvf "$BATS_TEST_TMPDIR/b.tar" | grep -v 'dev/\|etc/\| proc/\| sys/')" \
        "$(tar -tvf "$BATS_TEST_TMPDIR/a.tar" | grep -v 'dev/\|etc/\| proc/\| sys/')"
}
