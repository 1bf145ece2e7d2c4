"""What compare.py has done to the flat file system: each row of its table, and how one run of it is made.

It measures no time and knows no peer but by its directory.
"""
from dataclasses import dataclass
from pathlib import Path

from work import fio, fio_command, first_cpu, metadata

# How long the kernel of a mount may remember names and attributes, in seconds: transfers are not to ask for them, and
# metadata is to be asked for each time.
REMEMBERING, ASKING = 3600, 0

DATA_FILES = 16
EMPTY_FILES = 10_000
ENTRIES = DATA_FILES + EMPTY_FILES
STAT_FILES = 1_000
MIB = 1 << 20
UNITS = {"k": 1 << 10, "m": MIB}


@dataclass(frozen=True)
class Transfer:
    """Reads or writes by fio with O_DIRECT: each of them is a request of the kernel."""
    name: str
    rw: str
    block: str
    jobs: int
    processes: int = 1
    depth: int = 0  # of libaio; 0 is psync
    shared: bool = False  # one file for all jobs
    pinned: bool = False
    timeouts = REMEMBERING

    @property
    def block_bytes(self):
        return int(self.block[:-1]) * UNITS[self.block[-1]]

    @property
    def concurrency(self):
        return self.jobs * self.processes

    def curve(self):
        """The chart that the row is a point of, None if it is of none."""
        if self.depth or self.shared or self.pinned:
            return None
        return f"{block_name(self.block)} {kind_name(self.rw)}"

    def run(self, peer, seconds):
        options = ["--size=1g", "--direct=1", "--norandommap", "--time_based", "--invalidate=0",
                   "--allow_file_create=0"]
        options += ["--ioengine=libaio", f"--iodepth={self.depth}"] if self.depth else ["--ioengine=psync"]
        if self.pinned:
            options.append(f"--cpus_allowed={first_cpu()}")
        if self.processes > 1:
            commands = [fio_command(peer.directory, self.rw, self.block, self.jobs, seconds, [*options, "--thread"],
                                    f"--filename=f{process}") for process in range(self.processes)]
        else:
            files = ["--filename=f0"] if self.shared else []
            commands = [fio_command(peer.directory, self.rw, self.block, self.jobs, seconds, options, *files)]
        return fio(commands, self.rw, seconds, peer.kill)


@dataclass(frozen=True)
class Metadata:
    """Passes of metadata.c over a mount that remembers nothing."""
    name: str
    kind: str
    count: int
    program: Path
    processes: int = 1
    pinned: bool = False
    timeouts = ASKING
    block_bytes = 0

    def curve(self):
        return None

    def run(self, peer, seconds):
        prefix = ["taskset", "-c", str(first_cpu())] if self.pinned else []
        return metadata(self.program, self.kind, peer.directory, [self.count], seconds, self.processes,
                        prefix, peer.kill)


def block_name(block):
    return block.replace("m", "M")


def kind_name(rw):
    return ("random " if rw.startswith("rand") else "") + rw.removeprefix("rand")


def transfer(rw, block, jobs, **more):
    name = f"{block_name(block)} {kind_name(rw)}, "
    if more.get("processes", 1) > 1:
        name += f"{more['processes']} processes x {jobs} threads"
    else:
        name += f"{jobs} job{'s' if jobs > 1 else ''}"
    if more.get("depth"):
        name += f", {more['depth']} deep"
    if more.get("shared"):
        name += ", one file"
    if more.get("pinned"):
        name += ", pinned"
    return Transfer(name, rw, block, jobs, **more)


def single_and_more(rw, block, jobs, **more):
    """With one job, pinned to a processor and not, and with each of more jobs."""
    return [transfer(rw, block, 1, pinned=True, **more), *(transfer(rw, block, each, **more) for each in (1, *jobs))]


def all_work(program):
    """All rows; program is metadata.c compiled."""
    rows = []
    for depth in (0, 16):
        for rw in ("randread", "randwrite"):
            rows += single_and_more(rw, "4k", (4, 16), depth=depth)
    for block in ("128k", "1m"):
        for rw in ("read", "write"):
            rows += single_and_more(rw, block, (4, 16))
    rows += [transfer(rw, "4k", jobs, shared=True) for rw in ("randread", "randwrite") for jobs in (4, 16)]
    rows += [transfer(rw, block, 8, processes=8)
             for rw, block in (("randread", "4k"), ("randwrite", "4k"), ("read", "128k"))]
    for kind in ("stat", "fstat"):
        rows += [Metadata(f"{kind}, 1 process, pinned", kind, STAT_FILES, program, pinned=True),
                 Metadata(f"{kind}, 1 process", kind, STAT_FILES, program),
                 Metadata(f"{kind}, 4 processes", kind, STAT_FILES, program, 4)]
    rows += [Metadata("create, close, unlink, pinned", "create", STAT_FILES, program, pinned=True),
             Metadata("create, close, unlink", "create", STAT_FILES, program),
             Metadata(f"names of {ENTRIES:,} entries", "list", ENTRIES, program),
             Metadata(f"{ENTRIES:,} entries with stat", "list-stat", ENTRIES, program)]
    return rows


QUICK = ["4k random read, 1 job", "4k random read, 4 jobs", "4k random read, 16 jobs", "4k random write, 4 jobs",
         "stat, 1 process"]
