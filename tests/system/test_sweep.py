#!/usr/bin/env python3
"""Sweeps run every combination once, go on where they were stopped, and make one table."""

import csv
import os
import signal
import subprocess
import sys
import time
import unittest

from support import EXAMPLES, LPL_SIM, ROOT, InFolder, datasets, environment, h5py, lpl_sim

SWEEP = ROOT / "scripts/sweep.py"


class Sweep(InFolder):
    def command(self, *arguments):
        return [sys.executable, SWEEP, *map(str, arguments), "--folder", str(self.folder / "sweep")]

    def sweep(self, *arguments):
        return subprocess.run(self.command(*arguments), cwd=self.folder, env=environment(), capture_output=True, text=True, timeout=300)

    def table(self):
        with open(self.folder / "sweep/table.csv", newline="") as table:
            return list(csv.DictReader(table))

    def results(self):
        return {path: path.stat().st_mtime_ns for path in (self.folder / "sweep").glob("*-*.h5")}

    def test_runs_all_combinations_once_and_tabulates_them(self):
        text = (EXAMPLES / "minimal.sim").read_text()
        self.write("minimal.sim", text.replace("record = [", 'record = [{ what = "weights", of = "input_exc" }, '))
        arguments = ["minimal.sim", "--vary", "rule.lpl.hebbian.strength=0,1", "--vary", "seed=1..3", "--jobs", "2",
                     "--result", "spikes/exc/node_ids:size", "--result", "weights/input_exc/run/value:mean", "--result", "@model_time"]
        done = self.sweep(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = self.table()
        self.assertEqual({(row["rule.lpl.hebbian.strength"], row["seed"]) for row in rows}, {(s, n) for s in "01" for n in "123"})
        # Each row is what a plain run gives.
        lpl_sim("minimal.sim", "--seed", "2", "--set", "rule.lpl.hebbian.strength=0", "--out", "plain.h5", cwd=self.folder)
        with h5py.File(self.folder / "plain.h5", "r") as plain:
            row = next(row for row in rows if row["rule.lpl.hebbian.strength"] == "0" and row["seed"] == "2")
            self.assertEqual(float(row["spikes/exc/node_ids:size"]), plain["spikes/exc/node_ids"].size)
            self.assertEqual(float(row["weights/input_exc/run/value:mean"]), float(plain["weights/input_exc/run/value"][:].mean()))
            self.assertEqual(float(row["@model_time"]), 5)
        self.assertEqual(datasets(self.folder / "plain.h5"), datasets(self.folder / "sweep" / row["file"]))
        with h5py.File(self.folder / "sweep/table.h5", "r") as table:
            self.assertEqual(len(table["seed"]), 6)
        # Again: nothing is run, one more seed is.
        before = self.results()
        self.assertEqual(self.sweep(*arguments).returncode, 0)
        self.assertEqual(self.results(), before)
        arguments[4] = "seed=1..4"
        self.assertEqual(self.sweep(*arguments).returncode, 0)
        after = self.results()
        self.assertEqual(len(after), 8)
        self.assertEqual({path: after[path] for path in before}, before)

    def test_goes_on_after_an_interruption(self):
        arguments = [EXAMPLES / "minimal.sim", "--vary", "seed=1,2", "--vary", "phase.run.duration=400 s", "--checkpoint-every", "100ms"]
        process = subprocess.Popen(self.command(*arguments), cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        end = time.monotonic() + 60
        while not list((self.folder / "sweep").glob("*.checkpoint")) and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 75, errors)
        done = self.sweep(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = self.table()
        self.assertEqual(len(rows), 2)
        logs = "".join(path.read_text() for path in (self.folder / "sweep").glob("*.log"))
        self.assertEqual(logs.count("interrupted  the state is in"), 1)
        lpl_sim(EXAMPLES / "minimal.sim", "--seed", "1", "--set", "phase.run.duration=400 s", "--out", "plain.h5", cwd=self.folder)
        row = next(row for row in rows if row["seed"] == "1")
        self.assertEqual(datasets(self.folder / "plain.h5"), datasets(self.folder / "sweep" / row["file"]))

    def test_what_has_changed_is_run_again(self):
        """A rule beside the description, a file of spikes, and the description itself."""
        (self.folder / "own.rule").write_text((ROOT / "models/lpl.rule").read_text())
        self.write("in.ras", "0.1 0\n0.2 1\n")
        self.write("net.sim", """
simulation = { seed = 1 }
stimulus = [{ name = "in", type = "spikes", size = 2, file = "in.ras" }]
population = [{ name = "exc", cell = "if", size = 2 }]
connection = [{ name = "c", from = "in", to = "exc", density = 1.0, weight = 0.2, plasticity = "own" }]
phase = [{ name = "run", duration = "1 s" }]
record = [{ what = "spikes", of = ["in"] }, { what = "weights", of = "c" }]
""")
        arguments = ("net.sim", "--vary", "seed=1", "--result", "spikes/in/node_ids:size", "--result", "weights/c/initial/value:mean")
        self.assertEqual(self.sweep(*arguments).returncode, 0)
        self.assertEqual(self.table()[0]["spikes/in/node_ids:size"], "2.0")
        first = self.results()
        self.write("in.ras", "0.1 0\n0.2 1\n0.3 0\n")
        self.assertEqual(self.sweep(*arguments).returncode, 0)
        self.assertEqual(self.table()[0]["spikes/in/node_ids:size"], "3.0")
        rule = (self.folder / "own.rule").read_text()
        self.write("own.rule", rule.replace("strength", "strength ", 1))
        self.assertEqual(self.sweep(*arguments).returncode, 0)
        self.write("net.sim", (self.folder / "net.sim").read_text().replace("weight = 0.2", "weight = 0.4"))
        self.assertEqual(self.sweep(*arguments).returncode, 0)
        self.assertAlmostEqual(float(self.table()[0]["weights/c/initial/value:mean"]), 0.4, places=6)
        # Four runs, each with its own file; one row.
        self.assertEqual((len(self.results()), len(self.table())), (4, 1))
        self.assertEqual({path: self.results()[path] for path in first}, first)
        # Back to the first content: its result is still there.
        self.write("in.ras", "0.1 0\n0.2 1\n")
        self.write("own.rule", rule)
        self.write("net.sim", (self.folder / "net.sim").read_text().replace("weight = 0.4", "weight = 0.2"))
        self.assertEqual(self.sweep(*arguments).returncode, 0)
        self.assertEqual((len(self.results()), self.table()[0]["file"]), (4, next(iter(first)).name))

    def test_a_file_that_only_a_model_names_is_read_by_the_run(self):
        self.write("own.cell", 'model = "lif"\ndrive = { file = "drive.txt" }\n')
        self.write("drive.txt", "0\n0\n")
        self.write("net.sim", """
simulation = { seed = 1 }
population = [{ name = "exc", cell = "own", size = 2 }]
phase = [{ name = "run", duration = "1 s" }]
record = [{ what = "spikes", of = ["exc"] }]
""")
        arguments = ("net.sim", "--vary", "seed=1", "--result", "spikes/exc/node_ids:size")
        done = self.sweep(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.table()[0]["spikes/exc/node_ids:size"], "0.0")
        with h5py.File(next(iter(self.results()))) as result:
            self.assertEqual(result["config/inputs/path"][()].decode(), f"{self.folder / 'drive.txt'}\n")
        self.write("drive.txt", "0.5\n0.5\n")
        self.assertEqual(self.sweep(*arguments).returncode, 0)
        self.assertGreater(float(self.table()[0]["spikes/exc/node_ids:size"]), 0)

    def test_a_file_that_changes_while_the_sweep_runs_is_named(self):
        self.write("in.ras", "0.1 0\n")
        self.write("net.sim", """
simulation = { seed = 1 }
stimulus = [{ name = "in", type = "spikes", size = 2, file = "in.ras" }]
phase = [{ name = "run", duration = "1 s" }]
record = [{ what = "spikes", of = ["in"] }]
""")
        # A program that changes what the next run reads.
        folder = self.folder / "bin"
        folder.mkdir()
        program = folder / "lpl_sim"
        program.write_text(f'#!/bin/sh\n{LPL_SIM} "$@"\necho "0.5 1" >> {self.folder}/in.ras\n')
        program.chmod(0o755)
        done = subprocess.run(self.command("net.sim", "--vary", "seed=1"), cwd=self.folder, capture_output=True, text=True,
                              env=dict(environment(), LPL_BIN=str(folder)), timeout=300)
        self.assertEqual(done.returncode, 75)
        self.assertIn(f"{self.folder / 'in.ras'} changed since the sweep began", done.stderr)
        self.assertEqual(self.table(), [])

    def test_varies_keys_together_and_names_what_failed(self):
        done = self.sweep(EXAMPLES / "minimal.sim", "--vary", "seed,population.exc.size=1|10,2|-3")
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed (exit 2): minimal seed=2 population.exc.size=-3", done.stderr)
        self.assertEqual([(row["seed"], row["population.exc.size"]) for row in self.table()], [("1", "10")])

    def test_misuse(self):
        for arguments, message in ((["none.sim"], "none.sim: there is no such file"), ([SWEEP], "suffix must be one of .sim, .rate"),
                                   ([EXAMPLES / "minimal.sim", "--vary", "seed"], "write KEY=VALUE"),
                                   ([EXAMPLES / "minimal.sim", "--vary", "seed=5..1"], "the range is empty"),
                                   ([EXAMPLES / "minimal.sim", "--vary", "seed=1,2,1"], "seed=1: the sweep has this point twice"),
                                   ([EXAMPLES / "minimal.sim", "--jobs", "0"], "whole number from 1 on"),
                                   ([EXAMPLES / "minimal.sim", "--result", "@status"], "holds no number there"),
                                   ([EXAMPLES / "minimal.sim", "--result", "spikes"], "write DATASET:REDUCTION")):
            done = self.sweep(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
