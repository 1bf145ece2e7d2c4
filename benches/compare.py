#!/usr/bin/env python3
"""Compares FerroFuse with C libfuse 3: the same file system on both, the same fio jobs, side by side.

usage: compare.py [--rounds N] [--seconds S] [--large] [--control] [--jar JAR] [--class-path JAR] [--java JAVA]
                  [-o OPTIONS]

Both peers are mounted at the same time, in a mount and pid name space of their own, and each job runs on one right
after the other, round after round, in alternating order. What is printed is the ratio within those pairs: figures of
this machine are good for nothing else. README.md beside this file says how to read the table.

Needs root, /dev/fuse, fio, cc, libfuse3-dev, and build/ferrofuse.jar with examples/flat (gradle assemble).
"""
import argparse
from pathlib import Path

from side_by_side import (HERE, ROOT, Failure, Peer, add_common_arguments, compile_with_fuse, environment, fio, main,
                          runnable_jar, spread)

# name, fio's rw, block size, jobs
SMALL = [
    ("4k random read, 1 job", "randread", "4k", 1),
    ("4k random read, 4 jobs", "randread", "4k", 4),
    ("4k random write, 1 job", "randwrite", "4k", 1),
    ("4k random write, 4 jobs", "randwrite", "4k", 4),
]
LARGE = [
    ("128k read, 1 job", "read", "128k", 1),
    ("1M read, 1 job", "read", "1m", 1),
    ("1M read, 4 jobs", "read", "1m", 4),
    ("1M write, 1 job", "write", "1m", 1),
]


def measure(peer, job, seconds):
    """Answers (operations per second, CPU microseconds of the server per operation) of one fio run."""
    name, rw, block, jobs = job
    before = peer.cpu_seconds()
    rate, operations = fio(peer.directory, rw, block, jobs, seconds,
                           ["--size=1g", "--direct=1", "--norandommap", "--time_based"])
    used = peer.cpu_seconds() - before
    if not operations:
        raise Failure(f"{peer.name} served nothing in {seconds} s of {name}:\n{peer.said()}")
    return rate, used * 1e6 / operations


def flat_jar():
    jars = [jar for jar in (ROOT / "examples/flat/build/libs").glob("*.jar")
            if not jar.stem.endswith(("-sources", "-javadoc"))]
    if len(jars) != 1:
        raise Failure("expected one jar in examples/flat/build/libs: gradle assemble, or name it with --class-path")
    return jars[0]


def ferrofuse(arguments):
    """The command that mounts our peer."""
    options = ["-o", arguments.options] if arguments.options else []
    class_path = (arguments.class_path or flat_jar()).resolve()
    return [arguments.java, "-jar", runnable_jar(arguments), "mount", "flat", "--class-path", str(class_path),
            *options, "DIRECTORY"]


def compare(arguments, workspace):
    jobs = SMALL + (LARGE if arguments.large else [])
    program = compile_with_fuse(HERE / "peers/flat.c", workspace / "flat")
    c = [str(program), "-f", "-o", "max_threads=10", "DIRECTORY"]
    peers = []
    try:
        peers.append(Peer("C libfuse", c, workspace / "c"))
        if arguments.control:
            peers.append(Peer("C libfuse again", c, workspace / "control"))
            print("control: \"ours\" is C libfuse, too; what differs from 1.00 is noise")
        else:
            peers.append(Peer("FerroFuse", ferrofuse(arguments), workspace / "ferrofuse"))
        print(environment(arguments.java))
        for job in jobs:  # the compilers of the JVM get their time before anything counts
            for peer in peers:
                measure(peer, job, min(2, arguments.seconds))
        print(f"\n{arguments.rounds} rounds of {arguments.seconds} s; median [min-max]")
        print(f"{'job':<26}{'operations/s, ours / C':<26}{'CPU us/op, ours':<22}{'CPU us/op, C':<22}")
        for job in jobs:
            ratios, cpu_c, cpu_ours = [], [], []
            for turn in range(arguments.rounds):
                order = peers if turn % 2 == 0 else peers[::-1]
                (rate_c, c), (rate_ours, ours) = measure_pair(peers, order, job, arguments.seconds)
                ratios.append(rate_ours / rate_c)
                cpu_c.append(c)
                cpu_ours.append(ours)
            print(f"{job[0]:<26}{spread(ratios):<26}{spread(cpu_ours, 1):<22}{spread(cpu_c, 1):<22}", flush=True)
    finally:
        for peer in peers:
            peer.close()


def measure_pair(peers, order, job, seconds):
    """Measures the peers in the given order and answers in their own."""
    figures = {peer.name: measure(peer, job, seconds) for peer in order}
    return [figures[peer.name] for peer in peers]


def parser():
    built = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_common_arguments(built)
    built.add_argument("--large", action="store_true", help="also 128k and 1M transfers")
    built.add_argument("--control", action="store_true", help="C libfuse against itself: shows the noise")
    built.add_argument("--class-path", type=Path, help="jar or classes of examples/flat")
    return built


if __name__ == "__main__":
    main(__file__, parser(), compare)
