#!/bin/bash
# How many threads a load makes: 8 processes with 8 threads each read from a mount twice, with a pause in between.
#
#   benches/suites/workers.sh [OPTIONS]...     one row for each, e.g. threads=16,max_idle_threads=4

. "$(dirname "${BASH_SOURCE[0]}")/mounted.sh"
own_name_spaces "$@"

LOAD='
import os, sys, threading, time, multiprocessing
def read(path, end, counts):
    fd, count = os.open(path, os.O_RDONLY), 0
    while time.monotonic() < end:
        assert len(os.pread(fd, 4096, count % 256 * 4096)) == 4096
        count += 1
    counts.append(count)
def process(path, end, total):
    counts = []
    threads = [threading.Thread(target=read, args=(path, end, counts)) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    with total.get_lock():
        total.value += sum(counts)
seconds = float(sys.argv[2])
total, end = multiprocessing.Value("q", 0), time.monotonic() + seconds
processes = [multiprocessing.Process(target=process, args=(sys.argv[1], end, total)) for _ in range(8)]
[process.start() for process in processes]
[process.join() for process in processes]
assert all(process.exitcode == 0 for process in processes)
print(int(total.value / seconds))
'

# Numbers of the threads that are there; their names are cut after 15 bytes.
numbers() {
    cat /proc/"$SERVER"/task/*/comm | sed -n 's/^ferrofuse-w-//p' | sort -n
}

row() {
    mount_ferrofuse memory "$WORKSPACE/mount" "fsname=w,direct_io${1:+,$1}"
    head -c 1048576 /dev/zero > "$SERVED/file"
    local first second
    first=$(timeout 30 python3 -c "$LOAD" "$SERVED/file" 1.5) || fail "the load failed"
    sleep 1
    second=$(timeout 30 python3 -c "$LOAD" "$SERVED/file" 1.5) || fail "the load failed"
    printf '%-36s %8d %8d %10d %10d\n' "${1:-(defaults)}" $(($(numbers | tail -n 1) + 1)) "$(numbers | wc -l)" "$first" "$second"
    unmount_ferrofuse || fail "the server failed"
}

printf '%-36s %8s %8s %10s %10s\n' options created there reads/s again
[ $# -gt 0 ] || set -- "" max_idle_threads={1,4,16} threads={16,64} threads=64,max_idle_threads={1,4,16}
for options; do
    row "$options"
done
