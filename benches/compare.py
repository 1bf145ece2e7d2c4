#!/usr/bin/env python3
"""Compares FerroFuse with other FUSE libraries: the same file system on each, the same work, side by side.

usage: compare.py [--install] [--quick | --check | --list] [--rounds N] [--seconds S]
                  [--only PATTERN]... [--peers KEY,...] [--json FILE] [--svg FILE] [--ours [NAME:]OPTIONS]... [-o OPTIONS]
                  [--jar JAR] [--class-path JAR] [--java JAVA] [--jfuse-java JAVA]

Every library's file system is built and mounted in mount and pid name spaces of its own, and each piece of work is done
on one right after the other, round after round, in rotated order. What is printed are ratios within rounds: figures of
this machine are good for nothing else. README.md beside this file says how to read them.

Needs root, /dev/fuse, fio, cc and build/ferrofuse.jar with examples/flat (gradle assemble); each library needs what
--install has apt-get install. One that can't run is named with the reason.
"""
import argparse
import fnmatch
import json
import sys
from pathlib import Path

import chart
import report
from flat_peers import BUILDERS, CACHE, USUAL, Workshop
from flat_work import ASKING, QUICK, REMEMBERING, all_work
from prerequisites import COMPILER, FIO, PKG_CONFIG, UNMOUNT, Installer
from progress import Progress
from side_by_side import HERE, Failure, Peer, add_common_arguments, environment, first_line, main, run
from work import compile_metadata, measure

CHECK_SECONDS = 30
# A run before those that count, for the JVM's compilers.
WARM_SECONDS = 1
QUICK_ROUNDS, QUICK_SECONDS = 3, 1


class Mounts:
    """The peers that are mounted, and why others are not."""

    def __init__(self, built, workspace, progress):
        self.built = built
        self.workspace = workspace
        self.progress = progress
        self.peers = {}
        self.left_out = {}
        self.count = 0

    def mount_all(self, timeouts):
        for built in self.built:
            if built.name not in self.left_out:
                self.progress.step(f"mounting {built.name}")
                self.mount(built, timeouts)

    def mount(self, built, timeouts):
        """Mounts a peer and has it checked; on failure notes why it is left out from now on."""
        self.count += 1
        peer = None
        try:
            peer = Peer(built.name, built.command(timeouts), self.workspace / f"mount{self.count}")
            run([sys.executable, str(HERE / "flat_check.py"), str(peer.directory)], CHECK_SECONDS, peer.kill)
            if built.on_ring and not has_ring(peer):
                raise Failure(f"{built.name} mounted, but serves /dev/fuse instead of an io_uring:\n{peer.said()}")
            self.peers[built.name] = peer
        except Failure as failure:
            if peer:
                peer.close()
            self.left_out[built.name] = str(failure).strip()
            self.progress.say(f"left out: {built.name}: {first_line(failure)}")

    def mount_again(self, name, timeouts):
        self.peers.pop(name).close()
        self.mount(next(built for built in self.built if built.name == name), timeouts)

    def close(self):
        while self.peers:
            self.peers.popitem()[1].close()


def reasons(left_out):
    return "; ".join(f"{name}: {first_line(why)}" for name, why in left_out.items())


def has_ring(peer):
    """Whether the server holds an io_uring, which io_uring_setup(2) makes a descriptor of."""
    for each in Path(f"/proc/{peer.process.pid}/fd").iterdir():
        try:
            if "io_uring" in str(each.readlink()):
                return True
        except FileNotFoundError:
            pass  # closed meanwhile
    return False


def order_of(names, turn):
    """Every round begins with another peer, and every other one goes backwards: neighbours change sides, too."""
    begin = turn % max(1, len(names))
    return names[begin:] + names[:begin] if turn % 2 == 0 else names[begin::-1] + names[:begin:-1]


def measure_row(mounts, row, arguments, progress):
    """Answers what the JSON says of a row. A peer that fails is mounted anew for the next one."""
    rates, cpu, failed = {}, {}, {}
    for turn in range(-1, arguments.rounds):  # the first does not count
        for name in order_of([name for name in mounts.peers if name not in failed], max(turn, 0)):
            where = f"round {turn + 1} of {arguments.rounds}" if turn >= 0 else "warming up"
            progress.step(f"{row.name}: {where}, {name}")
            try:
                rate, used = measure(mounts.peers[name], row, arguments.seconds if turn >= 0 else WARM_SECONDS)
            except (Failure, OSError) as failure:  # OSError: of /proc, when the server is gone
                failed[name] = f"{failure}\n{mounts.peers[name].said()}"
                progress.drop(arguments.rounds - turn - 1)
                continue
            if turn >= 0:
                rates.setdefault(name, []).append(rate)
                cpu.setdefault(name, []).append(used)
    for name in failed:
        rates.pop(name, None)
        cpu.pop(name, None)
        progress.say(f"{name} failed at \"{row.name}\" and is mounted anew: {first_line(failed[name])}")
        mounts.mount_again(name, row.timeouts)
    return {"work": row.name, "curve": row.curve(), "concurrency": getattr(row, "concurrency", row.processes),
            "bytes": row.block_bytes, "operations per second": rates, "CPU us per operation": cpu, "failed": failed}


def build_peers(arguments, workspace, installer, progress):
    """Answers the peers that can be mounted, and the reasons of the others."""
    built, left_out = [], {}
    shop = Workshop(arguments, installer, workspace)
    for key in arguments.peers:
        progress.say(f"building {key}")
        try:
            built += BUILDERS[key](shop)
        except Failure as failure:
            left_out[key] = str(failure).strip()
            progress.say(f"left out: {key}: {first_line(failure)}")
    return built, left_out


def chosen_work(arguments, program):
    patterns = arguments.only or (QUICK if arguments.quick else ["*"])
    rows = [row for row in all_work(program) if any(fnmatch.fnmatch(row.name, pattern) for pattern in patterns)]
    if not rows:
        raise Failure(f"no work is called {' or '.join(patterns)}: --list has the names")
    return rows


def compare(arguments, workspace):
    progress = Progress()
    installer = Installer(arguments.install, progress.say)
    CACHE.mkdir(parents=True, exist_ok=True)
    if arguments.check:
        check(arguments, workspace, installer, progress)
        return
    installer.require([FIO, COMPILER, PKG_CONFIG, UNMOUNT])
    told = {"environment": environment(arguments.java), "rounds": arguments.rounds, "seconds": arguments.seconds,
            "peers": [], "left out": {}, "rows": []}  # before building, which is a load, too
    compile_metadata(workspace / "metadata")
    rows = chosen_work(arguments, workspace / "metadata")
    built, left_out = build_peers(arguments, workspace, installer, progress)
    if len(built) < 2:
        raise Failure("nothing to compare: " + reasons(left_out))
    mounts = Mounts(built, workspace, progress)
    mounts.left_out.update(left_out)
    progress.plan(len(rows) * len(built) * (arguments.rounds + 1) + len(built) * len({row.timeouts for row in rows}))
    told["left out"] = mounts.left_out
    try:
        for timeouts in (REMEMBERING, ASKING):
            of_these = [row for row in rows if row.timeouts == timeouts]
            if of_these:
                mounts.mount_all(timeouts)
                run_rows(mounts, of_these, told, arguments, progress)
                mounts.close()
    finally:
        progress.clear()
        mounts.close()
        if told["rows"]:  # also of a run that is cut short
            finish(told, arguments)
    require_ours(told, built)


def require_ours(told, built):
    """Other libraries may fail, ours may not."""
    failed = {name for row in told["rows"] for name in row["failed"]} | told["left out"].keys()
    for each in built:
        if each.ours and each.name in failed:
            raise Failure(f"{each.name} failed, see above")


def check(arguments, workspace, installer, progress):
    """Mounts every peer both ways, which has it checked, and measures nothing."""
    built, left_out = build_peers(arguments, workspace, installer, progress)
    mounts = Mounts(built, workspace, progress)
    mounts.left_out.update(left_out)
    try:
        for timeouts in (REMEMBERING, ASKING):
            mounts.mount_all(timeouts)
            for name in mounts.peers:
                print(f"{name} with timeouts of {timeouts} s: serves the flat file system", flush=True)
            mounts.close()
    finally:
        mounts.close()
    if mounts.left_out:
        raise Failure(f"left out: {reasons(mounts.left_out)}")


def run_rows(mounts, rows, told, arguments, progress):
    if not told["peers"]:
        told["peers"] = [{"name": each.name, "what": each.what, "ours": each.ours,
                          "command": mounts.peers[each.name].process.args}
                         for each in mounts.built if each.name in mounts.peers]
        if len(told["peers"]) < 2:
            raise Failure("nothing to compare: " + reasons(mounts.left_out))
        progress.clear()
        print(report.head(told, told["peers"][0]["name"]), flush=True)
    names = [peer["name"] for peer in told["peers"]]
    for row in rows:
        progress.stage(row.name)
        told["rows"].append(measure_row(mounts, row, arguments, progress))
        progress.clear()
        print(report.ratio_line(told["rows"][-1], names, names[0]), flush=True)
        write_json(told, arguments)


def write_json(told, arguments):
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1) + "\n")


def finish(told, arguments):
    names = [peer["name"] for peer in told["peers"]]
    ours = [peer["name"] for peer in told["peers"] if peer["ours"]]
    print(report.cpu_table(told["rows"], names))
    if ours:
        print(report.summary(told["rows"], ours, [name for name in names if name not in ours]))
    for line in report.failures(told["rows"]):
        print(line)
    for name, reason in told["left out"].items():
        print(f"left out: {name}: {first_line(reason)}")
    write_json(told, arguments)
    if arguments.svg:
        drawn = chart.draw_told(told)
        if drawn:
            arguments.svg.write_text(drawn)
        else:
            print(f"{arguments.svg} is not written: no kind of transfer was measured at two concurrencies")


def peer_keys(text):
    keys = text.split(",")
    unknown = [key for key in keys if key not in BUILDERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: needs some of {', '.join(BUILDERS)}")
    return [key for key in BUILDERS if key in keys]


def parser():
    built = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_common_arguments(built)
    built.add_argument("--install", action="store_true", help="have apt-get install what the peers lack")
    built.add_argument("--quick", action=Quick, nargs=0, default=False,
                       help=f"{len(QUICK)} rows, {QUICK_ROUNDS} rounds of {QUICK_SECONDS} s: about 3 minutes")
    built.add_argument("--check", action="store_true", help="measure nothing, only mount and check every peer")
    built.add_argument("--only", action="append", metavar="PATTERN",
                       help="only work whose name matches, as a shell would; may be repeated")
    built.add_argument("--list", action="store_true", help="only tell the names of the work and of the peers")
    built.add_argument("--peers", type=peer_keys, default=USUAL, metavar="KEY,...",
                       help=f"some of {','.join(BUILDERS)} (all but control, which is C libfuse once more)")
    built.add_argument("--ours", action="append", metavar="[NAME:]OPTIONS",
                       help="a FerroFuse mount with these options, for example transport=dev; may be repeated")
    built.add_argument("--json", type=Path, help="write all figures to this file, too")
    built.add_argument("--svg", type=Path, help="draw MiB/s over concurrency to this file")
    built.add_argument("--class-path", type=Path, help="jar or classes of examples/flat")
    built.add_argument("--jfuse-java", help="java of a JDK 22 or newer, for jfuse (the newest of /usr/lib/jvm)")
    return built


class Quick(argparse.Action):
    """What --quick sets can still be set otherwise after it."""

    def __call__(self, _parser, arguments, _values, _option=None):
        arguments.quick, arguments.rounds, arguments.seconds = True, QUICK_ROUNDS, QUICK_SECONDS


if __name__ == "__main__":
    if "--list" in sys.argv:
        print("\n".join(row.name for row in all_work(Path())))
        print(f"peers: {', '.join(BUILDERS)}")
        sys.exit()
    main(__file__, parser(), compare)
