"""Tests of what compare.py does without a mount: python3 -m unittest discover -s benches/tests."""
import io
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import chart  # noqa: E402
import compare  # noqa: E402
import flat_peers  # noqa: E402
import prerequisites  # noqa: E402
import report  # noqa: E402
import side_by_side  # noqa: E402
from flat_work import QUICK, all_work  # noqa: E402
from progress import Progress  # noqa: E402
from side_by_side import Failure, run, run_together  # noqa: E402


def row(work="4k random read, 1 job", curve="4k random read", concurrency=1, rates=None, cpu=None, failed=None):
    return {"work": work, "curve": curve, "concurrency": concurrency, "bytes": 4096,
            "operations per second": rates or {}, "CPU us per operation": cpu or {}, "failed": failed or {}}


class Work(unittest.TestCase):
    def test_every_name_of_work_is_used_once(self):
        names = [each.name for each in all_work(Path())]
        self.assertEqual(len(names), len(set(names)))

    def test_the_quick_form_names_work_that_there_is(self):
        self.assertEqual(set(QUICK) - {each.name for each in all_work(Path())}, set())

    def test_a_curve_has_one_row_for_each_concurrency(self):
        points = [(each.curve(), each.concurrency) for each in all_work(Path()) if each.curve()]
        self.assertEqual(len(points), len(set(points)))
        self.assertIn(("4k random read", 64), points)

    def test_all_but_the_control_are_compared_unless_some_are_named(self):
        self.assertNotIn("control", compare.parser().parse_args([]).peers)
        self.assertEqual(compare.parser().parse_args(["--peers", "ours,c"]).peers, ["c", "ours"])


    def test_rounds_begin_with_different_peers_and_neighbours_change_sides(self):
        orders = ["".join(compare.order_of(list("abcd"), turn)) for turn in range(4)]
        self.assertEqual(orders, ["abcd", "badc", "cdab", "dcba"])
        self.assertEqual(compare.order_of([], 3), [])


class Processes(unittest.TestCase):
    def test_the_server_is_ended_before_a_client_that_is_late(self):
        released = []
        with tempfile.TemporaryDirectory() as directory:
            fifo = Path(directory) / "answers"
            os.mkfifo(fifo)  # a client that waits for what never comes

            def release():
                released.append(True)
            with self.assertRaisesRegex(Failure, "still running after 0.2 s"):
                run_together([["cat", str(fifo)]], 0.2, release)
        self.assertEqual(released, [True])

    def test_a_failure_begins_with_what_the_command_said(self):
        with self.assertRaisesRegex(Failure, "^sh: exit 3: no luck\n"):
            run(["sh", "-c", "echo no luck >&2; exit 3"], 10)

    def test_a_command_that_is_missing_is_named(self):
        with self.assertRaisesRegex(Failure, "no-such-command is missing"):
            run(["no-such-command"], 10)

    def test_what_commands_print_comes_in_their_order(self):
        self.assertEqual(run_together([["sh", "-c", "read x < /dev/null; echo one"], ["echo", "two"]], 10),
                         ["one\n", "two\n"])

    def test_a_peer_that_dies_before_it_mounts_is_a_failure_with_its_last_words(self):
        with tempfile.TemporaryDirectory() as directory:
            with self.assertRaisesRegex(Failure, "(?s)nobody did not mount.*no such library"):
                side_by_side.Peer("nobody", ["sh", "-c", "echo no such library; exit 1"], Path(directory) / "mount")


class Prerequisites(unittest.TestCase):
    def test_what_is_missing_is_told_with_its_package(self):
        need = prerequisites.executable("no-such-tool", "no-such-package")
        with self.assertRaisesRegex(Failure, "no-such-tool; apt-get install no-such-package, which --install does"):
            prerequisites.Installer(False, self.fail).require([need])

    def test_what_no_package_has_is_told_with_its_remedy(self):
        need = prerequisites.executable("no-such-tool", "", "build it")
        with self.assertRaisesRegex(Failure, "no-such-tool is missing: build it"):
            prerequisites.Installer(True, self.fail).require([need])

    def test_nothing_is_installed_that_is_there(self):
        prerequisites.Installer(True, self.fail).require([prerequisites.executable("sh", "dash")])

    def test_the_newest_jdk_is_found_by_its_release_file(self):
        with tempfile.TemporaryDirectory() as directory:
            for name, release in (("old", "17.0.2"), ("new", "25"), ("jre", "26")):
                home = Path(directory) / name
                (home / "bin").mkdir(parents=True)
                (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{release}"\n')
                if name != "jre":
                    (home / "bin/javac").touch()
            with mock.patch.object(prerequisites, "JVMS", Path(directory)), mock.patch.dict(os.environ, clear=True):
                self.assertEqual(prerequisites.newest_jdk(), (25, Path(directory) / "new"))

    def test_no_jdk_at_all_is_no_error(self):
        with mock.patch.object(prerequisites, "JVMS", Path("/nonexistent")), mock.patch.dict(os.environ, clear=True):
            self.assertEqual(prerequisites.newest_jdk(), (0, None))

    def test_a_ring_that_is_switched_off_is_told_with_the_switch(self):
        with tempfile.NamedTemporaryFile("w+") as switch:
            switch.write("N\n")
            switch.flush()
            with mock.patch.object(flat_peers, "RING_SWITCH", Path(switch.name)):
                with self.assertRaisesRegex(Failure, f"echo Y > {switch.name}"):
                    flat_peers.require_ring_switch()


class Options(unittest.TestCase):
    def test_options_of_ours_name_the_column(self):
        self.assertEqual(flat_peers.named_options(""), ("FerroFuse", ""))
        self.assertEqual(flat_peers.named_options("transport=dev"), ("FerroFuse dev", "transport=dev"))
        self.assertEqual(flat_peers.named_options("few:threads=2"), ("few", "threads=2"))

    def test_every_mount_of_ours_takes_its_own_options_the_common_ones_and_the_timeouts(self):
        built = flat_peers.ours(["java"], "x", "threads=2", "noclone_fd", 17)
        self.assertEqual(built.command(0), ["java", "entry_timeout=0,attr_timeout=0,threads=2,noclone_fd", "DIRECTORY"])


class Report(unittest.TestCase):
    def test_ratios_are_of_the_same_round(self):
        both = row(rates={"a": [2, 9], "b": [1, 3]})
        self.assertEqual(report.pairs(both, "a", "b"), [2, 3])
        self.assertEqual(report.pairs(both, "a", "c"), [])

    def test_a_failed_row_is_told_and_not_left_blank(self):
        rows = [row(rates={"C": [1]}, failed={"a": "hung\nlog"})]
        self.assertIn("failed", report.ratio_line(rows[0], ["C", "a"], "C"))
        self.assertEqual(report.failures(rows), ['failed: a, "4k random read, 1 job": hung'])

    def test_the_summary_counts_rows_below_one_and_names_the_lowest(self):
        rows = [row("one", rates={"a": [4, 4, 4], "b": [1, 1, 1]}), row("two", rates={"a": [1, 1, 1], "b": [4, 4, 4]})]
        told = report.summary(rows, ["a"], ["b"]).splitlines()[-1]
        self.assertEqual(told.split(), ["a", "/", "b", "1.00", "-", "1", "of", "2", "0.25", "two"])

    def test_cpu_times_too_short_for_the_clock_are_left_out_of_their_mean(self):
        rows = [row(cpu={"a": [0.0], "b": [1.0]}), row(cpu={"a": [6.0], "b": [3.0]})]
        self.assertEqual(report.cpu_mean(rows, "a", "b"), "2.00")


class Chart(unittest.TestCase):
    ROWS = [row(concurrency=1, rates={"C": [1000, 2000, 3000], "us & them": [2560, 2560, 2560]}),
            row(concurrency=4, rates={"C": [2560, 2560, 2560], "us & them": [5120, 5120, 5120]})]
    PEERS = [("C", False), ("us & them", True)]

    def test_points_are_least_median_and_most_mib_a_second(self):
        curve = chart.curves_of(self.ROWS)["4k random read"]
        self.assertEqual(curve["us & them"], [(1, 10, 10, 10), (4, 20, 20, 20)])
        self.assertEqual(curve["C"][0], (1, 1000 / 256, 2000 / 256, 3000 / 256))

    def test_every_peer_is_a_line_and_is_in_the_legend(self):
        drawn = ElementTree.fromstring(chart.draw(self.ROWS, self.PEERS, "here"))
        space = "{http://www.w3.org/2000/svg}"
        self.assertEqual(len(drawn.findall(f".//{space}polyline")), 2)
        texts = [each.text for each in drawn.iter(f"{space}text")]
        for expected in ("C", "us & them", "4k random read", "MiB/s", "here"):
            self.assertIn(expected, texts)

    def test_higher_speeds_are_drawn_higher(self):
        lines = {"C": [(1, 5, 5, 5), (4, 10, 10, 10)]}
        drawn = "".join(chart.draw_panel("x", lines, {"C": ("#000000", 1, "circle")}))
        points = drawn.split('points="')[1].split('"')[0].split()
        low, high = (float(point.split(",")[1]) for point in points)
        self.assertLess(high, low)

    def test_there_is_no_chart_of_one_concurrency(self):
        self.assertIsNone(chart.draw(self.ROWS[:1], self.PEERS, "here"))

    def test_axes_end_above_the_highest_speed_in_four_to_six_steps(self):
        for value in (0.03, 1, 3.3, 99, 100, 101, 740, 5201, 123456):
            end, step = chart.rounded_up(value)
            self.assertGreater(end, value)
            self.assertIn(round(end / step), range(3, 8), value)


class ProgressLines(unittest.TestCase):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def test_a_terminal_shows_each_step_on_one_line(self):
        out = self.Terminal()
        progress = Progress(out, iter(range(0, 1000, 60)).__next__)
        progress.plan(10)
        progress.step("reading")
        progress.step("writing")
        progress.clear()
        self.assertNotIn("\n", out.getvalue())
        self.assertIn("[1/10] writing, about 9 min left", out.getvalue())
        self.assertTrue(out.getvalue().endswith("\r\x1b[K"))

    def test_elsewhere_there_is_a_plain_line_for_each_stage(self):
        out = io.StringIO()
        progress = Progress(out)
        progress.plan(10)
        progress.step("reading")
        progress.stage("reading again")
        self.assertRegex(out.getvalue(), r"^\[1/10\] reading again, about \d+ s left\n$")


if __name__ == "__main__":
    unittest.main()
