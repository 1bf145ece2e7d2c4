"""Single runs of work on a directory: fio's transfers and the passes of metadata.c. compare.py and mirror.py say which.

It keeps no figures.
"""
import json
import os

from side_by_side import HERE, Failure, run, run_together

# How long a run may take beyond its time: fio prepares files and threads, metadata.c finishes its pass.
GRACE_SECONDS = 30


def first_cpu():
    return min(os.sched_getaffinity(0))


def fio_command(directory, rw, block, jobs, seconds, options, files="--filename_format=f$jobnum"):
    """A command for jobs of fio, each on a file of its own (f0, f1, ...) unless told otherwise."""
    return ["fio", "--name=job", f"--directory={directory}", files, f"--rw={rw}", f"--bs={block}", f"--numjobs={jobs}",
            "--group_reporting", f"--runtime={seconds}", "--output-format=json", *options]


def fio(commands, rw, seconds, release=lambda: None):
    """Runs commands of fio at once; answers (operations per second, operations) of all."""
    rate = operations = 0
    for out in run_together(commands, seconds + GRACE_SECONDS, release):
        side = json.loads(out[out.index("{"):])["jobs"][0]["write" if "write" in rw else "read"]
        rate += side["iops"]
        operations += side["total_ios"]
    return rate, operations


def compile_metadata(program):
    run(["cc", "-O2", str(HERE / "metadata.c"), "-o", str(program)], 60)


def metadata(program, kind, directory, counts, seconds, processes=1, prefix=(), release=lambda: None):
    """Runs processes of metadata.c at once; answers (operations per second, operations) of all."""
    command = [*prefix, str(program), kind, str(directory), *map(str, counts), str(seconds)]
    rate = operations = 0
    for out in run_together([command] * processes, seconds + GRACE_SECONDS, release):
        made, nanoseconds = map(int, out.split())
        rate += made * 1e9 / nanoseconds
        operations += made
    return rate, operations


def measure(peer, work, seconds):
    """Answers (operations per second, CPU microseconds of the server per operation) of one run of work."""
    before = peer.cpu_seconds()
    rate, operations = work.run(peer, seconds)
    used = peer.cpu_seconds() - before
    if not operations:
        raise Failure(f"{peer.name} did nothing in {seconds} s of \"{work.name}\":\n{peer.said()}")
    return rate, used * 1e6 / operations
