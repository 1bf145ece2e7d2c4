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
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 30
INSIDE = "FERROFUSE_COMPARE_INSIDE"

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


class Failure(Exception):
    """Something that the user can put right; the message says what."""


class Peer:
    """A mounted file system and the process that serves it."""

    def __init__(self, name, command, directory):
        self.name = name
        self.directory = directory
        directory.mkdir()
        self.log = open(f"{directory}.log", "w+")
        command = [part.replace("DIRECTORY", str(directory)) for part in command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.await_mount()
        except BaseException:
            self.close()
            raise

    def await_mount(self):
        """Waits for the kernel to say that the table of mounts has changed."""
        deadline = time.monotonic() + READY_SECONDS
        with open("/proc/self/mountinfo") as table:
            changes = select.poll()
            changes.register(table, select.POLLPRI | select.POLLERR)
            while True:
                table.seek(0)
                if any(line.split()[4] == str(self.directory) for line in table):
                    break
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Failure(f"{self.name} did not mount:\n{self.said()}")
                changes.poll(200)  # a server that ends without mounting changes nothing
        run(["stat", f"{self.directory}/f0"], READY_SECONDS)

    def said(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def cpu_seconds(self):
        """What the server has used so far: utime + stime of proc_pid_stat(5)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def measure(self, job, seconds):
        """Answers (operations per second, CPU microseconds of the server per operation) of one fio run."""
        _, rw, block, jobs = job
        before = self.cpu_seconds()
        out = run(
            ["fio", "--name=job", f"--directory={self.directory}", "--filename_format=f$jobnum", f"--rw={rw}",
             f"--bs={block}", f"--numjobs={jobs}", "--size=1g", "--direct=1", "--ioengine=psync", "--norandommap",
             "--group_reporting", "--time_based", f"--runtime={seconds}", "--output-format=json"],
            seconds + 60)
        used = self.cpu_seconds() - before
        side = json.loads(out[out.index("{"):])["jobs"][0]["write" if "write" in rw else "read"]
        if not side["total_ios"]:
            raise Failure(f"{self.name} served nothing in {seconds} s of {job[0]}:\n{self.said()}")
        return side["iops"], used * 1e6 / side["total_ios"]

    def close(self):
        """Takes the mount out of the tree and waits for the server; kills it if it does not end by itself."""
        subprocess.run(["umount", "-l", str(self.directory)], stderr=subprocess.DEVNULL, timeout=10, check=False)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            print(f"{self.name} did not end after the unmount and was killed", file=sys.stderr)
        self.log.close()


def run(command, seconds):
    """Runs a command for so many seconds at most and answers what it printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"{' '.join(command)}: still running after {seconds} s") from late
    if done.returncode:
        raise Failure(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def build_c_peer(directory):
    flags = run(["pkg-config", "--cflags", "--libs", "fuse3"], 10).split()
    run(["cc", "-O2", str(HERE / "peers/flat.c"), *flags, "-o", f"{directory}/flat"], 60)
    return f"{directory}/flat"


def flat_jar():
    jars = [jar for jar in (ROOT / "examples/flat/build/libs").glob("*.jar")
            if not jar.stem.endswith(("-sources", "-javadoc"))]
    if len(jars) != 1:
        raise Failure("expected one jar in examples/flat/build/libs: gradle assemble, or name it with --class-path")
    return jars[0]


def ferrofuse(arguments):
    """The command that mounts our peer."""
    jar = arguments.jar.resolve()
    if not jar.exists():
        raise Failure(f"{jar} is missing: gradle assemble")
    options = ["-o", arguments.options] if arguments.options else []
    class_path = (arguments.class_path or flat_jar()).resolve()
    return [arguments.java, "-jar", str(jar), "mount", "flat", "--class-path", str(class_path), *options, "DIRECTORY"]


def environment(java):
    """One line that says where the figures come from."""
    jdk = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    libfuse = run(["pkg-config", "--modversion", "fuse3"], 10).strip()
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return (f"Linux {os.uname().release} {os.uname().machine}, {os.cpu_count()} CPUs ({cpu}), "
            f"{jdk.splitlines()[0]}, C libfuse {libfuse}, {run(['fio', '--version'], 10).strip()}, "
            f"load average before: {os.getloadavg()[0]:.1f}")


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def compare(arguments, workspace):
    jobs = SMALL + (LARGE if arguments.large else [])
    c = [build_c_peer(workspace), "-f", "-o", "max_threads=10", "DIRECTORY"]
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
                peer.measure(job, min(2, arguments.seconds))
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
    figures = {peer.name: peer.measure(job, seconds) for peer in order}
    return [figures[peer.name] for peer in peers]


def enter_name_spaces():
    """Starts over as pid 1 of name spaces that take every mount and process with them when they end."""
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable,
                          __file__, *sys.argv[1:]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="pairs per job, 3 or more")
    parser.add_argument("--seconds", type=int, default=3, help="how long each fio runs")
    parser.add_argument("--large", action="store_true", help="also 128k and 1M transfers")
    parser.add_argument("--control", action="store_true", help="C libfuse against itself: shows the noise")
    parser.add_argument("--jar", type=Path, default=ROOT / "build/ferrofuse.jar")
    parser.add_argument("--class-path", type=Path, help="jar or classes of examples/flat")
    parser.add_argument("--java", default="java")
    parser.add_argument("-o", dest="options", help="mount options for FerroFuse")
    arguments = parser.parse_args()
    if arguments.rounds < 3 or arguments.seconds < 1:
        parser.error("needs 3 rounds of 1 s at least: fewer say nothing")
    if os.geteuid() != 0:
        sys.exit("compare.py mounts in a name space of its own and opens /dev/fuse: run it as root")
    if INSIDE not in os.environ:
        enter_name_spaces()
    # pid 1 ignores signals that it does not handle
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="ferrofuse-compare-") as workspace:
        try:
            compare(arguments, Path(workspace))
        except Failure as failure:
            sys.exit(f"compare.py: {failure}")
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
