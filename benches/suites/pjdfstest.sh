#!/bin/bash
# Runs pjdfstest, the POSIX test suite for file systems (crate "pjdfstest"), on a mount of the memory file system.
#
# usage: pjdfstest.sh [TEST_PATTERN ...]      exit 0: nothing failed
#
# Prints the suite's summary and the names of the tests that failed or were skipped. Environment: see mounted.sh;
# PJDFSTEST_SECONDS (900) bounds the run.
. "$(dirname "${BASH_SOURCE[0]}")/mounted.sh"
own_name_spaces "$@"

PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
command -v pjdfstest > /dev/null || cargo install --locked pjdfstest || fail "cargo install pjdfstest failed"

mount_ferrofuse memory "$WORKSPACE/mnt" allow_other,default_permissions,dev,suid
chmod 0755 "$WORKSPACE" "$WORKSPACE/mnt" # the suite's users must get at it

# The crossing of devices needs a second file system.
mkdir "$WORKSPACE/other"
mount -t tmpfs tmpfs "$WORKSPACE/other" || fail "no tmpfs"

cat > "$WORKSPACE/pjdfstest.toml" << END
[features]
posix_fallocate = {}
rename_ctime = {}
utime_now = {}
utimensat = {}
secondary_fs = "$WORKSPACE/other"

[settings]
naptime = 0.01

[dummy_auth]
# any two users with different primary groups will do
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
END

timeout "${PJDFSTEST_SECONDS:-900}" pjdfstest -c "$WORKSPACE/pjdfstest.toml" -p "$WORKSPACE/mnt" "$@" \
    > "$WORKSPACE/result" 2>&1
code=$?
[ $code != 124 ] || { tail -n 5 "$WORKSPACE/result"; fail "still running after ${PJDFSTEST_SECONDS:-900} s"; }

sed -i 's/\x1b\[[0-9;]*m//g' "$WORKSPACE/result"
grep -q '^Summary' "$WORKSPACE/result" || { tail -n 20 "$WORKSPACE/result"; fail "the suite ended without a summary"; }
# A test's line is followed by its reasons, indented.
awk '/^[^\t]/ { show = / (FAILED|skipped|PASSED UNEXPECTEDLY)$/ } show && NF' "$WORKSPACE/result"
grep '^Summary' "$WORKSPACE/result"
kill -0 "$SERVER" || fail "the server died"
umount "$WORKSPACE/other"
unmount_ferrofuse || fail "the server ended with exit code $?"
exit $code
