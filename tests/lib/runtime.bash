# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# runtime.bash - for the tests of the OCI runtime: one bundle with busybox, a configuration that a test changes
# with a few words of Python, and the assertions of helpers.bash. RUNTIME=/usr/sbin/runc proves a test against
# another runtime.

# shellcheck source=tests/lib/helpers.bash
. "$BATS_TEST_DIRNAME/../lib/helpers.bash"

RUNTIME=${RUNTIME:-$BUILD/src/runtime/dhow-runtime}
R_NAME=$(basename "$RUNTIME")

# A bundle in $B with a root file system of busybox; state in $B/state.
setup_bundle() {
    B=$(mktemp -d /tmp/dhow-oci.XXXXXX)
    chmod 755 "$B"
    C=t${B##*.}
    export B C
    mkdir -p "$B"/rootfs/{bin,etc,tmp,proc,sys,dev,mnt,secret} "$B/state"
    cp "$(command -v busybox)" "$B/rootfs/bin/busybox"
    # Not a process for each of some hundreds: an emulated machine would take longer for these than for the test.
    busybox --list | python3 -c '
import os, sys
for applet in sys.stdin.read().split():
    if applet != "busybox": os.symlink("busybox", sys.argv[1] + applet)' "$B/rootfs/bin/"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$B/rootfs/etc/passwd"
    echo 'root:x:0:' >"$B/rootfs/etc/group"
    "$BUILD/src/runtime/dhow-runtime" spec --bundle "$B"
    mv "$B/config.json" "$B/base.json"
    config
}

teardown_bundle() {
    [ -n "${B:-}" ] || return 0
    local id status=0
    for id in $(rt list -q); do
        rt delete --force "$id" || status=1
    done
    [ -z "$(state_left)" ] || { fail "state is left: $(state_left)"; status=1; }
    [ -z "$(cgroups_left)" ] || { fail "cgroups are left: $(cgroups_left)"; status=1; }
    ! grep -F "$B" /proc/self/mountinfo || { fail "mounts are left"; status=1; }
    rm -rf "$B"
    return $status
}

# Compiled filters stay.
state_left() {
    find "$B/state" -mindepth 1 -maxdepth 1 ! -name seccomp:cache
}

cgroups_left() {
    find /sys/fs/cgroup -maxdepth 3 -type d -name "$C*" 2>/dev/null
}

# config [PYTHON...]: $B/config.json anew from the starter file. c is the configuration, p its process, l its
# linux part; sh(TEXT) sets the program.
config() {
    python3 - "$B" "$C" "$@" <<'END'
import json, os, sys
B, C = sys.argv[1:3]
c = json.load(open(B + "/base.json"))
p, l = c["process"], c["linux"]
p["terminal"] = False
p["args"] = ["sleep", "1000"]
l["cgroupsPath"] = "/" + C
def sh(text): p["args"] = ["sh", "-c", text]
def ns(kind, path=None):
    no_ns(kind)
    l["namespaces"].append({"type": kind, "path": path} if path else {"type": kind})
def no_ns(kind): l["namespaces"] = [n for n in l["namespaces"] if n["type"] != kind]
def mount(dst, src, options, kind="bind", **more):
    c["mounts"].append(dict(destination=dst, source=src, type=kind, options=options, **more))
def users(host=100000, size=65536):
    ns("user")
    l["uidMappings"] = l["gidMappings"] = [{"containerID": 0, "hostID": host, "size": size}]
def caps(*names, sets=("bounding", "effective", "permitted", "inheritable")):
    p["capabilities"] = {s: list(names) for s in sets}
for text in sys.argv[3:]:
    exec(text)
json.dump(c, open(B + "/config.json", "w"))
END
}

rt() {
    "$RUNTIME" --root "$B/state" "$@"
}

# inside SCRIPT [PYTHON...]: the configuration, changed so, runs this in a container; leaves $status and $output
# (with what is written to stderr).
inside() {
    local script=$1
    shift
    R_SCRIPT=$script config 'sh(os.environ["R_SCRIPT"])' "$@"
    run timeout 120 "$RUNTIME" --root "$B/state" run --bundle "$B" "$C"
}

# created [PYTHON...], started [PYTHON...]: a container $C in that state, its streams on /dev/null or $B/out.
created() {
    [ $# -eq 0 ] || config "$@"
    rt create --bundle "$B" --pid-file "$B/pid" "$C" </dev/null >"$B/out" 2>"$B/err" 3>&- || {
        fail "create failed:" "$(cat "$B/err")"
        return 1
    }
    PID=$(cat "$B/pid")
}

started() {
    created "$@" && rt start "$C"
}

status_of() {
    rt state "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'
}

is_status() {
    [ "$(status_of "$1")" = "$2" ]
}

# ours_only WHY: the test is about our own words.
ours_only() {
    [ "$R_NAME" = dhow-runtime ] || skip "$1"
}
