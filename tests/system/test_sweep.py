#!/usr/bin/env python3
"""Sweeps run every combination once, go on where they were stopped, and make one table."""

import csv
import os
import signal
import subprocess
import sys
import time
import unittest

from support import EXAMPLES, ROOT, InFolder, datasets, environment, h5py, lpl_sim

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

    def test_varies_keys_together_and_names_what_failed(self):
        done = self.sweep(EXAMPLES / "minimal.sim", "--vary", "seed,population.exc.size=1|10,2|-3")
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed (exit 2): minimal seed=2 population.exc.size=-3", done.stderr)
        self.assertEqual([(row["seed"], row["population.exc.size"]) for row in self.table()], [("1", "10")])

    def test_misuse(self):
        for arguments, message in ((["none.sim"], "none.sim: there is no such file"), ([SWEEP], "suffix must be one of .sim, .rate"),
                                   ([EXAMPLES / "minimal.sim", "--vary", "seed"], "write KEY=VALUE"),
                                   ([EXAMPLES / "minimal.sim", "--result", "spikes"], "write DATASET:REDUCTION")):
            done = self.sweep(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
