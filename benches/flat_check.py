#!/usr/bin/env python3
"""Checks that a mount is the flat file system of compare.py, so that no peer is measured that leaves work out: reads
bring the bytes that are due, written bytes are kept, all names are listed, files are made and removed.

usage: flat_check.py DIRECTORY
"""
import mmap
import os
import sys

from flat_work import DATA_FILES, EMPTY_FILES, MIB

SIZE = 1 << 30
# number of the file, offset, bytes: the begin, the end, across a period, the largest
TRANSFERS = [(0, 0, 4096), (DATA_FILES - 1, SIZE - 4096, 4096), (3, 77 * 4096, 128 << 10), (7, 5 * MIB - 8192, 16384),
             (5, 9 * MIB, MIB)]


def check(holds, what):
    if not holds:
        sys.exit(f"is not the flat file system: {what}")


def due(number, offset, size):
    return bytes(ord("a") + ((offset + i) % MIB + number) % 26 for i in range(size))


def check_transfer(directory, number, offset, size):
    where = f"{size} bytes of f{number} at {offset}"
    buffer = memoryview(mmap.mmap(-1, size))  # O_DIRECT needs whole pages
    file = os.open(f"{directory}/f{number}", os.O_RDWR | os.O_DIRECT)
    try:
        check(os.preadv(file, [buffer], offset) == size, f"{where} were read short")
        check(buffer == due(number, offset, size), f"{where} are others")
        written = os.urandom(size)
        buffer[:] = written
        check(os.pwritev(file, [buffer], offset) == size, f"{where} were written short")
        buffer[:] = bytes(size)
        check(os.preadv(file, [buffer], offset) == size, f"{where} were read short after a write")
        check(buffer == written, f"{where} were not kept")
        buffer[:] = due(number, offset, size)
        os.pwritev(file, [buffer], offset)
    finally:
        os.close(file)


def check_names(directory):
    permanent = {f"f{i}" for i in range(DATA_FILES)} | {f"n{i}" for i in range(EMPTY_FILES)}
    check(set(os.listdir(directory)) == permanent, "its names are others")
    check(os.stat(f"{directory}/f0").st_size == SIZE, "f0 has another size")
    check(os.stat(f"{directory}/n0").st_size == 0, "n0 is not empty")
    check(not os.path.exists(f"{directory}/f{DATA_FILES}"), "there are more files with data")
    path = f"{directory}/new"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    check("new" in os.listdir(directory) and os.stat(path).st_size == 0, "a new file is missing")
    os.unlink(path)
    check(not os.path.exists(path), "a removed file is still there")


if __name__ == "__main__":
    for transfer in TRANSFERS:
        check_transfer(sys.argv[1], *transfer)
    check_names(sys.argv[1])
