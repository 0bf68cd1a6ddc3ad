#!/usr/bin/env python3
"""Bad input and bad disks: one clear message, the right exit status, within seconds, at any rank count."""

import signal
import subprocess
import unittest

from support import EXAMPLES, LPL_SIM, InFolder, datasets, environment, h5py, lpl_sim, small_disk, status

GOOD = (EXAMPLES / "minimal.sim").read_text()
MISTAKES = {
    "unknown key": (GOOD.replace("size = 10 }", "size = 10, sise = 3 }"), "key 'sise' is not known here; did you mean 'size'?"),
    "wrong unit": (GOOD.replace('"5 s"', '"5 mV"'), "unit 'mV'"),
    "missing file": (GOOD.replace("density = 0.5, weight = 0.2", 'file = "none.wmat"'), "there is no file"),
    "negative size": (GOOD.replace("size = 10 }", "size = -1 }"), "'size' is -1"),
    "unconnected name": (GOOD.replace('to = "exc"', 'to = "exd"'), "did you mean 'exc'"),
    "short delay": (GOOD.replace("seed", 'min_delay = "0.2 ms", seed').replace("density = 0.5", 'density = 0.5, delay = "0.1 ms"'), "below the minimum delay"),
    "no duration": (GOOD.replace(', duration = "5 s"', ""), "key 'duration' is missing"),
    "broken syntax": (GOOD.replace("size = 10 }", "size = }"), ""),
}


class BadInput(InFolder):
    def test_each_mistake_is_named_with_its_place(self):
        for ranks in (1, 3):
            for mistake, (text, message) in MISTAKES.items():
                with self.subTest(mistake=mistake, ranks=ranks):
                    self.assertNotEqual(text, GOOD)
                    self.write("bad.sim", text)
                    done = lpl_sim("bad.sim", ranks=ranks, cwd=self.folder, timeout=20)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    lines = [line for line in done.stderr.splitlines() if line.startswith("lpl_sim:")]
                    self.assertEqual(len(lines), 1, done.stderr)
                    self.assertRegex(lines[0], r"^lpl_sim: bad\.sim:\d+:\d+: ")
                    self.assertIn(message, lines[0])
                    self.assertFalse((self.folder / "bad.h5").exists())

    def test_misuse_of_the_command_line(self):
        for arguments, message in ((["none.sim"], "there is no file none.sim"), ([], "required"), (["--nonsense", "x.sim"], "nonsense"),
                                   ([self.folder], "is a folder")):
            with self.subTest(arguments=arguments):
                done = lpl_sim(*arguments, cwd=self.folder)
                self.assertEqual(done.returncode, 2)
                self.assertIn(message, done.stderr + done.stdout)

    def test_version_and_help(self):
        version = lpl_sim("--version")
        self.assertEqual(version.returncode, 0)
        self.assertRegex(version.stdout, r"lpl_sim \d+\.\d+\.\d+ .*vectors \w+")
        self.assertEqual(lpl_sim("--help").returncode, 0)


DIVERGING = """simulation = {{ seed = 1, dt = "0.1 ms", min_delay = "0.8 ms" }}
phase = [{{ name = "run", duration = "{duration}" }}]
record = [{{ what = "spikes", of = "e" }}]
[[population]]
name = "quiet"
cell = "if"
size = 20
[[population]]
name = "e"
cell = "c"
size = 40
[cell.c]
model = "equations"
parameters = {{ first = "{first}", second = "{second}" }}
[cell.c.states]
V = "select(i == 37, first, select(i == 3, second, 0 mV))"
[cell.c.dynamics]
V = "V * V / 1 mV / 1 ms"
[cell.c.method]
V = {method}
"""


class NumbersThatDiverge(InFolder):
    """V' = V^2 ends at the time 1/V; of two neurons, of which each has a rank of its own, the earlier one is named."""

    def ends(self, message, ranks, **what):
        self.write("diverging.sim", DIVERGING.format(**what))
        done = lpl_sim("diverging.sim", "--overwrite", ranks=ranks, cwd=self.folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("lpl_sim:")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith(f"lpl_sim: population 'e': {message}"), lines[0])
        self.assertEqual(status(self.folder / "diverging.h5"), "failed")

    def test_a_step_that_adaptive_substeps_cannot_do(self):
        for ranks in (1, 2, 3):
            self.ends("neuron 37 needs more than 1000 sub-steps of rkf45 in the step at 0.0006 s", ranks, first="1.6 mV",
                      second="1.4 mV", method='{ rkf45 = "1e-6 mV" }', duration="1 s")
            self.ends("neuron 3 needs more than 1000 sub-steps of rkf45 in the step at 0.0006 s", ranks, first="1.4 mV",
                      second="1.6 mV", method='{ rkf45 = "1e-6 mV" }', duration="1 s")

    def test_a_state_that_is_no_number(self):
        # It is found at the end of a phase, and in a long one before.
        for ranks, duration, time in ((1, "50 ms", "0.05 s"), (3, "50 ms", "0.05 s"), (1, "1000 s", "0.82"), (3, "1000 s", "0.82")):
            self.ends(f"'V' of neuron 3 is no finite number at {time}", ranks, first="1.6 mV", second="1.4 mV", method='"euler"',
                      duration=duration)


CELL = """simulation = {{ seed = 1, dt = "0.1 ms", min_delay = "0.8 ms" }}
phase = [{{ name = "run", duration = "20 ms" }}]
population = [{{ name = "e", cell = "c", size = 40 }}]
[cell.c]
model = "equations"
require = [{{ that = "tau > 0 ms or tau < 0 ms", otherwise = "nothing would move" }}]
[cell.c.parameters]
tau = "{tau}"
error = "{error}"
[cell.c.states]
V = "{initial}"
[cell.c.dynamics]
V = "{dynamics}"
[cell.c.method]
V = {method}
[cell.c.spike]
when = "V > 10 mV"
then = {{ V = "0 mV" }}
{spike}
"""
USUAL = {"tau": "10 ms", "error": "1 mV", "initial": "0 mV", "dynamics": "20 mV / tau - V / tau", "method": '"automatic"', "spike": ""}
# What a text makes of its values, and what is said.
MADE = {
    "an initial value that is no number": (
        {"initial": "log(-1) * 1 mV"}, "population 'e': neuron 0: 'V' would begin at no finite number"),
    "one of a single neuron": (
        {"initial": "1 mV / (i - 35)"}, "population 'e': neuron 35: 'V' would begin at no finite number"),
    "one beyond single precision": (
        {"initial": "1e300 mV"}, "population 'e': neuron 0: 'V' would begin at 1e+297, which is beyond float32"),
    "a time constant of 0 of a single neuron": (
        {"error": "1 mV * (35 - i)", "dynamics": "-V * 1 mV / tau / error"},
        "population 'e': neuron 35: with its parameters the equations divide by 0"),
    "a requirement of all neurons": (
        {"tau": "0 ms"}, "cell 'c': the values of model 'c' do not fit: nothing would move"),
    "a requirement of a single neuron": (
        {"tau": "1 ms * (i - 35)"}, "population 'e': neuron 35: its values do not fit: nothing would move"),
    "an allowed error of 0": (
        {"method": '{ rkf45 = "0 mV" }'},
        "cell 'c': the values of model 'c' do not fit: the error that rkf45 allows 'V' must be above 0"),
    "one below 0 of a single neuron": (
        {"error": "1 mV * (34.5 - i)", "method": '{ rkf45 = "error" }'},
        "population 'e': neuron 35: 'error' is -0.0005: the error that rkf45 allows 'V' must be above 0"),
    "a refractory period off the grid": (
        {"spike": 'refractory = "0.25 ms"'},
        "cell 'c': the values of model 'c' do not fit: the refractory period is 0.25 ms, which is no multiple of the step"),
}


class ValuesOfTexts(InFolder):
    def test_what_cannot_be_is_refused_with_the_neuron(self):
        for ranks in (1, 3):
            for mistake, (parts, message) in MADE.items():
                with self.subTest(mistake=mistake, ranks=ranks):
                    self.write("made.sim", CELL.format(**(USUAL | parts)))
                    done = lpl_sim("made.sim", ranks=ranks, cwd=self.folder)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertEqual(done.stderr.count("lpl_sim:"), 1, done.stderr)
                    self.assertIn(message, done.stderr)

    def test_a_number_of_spikes_beyond_all_bounds(self):
        for ranks in (1, 3):
            for count in ("1e12", "log(0 - 1)"):
                self.write("many.sim", CELL.format(**(USUAL | {"initial": "11 mV", "spike": f'count = "{count}"'})))
                done = lpl_sim("many.sim", "--overwrite", ranks=ranks, cwd=self.folder)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("lpl_sim: population 'e': neuron 0 would spike more than 65535 times in the step at 0 s, or no number of times",
                              done.stderr)


class BadDisk(InFolder):
    def test_unwritable_output(self):
        for ranks in (1, 3):
            done = lpl_sim(EXAMPLES / "minimal.sim", "--out", self.folder / "none" / "r.h5", ranks=ranks, timeout=30)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr, "--out .*r.h5: there is no folder .*none; make it first")
            self.assertEqual(done.stderr.count("lpl_sim:"), 1)

    def test_a_full_disk_ends_the_run_and_what_was_flushed_stays_readable(self):
        text = GOOD.replace('of = "exc"', 'of = ["exc", "input"]').replace('rate = "10 Hz"', 'rate = "300 Hz"')
        # The end of a phase flushes.
        self.write("long.sim", text.replace("phase = [", 'phase = [{ name = "first", duration = "2 s" }, '))
        for ranks in (1, 3):
            with self.subTest(ranks=ranks), small_disk(self.folder / "disk", "3m") as disk:
                out = disk / "full.h5"
                done = lpl_sim("long.sim", "--out", out, "--set", "phase.run.duration=2000 s", "--progress", "none",
                               ranks=ranks, cwd=self.folder, timeout=60)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, r"lpl_sim: .*(cannot append|cannot flush|cannot write).*No space left")
                self.assertEqual(done.stderr.count("lpl_sim:"), 1, done.stderr)
                with h5py.File(out, "r") as file:
                    self.assertEqual(status(out), "failed")
                    self.assertEqual(len(file["spikes/exc/timestamps"]), len(file["spikes/exc/node_ids"]))
                    self.assertGreater(file["spikes/input/timestamps"][-1], 1990)

    def test_a_live_file_can_be_read(self):
        out = self.folder / "live.h5"
        command = [LPL_SIM, EXAMPLES / "minimal.sim", "--out", out, "--set", "phase.run.duration=100000 s", "--progress", "none"]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                for _ in range(200):
                    if out.exists() and out.stat().st_size > 1_000_000:
                        break
                    self.assertIsNone(process.poll())
                    signal.sigtimedwait([], 0.05)
                with h5py.File(out, "r") as file:
                    self.assertEqual(status(out), "running")
                    self.assertGreaterEqual(len(file["spikes/exc/timestamps"]), 0)
            finally:
                process.kill()


if __name__ == "__main__":
    unittest.main()
