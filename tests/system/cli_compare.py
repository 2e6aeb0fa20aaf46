#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares dhow with the docker CLI, command line by command line.

Both programs talk to a daemon made of a few lines of python that answers every create with the
same ID. For each case the requests (method, path, query, JSON body), the exit code, stdout and
stderr must be the same, "docker" read as "dhow". No engine is needed, only docker in PATH.

  cli_compare.py DHOW [--docker PATH] [--only TEXT] [--show]
"""
import argparse
import difflib
import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.parse

ENV_FILE = """# a comment
  INDENTED=1
PLAIN=two words
FROMCALLER
NOTSET
QUOTED="kept"
EMPTY=
"""
SECCOMP = """{ "defaultAction" : "SCMP_ACT_ALLOW",
   "syscalls": [ ] }
"""
FILES = {
    "env": ENV_FILE,
    "badenv": "OK=1\nBAD NAME=2\n",
    "noname": "=2\n",
    "labels": "# c\na=b\nlone\n",
    "seccomp.json": SECCOMP,
    "bad.json": "{ nope",
    "taken.cid": "x",
}

# Every line is one case; %D is the case's directory.
CREATE_CASES = r"""
busybox
busybox echo hi
busybox:1.2 sh -c 'echo $HOME; exit 3'
-it busybox
-i busybox
-t busybox
-a stdin busybox
-a STDOUT -a stderr busybox
-a bogus busybox
--name web nginx
--name web --name web2 nginx
-e A=1 busybox
-e FROMCALLER busybox
-e NOTSET busybox
-e A=1 -e A=2 -e B= busybox
-e =x busybox
-e '' busybox
--env-file %D/env busybox
--env-file %D/env -e A=1 busybox
--env-file %D/badenv busybox
--env-file %D/noname busybox
--env-file %D/absent busybox
-l a=b -l c busybox
-l a=1 -l a=2 busybox
-l =b busybox
-l 'a b=c' busybox
--label-file %D/labels -l a=x busybox
--label-file %D/absent busybox
-p 80 busybox
-p 8080:80 busybox
-p 8080:80/udp busybox
-p 8080:80/UDP busybox
-p 8080:80/sctp busybox
-p 8080:80/foo busybox
-p 127.0.0.1:8080:80 busybox
-p 127.0.0.1::80 busybox
-p [::1]:8080:80 busybox
-p ::1:8080:80 busybox
-p 0.0.0.0:8080:80 busybox
-p 300.0.0.1:8080:80 busybox
-p localhost:8080:80 busybox
-p 8000-8002:80-82 busybox
-p 8000-8002:80 busybox
-p 8000-8002:80-81 busybox
-p 80-82 busybox
-p 82-80 busybox
-p 70000:80 busybox
-p 80:70000 busybox
-p 80: busybox
-p :80 busybox
-p '' busybox
-p abc busybox
-p 80:abc busybox
-p abc:80 busybox
-p 0:80 busybox
-p 8080:0 busybox
-p 80/tcp/udp busybox
-p 8080:80 -p 8081:80 busybox
-p 8080:80 -p 8080:80 busybox
-p target=80,published=8080,protocol=udp busybox
-p target=80 busybox
-p published=80,x busybox
-P busybox
--expose 80 busybox
--expose 80/udp --expose 90-92/tcp busybox
--expose 80 -p 90:80 busybox
--expose 80:90 busybox
--expose abc busybox
--expose 92-90 busybox
--expose 0 busybox
--expose 80/foo busybox
--expose '' busybox
-v /data busybox
-v /a:/b busybox
-v /a:/b:ro busybox
-v /a:/b:ro,z busybox
-v /a:/b:rslave busybox
-v vol:/b busybox
-v vol:/b:nocopy busybox
-v ./rel:/b busybox
-v .:/b busybox
-v ~/x:/b busybox
-v /a:/b -v /c:/d -v /e busybox
-v /a:/b -v /a:/b busybox
-v /a:/b:ro:rw busybox
-v :/b busybox
-v /a: busybox
-v '' busybox
-v / busybox
-v a: busybox
--volume-driver local -v vol:/b busybox
--volumes-from other --volumes-from another:ro busybox
--mount type=bind,source=/a,target=/b busybox
--mount type=bind,src=/a,dst=/b,readonly busybox
--mount type=bind,src=./a,dst=/b,ro=false busybox
--mount type=bind,src=/a,dst=/b,bind-propagation=rslave busybox
--mount type=bind,src=/a,dst=/b,bind-nonrecursive busybox
--mount type=bind,src=/a,dst=/b,bind-recursive=disabled busybox
--mount type=bind,src=/a,dst=/b,bind-recursive=writable busybox
--mount type=bind,src=/a,dst=/b,bind-recursive=writable,ro busybox
--mount type=bind,src=/a,dst=/b,bind-recursive=readonly,ro,bind-propagation=rprivate busybox
--mount type=bind,src=/a,dst=/b,bind-recursive=readonly,ro busybox
--mount type=bind,src=/a,dst=/b,bind-recursive=readonly busybox
--mount type=bind,src=/a,dst=/b,bind-recursive=enabled busybox
--mount type=bind,src=/a,dst=/b,bind-recursive=foo busybox
--mount type=bind,src=/a,dst=/b,bind-recursive busybox
--mount type=bind,src=/a,dst=/b,consistency=cached busybox
--mount type=volume,src=v,dst=/b busybox
--mount src=v,dst=/b busybox
--mount dst=/b busybox
--mount type=volume,src=v,dst=/b,volume-nocopy busybox
--mount type=volume,src=v,dst=/b,volume-nocopy=false busybox
--mount type=volume,src=v,dst=/b,volume-nocopy=x busybox
--mount type=volume,src=v,dst=/b,volume-driver=d,volume-opt=o=1,volume-opt=p=2 busybox
--mount '"type=volume","src=v","dst=/b","volume-opt=o=1,2"' busybox
--mount type=volume,src=v,dst=/b,volume-label=a=b,volume-label=c busybox
--mount type=volume,src=v,dst=/b,volume-subpath=x/y busybox
--mount type=tmpfs,dst=/b,tmpfs-size=64m,tmpfs-mode=1770 busybox
--mount type=tmpfs,dst=/b,tmpfs-mode=9 busybox
--mount type=tmpfs,dst=/b,tmpfs-size=x busybox
--mount type=tmpfs,dst=/b busybox
--mount type=tmpfs,src=/x,dst=/b busybox
--mount type=image,src=img,dst=/b busybox
--mount type=image,src=img,dst=/b,image-subpath=d busybox
--mount type=npipe,src=x,dst=y busybox
--mount type=cluster,src=x,dst=/y busybox
--mount type=BIND,src=/a,dst=/b busybox
--mount type=weird,src=/a,dst=/b busybox
--mount type=bind,src=/a busybox
--mount type=bind,dst=/a busybox
--mount type=bind,source=/a,target=/b,foo=bar busybox
--mount type=bind,source=/a,target=/b,foo busybox
--mount type=bind,source=/a,target=/b,ro=maybe busybox
--mount type=bind,source=/a,target=/b,volume-nocopy busybox
--mount type=volume,source=a,target=/b,tmpfs-size=1m busybox
--mount type=volume,source=a,target=/b,bind-propagation=private busybox
--mount type=,source=a,target=/b busybox
--mount '' busybox
--mount 'a"b,c' busybox
--mount '"abc' busybox
--mount 'type=bind,"source=/a","target=/b"x' busybox
--mount ' type=bind,source=/a,target=/b' busybox
--tmpfs /run busybox
--tmpfs /run:size=64m,noexec --tmpfs /tmp busybox
--link web busybox
--link web:alias busybox
--link web:a --link db:b busybox
--link a:b:c busybox
--link '' busybox
--network host busybox
--net none busybox
--net bridge busybox
--net default busybox
--net container:web busybox
--net container: busybox
--net mynet busybox
--net mynet --link a:b busybox
--net mynet --network-alias x --net-alias y busybox
--network-alias x busybox
--net mynet --ip 10.0.0.5 --ip6 fd00::5 busybox
--net mynet --link-local-ip 169.254.1.1 busybox
--ip 10.0.0.5 busybox
--ip bogus busybox
--net name=mynet,alias=a,alias=b,ip=10.0.0.5 busybox
--net name=mynet,ip6=fd00::1,link-local-ip=169.254.1.1,driver-opt=a=b,mac-address=92:d0:c6:0a:29:33 busybox
--net name=mynet,gw-priority=5 busybox
--network name=mynet,gw-priority=x busybox
--network name=mynet,foo=b busybox
--network alias=b busybox
--network name=mynet,driver-opt=x busybox
--net name=mynet,alias=b --network-alias c busybox
--net name=mynet,ip=10.0.0.5 --ip 10.0.0.6 busybox
--net a --net b busybox
--net a --net a busybox
--net a --net bridge busybox
--net bridge --net host busybox
--net '' busybox
--mac-address 92:d0:c6:0a:29:33 busybox
--mac-address 92:d0:c6:0a:29:33 --net mynet busybox
--mac-address bogus busybox
--hostname h --domainname d busybox
-h h busybox
--add-host a:10.0.0.1 busybox
--add-host a=10.0.0.1 busybox
--add-host a:host-gateway busybox
--add-host a:::1 busybox
--add-host a:[::1] busybox
--add-host a=[::1] busybox
--add-host a busybox
--add-host a:b busybox
--add-host :10.0.0.1 busybox
--dns 8.8.8.8 --dns-search example.com --dns-option ndots:1 --dns-opt debug busybox
--dns 127.0.0.1 busybox
--dns ::1 busybox
--dns bogus busybox
--dns-search . busybox
--dns-search '!x' busybox
--dns 2001:DB8:0::1 busybox
--device /dev/null busybox
--device /dev/null:/dev/x busybox
--device /dev/null:/dev/x:r busybox
--device /dev/null:rw busybox
--device /dev/null:/dev/x:bad busybox
--device dev/null busybox
--device '' busybox
--device a:b:c:d busybox
--device vendor.com/class=name busybox
--device-cgroup-rule 'c 1:3 rwm' busybox
--device-cgroup-rule bad busybox
--device-read-bps /dev/sda:1mb --device-write-bps /dev/sda:2k busybox
--device-read-iops /dev/sda:100 --device-write-iops /dev/sda:10 busybox
--device-read-bps sda:1mb busybox
--device-read-bps /dev/sda:x busybox
--device-read-bps /dev/sda busybox
--device-read-iops /dev/sda:-1 busybox
--blkio-weight 300 --blkio-weight-device /dev/sda:200 busybox
--blkio-weight-device /dev/sda:5 busybox
--blkio-weight-device sda:100 busybox
--blkio-weight-device /dev/sda busybox
--ulimit nofile=1024 --ulimit core=0:100 busybox
--ulimit nofile=10:5 busybox
--ulimit nofile=-1 busybox
--ulimit foo=1 busybox
--ulimit nofile busybox
--ulimit nofile=x busybox
--ulimit nofile=1:2:3 busybox
--ulimit nofile=1 --ulimit nofile=2 busybox
-m 64m busybox
-m 1.5g --memory-swap -1 --memory-reservation 32m busybox
--memory=xx busybox
-m '' busybox
--memory-swap 128m -m 64m busybox
--memory-swappiness 60 busybox
--memory-swappiness 101 busybox
--memory-swappiness -2 busybox
--oom-kill-disable busybox
--oom-kill-disable -m 64m busybox
--oom-score-adj -500 busybox
--cpus 1.5 busybox
--cpus .25 busybox
--cpus 1/2 busybox
--cpus x busybox
--cpus 0.0000000001 busybox
-c 512 --cpuset-cpus 0,1 --cpuset-mems 0 busybox
--cpu-period 100000 --cpu-quota 50000 --cpu-rt-period 1000 --cpu-rt-runtime 500 busybox
--cpu-shares x busybox
--cpu-shares 99999999999999999999 busybox
--pids-limit 100 busybox
--pids-limit -1 busybox
--shm-size 128m busybox
--shm-size x busybox
--privileged --cap-add NET_ADMIN --cap-add=sys_time --cap-drop ALL busybox
--cap-add CAP_NET_ADMIN --cap-add all --cap-add NET_ADMIN busybox
--security-opt seccomp=unconfined busybox
--security-opt seccomp=%D/seccomp.json busybox
--security-opt seccomp=%D/absent.json busybox
--security-opt seccomp:unconfined busybox
--security-opt no-new-privileges busybox
--security-opt no-new-privileges:true --security-opt label=disable busybox
--security-opt systempaths=unconfined busybox
--security-opt apparmor=x busybox
--security-opt bad busybox
--security-opt foo= busybox
--log-driver json-file --log-opt max-size=1m --log-opt max-file=2 busybox
--log-driver none busybox
--log-driver none --log-opt a=b busybox
--log-opt x busybox
--storage-opt size=1G busybox
--storage-opt x busybox
--sysctl net.ipv4.ip_forward=1 busybox
--sysctl kernel.msgmax=1 --sysctl fs.mqueue.msg_max=2 busybox
--sysctl foo=1 busybox
--sysctl foo busybox
--annotation a=b --annotation c busybox
--annotation '' busybox
--annotation =b busybox
--restart no busybox
--restart always busybox
--restart unless-stopped busybox
--restart on-failure busybox
--restart on-failure:3 busybox
--restart on-failure:x busybox
--restart on-failure:-1 busybox
--restart on-failure:3:4 busybox
--restart always:3 busybox
--restart bogus busybox
--restart '' busybox
--restart :3 busybox
--rm busybox
--rm --restart always busybox
--rm --restart no busybox
--rm --restart on-failure busybox
--entrypoint /bin/sh busybox
--entrypoint '' busybox
--entrypoint= busybox cmd
-u 1000:1000 -w /tmp busybox
-w rel busybox
--init busybox
--init=false busybox
--read-only --read-only busybox
--read-only=false busybox
--read-only=maybe busybox
--stop-signal SIGUSR1 --stop-timeout 3 busybox
--stop-timeout 0 busybox
--stop-timeout x busybox
--health-cmd 'curl x' --health-interval 5s --health-timeout 1m30s --health-retries 3 busybox
--health-start-period 10s --health-start-interval 1s busybox
--health-interval -1s busybox
--health-retries -1 busybox
--health-interval 5 busybox
--no-healthcheck busybox
--no-healthcheck --health-cmd x busybox
--pid host --ipc host --uts host --userns host --cgroupns host busybox
--pid container:web --ipc container:web busybox
--pid bogus busybox
--pid container: busybox
--uts bogus busybox
--userns bogus busybox
--cgroupns private busybox
--cgroupns bogus busybox
--ipc shareable busybox
--ipc bogus busybox
--group-add 1000 --group-add audio busybox
--cgroup-parent /x --runtime crun --isolation default busybox
--gpus all busybox
--gpus 2 busybox
--gpus device=0 busybox
--gpus '"device=0,1",capabilities=utility' busybox
--gpus driver=nvidia,count=1,options=a=b busybox
--gpus count=x busybox
--gpus all,count=2 busybox
--gpus foo=bar busybox
--gpus '' busybox
--cpu-count 2 --cpu-percent 50 --io-maxbandwidth 1m --io-maxiops 10 busybox
--platform linux/arm64 busybox
--platform linux/arm64/v8 busybox
--platform linux busybox
--platform linux/x86_64 busybox
--platform armhf busybox
--platform linux/amd64/v2/x busybox
--platform 'a b' busybox
--pull never busybox
--pull missing busybox
--pull bogus busybox
--pull '' busybox
-q busybox
--cidfile %D/new.cid busybox
--cidfile %D/taken.cid busybox
--cidfile %D/nodir/x busybox
Busybox
busybox:
busy_box/x@sha256:0123
localhost:5000/img:tag
docker.io/library/busybox
-
''
0123456789012345678901234567890123456789012345678901234567890123
--nosuchflag busybox
-Z busybox
--name
-- busybox -x
--ulimit nofile=-1:5 busybox
--ulimit nofile=5:-1 busybox
--ulimit nofile= busybox
--ulimit =5 busybox
--ulimit nofile=5: busybox
--blkio-weight 70000 busybox
--blkio-weight -1 busybox
-m -1 busybox
--platform foo busybox
--platform linux/foo busybox
--platform linux/arm/v6 busybox
--platform linux/arm/v7 busybox
--platform linux/armhf busybox
--platform Linux/AMD64 busybox
--platform linux/arm64/8 busybox
--platform linux/aarch64 busybox
--platform linux/amd64/v1 busybox
--platform linux/amd64/v2 busybox
--platform 'windows(10.0)/amd64' busybox
--platform linux//x busybox
-l '  a=b' busybox
--cpus -1 busybox
--cpus 1e3 busybox
--cpus '' busybox
--tmpfs '' busybox
--tmpfs :x busybox
-p [::1:80:80 busybox
-p 1-2-3:80 busybox
--expose 1-2-3 busybox
--expose 70000 busybox
--expose 5- busybox
--expose 5/ busybox
--add-host 'a:[1.2.3.4' busybox
--add-host a= busybox
--add-host a=b=c busybox
--dns ' 1.2.3.4 ' busybox
--dns 01.2.3.4 busybox
--dns fe80::1%eth0 busybox
--dns ::ffff:1.2.3.4 busybox
--dns-search example.com. busybox
--dns-search -x busybox
--network ' ' busybox
--network name=a,name=b busybox
--network 'name=a, alias=b' busybox
--network name=a,ip=bogus busybox
--network name=bridge,alias=x busybox
--network bridge --network-alias x busybox
--network bridge --link a busybox
--mac-address 92-d0-c6-0a-29-33 busybox
--mac-address ' 92:d0:c6:0a:29:33' busybox
--mac-address 92d0.c60a.2933 busybox
--mac-address 92:d0:c6:0a:29 busybox
--gpus all,capabilities=compute busybox
--gpus 'a,b' busybox
--gpus all --gpus 2 busybox
--gpus 1,device=2 busybox
--gpus options=a busybox
--gpus '"options=a=b,c=d"' busybox
--gpus '"capabilities=gpu,utility"' busybox
--log-opt a=1 --log-opt a=2 busybox
--cap-add '' --cap-add ' x' busybox
--stop-timeout -1 busybox
--entrypoint a --entrypoint b busybox
-v ab busybox
-v a:b busybox
-v aa:b busybox
-v 'C:\x:/y' busybox
-v ../x:/y busybox
--device-read-bps /dev/sda:1:2 busybox
--device-read-bps :1 busybox
--device-read-bps /dev/sda:-5 busybox
--device-read-iops /dev/sda:1k busybox
--link : busybox
--link a: busybox
--env-file %D busybox
--label-file %D/badenv busybox
-a STDIN -i busybox
--restart ' always' busybox
--restart on-failure: busybox
--health-cmd '' busybox
--health-interval 1us busybox
--shm-size 0 busybox
--shm-size -1 busybox
--security-opt seccomp=builtin busybox
--security-opt seccomp= busybox
--security-opt no-new-privileges= busybox
--security-opt label:disable busybox
--storage-opt =x busybox
--sysctl =1 busybox
--sysctl net.a=b=c busybox
--annotation a=b=c busybox
--pids-limit 0 busybox
--use-api-socket busybox
--mount type=bind,src=a,dst=b busybox
--mount type=bind,src=~/a,dst=b busybox
--mount type=volume,dst=/x,volume-opt==b busybox
--mount type=image,dst=/x busybox
--mount type=bind,bind-nonrecursive=true,dst=/x,src=/y busybox
--mount type=bind,bind-nonrecursive=x,dst=/x,src=/y busybox
--mount type=bind,dst=/x,=y busybox
--mount type=image,image-subpath busybox
--mount type=bind,src=,dst=/x busybox
--mount type=volume,dst=/x,image-subpath=x busybox
--mount type=tmpfs,dst=/x,tmpfs-size=0 busybox
--device /dev/null: busybox
--device /dev//null busybox
--device /dev/null:/dev/../x busybox
--tmpfs 'a"b' busybox
-e 'Ä=ö' -l 'ü="x"' busybox
-t=false -i=true busybox
--privileged=0 busybox
--name= busybox
-hweb busybox
-p8080:80 -eA=1 busybox
missing
--pull never missing
-q missing
--cidfile %D/gone.cid missing
--cidfile %D/gone.cid conflict
conflict
warn
"""

OTHER_CASES = r"""
create -d busybox
run busybox
run hello
run -i hello
run -d hello
run -d --rm hello
run -d -a stdout hello
run -d -i hello
run -d -it hello
run --rm hello
run -a stdin hello
run -i -a stdin hello
run -a stdin exit3
run -t hello
run exit3
run --rm exit3
run -it busybox
run notfound
run denied
run isdir
run nofile
run badmount
run --rm notfound
run -d notfound
run missing
run conflict
run warn
run waiterr
run --sig-proxy=false hello
run --detach-keys ctrl-a,b hello
run --detach-keys ctrl-a,b -d hello
run
create
run --nosuchflag
run -m x busybox
start c1
start c1 c2
start gone
start c1 gone c2
start -a c1
start -ai c1
start -a exit3
start -a gone
start -a c1 c2
start -i c1 c2
start -a notfound
start --checkpoint cp c1
start
attach stopped
attach paused
attach restarting
attach gone
attach c1
attach --no-stdin c1
attach --sig-proxy=false --detach-keys a,b c1
attach ttyc
attach exit3
attach
attach a b
exec c1 ls -l
exec -d c1 ls
exec -i c1 cat
exec -it c1 sh
exec -t c1 sh
exec -u 0 -w /tmp -e A=1 -e FROMCALLER -e NOTSET --env-file %D/env --privileged c1 ls
exec --detach-keys a,b c1 ls
exec gone ls
exec exit3 ls
exec c1
exec -e =x c1 ls
exec -dit c1 ls
stop c1
stop c1 gone c2
stop -t 3 c1
stop --time 3 c1
stop --timeout 0 c1
stop -s HUP -t -1 c1
stop --signal HUP c1
stop -t x c1
stop
stop gone gone2
restart c1 c2
restart -t 2 -s INT c1 gone
restart --time 2 c1
kill c1
kill -s HUP c1
kill --signal 9 c1 gone c2
kill -s '' c1
kill
pause c1 c2
pause gone
unpause c1 gone c2
unpause
wait c1
wait c1 exit3 gone
wait waiterr
wait
rm c1 c2
rm -f gone
rm -fv c1
rm -l c1/web
rm gone c1
rm gone gone2
rm /c1
rm ''
rm /
rm
rename c1 c2
rename gone x
rename c1 ''
rename '' x
rename a
rename a b c
stop ''
start ''
"""

# On a terminal of 33 rows and 99 columns: command line, what is typed.
PTY_CASES = [
    ("run -it busybox", b"abc\x10\x11"),
    ("run -it --rm busybox", b"a\x10b\x10\x11"),
    ("run -it --detach-keys ctrl-a,ctrl-b busybox", b"\x10\x11\x01\x02"),
    ("run -it --detach-keys bogus busybox", b"x\x10\x11"),
    ("run -it hello", b"\x04\x03\x10\x11"),
    ("run -it notfound", b""),
    ("run -t hello", b""),
    ("run -i hello", b"line\n\x04"),
    ("start -ai ttyc", b"ab\x10\x11"),
    ("start -a ttyc", b""),
    ("attach ttyc", b"ab\x10\x11"),
    ("attach --detach-keys ctrl-x ttyc", b"\x18"),
    ("exec -it c1 sh", b""),
    ("exec -t c1 sh", b""),
]

NAMES = {"gone", "gone2"}
START_ERRORS = {
    "notfound": (400, 'failed to create task for container: failed to create shim task: OCI runtime '
                 'create failed: exec: "nope": executable file not found in $PATH: unknown'),
    "denied": (400, 'exec: "/etc/passwd": permission denied: unknown'),
    "isdir": (400, 'exec: "/etc": is a directory: unknown'),
    "nofile": (400, 'exec: "/nope": stat /nope: no such file or directory: unknown'),
    "badmount": (500, "failed to mount."),
}


def frame(stream, text):
    return struct.pack(">BxxxI", stream, len(text)) + text.encode()


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """An HTTP server by hand: http.server cannot give its connection away for the upgrade."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path):
        self.log = []
        self.execs = {}
        super().__init__(path, Handler)

    def handle_error(self, request, client_address):
        """A client that goes away is none."""


class Handler(socketserver.StreamRequestHandler):
    def send(self, status, obj=None, raw=None):
        body = raw if raw is not None else (b"" if obj is None else json.dumps(obj).encode())
        head = (f"HTTP/1.1 {status} X\r\nApi-Version: 1.50\r\nOstype: linux\r\n"
                "Server: Docker/28.2.2 (linux)\r\nContent-Type: application/json\r\n")
        if status not in (204, 304):
            head += f"Content-Length: {len(body)}\r\n"
        self.wfile.write(head.encode() + b"\r\n" + (b"" if self.method == "HEAD" else body))

    def upgrade(self, output):
        self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: "
                         b"application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"
                         b"Upgrade: tcp\r\nApi-Version: 1.50\r\n\r\n")
        self.wfile.flush()
        self.wfile.write(output)
        # as an engine does: the end comes with the container's end
        if self.headers.get("stdin"):
            while self.request.recv(65536):
                pass
        try:
            self.request.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def handle(self):
        while True:
            line = self.rfile.readline().decode()
            if not line.strip():
                return
            self.method, target, _ = line.split()
            self.headers = {}
            while True:
                h = self.rfile.readline().decode().strip()
                if not h:
                    break
                k, v = h.split(":", 1)
                self.headers[k.lower()] = v.strip()
            body = b""
            if "chunked" in self.headers.get("transfer-encoding", ""):
                while n := int(self.rfile.readline(), 16):
                    body += self.rfile.read(n)
                    self.rfile.readline()
                self.rfile.readline()
            elif n := int(self.headers.get("content-length") or 0):
                body = self.rfile.read(n)
            url = urllib.parse.urlsplit(target)
            path = re.sub(r"^/v1\.\d+", "", urllib.parse.unquote(url.path))
            query = sorted(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
            if not path.endswith("/_ping"):
                self.server.log.append((self.method, path, query,
                                        json.loads(body) if body else None))
            if self.answer(path, dict(query), json.loads(body) if body else {}):
                return

    def answer(self, path, query, body):
        """True ends the connection."""
        if path == "/_ping":
            return self.send(200, raw=b"OK")
        if path == "/containers/create":
            return self.create(body)
        if path == "/images/create":
            return self.send(501, {"message": "pulling is for later"})
        m = re.match(r"/(containers|exec)/([^/]*)(?:/(.*))?$", path)
        if not m:
            return self.send(404, {"message": "page not found"})
        kind, ident, verb = m.groups()
        name = ident.split(".")[0]
        if kind == "exec":
            return self.exec(name, verb, body)
        if name in NAMES:
            return self.send(404, {"message": f"No such container: {name}"})
        if verb == "attach":
            if name == "noattach":
                return self.send(500, {"message": "no attach today"})
            out = frame(1, "to stdout\n") + frame(2, "to stderr\n")
            if name in START_ERRORS:
                out = b""
            if name == "ttyc":
                out = b"raw\r\n"
            self.headers["stdin"] = query.get("stdin") == "1"
            self.upgrade(out)
            return True
        if verb == "wait":
            if name == "waiterr":
                return self.send(200, {"StatusCode": 0, "Error": {"Message": "no idea"}})
            return self.send(200, {"StatusCode": 3 if name == "exit3" else 0})
        if verb == "start" and name in START_ERRORS:
            status, text = START_ERRORS[name]
            return self.send(status, {"message": text})
        if verb == "json":
            state = {"Running": name != "stopped", "Paused": name == "paused",
                     "Restarting": name == "restarting"}
            return self.send(200, {"Id": ident, "State": state, "HostConfig": {"AutoRemove": False},
                                   "Config": {"Tty": name == "ttyc", "OpenStdin": True}})
        if verb == "exec":
            return self.send(201, {"Id": name})
        return self.send(204)

    def create(self, body):
        image = body["Image"]
        if image == "missing":
            return self.send(404, {"message": "No such image: missing:latest"})
        if image == "conflict":
            return self.send(409, {"message": 'Conflict. The container name "/x" is already in use.'})
        warnings = ["one", "two"] if image == "warn" else None
        return self.send(201, {"Id": image.split(":")[0] + "." + "0" * 40, "Warnings": warnings})

    def exec(self, name, verb, body):
        if verb == "start":
            if name in ("notfound", "denied"):
                return self.send(*((lambda s, t: (s, {"message": t}))(*START_ERRORS[name])))
            if body.get("Detach"):
                return self.send(200)
            self.upgrade(frame(1, "exec out\n") if not body.get("Tty") else b"exec tty\r\n")
            return True
        if verb == "json":
            return self.send(200, {"ID": name, "Running": False,
                                   "ExitCode": 3 if name == "exit3" else 0})
        return self.send(200)


AT_ONCE = ("stop", "kill", "pause", "unpause", "rm")


def canonical(log, line):
    """Go ranges over maps in random order: what it lists from them has no order. Nor have requests
    that are sent at once."""
    out = []
    words = line.split()
    if words[0] in AT_ONCE:
        log = sorted(log, key=lambda r: r[1])
    if words[0] == "run" and "-d" in words and "--rm" not in words:
        # nobody looks at the answer
        log = [r for r in log if not r[1].endswith("/wait")]
    for method, path, query, body in log:
        if isinstance(body, dict):
            if isinstance(body.get("Env"), list):
                body["Env"] = sorted(body["Env"])
            hc = body.get("HostConfig")
            if hc and isinstance(hc.get("Binds"), list):
                hc["Binds"] = sorted(hc["Binds"])
            if hc and isinstance(hc.get("Ulimits"), list):
                hc["Ulimits"] = sorted(hc["Ulimits"], key=lambda u: u["Name"])
        out.append([method, path, query, body])
    return json.dumps(out, indent=1, sort_keys=True)


def on_pipes(argv, env, cwd):
    try:
        p = subprocess.run(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, timeout=20,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired as e:
        return "timeout", (e.stdout or b"").decode(), (e.stderr or b"").decode()
    err = p.stderr.decode()
    if "waiterr" in argv:
        # what the container said and what the client says come by different ways
        err = "".join(sorted(err.splitlines(True)))
    return p.returncode, p.stdout.decode(), err


def on_terminal(argv, env, cwd, keys):
    """Exit code, output, and whether the terminal was left as it was found."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.read(0, 1)  # the size is set by then
        os.execve(argv[0], argv, env)
    before = termios.tcgetattr(fd)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    os.write(fd, b"\n")
    out = b""
    deadline = time.time() + 10
    typed = False
    while time.time() < deadline:
        ready = select.select([fd], [], [], 0.4)[0]
        if not ready and not typed:
            # what is typed before the terminal is raw would be echoed
            typed = True
            os.write(fd, keys)
        elif ready:
            try:
                data = os.read(fd, 4096)
            except OSError:
                break
            if not data:
                break
            out += data
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            while select.select([fd], [], [], 0)[0]:
                try:
                    out += os.read(fd, 4096)
                except OSError:
                    break
            break
    if time.time() >= deadline:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        restored = termios.tcgetattr(fd) == before
    except termios.error:
        restored = "gone"
    os.close(fd)
    return code, f"restored {restored}\n" + out.decode().replace("\r\n", "\n"), ""


def run(program, line, workdir, keys=None):
    with tempfile.TemporaryDirectory(dir=workdir) as d:
        case = os.path.join(d, "case")
        os.mkdir(case)
        for name, text in FILES.items():
            with open(os.path.join(case, name), "w") as f:
                f.write(text)
        path = os.path.join(d, "s")
        server = Daemon(path)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "DOCKER_HOST": "unix://" + path,
               "FROMCALLER": "the caller's", "LC_ALL": "C.UTF-8",
               "DOCKER_CONFIG": os.path.join(d, "config")}
        argv = [program] + shlex.split(line.replace("%D", case))
        if keys is not None:
            code, out, err = on_terminal(argv, env, case, keys)
        else:
            code, out, err = on_pipes(argv, env, case)
        cids = {f: open(os.path.join(case, f)).read() for f in sorted(os.listdir(case))
                if f.endswith(".cid")}
        server.shutdown()
        thread.join()
        server.server_close()
        text = f"exit {code}\n--stdout\n{out}--stderr\n{err}--cid {cids}\n--requests\n"
        text = text + canonical(server.log, line)
        text = re.sub(r'time="[^"]*" level=warn(ing)?', 'time="T" level=warn', text)
        text = re.sub(r'time="[^"]*"', 'time="T"', text)
        # said on stdout, where scripts read names
        text = text.replace("Flag --time has been deprecated, use --timeout instead\n", "")
        return text.replace(d, "DIR")


def as_dhow(text):
    return re.sub(r"\bdocker( |:|$)", r"dhow\1", text)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("dhow")
    ap.add_argument("--docker", default=shutil.which("docker"))
    ap.add_argument("--only", help="cases that contain this text")
    ap.add_argument("--show", action="store_true", help="print what docker does, compare nothing")
    args = ap.parse_args()
    if not args.docker:
        print("no docker CLI: nothing compared")
        return 0
    cases = [("create " + c, None) for c in CREATE_CASES.strip("\n").split("\n")]
    cases += [(c, None) for c in OTHER_CASES.strip("\n").split("\n")]
    cases += PTY_CASES
    if args.only:
        cases = [c for c in cases if args.only in c[0]]
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="dhow-compare-") as workdir:
        for case, keys in cases:
            want = as_dhow(run(args.docker, case, workdir, keys))
            if args.show:
                print("=====", case, want, sep="\n")
                continue
            got = as_dhow(run(os.path.abspath(args.dhow), case, workdir, keys))
            if want == got:
                passed += 1
                print("ok  ", case, "" if keys is None else f"(typed {keys})")
                continue
            failed += 1
            print("FAIL", case, "" if keys is None else f"(typed {keys})")
            diff = difflib.unified_diff(want.splitlines(), got.splitlines(), "docker", "dhow",
                                        lineterm="", n=2)
            print("\n".join("    " + line for line in diff))
    if not args.show:
        print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
