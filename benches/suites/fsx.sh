#!/bin/bash
# Runs fsx, the file system exerciser (crate "fsx"), on the memory file system unless told otherwise: random reads,
# writes, mappings, truncations, allocations, holes, copies and syncs of one file, compared with what it should hold.
#
# usage: fsx.sh [SEED ...]      default: 1 2 3 4; each on a plain mount, with direct_io, and with writeback_cache
#
# exit 0: nothing failed. Environment: see mounted.sh; OPERATIONS (100000) of each run, 2000 is a short form;
# MODES ("plain direct_io writeback_cache"), the mount options to go through; FSX_SECONDS (900) bounds each run.
. "$(dirname "${BASH_SOURCE[0]}")/mounted.sh"
own_name_spaces "$@"
[ $# != 0 ] || set -- 1 2 3 4

PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
command -v fsx > /dev/null || cargo install --locked fsx || fail "cargo install fsx failed"

run() {
    local mode=$1 seed=$2 mapped=10 without="" start code
    start=$(date +%s%N)
    maps_shared || { mapped=0; without=", $NO_MAPPINGS"; }
    cat > "$WORKSPACE/fsx.toml" << END
flen = 262144

[opsize]
min = 1 # posix_fallocate(3) refuses 0

[weights]
close_open = 2
read = 10
write = 10
mapread = $mapped
mapwrite = $mapped
invalidate = $((mapped / 5))
truncate = 5
fsync = 1
fdatasync = 1
posix_fallocate = 5
punch_hole = 5
sendfile = 2
posix_fadvise = 2
copy_file_range = 5
END
    timeout "${FSX_SECONDS:-900}" fsx -q -f "$WORKSPACE/fsx.toml" -N "${OPERATIONS:-100000}" -S "$seed" -P "$WORKSPACE" \
        "$SERVED/file" > "$WORKSPACE/result" 2>&1
    code=$?
    printf '%-16s seed %-6s %-12s %8d ms%s\n' "$mode" "$seed" "$([ $code = 0 ] && echo ok || echo "FAILED ($code)")" \
        $((($(date +%s%N) - start) / 1000000)) "$without"
    # its last operations, and what was wrong
    [ $code = 0 ] || { tail -n 10 "$WORKSPACE/result"; grep -vE 'fsx\] +[0-9]+ ' "$WORKSPACE/result" | tail -n 10; }
    return $code
}

failures=0
for mode in ${MODES:-plain direct_io writeback_cache}; do
    for seed; do
        mount_ferrofuse "$FERROFUSE_WHAT" "$WORKSPACE/mnt" "$([ "$mode" = plain ] || echo "$mode")"
        run "$mode" "$seed" || failures=$((failures + 1))
        unmount_ferrofuse || fail "the server ended with exit code $?"
    done
done
[ $failures = 0 ] || fail "$failures runs failed"
