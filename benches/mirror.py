#!/usr/bin/env python3
"""Compares mirror: with the directory itself and with passthrough_ll, C libfuse's example that does the same.

usage: mirror.py [--rounds N] [--seconds S] [--all] [--only PATTERN] [--list] [--backing DIR] [--json FILE]
                 [--source passthrough_ll.c] [--c-options OPTIONS] [-o OPTIONS] [--jar JAR] [--java JAVA]

The same work is done on a directory, on passthrough_ll, on mirror: and on mirror: with -o passthrough, all of them on
the same files, in mount and pid name spaces of their own; one right after the other, round after round, in alternating
order. What is printed are ratios within rounds: figures of this machine are good for nothing else. README.md beside
this file says how to read the table.

Needs root, /dev/fuse, fio, cc, libfuse3-dev with its examples, and build/ferrofuse.jar (gradle assemble).
"""
import argparse
import fnmatch
import json
import os
import resource
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import work
from side_by_side import (Failure, Peer, add_common_arguments, compile_with_fuse, environment, main, run, runnable_jar,
                          spread)
from work import compile_metadata, fio, fio_command, metadata

EXAMPLE = Path("/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c")

# Peers, as the table and the JSON call them: the directory, passthrough_ll, mirror:, mirror: with -o passthrough.
DIRECTORY, C, PLAIN, PASSING = "dir", "C", "mirror", "passing"
RATIOS = [(PLAIN, C), (PASSING, C), (PASSING, DIRECTORY), (PLAIN, DIRECTORY), (C, DIRECTORY)]

# Mounts remember names and attributes for a second, or not at all: what comes to the server each time is measured so.
REMEMBERING, ASKING = "1", "0"

# passthrough_ll holds a descriptor for each file that the kernel knows.
LISTED = 10_000
DESCRIPTORS = LISTED + 5_000
KNOWN = 1_000
TREE = (100, 20)
# Long enough that opening a file anew for each pass over it does not count.
ONE_FILE_BYTES = 512 << 20
DATA_FILES = 4
SHARED_BYTES = 128 << 20
STOPPED_SECONDS = 3


class Unmounted:
    """The directory itself: what no file system in user space can beat by much."""

    name = DIRECTORY

    def __init__(self, directory):
        self.directory = directory

    def cpu_seconds(self):
        return 0.0

    def said(self):
        return ""

    def close(self):
        pass


class Transfer:
    """Reads or writes by fio, which come to the server: a block is read once per open, unless the cache is passed by."""

    timeouts = REMEMBERING

    def suits(self, peer, backing_type):
        """passthrough_ll opens the file with O_DIRECT, mirror: does not: only on tmpfs is that the same work."""
        return not self.direct or backing_type == "tmpfs" or peer.name in (DIRECTORY, PASSING)

    def __init__(self, rw, block, jobs, direct):
        kind = ("random " if rw.startswith("rand") else "") + rw.removeprefix("rand")
        self.name = f"{block.replace('m', 'M')} {kind}, {jobs} job{'s' if jobs > 1 else ''}, {'O_DIRECT' if direct else 'buffered'}"
        self.rw, self.block, self.jobs, self.direct = rw, block, jobs, direct
        # what pass-through is for; several jobs on few processors measure the scheduler
        self.passes = jobs == 1

    def run(self, peer, seconds):
        fresh = "read" in self.rw and not self.direct
        size = ONE_FILE_BYTES if self.jobs == 1 else SHARED_BYTES
        options = ["--ioengine=psync", f"--size={size}", f"--direct={int(self.direct)}", "--invalidate=0",
                   "--allow_file_create=0", *(["--loops=100000"] if fresh else ["--time_based", "--norandommap"])]
        return fio([fio_command(peer.directory, self.rw, self.block, self.jobs, seconds, options)], self.rw, seconds)


class Metadata:
    """What metadata.c does to a directory below the root."""

    passes = False

    def suits(self, peer, backing_type):
        return True

    def __init__(self, name, program, kind, where, counts, timeouts):
        self.name, self.program, self.kind, self.where, self.timeouts = name, program, kind, where, timeouts
        self.counts = counts

    def run(self, peer, seconds):
        return metadata(self.program, self.kind, peer.directory / self.where, self.counts, seconds)


class FirstWalk(Metadata):
    """A walk of a tree that the mount has never seen. The tree goes through the mount, so that it is forgotten."""

    def __init__(self, program, backing):
        super().__init__("walk of 2,000 files, never seen", program, "walk", "new", TREE, REMEMBERING)
        self.backing = backing

    def prepare(self, peer):
        plant(self.backing / self.where, *TREE)

    def run(self, peer, seconds):
        return super().run(peer, 0)

    def clean_up(self, peer):
        shutil.rmtree(peer.directory / self.where)


def jobs_of(program, backing, everything):
    for direct in (False, True):
        for rw, block in [("randread", "4k"), ("randwrite", "4k"), ("read", "4k"), ("write", "4k"),
                          ("read", "128k"), ("write", "128k"), ("read", "1m"), ("write", "1m")]:
            yield Transfer(rw, block, 1, direct)
        if everything:
            for block in ("128k", "1m"):
                yield Transfer("randread", block, 1, direct)
                yield Transfer("randwrite", block, 1, direct)
        for rw in ("randread", "randwrite"):
            yield Transfer(rw, "4k", DATA_FILES, direct)
    for name, kind, where, counts, timeouts in [
            ("stat of 1,000 names, timeouts 0", "stat", "few", [KNOWN], ASKING),
            ("fstat, timeouts 0", "fstat", "few", [KNOWN], ASKING),
            ("create, close, unlink", "create", "empty", [KNOWN], REMEMBERING),
            ("names of 10,000 entries", "list", "many", [LISTED], REMEMBERING),
            ("10,000 entries with stat", "list-stat", "many", [LISTED], REMEMBERING),
            ("walk of 2,000 files, timeouts 0", "walk", "tree", TREE, ASKING)]:
        yield Metadata(name, program, kind, where, counts, timeouts)
    yield FirstWalk(program, backing)


def plant(directory, directories, files):
    for i in range(directories):
        fill(directory / f"d{i}", files)


def fill(directory, files):
    directory.mkdir(parents=True)
    for i in range(files):
        (directory / f"n{i}").touch()


def make_files(backing):
    block = os.urandom(1 << 20)
    for i in range(DATA_FILES):
        with open(backing / f"f{i}", "wb") as file:
            for _ in range((ONE_FILE_BYTES if i == 0 else SHARED_BYTES) >> 20):
                file.write(block)
    (backing / "empty").mkdir()
    fill(backing / "few", KNOWN)
    fill(backing / "many", LISTED)
    plant(backing / "tree", *TREE)


def c_command(arguments, workspace, backing, timeouts):
    options = ",".join(filter(None, [f"source={backing},cache=auto,timeout={timeouts},default_permissions",
                                     arguments.c_options]))
    return [str(workspace / "passthrough_ll"), "-f", "-o", options, "DIRECTORY"]


def mirror_command(arguments, backing, timeouts, more):
    options = ",".join(filter(None, [f"entry_timeout={timeouts},attr_timeout={timeouts},default_permissions", more,
                                     arguments.options]))
    return [arguments.java, "-jar", runnable_jar(arguments), "mount", "-o", options, f"mirror:{backing}", "DIRECTORY"]


def build_c_peer(arguments, workspace):
    if not arguments.source.exists():
        raise Failure(f"{arguments.source} is missing: install libfuse3-dev with its documentation (some images leave"
                      " /usr/share/doc out), or name passthrough_ll.c of your libfuse with --source")
    compile_with_fuse(arguments.source.resolve(), workspace / "passthrough_ll")


class Mounts:
    """Each peer twice, remembering and asking; what could not be had, with the reason."""

    def __init__(self):
        self.peers = {REMEMBERING: [], ASKING: []}
        self.left_out = {}

    def mount(self, arguments, workspace, backing):
        for timeouts, peers in self.peers.items():
            peers.append(Unmounted(backing))
            peers.append(Peer(C, c_command(arguments, workspace, backing, timeouts), workspace / f"c{timeouts}"))
            peers.append(Peer(PLAIN, mirror_command(arguments, backing, timeouts, ""), workspace / f"plain{timeouts}"))
        for timeouts, peers in self.peers.items():
            command = mirror_command(arguments, backing, timeouts, "passthrough")
            try:
                peer = Peer(PASSING, command, workspace / f"passing{timeouts}")
            except Failure as failure:
                self.left_out[PASSING] = " ".join(str(failure).split())
                return
            peers.append(peer)
            if not passes_through(peer):
                self.left_out[PASSING] = f"its reads are not passed through: {' '.join(peer.said().split()) or 'silently'}"

    def of(self, timeouts):
        return [peer for peer in self.peers[timeouts] if peer.name not in self.left_out]

    def of_job(self, job, backing_type):
        return [peer for peer in self.of(job.timeouts) if job.suits(peer, backing_type)]

    def close(self):
        for peers in self.peers.values():
            for peer in peers:
                peer.close()


def passes_through(peer):
    """Whether an open file can be read while its server is stopped, at a place that nobody has read."""
    reader = subprocess.Popen(
        [sys.executable, "-c", "import os, sys; file = os.open(sys.argv[1], os.O_RDONLY); print(flush=True);"
         "sys.stdin.readline(); os.pread(file, 4096, 1 << 20); print(flush=True); sys.stdin.readline()",
         str(peer.directory / "f0")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        reader.stdout.readline()  # open
        os.kill(peer.process.pid, signal.SIGSTOP)
        reader.stdin.write(b"\n")
        reader.stdin.flush()
        return bool(select.select([reader.stdout], [], [], STOPPED_SECONDS)[0]) and reader.stdout.readline() == b"\n"
    finally:
        os.kill(peer.process.pid, signal.SIGCONT)
        reader.stdin.close()  # it ends when it has read
        try:
            reader.wait(10)
        except subprocess.TimeoutExpired:
            reader.kill()
        reader.stdout.close()


def measure(peer, job, seconds):
    """Answers (operations per second, CPU microseconds of the server per operation)."""
    getattr(job, "prepare", lambda _: None)(peer)
    figures = work.measure(peer, job, seconds)
    getattr(job, "clean_up", lambda _: None)(peer)
    return figures


def targets_of(job):
    """Which ratios have to be reached: (peer, beside whom, at least)."""
    return [(PLAIN, C, 1.0)] + ([(PASSING, DIRECTORY, 0.95)] if job.passes else [])


def measure_row(peers, job, arguments):
    """Answers what the JSON says of a job."""
    rates = {peer.name: [] for peer in peers}
    cpu = {peer.name: [] for peer in peers}
    for turn in range(arguments.rounds):
        for peer in peers if turn % 2 == 0 else peers[::-1]:
            rate, used = measure(peer, job, arguments.seconds)
            rates[peer.name].append(rate)
            cpu[peer.name].append(used)
    ratios = {}
    for ours, theirs in RATIOS:
        if ours in rates and theirs in rates:
            values = [one / other for one, other in zip(rates[ours], rates[theirs])]
            ratios[f"{ours} / {theirs}"] = {
                "median": statistics.median(values), "min": min(values), "max": max(values), "rounds": values}
    targets = []
    for ours, theirs, least in targets_of(job):
        measured = ratios.get(f"{ours} / {theirs}")
        targets.append({"ratio": f"{ours} / {theirs}", "at least": least,
                        "met": measured and measured["median"] >= least})
    return {"work": job.name, "operations per second": rates, "CPU us per operation": cpu, "ratios": ratios,
            "targets": targets}


SERVED = [C, PLAIN, PASSING]
COLUMNS = [f"{ours} / {theirs}" for ours, theirs in RATIOS]


def print_head(arguments, left_out):
    print(f"\n{arguments.rounds} rounds of {arguments.seconds} s; operations/s as ratios, median [min-max];"
          " ! is below its target")
    for name, reason in left_out.items():
        print(f"left out: {name}: {reason}")
    print(f"{DIRECTORY}: the directory itself, {C}: passthrough_ll, {PASSING}: mirror with -o passthrough;"
          " CPU: us of the server per operation")
    print(f"{'work':<36}" + "".join(f"{column:<23}" for column in COLUMNS) +
          "".join(f"{f'CPU, {name}':<21}" for name in SERVED).rstrip())


def print_row(row):
    missed = {target["ratio"] for target in row["targets"] if target["met"] is False}
    cells = []
    for column in COLUMNS:
        ratio = row["ratios"].get(column)
        text = spread(ratio["rounds"]) + (" !" if column in missed else "") if ratio else "-"
        cells.append(f"{text:<23}")
    cpu = row["CPU us per operation"]
    cells += [f"{spread(cpu[name], 1) if name in cpu else '-':<21}" for name in SERVED]
    print(f"{row['work']:<36}{''.join(cells).rstrip()}", flush=True)


def print_targets(rows):
    for met, verdict in ((True, "met"), (False, "missed"), (None, "not measured")):
        found = [f"{row['work']} ({target['ratio']} >= {target['at least']})"
                 for row in rows for target in row["targets"] if target["met"] is met]
        print(f"targets {verdict}: {len(found)}" + "".join(f"\n  {one}" for one in found if met is False))


def allow_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        raise Failure(f"ulimit -Hn is {hard}; passthrough_ll needs {DESCRIPTORS} for a listing of {LISTED} entries")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def make_backing(arguments, workspace):
    """Answers a directory and what has to be done with it in the end."""
    if arguments.backing:
        made = arguments.backing.resolve() / f"ferrofuse-{os.getpid()}-{time.time_ns()}"
        made.mkdir()
        return made, lambda: shutil.rmtree(made)
    made = workspace / "backing"
    made.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "backing", str(made)], 10)
    return made, lambda: run(["umount", "-l", str(made)], 10)


def type_of(directory):
    return run(["findmnt", "-n", "-o", "FSTYPE", "-T", str(directory)], 10).strip()


def compare(arguments, workspace):
    allow_descriptors()
    build_c_peer(arguments, workspace)
    program = workspace / "metadata"
    compile_metadata(program)
    backing, put_away = make_backing(arguments, workspace)
    mounts = Mounts()
    try:
        jobs = [job for job in jobs_of(program, backing, arguments.all)
                if fnmatch.fnmatch(job.name, arguments.only)]
        if not jobs:
            raise Failure(f"no work is called {arguments.only}: see --list")
        make_files(backing)
        mounts.mount(arguments, workspace, backing)
        told = {"environment": environment(arguments.java),
                "C libfuse": run(["pkg-config", "--modversion", "fuse3"], 10).strip(),
                "backing file system": type_of(backing),
                "rounds": arguments.rounds, "seconds": arguments.seconds, "left out": mounts.left_out,
                "commands": {peer.name: peer.process.args for peer in mounts.of(REMEMBERING) if peer.name != DIRECTORY}}
        print(f"{told['environment']}, C libfuse {told['C libfuse']}, files on {told['backing file system']}")
        for job in jobs:  # the compilers of the JVM get their time before anything counts
            for peer in mounts.of_job(job, told["backing file system"]):
                measure(peer, job, min(2, arguments.seconds))
        if told["backing file system"] != "tmpfs" and any(getattr(job, "direct", False) for job in jobs):
            mounts.left_out[f"{C} and {PLAIN} with O_DIRECT"] = (
                "passthrough_ll passes O_DIRECT on to the file and mirror does not, so the work differs but on tmpfs")
        print_head(arguments, mounts.left_out)
        rows = []
        for job in jobs:
            rows.append(measure_row(mounts.of_job(job, told["backing file system"]), job, arguments))
            print_row(rows[-1])
            if arguments.json:  # also of a run that is cut short
                arguments.json.write_text(json.dumps({**told, "rows": rows}, indent=1))
        print_targets(rows)
    finally:
        mounts.close()
        put_away()


def parser():
    built = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_common_arguments(built)
    built.add_argument("--all", action="store_true", help="also random transfers of 128k and 1M")
    built.add_argument("--only", default="*", metavar="PATTERN", help="only work whose name matches, as a shell would")
    built.add_argument("--list", action="store_true", help="only tell the names of the work")
    built.add_argument("--backing", type=Path, help="where the files lie (a tmpfs of its own)")
    built.add_argument("--json", type=Path, help="write all figures to this file, too")
    built.add_argument("--source", type=Path, default=EXAMPLE, help="passthrough_ll.c")
    built.add_argument("--c-options", help="more options for passthrough_ll, for example xattr")
    return built


if __name__ == "__main__":
    if "--list" in sys.argv:
        print("\n".join(job.name for job in jobs_of(Path(), Path(), True)))
        sys.exit()
    main(__file__, parser(), compare)
