"""What compare.py and mirror.py share: peers that are mounted at the same time in name spaces of their own, processes
that end in bounded time, and how figures are told.

It measures nothing and prints no table by itself.
"""
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 30
# How long a process that was killed may take to end.
KILLED_SECONDS = 10
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INSIDE = "FERROFUSE_COMPARE_INSIDE"


class Failure(Exception):
    """Something that the user can put right; the message says what."""


def first_line(failure):
    """What a table has room for; the JSON has all of it."""
    return str(failure).strip().partition("\n")[0]


class Peer:
    """A mounted file system and the process that serves it. Its root has a file f0."""

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
        run(["stat", f"{self.directory}/f0"], READY_SECONDS, self.kill)

    def said(self):
        return read_again(self.log)

    def cpu_seconds(self):
        """What the server has used so far: utime + stime of proc_pid_stat(5)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def kill(self):
        """Ends the server at once, which fails what is asked of it."""
        self.process.kill()

    def close(self):
        """Takes the mount out of the tree and waits for the server; kills it if it does not end by itself."""
        subprocess.run(["umount", "-l", str(self.directory)], stderr=subprocess.DEVNULL, timeout=10, check=False)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            end(self.process)
            print(f"{self.name} did not end after the unmount and was killed", file=sys.stderr)
        self.log.close()


def run_together(commands, seconds, release=lambda: None):
    """Starts commands at once, lets them run for so many seconds at most, and answers what each printed.

    A client can't be killed while a server has a request of it: release() is called before clients that are late are
    killed, and has to end the server if it may be the one to blame.
    """
    started, files, deadline = [], ExitStack(), time.monotonic() + seconds
    try:
        for command in commands:
            out, errors = (files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2))
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
            started.append((process, out, errors))
        for process, *_ in started:
            process.wait(max(0.1, deadline - time.monotonic()))
        texts = [[read_again(out), read_again(errors)] for _, out, errors in started]
    except subprocess.TimeoutExpired as late:
        release()
        raise Failure(f"{late.cmd[0]} is still running after {seconds} s\n{' '.join(late.cmd)}") from late
    except FileNotFoundError as missing:
        raise Failure(f"{missing.filename} is missing: install it") from missing
    finally:
        for process, *_ in started:
            end(process)
        files.close()
    for (process, *_), (out, errors) in zip(started, texts):
        if process.returncode:
            said = next((line for line in (errors + out).splitlines() if line.strip()), "")
            raise Failure(f"{process.args[0]}: exit {process.returncode}: {said}\n"
                          f"{' '.join(process.args)}\n{out}{errors}")
    return [out for out, _ in texts]


def read_again(file):
    file.seek(0)
    return file.read()


def end(process):
    """Kills a process that still runs, and leaves it if even that does not end it: the name space will."""
    if process.poll() is None:
        process.kill()
        try:
            process.wait(KILLED_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"{' '.join(process.args)} did not end when it was killed", file=sys.stderr)


def run(command, seconds, release=lambda: None):
    """Runs one command as run_together() does."""
    return run_together([command], seconds, release)[0]


def compile_with_fuse(source, program):
    """Compiles with the library that pkg-config finds, which is also the one that will be loaded."""
    flags = run(["pkg-config", "--cflags", "--libs", "fuse3"], 10).split()
    where = run(["pkg-config", "--variable=libdir", "fuse3"], 10).strip()
    run(["cc", "-O2", str(source), *flags, f"-Wl,-rpath,{where}", "-o", str(program)], 60)
    return program


def add_common_arguments(parser):
    parser.add_argument("--rounds", type=int, default=5, help="how often each job runs on each peer, 3 or more")
    parser.add_argument("--seconds", type=int, default=3, help="how long each run takes")
    parser.add_argument("--jar", type=Path, default=ROOT / "build/ferrofuse.jar")
    parser.add_argument("--java", default="java")
    parser.add_argument("-o", dest="options", help="mount options for FerroFuse")


def runnable_jar(arguments):
    jar = arguments.jar.resolve()
    if not jar.exists():
        raise Failure(f"{jar} is missing: gradle assemble")
    return str(jar)


def environment(java):
    """One line that says where the figures come from."""
    jdk = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr \
        if shutil.which(java) else f"no {java}"
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return (f"Linux {os.uname().release} {os.uname().machine}, {os.cpu_count()} CPUs ({cpu}), "
            f"{jdk.splitlines()[0]}, {run(['fio', '--version'], 10).strip()}, "
            f"load average before: {os.getloadavg()[0]:.1f}")


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def enter_name_spaces(script):
    """Starts over as pid 1 of name spaces that take every mount and process with them when they end."""
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGTERM", "--mount-proc",
                          sys.executable, script, *sys.argv[1:]])


def stop(number, _frame):
    """Has everything put away, once: a second signal must not interrupt that."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main(script, parser, compare):
    """Has compare(arguments, workspace) run as root, in name spaces and a directory that go away with it."""
    name = Path(script).name
    arguments = parser.parse_args()
    if arguments.rounds < 3 or arguments.seconds < 1:
        parser.error("needs 3 rounds of 1 s at least: fewer say nothing")
    if os.geteuid() != 0:
        sys.exit(f"{name} mounts in a name space of its own and opens /dev/fuse: run it as root")
    if INSIDE not in os.environ:
        enter_name_spaces(script)
    # pid 1 ignores signals that it does not handle
    for each in ENDING:
        signal.signal(each, stop)
    with tempfile.TemporaryDirectory(prefix="ferrofuse-compare-") as workspace:
        try:
            compare(arguments, Path(workspace))
        except Failure as failure:
            sys.exit(f"{name}: {failure}")
