"""Single runs of work on a directory: fio's transfers and the passes of metadata.c. compare.py and mirror.py say which.

It knows nothing of who serves the directory, and keeps no figures.
"""
import json
import os
import subprocess
import tempfile
import time

from side_by_side import HERE, Failure, run

# How long a process gets to end after its time, and after it was killed.
GRACE_SECONDS = 60
KILLED_SECONDS = 10


def run_together(commands, seconds, release=lambda: None):
    """Starts commands at once and answers what each printed.

    A request that a server took and never answers can't be killed away from its client: release() has to end the
    server, and is called once before clients that are late are killed.
    """
    started, outputs = [], []
    deadline = time.monotonic() + seconds + GRACE_SECONDS
    try:
        for command in commands:
            outputs.append(tempfile.TemporaryFile("w+"))
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=outputs[-1],
                                            stderr=subprocess.STDOUT))
        for process in started:
            process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as late:
        release()
        raise Failure(f"{' '.join(late.cmd)}: still running after {seconds + GRACE_SECONDS:.0f} s") from late
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait(KILLED_SECONDS)
        texts = []
        for output in outputs:
            output.seek(0)
            texts.append(output.read())
            output.close()
    for process, text in zip(started, texts):
        if process.returncode:
            raise Failure(f"{' '.join(process.args)}: exit {process.returncode}\n{text[-2000:]}")
    return texts


def first_cpu():
    return min(os.sched_getaffinity(0))


def fio_command(directory, rw, block, jobs, seconds, options, files="--filename_format=f$jobnum"):
    """A command for jobs of fio, each on a file of its own (f0, f1, ...) unless told otherwise."""
    return ["fio", "--name=job", f"--directory={directory}", files, f"--rw={rw}", f"--bs={block}", f"--numjobs={jobs}",
            "--group_reporting", f"--runtime={seconds}", "--output-format=json", *options]


def fio(commands, rw, seconds, release=lambda: None):
    """Runs commands of fio at once; answers (operations per second, operations) of all."""
    rate = operations = 0
    for out in run_together(commands, seconds, release):
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
