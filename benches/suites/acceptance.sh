#!/bin/bash
# Everyday programs on a mount, of the memory file system unless told otherwise: git, tar, rsync, sqlite, make, ls, and
# what programs ask of a file system: locks, mappings, inotify, unnamed files, odd names.
#
# usage: acceptance.sh CLONE      CLONE: a git repository, for example this project
#
# exit 0: every step passed; a step that this mount has no operation for says so, and does not count as failed.
# Environment: see mounted.sh; MOUNT_OPTIONS, e.g. writeback_cache; SHORT=1 for less data (a minute at most);
# STEP_SECONDS (300) bounds each step.
. "$(dirname "${BASH_SOURCE[0]}")/mounted.sh"
OPTIONS=${MOUNT_OPTIONS:-}
[ "$FERROFUSE_WHAT" != memory ] || OPTIONS=acl${OPTIONS:+,$OPTIONS}
[ $# = 1 ] && git -C "$1" rev-parse --git-dir > /dev/null 2>&1 || fail "usage: acceptance.sh CLONE (a git repository)"
own_name_spaces "$@"
REPOSITORY=$(cd "$1" && pwd)
for program in git tar rsync flock python3 make cc setfacl getfattr; do
    command -v $program > /dev/null || fail "$program is missing"
done
if [ -n "${SHORT:-}" ]; then
    TREE=/usr/include/linux BYTES=64M ENTRIES=10000 ROUNDS=100
else
    TREE=/usr/include BYTES=1G ENTRIES=100000 ROUNDS=500
fi

ABSENT=77 # how a step ends that this mount has no operation for
failures=0

# step NAME FUNCTION: runs the function in a shell of its own, with a deadline, and says how it went and how long it took.
step() {
    local name=$1 start end code verdict
    start=$(date +%s%N)
    timeout "${STEP_SECONDS:-300}" "$BASH" -eu -o pipefail -c "$(declare -f "$2"); $2" > "$WORKSPACE/step.log" 2>&1
    code=$?
    end=$(date +%s%N)
    case $code in
        0) verdict=ok ;;
        "$ABSENT") verdict="not there" ;;
        *) verdict="FAILED ($code)"; failures=$((failures + 1)) ;;
    esac
    printf '%-42s %-12s %6d ms\n' "$name" "$verdict" $(((end - start) / 1000000))
    [ "$code" = 0 ] || tail -n 20 "$WORKSPACE/step.log"
}

git_clone() { git clone --quiet "file://$REPOSITORY" "$MNT/clone" && git -C "$MNT/clone" status --porcelain; }
git_gc() { git -C "$MNT/clone" gc --quiet --prune=now; }
git_fsck() { git -C "$MNT/clone" fsck --full --strict; }
tar_in() { mkdir "$MNT/tree" && tar -C "$TREE" -cf - . | tar -C "$MNT/tree" -xf -; }
tar_out() { mkdir "$WORKSPACE/out" && tar -C "$MNT/tree" -cf - . | tar -C "$WORKSPACE/out" -xf -; }
tree_diff() {
    diff -r --no-dereference "$TREE" "$MNT/tree"
    diff -r --no-dereference "$TREE" "$WORKSPACE/out"
}
rsync_twice() {
    rsync -aHX "$TREE/" "$MNT/rsync/"
    rsync -aHX --itemize-changes "$TREE/" "$MNT/rsync/" | tee "$WORKSPACE/changes"
    [ ! -s "$WORKSPACE/changes" ]
    rsync -aHXc --itemize-changes "$MNT/rsync/" "$TREE/" --dry-run | tee "$WORKSPACE/changes"
    [ ! -s "$WORKSPACE/changes" ]
}
random_data() {
    # what was read is hashed on its way in, so that the source needs no copy
    head -c "$BYTES" /dev/urandom | tee "$MNT/random" | sha256sum | cut -d ' ' -f 1 > "$WORKSPACE/sum"
    [ "$(stat -c %s "$MNT/random")" = "$(numfmt --from=iec "$BYTES")" ]
    echo 3 > /proc/sys/vm/drop_caches
    echo "$(cat "$WORKSPACE/sum")  $MNT/random" | sha256sum --check
}
copies() {
    cp --reflink=auto "$MNT/random" "$MNT/copy"
    cmp "$MNT/random" "$MNT/copy"
    rm "$MNT/copy"
}
holes() {
    python3 - << 'END'
import os, subprocess, sys
path = os.environ["MNT"] + "/sparse"
size = 1 << 30
with open(path, "wb") as file:
    file.truncate(size)
    file.seek(size // 2)
    file.write(b"data")
fd = os.open(path, os.O_RDONLY)
data = os.lseek(fd, 0, os.SEEK_DATA)
if data == 0:
    print("SEEK_DATA finds data everywhere")
    sys.exit(int(os.environ["ABSENT"]))
assert size // 2 - (1 << 20) <= data <= size // 2, data
hole = os.lseek(fd, data, os.SEEK_HOLE)
assert size // 2 + 4 <= hole < size // 2 + (1 << 20), hole
subprocess.run(["cp", "--sparse=auto", path, path + "-copy"], check=True)
assert os.stat(path + "-copy").st_size == size
assert os.stat(path + "-copy").st_blocks * 512 < 1 << 20
os.unlink(path + "-copy")
END
}
sqlite() {
    python3 - << 'END'
import multiprocessing, os, sqlite3
path, rounds = os.environ["MNT"] + "/data.db", int(os.environ["ROUNDS"])
def connect():
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    assert db.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    return db
connect().execute("CREATE TABLE entries(writer INTEGER, number INTEGER, text TEXT, UNIQUE(writer, number))")
def write(writer):
    db = connect()
    for number in range(rounds):
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO entries VALUES(?, ?, ?)", (writer, number, "x" * (number * 37 % 5000)))
        db.execute("COMMIT")
writers = [multiprocessing.Process(target=write, args=(writer,)) for writer in range(4)]
[writer.start() for writer in writers]
[writer.join() for writer in writers]
assert all(writer.exitcode == 0 for writer in writers)
db = connect()
assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
assert db.execute("SELECT count(*), sum(length(text)) FROM entries").fetchone() == (
    4 * rounds, 4 * sum(number * 37 % 5000 for number in range(rounds)))
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
db.execute("VACUUM")
assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
END
}
build() {
    mkdir "$MNT/project" && cd "$MNT/project"
    for i in $(seq 30); do
        printf '#include <stdio.h>\nint part%d(void) { return printf("part %d\\n") > 0 ? %d : 0; }\n' "$i" "$i" "$i" > "part$i.c"
    done
    {
        seq -f 'int part%.0f(void);' 30
        printf 'int main(void) { int sum = 0;\n'
        seq -f 'sum += part%.0f();' 30
        printf 'return sum != 465; }\n'
    } > main.c
    cat > Makefile << 'END'
program: main.o libparts.a
	$(CC) -g -o $@ main.o -L. -lparts
libparts.a: $(patsubst %.c,%.o,$(wildcard part*.c))
	$(AR) rcs $@ $^
END
    make --quiet -j4
    [ "$(./program | wc -l)" = 30 ]
    make --question # nothing looks older than it is
    touch part7.c
    if make --question; then exit 1; fi
    make -j4 | grep -c -- '-c -o part7.o'
}
flocks() {
    echo 0 > "$MNT/counter"
    for _ in $(seq 8); do
        for _ in $(seq 25); do
            flock "$MNT/lock" sh -c 'read -r n < "$MNT/counter"; echo $((n + 1)) > "$MNT/counter"'
        done &
    done
    wait
    [ "$(cat "$MNT/counter")" = 200 ]
}
fcntl_locks() {
    python3 - << 'END'
import fcntl, multiprocessing, os
path, rounds = os.environ["MNT"] + "/record", int(os.environ["ROUNDS"])
with open(path, "wb") as file:
    file.write(bytes(64))
def add(process):
    fd = os.open(path, os.O_RDWR)
    for i in range(rounds):
        place = (process + i) % 8 * 8
        fcntl.lockf(fd, fcntl.LOCK_EX, 8, place)
        value = int.from_bytes(os.pread(fd, 8, place), "little")
        os.pwrite(fd, (value + 1).to_bytes(8, "little"), place)
        fcntl.lockf(fd, fcntl.LOCK_UN, 8, place)
processes = [multiprocessing.Process(target=add, args=(process,)) for process in range(8)]
[process.start() for process in processes]
[process.join() for process in processes]
assert all(process.exitcode == 0 for process in processes)
with open(path, "rb") as file:
    values = [int.from_bytes(file.read(8), "little") for _ in range(8)]
assert sum(values) == 8 * rounds, values
END
}
inotify() {
    python3 - << 'END'
import ctypes, os, select, struct, subprocess
CREATE, MODIFY, CLOSE_WRITE, MOVED_FROM, MOVED_TO, DELETE = 0x100, 2, 8, 0x40, 0x80, 0x200
directory = os.environ["MNT"] + "/watched"
os.mkdir(directory)
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(os.O_NONBLOCK)
assert libc.inotify_add_watch(fd, directory.encode(), CREATE | MODIFY | CLOSE_WRITE | MOVED_FROM | MOVED_TO | DELETE) > 0
subprocess.run(["sh", "-ec", 'cd "$0"; echo x > one; mv one two; rm two', directory], check=True)
seen = []
while select.select([fd], [], [], 0)[0]:
    data = os.read(fd, 65536)
    while data:
        _, mask, _, length = struct.unpack_from("iIII", data)
        seen.append((mask, data[16:16 + length].rstrip(b"\0").decode()))
        data = data[16 + length:]
assert seen == [(CREATE, "one"), (MODIFY, "one"), (CLOSE_WRITE, "one"), (MOVED_FROM, "one"), (MOVED_TO, "two"),
                (DELETE, "two")], seen
END
}
mappings() {
    python3 - << 'END'
import errno, mmap, multiprocessing, os, sys
path, size = os.environ["MNT"] + "/mapped", 4 << 20
with open(path, "wb") as file:
    file.truncate(size)
def write(process):
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), size) as mapped:
        mapped[process::8] = bytes([process + 1]) * (size // 8) # every process changes every page
        mapped.flush()
try:
    with open(path, "r+b") as file:
        mmap.mmap(file.fileno(), size).close()
except OSError as e:
    if e.errno != errno.ENODEV:
        raise
    print("no shared mappings")
    sys.exit(int(os.environ["ABSENT"]))
processes = [multiprocessing.Process(target=write, args=(process,)) for process in range(8)]
[process.start() for process in processes]
[process.join() for process in processes]
assert all(process.exitcode == 0 for process in processes)
with open("/proc/sys/vm/drop_caches", "w") as drop:
    drop.write("3")
with open(path, "rb") as file:
    assert file.read() == bytes(range(1, 9)) * (size // 8)
END
}
unnamed_files() {
    python3 - << 'END'
import errno, os, sys
mnt = os.environ["MNT"]
try:
    fd = os.open(mnt, os.O_TMPFILE | os.O_RDWR, 0o640)
except OSError as e:
    assert e.errno == errno.EOPNOTSUPP, e
    print("no O_TMPFILE")
    sys.exit(int(os.environ["ABSENT"]))
def link(fd, name): # linkat(2) with AT_SYMLINK_FOLLOW, which os.link leaves out unless it is given a directory
    os.link(f"/proc/self/fd/{fd}", mnt + "/" + name, src_dir_fd=fd, follow_symlinks=True)
before = os.listdir(mnt)
os.write(fd, b"unnamed")
assert os.fstat(fd).st_nlink == 0 and os.listdir(mnt) == before
link(fd, "named")
assert os.fstat(fd).st_nlink == 1
with open(mnt + "/named", "rb") as file:
    assert file.read() == b"unnamed"
excluded = os.open(mnt, os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o640)
try:
    link(excluded, "never")
    sys.exit("O_EXCL was linked")
except OSError as e:
    assert e.errno == errno.ENOENT, e
END
}
tar_attributes() {
    mkdir "$MNT/attributes" "$MNT/restored"
    echo x > "$MNT/attributes/file"
    setfattr -n user.one -v 1 "$MNT/attributes/file"
    setfattr -n user.bytes -v 0x00ff0a "$MNT/attributes"
    tar -C "$MNT/attributes" --xattrs --xattrs-include='*' -cf - . | tar -C "$MNT/restored" --xattrs --xattrs-include='*' -xf -
    (cd "$MNT/attributes" && getfattr -d -e hex . file) > "$WORKSPACE/before"
    (cd "$MNT/restored" && getfattr -d -e hex . file) | diff "$WORKSPACE/before" -
    grep -q '^user.one=0x31' "$WORKSPACE/before"
    grep -q '^user.bytes=0x00ff0a' "$WORKSPACE/before"
}
tar_acls() {
    mkdir "$MNT/acls" "$MNT/acls-restored"
    echo x > "$MNT/acls/file"
    if ! setfacl -m u:1234:rw "$MNT/acls/file" 2> "$WORKSPACE/refusal"; then
        grep 'not supported' "$WORKSPACE/refusal" && exit "$ABSENT"
        exit 1
    fi
    setfacl -m d:g:4321:rx "$MNT/acls"
    echo y > "$MNT/acls/inherits"
    getfacl -cn "$MNT/acls/inherits" | grep '^group:4321:r-x'
    tar -C "$MNT/acls" --acls -cf - . | tar -C "$MNT/acls-restored" --acls -xf -
    (cd "$MNT/acls" && getfacl -n . file inherits) > "$WORKSPACE/before"
    (cd "$MNT/acls-restored" && getfacl -n . file inherits) | diff "$WORKSPACE/before" -
    grep -q '^user:1234:rw-' "$WORKSPACE/before"
}
odd_names() {
    python3 - << 'END'
import errno, os
directory = os.environ["MNT"].encode() + b"/names"
names = [b"n" * 255, b"line\nbreak", b"\xff\xfe\x80 no UTF-8", "\U0001f980 \U0001f469\u200d\U0001f680".encode(),
         "\U0001f980".encode() * 63, b" ", b"-rf", b"...", b"\x01\x7f", "e\u0301".encode(), "\u00e9".encode(),
         b"tab\tback\\slash'quote\""]
os.mkdir(directory)
for number, name in enumerate(names):
    with open(directory + b"/" + name, "x") as file:
        file.write(str(number))
with open("/proc/sys/vm/drop_caches", "w") as drop:
    drop.write("3")
assert sorted(os.listdir(directory)) == sorted(names)
for number, name in enumerate(names):
    with open(directory + b"/" + name) as file:
        assert file.read() == str(number)
    os.rename(directory + b"/" + name, directory + b"/moved")
    os.symlink(name, directory + b"/" + name)
    assert os.readlink(directory + b"/" + name) == name
    os.unlink(directory + b"/" + name)
    os.unlink(directory + b"/moved")
try:
    open(directory + b"/" + b"n" * 256, "x")
    raise AssertionError("a name of 256 bytes")
except OSError as e:
    assert e.errno == errno.ENAMETOOLONG, e
os.rmdir(directory)
END
}
many_entries() { mkdir "$MNT/many" && cd "$MNT/many" && seq -f 'entry-%06.0f' "$ENTRIES" | xargs touch; }
list_entries() {
    echo 2 > /proc/sys/vm/drop_caches
    [ "$(ls -lU "$MNT/many" | grep -c ' entry-')" = "$ENTRIES" ]
}
remove_all() { rm -rf "$MNT"/* && [ -z "$(ls -A "$MNT")" ]; }

export WORKSPACE REPOSITORY TREE BYTES ENTRIES ROUNDS ABSENT MNT=$WORKSPACE/mnt HOME=$WORKSPACE
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
mount_ferrofuse "$FERROFUSE_WHAT" "$MNT" "$OPTIONS"

step "git clone" git_clone
step "git gc" git_gc
step "git fsck" git_fsck
step "tar of $TREE in" tar_in
step "tar of it out" tar_out
step "diff -r of both with $TREE" tree_diff
step "rsync, twice" rsync_twice
step "make of a project in C" build
step "sqlite in WAL mode, 4 writers" sqlite
step "$BYTES of random data, sha256" random_data
step "cp --reflink=auto" copies
step "SEEK_DATA, SEEK_HOLE, cp of a sparse file" holes
step "shared mappings of 8 processes" mappings
step "flock of 8 processes" flocks
step "fcntl locks of 8 processes" fcntl_locks
step "inotify" inotify
step "O_TMPFILE, linkat" unnamed_files
step "tar with extended attributes" tar_attributes
step "tar with ACLs" tar_acls
step "odd names" odd_names
step "$ENTRIES files made" many_entries
step "ls -lU of $ENTRIES entries, caches dropped" list_entries
step "rm -rf of everything" remove_all
unmount_ferrofuse || fail "the server ended with exit code $?"
[ $failures = 0 ] || fail "$failures steps failed"
