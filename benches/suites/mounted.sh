# Sourced by the suites: a FerroFuse mount that goes away with the script.
#
#   own_name_spaces "$@"     first thing: starts the script over in mount and pid name spaces of its own
#   mount_ferrofuse WHAT DIRECTORY OPTIONS
#   maps_shared                 whether files of the mount can be mapped shared
#   judge SUITE NAME ...        says of each test that failed whether and why that is known
#
# Whatever way the script ends, the kernel ends its processes and its mounts with it. Environment: JAVA (java),
# FERROFUSE_JAR (build/ferrofuse.jar); FERROFUSE_WHAT (memory), what a suite mounts, a class of FERROFUSE_CLASS_PATH for
# example; FERROFUSE_OPTIONS, more options for its mounts. The memory file system by path is among the tests:
#   FERROFUSE_WHAT=io.github.ferrofuse.mounted.PathMemory FERROFUSE_CLASS_PATH=java/cli/build/classes/java/test

set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
JAVA=${JAVA:-java}
FERROFUSE_JAR=${FERROFUSE_JAR:-$ROOT/build/ferrofuse.jar}
FERROFUSE_WHAT=${FERROFUSE_WHAT:-memory}
READY_SECONDS=30

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 2
}

own_name_spaces() {
    [ "$(id -u)" = 0 ] || fail "mounts in a name space of its own and opens /dev/fuse: run it as root"
    [ -f "$FERROFUSE_JAR" ] || fail "$FERROFUSE_JAR is missing: gradle assemble"
    if [ -z "${FERROFUSE_SUITE_INSIDE:-}" ]; then
        FERROFUSE_SUITE_INSIDE=1 exec unshare --mount --pid --fork --kill-child --mount-proc "$BASH" "$0" "$@"
    fi
    WORKSPACE=$(mktemp -d -t ferrofuse-suite-XXXXXX)
    trap clean_up EXIT
    trap 'exit 143' TERM # pid 1 ignores what it does not handle
    trap 'exit 130' INT
}

# Sets SERVER to the pid of the process that serves the mount.
mount_ferrofuse() {
    local what=$1 directory=$2 options=$3${FERROFUSE_OPTIONS:+${3:+,}$FERROFUSE_OPTIONS}
    mkdir -p "$directory"
    "$JAVA" -jar "$FERROFUSE_JAR" mount ${FERROFUSE_CLASS_PATH:+--class-path "$FERROFUSE_CLASS_PATH"} \
        ${options:+-o "$options"} "$what" "$directory" \
        < /dev/null > "$WORKSPACE/server.log" 2>&1 &
    SERVER=$!
    SERVED=$directory
    local deadline=$((SECONDS + READY_SECONDS))
    until mountpoint -q "$directory"; do
        kill -0 "$SERVER" 2> /dev/null && [ $SECONDS -lt $deadline ] ||
            fail "\"mount $what\" did not mount (limit: $READY_SECONDS s)"
        sleep 0.05
    done
}

# Unmounts and answers the server's exit code.
unmount_ferrofuse() {
    timeout 20 umount "$SERVED" || fail "$SERVED can't be unmounted"
    wait "$SERVER"
}

NO_MAPPINGS="without shared mappings, which this mount refuses"

# Whether files of the mount can be mapped shared: with direct_io that takes a feature of the kernel.
maps_shared() {
    python3 -c '
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 4096)
try:
    mmap.mmap(fd, 4096, mmap.MAP_SHARED)
except OSError:
    sys.exit(1)
finally:
    os.unlink(sys.argv[1])
' "$SERVED/maps_shared"
}

# Takes the names of tests that failed; their reasons are in known/SUITE.txt. Answers whether there is one for each.
judge() {
    local suite=$1 name reason unknown=0
    shift
    for name; do
        reason=$(sed -n "s|^$name  *||p" "$ROOT/benches/suites/known/$suite.txt")
        [ -n "$reason" ] || unknown=$((unknown + 1))
        printf '%-16s %s\n' "$name" "${reason:-UNKNOWN FAILURE}"
    done
    return $((unknown > 0))
}

clean_up() {
    local code=$?
    trap - EXIT
    cd /
    if [ -n "${SERVER:-}" ]; then
        [ $code = 0 ] || { echo "the server said:"; tail -n 40 "$WORKSPACE/server.log"; } >&2
        { kill -KILL "$SERVER"; wait "$SERVER"; } 2> /dev/null
    fi
    # the last mount first
    awk -v below="$WORKSPACE/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | tac | xargs -r umount -l
    rm -rf --one-file-system "$WORKSPACE"
    exit $code
}
