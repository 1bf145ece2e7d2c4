#!/bin/bash
# Runs the generic tests of xfstests, the test suite of the kernel's file systems, on the memory file system, or on two
# directories of FERROFUSE_WHAT, if that is a scheme with an empty directory (mirror:/srv/empty).
#
# usage: XFSTESTS_DIR=CHECKOUT xfstests.sh [ARGUMENTS OF check ...]     default: -g quick
#
# CHECKOUT is a built one: git clone https://git.kernel.org/pub/scm/fs/xfs/xfstests-dev.git; make. Only tests/generic is
# run. exit 0: nothing failed but what known/xfstests.txt has a reason for.
#
# A test unmounts and mounts again and expects to find what it wrote. So one JVM (Keeper.java) keeps the contents of
# each "device", and every mount is a real one, with a connection to the kernel of its own.
#
# Prints each test that failed, with the reason if it is known, why others did not run, and a summary. Environment: see mounted.sh; MOUNT_OPTIONS, what is
# mounted with beside allow_other,default_permissions (e.g. writeback_cache); CAPACITY in bytes (4 GiB) of either file
# system; XFSTESTS_SECONDS (7200) bounds the run; RESULTS, a directory that the suite's logs are copied to.
EXTRA=${MOUNT_OPTIONS:-}
. "$(dirname "${BASH_SOURCE[0]}")/mounted.sh"
[ -x "${XFSTESTS_DIR:-}/check" ] && [ -x "$XFSTESTS_DIR/ltp/fsx" ] ||
    fail "XFSTESTS_DIR names no built checkout of xfstests (git clone https://git.kernel.org/pub/scm/fs/xfs/xfstests-dev.git && make)"
own_name_spaces "$@"
[ $# != 0 ] || set -- -g quick

# The users that the tests run as, known in this name space only.
for file in passwd group shadow; do
    cp -p /etc/$file "$WORKSPACE/$file"
done
id=61000
for user in fsgqa fsgqa2 123456-fsgqa; do
    id=$((id + 1))
    echo "$user:x:$id:$id::/tmp:/bin/bash" >> "$WORKSPACE/passwd"
    echo "$user:x:$id:" >> "$WORKSPACE/group"
    echo "$user:*:19000:0:99999:7:::" >> "$WORKSPACE/shadow"
done
for file in passwd group shadow; do
    mount --bind "$WORKSPACE/$file" /etc/$file || fail "/etc/$file can't be covered"
done

# mount(8) finds a helper for the type fuse.ferrofuse in /sbin and nowhere else.
cat > "$WORKSPACE/mount.fuse.ferrofuse" << END
#!/usr/bin/env python3
import socket, subprocess, sys
# of the mount point, not of the file system
FLAGS = {"atime", "nodiratime", "diratime", "noexec", "exec", "defaults"}
source, directory, options = sys.argv[1], sys.argv[2], ""
for before, argument in zip(sys.argv[2:], sys.argv[3:]):
    if before == "-o":
        options += "," + argument
options = [option for option in options.split(",") if option and option != "rw"]
if "remount" in options:
    sys.exit(subprocess.call(["mount", "-i", "-o", ",".join(options), directory]))
# mount(8) leaves out what is the default for root
options += [word for word in ("dev", "suid") if "no" + word not in options and word not in options]
with socket.socket(socket.AF_UNIX) as keeper:
    keeper.connect("$WORKSPACE/keeper.socket")
    line = "\t".join([source, directory, ",".join(o for o in options if o not in FLAGS)])
    keeper.sendall(line.encode() + b"\n")
    answer = keeper.makefile().readline().strip()
if answer.startswith("at "):
    sys.exit(subprocess.call(["mount", "--bind", answer[3:], directory]))
if answer != "ok":
    print("mount.fuse.ferrofuse:", answer, file=sys.stderr)
    sys.exit(32)
flags = [option for option in options if option in FLAGS]
if flags:
    sys.exit(subprocess.call(["mount", "-i", "-o", ",".join(["remount", "bind"] + flags), directory]))
END
chmod 0755 "$WORKSPACE/mount.fuse.ferrofuse"
mkdir "$WORKSPACE/layers" && mount -t tmpfs tmpfs "$WORKSPACE/layers" && mkdir "$WORKSPACE"/layers/{upper,work} &&
    cp "$WORKSPACE/mount.fuse.ferrofuse" "$WORKSPACE/layers/upper" &&
    mount -t overlay -o "lowerdir=$(realpath /sbin),upperdir=$WORKSPACE/layers/upper,workdir=$WORKSPACE/layers/work" \
        overlay "$(realpath /sbin)" || fail "no helper can be put into /sbin: overlayfs is needed"

capacity=${CAPACITY:-$((4 << 30))}
case $FERROFUSE_WHAT in
memory) known=xfstests ;;
*:*)
    known=xfstests-${FERROFUSE_WHAT%%:*}
    mkdir -p "${FERROFUSE_WHAT#*:}"/keeper-{test,scratch} || fail "${FERROFUSE_WHAT#*:} is no directory to work in"
    ;;
*) fail "FERROFUSE_WHAT=$FERROFUSE_WHAT: memory, or a scheme with a directory" ;;
esac
"$JAVA" -XX:MaxDirectMemorySize=$((2 * capacity + (1 << 30))) -cp "$FERROFUSE_JAR" \
    "$ROOT/benches/suites/Keeper.java" "$WORKSPACE/keeper.socket" "$FERROFUSE_WHAT" "$capacity" \
    < /dev/null > "$WORKSPACE/server.log" 2>&1 &
SERVER=$!
deadline=$((SECONDS + READY_SECONDS))
until [ -S "$WORKSPACE/keeper.socket" ]; do
    kill -0 $SERVER 2> /dev/null && [ $SECONDS -lt $deadline ] || fail "the keeper did not start"
    sleep 0.1
done

mkdir "$WORKSPACE"/{test,scratch,results}
chmod 0755 "$WORKSPACE" "$WORKSPACE"/{test,scratch}
options=allow_other,default_permissions,dev,suid${EXTRA:+,$EXTRA}
cat > "$WORKSPACE/local.config" << END
export FSTYP=fuse
export FUSE_SUBTYP=.ferrofuse
export TEST_DEV=keeper-test
export TEST_DIR=$WORKSPACE/test
export SCRATCH_DEV=keeper-scratch
export SCRATCH_MNT=$WORKSPACE/scratch
export MOUNT_OPTIONS="-o$options"
export TEST_FS_MOUNT_OPTS="-o$options"
export RESULT_BASE=$WORKSPACE/results
END

# The suite compares the type that df shows with FSTYP, without the subtype.
mkdir "$WORKSPACE/bin"
cat > "$WORKSPACE/bin/df" << END
#!/bin/bash
set -o pipefail
$(command -v df) "\$@" | sed 's/fuse\.ferrofuse/fuse          /'
END
chmod 0755 "$WORKSPACE/bin/df"

cd "$XFSTESTS_DIR"
PATH=$WORKSPACE/bin:$PATH HOST_OPTIONS=$WORKSPACE/local.config timeout "${XFSTESTS_SECONDS:-7200}" ./check -fuse "$@" > "$WORKSPACE/result" 2>&1
code=$?
cd /
[ -z "${RESULTS:-}" ] || { mkdir -p "$RESULTS"; cp -r "$WORKSPACE/results/." "$WORKSPACE/result" "$WORKSPACE/server.log" "$RESULTS"; }
[ $code != 124 ] || fail "still running after ${XFSTESTS_SECONDS:-7200} s: $(tail -n 1 "$WORKSPACE/result")"
grep -q '^Ran: ' "$WORKSPACE/result" || { tail -n 20 "$WORKSPACE/result"; fail "no summary"; }
kill -0 $SERVER || fail "the keeper died"

skipped=$(sed -n 's/.*\[not run\] *//p' "$WORKSPACE/result" | sed "s|$WORKSPACE|...|g; s/keeper-[a-z]*/the device/" | sort | uniq -c | sort -rn)
passed=$(grep -cE '^generic/[0-9]+ .* [0-9]+s$' "$WORKSPACE/result")
mapfile -t failed < <(sed -n 's/^Failures: //p' "$WORKSPACE/result" | tr -s ' ' '\n')
echo "not run:"
echo "$skipped"
echo "failed:"
judge $known "${failed[@]}"
verdict=$?
echo "$passed passed, ${#failed[@]} failed, $(grep -c '\[not run\]' "$WORKSPACE/result") not run"
exit $verdict
