#!/bin/bash
# Runs pjdfstest, the POSIX test suite for file systems (crate "pjdfstest"), on a mount of the memory file
# system unless told otherwise.
#
# usage: pjdfstest.sh [TEST_PATTERN ...]      exit 0: nothing failed
#
# Prints the suite's summary and the names of the tests that failed or were skipped. Environment: see mounted.sh;
# PJDFSTEST_SECONDS (900) bounds the run.
. "$(dirname "${BASH_SOURCE[0]}")/mounted.sh"
own_name_spaces "$@"

PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
command -v pjdfstest > /dev/null || cargo install --locked pjdfstest || fail "cargo install pjdfstest failed"

mount_ferrofuse "$FERROFUSE_WHAT" "$WORKSPACE/mnt" allow_other,default_permissions,dev,suid
chmod 0755 "$WORKSPACE" "$WORKSPACE/mnt" # the suite's users must get at it

# The crossing of devices needs a second file system.
mkdir "$WORKSPACE/other"
mount -t tmpfs tmpfs "$WORKSPACE/other" || fail "no tmpfs"

# The suite remounts read-only by mount(8), which leaves that to a helper of the file system type; there is none for
# this type, and -i goes to the kernel instead.
mkdir "$WORKSPACE/bin"
printf '#!/bin/sh\nexec %s -i "$@"\n' "$(command -v mount)" > "$WORKSPACE/bin/mount"
chmod 0755 "$WORKSPACE/bin/mount"

# run_suite ALLOW_REMOUNT PATTERN ...: prints what failed or was skipped, and the summary; answers the suite's exit code.
run_suite() {
    cat > "$WORKSPACE/pjdfstest.toml" << END
[features]
posix_fallocate = {}
rename_ctime = {}
utime_now = {}
utimensat = {}
secondary_fs = "$WORKSPACE/other"

[settings]
naptime = 0.01
allow_remount = $1

[dummy_auth]
# any two users with different primary groups will do
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
END
    shift
    PATH=$WORKSPACE/bin:$PATH timeout "${PJDFSTEST_SECONDS:-900}" \
        pjdfstest -c "$WORKSPACE/pjdfstest.toml" -p "$WORKSPACE/mnt" "$@" > "$WORKSPACE/result" 2>&1
    local code=$?
    [ $code != 124 ] || { tail -n 5 "$WORKSPACE/result"; fail "still running after ${PJDFSTEST_SECONDS:-900} s"; }
    sed -i 's/\x1b\[[0-9;]*m//g' "$WORKSPACE/result"
    grep -q '^Summary' "$WORKSPACE/result" || { tail -n 20 "$WORKSPACE/result"; fail "no summary"; }
    # a test's line is followed by its reasons, indented
    awk '/^[^\t]/ { show = / (FAILED|skipped|PASSED UNEXPECTEDLY)$/ } show && NF' "$WORKSPACE/result"
    grep '^Summary' "$WORKSPACE/result"
    return $code
}

failed=0
run_suite false "$@" || failed=1
# The read-only remount wants no file open for writing, and the suite leaves some open: a run of its own.
[ $# != 0 ] || run_suite true erofs || failed=1
kill -0 "$SERVER" || fail "the server died"
unmount_ferrofuse || fail "the server ended with exit code $?"
exit $failed
