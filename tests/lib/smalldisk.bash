# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# smalldisk.bash - an engine whose data root is a small file system of its own, which can be filled to the last block
# (or inode) and emptied again. The file system is an image that is unmounted and deleted at the end.

SMALL_DISK_MIB=256

# setup_small_engine IMAGE...; SMALL_DISK=btrfs: a subvolume of that, with quotas.
setup_small_engine() {
    engine_prepare "$(mktemp -d /tmp/dhow.XXXXXX)"
    truncate -s "${SMALL_DISK_MIB}M" "$E_DIR/disk.img"
    mkdir "$E_DIR/disk"
    if [ "${SMALL_DISK:-ext4}" = btrfs ]; then
        mkfs.btrfs -q "$E_DIR/disk.img" 2>"$E_DIR/mkfs"
        mount -o loop "$E_DIR/disk.img" "$E_DIR/disk"
        btrfs -q subvolume create "$E_DIR/disk/data"
        btrfs quota enable "$E_DIR/disk"
    else
        mkfs.ext4 -q -m 0 -N 20000 -E lazy_itable_init=1,nodiscard "$E_DIR/disk.img"
        mount -o loop "$E_DIR/disk.img" "$E_DIR/disk"
        mkdir "$E_DIR/disk/data"
    fi
    mkdir "$E_DIR/disk/filling"
    chmod 711 "$E_DIR/disk"
    rmdir "$E_DIR/data"
    ln -s disk/data "$E_DIR/data"
    engine_start || return 1
    [ $# -eq 0 ] || "$ROOT/scripts/images" load "$@" || return 1
    baseline
}

teardown_small_engine() {
    [ -n "${E_DIR:-}" ] || return 0
    empty_disk
    local status=0
    local pid
    engine_stop
    assert_engine_gone || status=1
    for pid in $(engine_processes); do
        kill -KILL "$pid"
    done
    umount "$E_DIR/disk" || status=1
    [ -z "${KEEP_LOG:-}" ] || cp "$E_LOG" "$KEEP_LOG/$(basename "$BATS_TEST_FILENAME").log"
    engine_destroy
    return $status
}

# To the last block: the kernel refuses every further one. Again: what has become free since, too.
fill_disk() {
    python3 - "$E_DIR/disk/filling" <<'END'
import errno, os, sys
n = len(os.listdir(sys.argv[1]))
size = 64 << 20
while size >= 1024:  # the smallest block
    try:
        fd = os.open(f"{sys.argv[1]}/{n}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
        break  # not even a name
    n += 1
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
        os.ftruncate(fd, 0)
        size //= 2
    os.close(fd)
END
}

# To the last inode.
fill_inodes() {
    python3 - "$E_DIR/disk/filling" <<'END'
import errno, os, sys
n = 0
while True:
    try:
        os.close(os.open(f"{sys.argv[1]}/i{n}", os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
        break
    n += 1
END
}

empty_disk() {
    find "$E_DIR/disk/filling" -mindepth 1 -delete 2>/dev/null || true
}

disk_is_full() {
    python3 -c 'import os, sys; s = os.statvfs(sys.argv[1]); sys.exit(s.f_bavail * s.f_frsize > 65536)' "$E_DIR/data"
}

# Read-only by force, as after an error: a remount is refused while files are open for writing, and so is the way back.
abort_disk() {
    sync -f "$E_DIR/disk"
    mount -o remount,abort "$E_DIR/disk"
}

# With no daemon and no container left. On a copy: whoever else has a mount namespace may keep the old one alive.
repair_disk() {
    umount "$E_DIR/disk"
    cp --sparse=always "$E_DIR/disk.img" "$E_DIR/copy.img"
    mv "$E_DIR/copy.img" "$E_DIR/disk.img"
    e2fsck -fy "$E_DIR/disk.img" >/dev/null 2>&1 || [ $? = 1 ]
    mount -o loop "$E_DIR/disk.img" "$E_DIR/disk"
}

# The state is whole.
database_is_sound() {
    same "$(python3 -c '
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone()[0])' "$E_DIR/data/state.db")" ok
}
