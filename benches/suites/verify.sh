#!/bin/bash
# Whether anything that is written gets lost: fio writes blocks with checksums from 16 processes, the page cache is
# dropped, and 16 other processes read all of it again. Several ways of writing, on the memory file system unless told
# otherwise.
#
# usage: verify.sh      needs fio; exit 0: every block was there
#
# Environment: see mounted.sh; SIZE (32m) that each process writes, 1m is a short form; MODES ("plain direct_io
# writeback_cache"), the mount options to go through; FIO_SECONDS (300) bounds each run of fio.
. "$(dirname "${BASH_SOURCE[0]}")/mounted.sh"
own_name_spaces "$@"
command -v fio > /dev/null || fail "fio is missing"

PROCESSES=16
SIZE=${SIZE:-32m}
OWN=(--directory="$WORKSPACE/mnt" --name=own)
# One file, of which each process has a part. Not by mmap: fio 3.33 maps the file's start for every part, on any file
# system. acceptance.sh has several processes map one file.
SHARED=(--filename="$WORKSPACE/mnt/shared" --name=shared --offset_increment="$SIZE")
DIRECT=(--ioengine=libaio --direct=1 --iodepth=8)

# fio_run ARGUMENT ...: all blocks of all processes, in random order, of random sizes
fio_run() {
    timeout "${FIO_SECONDS:-300}" fio --rw=randwrite --bsrange=4k-128k --blockalign=4k --numjobs=$PROCESSES --size="$SIZE" \
        --verify=crc32c --verify_fatal=1 --end_fsync=1 --group_reporting --randrepeat=1 --verify_state_save=0 "$@"
}

# step NAME ARGUMENT ...
step() {
    local name=$1 verdict=ok start
    shift
    start=$(date +%s%N)
    if ! fio_run "$@" --do_verify=0 > "$WORKSPACE/fio.log" 2>&1; then
        verdict="FAILED to write"
    else
        sync
        echo 3 > /proc/sys/vm/drop_caches
        # in processes of its own, from what fio writes again in its head only
        fio_run "$@" --verify_only=1 > "$WORKSPACE/fio.log" 2>&1 || verdict="FAILED: not as written"
    fi
    printf '%-16s %-32s %-24s %8d ms\n' "$mode" "$name" "$verdict" $((($(date +%s%N) - start) / 1000000))
    rm -f "$SERVED"/*
    [ "$verdict" = ok ] || { failures=$((failures + 1)); tail -n 20 "$WORKSPACE/fio.log"; }
}

failures=0
for mode in ${MODES:-plain direct_io writeback_cache}; do
    mount_ferrofuse "$FERROFUSE_WHAT" "$WORKSPACE/mnt" "$([ "$mode" = plain ] || echo "$mode")"
    step "pwrite, own files" "${OWN[@]}" --ioengine=psync
    step "pwrite, fsync now and then" "${OWN[@]}" --ioengine=psync --fsync=8
    step "pwrite, one file" "${SHARED[@]}" --ioengine=psync --fsync=32
    step "libaio O_DIRECT, own files" "${OWN[@]}" "${DIRECT[@]}"
    step "libaio O_DIRECT, one file" "${SHARED[@]}" "${DIRECT[@]}"
    if maps_shared; then
        step "mmap, own files" "${OWN[@]}" --ioengine=mmap
        step "mmap, msync now and then" "${OWN[@]}" --ioengine=mmap --fsync=8
    else
        printf '%-16s %s\n' "$mode" "$NO_MAPPINGS"
    fi
    unmount_ferrofuse || fail "the server ended with exit code $?"
done
[ $failures = 0 ] || fail "$failures steps failed"
