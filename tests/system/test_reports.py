#!/usr/bin/env python3
"""Reports and comparisons show what runs have recorded, in every state of a result file."""

import re
import signal
import subprocess
import time
import unittest

from analysis_runs import NETWORK, AnalysisTest, lpl, titles
from support import EXAMPLES, LPL_SIM, environment, h5py, lpl_sim

import numpy as np
from training_file import LAYERS, write_training_file

from lpl_analysis import measures, selectivity
from lpl_analysis.results import Result


class Reports(AnalysisTest):
    def test_a_report_shows_what_was_recorded(self):
        page = self.report(self.network())
        for title in ("Spikes", "Population rates", "Decoding: after run", "Weights: after run", "Weights of input_exc",
                      "Weights of input_exc by input group", "Input (grey) and its reconstruction", "state"):
            self.assertIn(title, titles(page))
        self.assert_says(page, "R² of control")
        self.assert_says(page, "duration = &#x27;3 s&#x27;")
        self.assertFalse('class="note"' in page)

    def test_selectivity_equals_its_parts(self):
        path = self.network()
        with Result(path) as result:
            pathway = selectivity.find_pathway(result)
            self.assertEqual(pathway, ("input", "exc", "input_exc"))
            (row,) = selectivity.analyse(result, pathway)
        with h5py.File(path) as file:
            times, ids = file["spikes/exc/timestamps"][:] * 1e-3, file["spikes/exc/node_ids"][:].astype(int)
            weights = file["weights/input_exc/run"]
            slow = weights["value"][:][weights["pre"][:] < 40].astype(float).mean()
        counts = np.zeros((120, 12))
        for spike, neuron in zip(times, ids):
            counts[int(round(spike * 1e4)) // 250, neuron] += 1
        self.assertAlmostEqual(row["rate"], counts.sum() / 3 / 12)
        self.assertAlmostEqual(row["fastest"], counts.sum(axis=0).max() / 3)
        self.assertAlmostEqual(row["dimension"], measures.participation_ratio(counts))
        self.assertAlmostEqual(row["weights"][0], slow, places=6)
        printed = lpl("selectivity", path, "--picture", self.folder / "picture.png")
        self.assertIn(f"{row['correlation']:7.3f}", printed.stdout)
        self.assertTrue((self.folder / "picture.png").stat().st_size > 10000)

    def test_several_runs_are_compared(self):
        first, second = self.network(), self.network(sets=["connection.input_exc.weight=0.7"], name="heavy")
        page = self.report(first, second)
        self.assert_says(page, "Comparison")
        self.assert_says(page, "Configuration: run → heavy")
        self.assertTrue(re.search(r"\+weight = 0\.(7|69)", page), "the difference is shown")

    def test_a_silent_run(self):
        silent = self.network(sets=["connection.input_exc.weight=0", "rule.lpl.update.learning_rate=0"])
        page = self.report(silent)
        self.assertIn("Spikes", titles(page))  # of the input
        self.assert_says(page, "<td>rate (Hz)</td><td>0.00</td>")
        # Nothing can be decoded from silence: there is no number for it, and the reason is said.
        self.assert_says(page, "<td>input-output correlation</td><td>undefined</td>")
        self.assert_says(page, "<td>R² of slow</td><td>undefined</td>")
        self.assert_says(page, "R2 of slow: the activity does not vary")
        printed = lpl("selectivity", silent)
        self.assertEqual(printed.returncode, 0)
        row = printed.stdout.splitlines()[2].split()
        self.assertEqual(row[:3] + row[3:7], ["run", "0.00", "0.0"] + ["undefined"] * 4)
        self.assertIn("after run, correlation: the prediction does not vary", printed.stdout)
        self.assertEqual(printed.stderr, "")

    def test_a_run_without_records(self):
        path = self.folder / "coba.h5"
        done = lpl_sim(EXAMPLES / "coba.sim", "--out", path, "--progress", "none", "--set", "phase.run.duration=10 ms")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_says(self.report(path), "No spikes are in this file.")
        refused = lpl("selectivity", path)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("record spikes of both", refused.stderr)

    def test_a_file_that_is_being_written_and_one_that_was_left(self):
        path = self.folder / "long.h5"
        source = self.write("long.sim", NETWORK.replace("DURATION", "1000000 s"))
        run = subprocess.Popen([LPL_SIM, str(source), "--out", str(path), "--progress", "none"], env=environment(),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(600):
                time.sleep(0.1)
                if path.exists() and lpl("info", path).stdout.find(" 0 spikes") < 0:
                    break
            self.assertIsNone(run.poll())
            page = self.report(path)
            self.assert_says(page, "This run was still going on, or was killed")
            self.assertIn("Population rates", titles(page))
        finally:
            run.send_signal(signal.SIGKILL)
            run.wait()
        self.assertIn("Spikes", titles(self.report(path)))
        for arguments in (("selectivity",), ("info",), ("spikes", "input", "-o", self.folder / "s.npz"),
                          ("weights", "input_exc", "-o", self.folder / "w.npz")):
            said = lpl(arguments[0], path, *arguments[1:])
            self.assertIn("This run was still going on, or was killed", said.stderr + said.stdout)

    def test_statuses_are_said(self):
        path = self.folder / "t.h5"
        for status, words in (("interrupted", "This run was interrupted"), ("failed", "This run failed")):
            write_training_file(path, status=status, only_training=True)
            self.assert_says(self.report(path), words)

    def test_every_command_says_that_a_run_has_not_ended_well(self):
        path = self.network()
        commands = (("info", path), ("selectivity", path, "--picture", self.folder / "p.png"),
                    ("spikes", path, "exc", "-o", self.folder / "o.npz", "--overwrite"),
                    ("state", path, "state", "-o", self.folder / "o.npz", "--overwrite"),
                    ("weights", path, "input_exc", "-o", self.folder / "o.npz", "--overwrite"),
                    ("export", path, "rates/exc/rate", "-o", self.folder / "o.npy", "--overwrite"),
                    ("report", path, "-o", self.folder / "o.html"))
        for status, words in (("interrupted", "This run was interrupted"), ("failed", "This run failed"),
                              ("odd", "This run's status is 'odd'")):
            with h5py.File(path, "r+") as file:
                file.attrs["status"] = status
            for command in commands:
                done = lpl(*command)
                self.assertEqual(done.returncode, 0, (command, done.stderr))
                self.assertIn(words, done.stderr + done.stdout, command)

    def test_undefined_measures_of_training_are_shown_as_that(self):
        path = self.folder / "t.h5"
        write_training_file(path)
        with h5py.File(path, "r+") as file:
            file["metrics/cosine_within"][-1, 3] = np.nan
            file["metrics/participation_ratio"][:, 0] = np.nan
            file["metrics/cosine_histogram/within"][:] = 0
        page = self.report(path)
        self.assertEqual(page.count("<!-- undefined -->"), 2)
        self.assert_says(page, "<!-- epoch (3 of 24 values undefined) -->")
        self.assert_says(page, "<!-- within: no pairs -->")

    def test_training_runs(self):
        path = self.folder / "lpl.h5"
        write_training_file(path)
        found = titles(self.report(path))
        for title in ("Total loss", "Learning rate", "Images per second", "Pull (predictive)", "Push (Hebbian)",
                      "Decorrelation", "Readout accuracy", "Participation ratio, epoch 4", "Dimension over training",
                      "Cosine within classes, epoch 4", "Similarity, layer block0", "Similarity, layer block7"):
            self.assertIn(title, found)
        self.assertNotIn("Cross-entropy", found)

    def test_supervised_and_several_label_columns(self):
        path = self.folder / "shapes.h5"
        write_training_file(path, supervised=True, columns=("floor hue", "scale"))
        found = titles(self.report(path))
        for title in ("Cross-entropy", "Readout accuracy floor hue", "Readout accuracy scale"):
            self.assertIn(title, found)
        self.assertNotIn("Pull (predictive)", found)

    def test_training_runs_are_compared_also_where_one_has_less(self):
        whole, part = self.folder / "whole.h5", self.folder / "part.h5"
        write_training_file(whole)
        write_training_file(part, only_training=True, epochs=1, status="running")
        found = titles(self.report(whole, part))
        self.assertEqual(found.count("Total loss"), 3)
        self.assertEqual(found.count("Readout accuracy"), 2)

    def test_a_training_file_before_its_first_epoch(self):
        path = self.folder / "young.h5"
        write_training_file(path, epochs=0, status="running")
        self.assert_says(self.report(path), "still going on")
        self.assertIn("lpl_rate 0.2.0, running", lpl("info", path).stdout)

    def test_layers_are_named(self):
        path = self.folder / "lpl.h5"
        write_training_file(path)
        with Result(path) as result:
            self.assertEqual(result.layers("training/pull", 8), LAYERS)
            self.assertEqual(result.layers("training/pull", 3), ["1", "2", "3"])


if __name__ == "__main__":
    unittest.main()
