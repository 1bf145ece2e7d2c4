#!/bin/bash
# Runs what the Linux Test Project has for file systems on the memory file system unless told otherwise: the tests of
# file system calls, and those of testcases/kernel/fs.
#
# usage: LTP_DIR=CHECKOUT ltp.sh [NAME_PATTERN ...]      patterns as of the shell, e.g. 'fcntl*'; default: all
#
# CHECKOUT is a built one: git clone https://github.com/linux-test-project/ltp; make autotools; ./configure; make. Tests
# that make a file system of their own on a loop device don't test ours and are left out; their number is printed.
#
# exit 0: nothing failed but what known/ltp.txt has a reason for. Prints each test that failed, why others could not be
# run, and a summary. Environment: see
# mounted.sh; MOUNT_OPTIONS, e.g. writeback_cache; SECONDS_EACH (5) of those that write for a given time;
# TEST_SECONDS (300) bounds each test; RESULTS, a directory that the tests' output is copied to.
. "$(dirname "${BASH_SOURCE[0]}")/mounted.sh"
EXTRA=${MOUNT_OPTIONS:-}
[ "$FERROFUSE_WHAT" != memory ] || EXTRA=acl${EXTRA:+,$EXTRA}
[ -f "${LTP_DIR:-}/runtest/syscalls" ] && [ -x "$LTP_DIR/testcases/kernel/syscalls/open/open01" ] ||
    fail "LTP_DIR names no built checkout of LTP (git clone https://github.com/linux-test-project/ltp; make autotools; ./configure; make)"
own_name_spaces "$@"
[ $# != 0 ] || set -- '*'
LTP_DIR=$(cd "$LTP_DIR" && pwd)

# directories of testcases/kernel/syscalls whose tests use files
CALLS=(access chdir chmod chown chroot close copy_file_range creat dup dup2 dup3 execve execveat faccessat faccessat2 fadvise
    fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr file_attr flistxattr flock fpathconf
    fremovexattr fsetxattr fstat fstatat fstatfs fsync ftruncate futimesat getcwd getdents getxattr inotify io_submit io_uring
    lchown lgetxattr link linkat listxattr llistxattr llseek lremovexattr lseek lstat madvise mkdir mkdirat mknod mknodat mmap
    mremap msync munmap name_to_handle_at nftw open open_by_handle_at openat openat2 pathconf pread preadv preadv2 pwrite
    pwritev pwritev2 read readahead readdir readlink readlinkat readv realpath removexattr rename renameat renameat2 rmdir
    sendfile setxattr splice stat statfs statvfs statx symlink symlinkat sync sync_file_range syncfs truncate umask unlink
    unlinkat utime utimensat utimes write writev)
# of runtest/fs, those that work in TMPDIR
FS='^(gf[0-9]+|rwtest[0-9]+|iogen01|fs_inod01|openfile01|stream[0-9]+|ftest[0-9]+|lftest01|writetest01|fs_di) '

mount_ferrofuse "$FERROFUSE_WHAT" "$WORKSPACE/mnt" "allow_other,default_permissions,dev,suid${EXTRA:+,$EXTRA}"
chmod 0755 "$WORKSPACE"
mkdir "$SERVED/tmp" "$WORKSPACE/logs"
chmod 01777 "$SERVED/tmp"
export TMPDIR=$SERVED/tmp

# What tests call, as if it were installed.
export LTPROOT=$WORKSPACE/ltp
mkdir -p "$LTPROOT/testcases/bin"
find "$LTP_DIR"/testcases/{lib,kernel/fs} "$LTP_DIR/tools/apicmds" -type f -executable \
    -exec ln -s -t "$LTPROOT/testcases/bin" {} + 2> /dev/null
install -m 0755 "$LTP_DIR/testcases/kernel/fs/doio/rwtest" "$LTPROOT/testcases/bin"
PATH=$PATH:$LTPROOT/testcases/bin

declare -A count=([passed]=0 [failed]=0 [not run]=0)
elsewhere=0
failures=()
: > "$WORKSPACE/reasons"

wanted() {
    local name=$1 pattern
    shift
    for pattern; do
        # shellcheck disable=SC2053 # a pattern
        [[ $name == $pattern ]] && return
    done
    return 1
}

# one NAME DIRECTORY COMMAND: results are bits of the exit code, as LTP's guide for writing tests says
one() {
    local name=$1 directory=$2 command=$3 log=$WORKSPACE/logs/$1 code verdict
    (cd "$directory" && PATH=$directory:$PATH timeout -k 5 "${TEST_SECONDS:-300}" "$BASH" -c "$command") > "$log" 2>&1 < /dev/null
    code=$?
    case $code in
        0 | 4) verdict=passed ;; # 4: warnings only
        32 | 36) verdict="not run" ;;
        *) verdict=failed ;;
    esac
    count[$verdict]=$((count[$verdict] + 1))
    [ "$verdict" != failed ] || failures+=("$name")
    sed -i 's/\x1b\[[0-9;]*m//g' "$log"
    if [ "$verdict" = failed ]; then
        printf '%s: failed (%d)\n' "$name" "$code"
        grep -aE 'TFAIL|TBROK|FAIL' "$log" | sort -u | head -n 4 | cut -c 1-240 | sed 's/^/    /'
    elif [ "$verdict" = "not run" ]; then
        grep -a TCONF "$log" | head -n 1 | sed -E 's/.*TCONF *:? *//' >> "$WORKSPACE/reasons"
    fi
    kill -0 "$SERVER" 2> /dev/null || fail "the server died in $name"
    find "$TMPDIR" -mindepth 1 -delete 2> /dev/null
}

while read -r name program arguments; do
    [ -n "$program" ] && [[ $name != \#* && $name != *_16 ]] && wanted "$name" "$@" || continue
    for call in "${CALLS[@]}"; do
        directory=$LTP_DIR/testcases/kernel/syscalls/$call
        [ -x "$directory/$program" ] || continue
        source=$directory/${program%_64}.c
        [ -f "$source" ] || source=$directory/${program%_16}.c
        if grep -sqE '\.(mount_device|needs_device|all_filesystems|format_device|needs_rofs|needs_hugetlbfs) *=' "$source"; then
            elsewhere=$((elsewhere + 1))
        else
            one "$name" "$directory" "$program $arguments"
        fi
        break
    done
done < "$LTP_DIR/runtest/syscalls"

while read -r name command; do
    wanted "$name" "$@" || continue
    # growfiles -L and rwtest -i say for how long
    command=$(sed -E "s/-L [0-9]+/-L ${SECONDS_EACH:-5}/; s/-i [0-9]+s/-i ${SECONDS_EACH:-5}s/" <<< "$command")
    one "$name" "$LTP_DIR/testcases/kernel/fs" "$command"
done < <(grep -E "$FS" "$LTP_DIR/runtest/fs")

[ -z "${RESULTS:-}" ] || { mkdir -p "$RESULTS"; cp -r "$WORKSPACE/logs" "$WORKSPACE/server.log" "$RESULTS"; }
echo "not run:"
sort "$WORKSPACE/reasons" | uniq -c | sort -rn
echo "${count[passed]} passed, ${count[failed]} failed, ${count[not run]} not run, $elsewhere left out"
unset TMPDIR
cd /
unmount_ferrofuse || fail "the server ended with exit code $?"
judge ltp "${failures[@]}"
