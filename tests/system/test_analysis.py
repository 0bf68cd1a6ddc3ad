#!/usr/bin/env python3
"""The analysis measures what it says, reads every state of a result file, and its exports come back unchanged."""

import contextlib
import io
import re
import signal
import subprocess
import time
import types
import unittest

from support import EXAMPLES, LPL_SIM, ROOT, InFolder, environment, h5py, lpl_sim

import numpy as np
from scipy import stats
from training_file import LAYERS, write_training_file

import lpl as program
from lpl_analysis import measures, selectivity
from lpl_analysis.disentanglement import disentanglement, dissimilarity, steadiest_units
from lpl_analysis.results import Group, Result, Snapshot

NETWORK = """
simulation = { seed = 3 }
connection = [{ name = "input_exc", from = "input", to = "exc", density = 0.5, weight = 0.6, plasticity = "lpl" }]
phase = [{ name = "run", duration = "DURATION" }]
record = [{ what = "spikes", of = ["input", "exc"] }, { what = "rates", of = ["exc"], every = "100 ms" },
          { what = "weights", of = "input_exc" }, { what = "group_weights", of = "input_exc", every = "100 ms" },
          { what = "state", of = "exc", variable = "V", neurons = [0, 1], every = "1 ms", last = "100 ms" }]
[[population]]
name = "exc"
cell = "if"
size = 12
[[stimulus]]
name = "input"
type = "poisson"
  [[stimulus.group]]
  name = "slow"
  size = 40
  rate = { signal = "slow", period = "1 s" }
  [[stimulus.group]]
  name = "control"
  size = 40
  rate = { shuffle_of = "slow" }
"""


def lpl(*arguments):
    """Runs lpl.py in this process; its exit status and texts."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = program.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    if isinstance(code, str):  # as the interpreter does with sys.exit(text)
        err.write(code)
        code = 1
    return types.SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def titles(page):
    """The titles of a page's pictures."""
    return re.findall(r'aria-label="([^"]*)"', page)


class Measures(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(1)

    def scenes(self, images=4000):
        """Factors of 2, 3 and 5 values [image, factor]."""
        return np.random.default_rng(1).integers(0, [2, 3, 5], (images, 3))

    def test_disentanglement_of_units_that_stand_for_one_factor(self):
        factors = self.scenes()
        one_each = factors[:, [2, 0, 1]] * 10.0
        found = disentanglement(one_each, factors, images=50)
        self.assertEqual((found.score, found.strict), (1, 1))
        # A unit a factor: each gets all its votes, ten for each value.
        np.testing.assert_allclose(found.votes, np.array([[0, 0, 10], [10, 0, 0], [0, 10, 0]]))

    def test_disentanglement_of_noise_is_chance(self):
        factors = self.scenes()
        noise = np.random.default_rng(2).normal(size=(len(factors), 50))
        # Two of ten draws are of the first factor, three of the second, five of the third.
        self.assertLess(disentanglement(noise, factors, images=200).score, 0.6)

    def test_disentanglement_of_rotated_units(self):
        factors = self.scenes()
        rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
        centred = (factors - factors.mean(axis=0)) / factors.std(axis=0)
        self.assertLess(disentanglement(centred @ rotation, factors, images=200).strict, 1)

    def test_disentanglement_leaves_out_silent_units(self):
        factors = self.scenes()
        silent = np.zeros((len(factors), 2))
        found = disentanglement(np.hstack([silent, factors * 1.0]), factors, images=50)
        self.assertEqual(found.score, 1)
        self.assertEqual(found.votes[:2].sum(), 0)
        self.assertEqual(disentanglement(silent, factors)[:2], (0, 0))

    def test_the_steadiest_unit_against_a_loop(self):
        factors = self.scenes(300)
        activity = np.random.default_rng(4).normal(size=(300, 7)) * factors[:, :1]
        pairs = steadiest_units(activity, factors, 20, np.random.default_rng(5))
        generator, expected = np.random.default_rng(5), []
        for factor in range(3):
            for value in sorted(set(factors[:, factor])):
                alike = [i for i in range(300) if factors[i, factor] == value]
                for _ in range(10):
                    chosen = generator.choice(alike, 20, replace=False)
                    spread = [np.var([activity[i, u] for i in chosen]) / np.var(activity[:, u]) for u in range(7)]
                    expected.append((factor, spread.index(min(spread))))
        self.assertEqual(pairs, expected)

    def test_dissimilarity_of_opposite_and_equal_values(self):
        activity = np.array([[1.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
        found = dissimilarity(activity, np.array([0, 0, 1, 2, 3]))
        means = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
        np.testing.assert_allclose(found, 1 - means @ means.T, atol=1e-12)

    def test_participation_ratio_is_that_of_the_eigenvalues(self):
        for shape in ((200, 7), (7, 200)):
            activity = self.random.normal(size=shape) * np.arange(1, shape[1] + 1)
            centred = activity - activity.mean(axis=0)
            eigenvalues = np.linalg.eigvalsh(centred @ centred.T)  # of all samples, as published
            expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
            self.assertAlmostEqual(measures.participation_ratio(activity), expected, places=9)

    def test_participation_ratio_counts_equal_directions(self):
        square = np.array([[1, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]], float)
        self.assertAlmostEqual(measures.participation_ratio(square), 2)
        self.assertAlmostEqual(measures.participation_ratio(square[:, :1]), 1)
        self.assertTrue(np.isnan(measures.participation_ratio(np.ones((4, 3)))))

    def test_spikes_are_counted_in_half_open_bins(self):
        begin, end, width = 10.0, 12.0, 0.025
        steps = np.sort(self.random.integers(100000, 120000, 5000))
        times, ids = steps * 1e-4, self.random.integers(0, 6, 5000)
        expected = np.zeros((80, 6))
        for step, neuron in zip(steps, ids):
            expected[(step - 100000) // 250, neuron] += 1
        np.testing.assert_array_equal(measures.count_spikes(times, ids, 6, begin, end, width), expected)

    def test_decoding_is_a_lasso_on_the_first_95_percent(self):
        # One neuron: the lasso has a closed form, cov shrunk by alpha over var.
        activity = self.random.poisson(3, size=(4000, 1)).astype(float)
        signal = 2 * activity[:, 0] + self.random.normal(size=4000)
        x, y = activity[:3800, 0], signal[:3800]
        slope = (np.cov(x, y, bias=True)[0, 1] - 0.1) / x.var()
        predicted = y.mean() + slope * (activity[3800:, 0] - x.mean())
        true = signal[3800:]
        expected = 1 - ((true - predicted) ** 2).sum() / ((true - true.mean()) ** 2).sum()
        self.assertAlmostEqual(measures.decode(activity, signal[:, None])[0], expected, places=6)
        known, back = measures.reconstruct(activity, signal[:, None])
        np.testing.assert_array_equal(known[:, 0], true)
        np.testing.assert_allclose(np.ravel(back), predicted, rtol=1e-6)

    def test_noise_is_not_decoded(self):
        scores = measures.decode(self.random.poisson(1, (4000, 5)).astype(float), self.random.normal(size=(4000, 3)))
        self.assertLess(max(scores), 0.02)

    def test_correlation_is_pearsons(self):
        a, b = self.random.normal(size=(2, 50, 3))
        self.assertAlmostEqual(measures.correlation(a, b), stats.pearsonr(a.ravel(), b.ravel())[0])
        self.assertTrue(np.isnan(measures.correlation(a, np.zeros_like(b))))

    def test_selectivity_is_the_distance_of_means_over_the_range(self):
        z, second = np.array([0.0, 1.0, 3.0, 4.0]), np.array([False, False, True, True])
        self.assertEqual(measures.class_selectivity(z, second), 0.75)
        self.assertEqual(measures.class_selectivity(z, np.array([True, False, False, True])), 0.0)
        self.assertTrue(np.isnan(measures.class_selectivity(np.ones(4), second)))

    def test_mean_weight_by_group(self):
        groups = [Group("a", 0, 3), Group("b", 3, 2), Group("none", 5, 1)]
        pre, value = np.array([0, 4, 2, 3, 2], "u4"), np.array([1, 2, 3, 4, 5], "f4")
        means = measures.mean_by_group(Snapshot(pre, pre, value, (6, 6), 0.0), groups)
        self.assertEqual(means[:2], [3.0, 3.0])
        self.assertTrue(np.isnan(means[2]))


class ResultFiles(InFolder):
    def network(self, duration="3 s", sets=(), name="run"):
        path = self.folder / f"{name}.h5"
        source = self.write(f"{name}.sim", NETWORK.replace("DURATION", duration))
        done = lpl_sim(source, "--out", path, "--progress", "none", *[p for s in sets for p in ("--set", s)])
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def assert_says(self, page, text):
        self.assertTrue(text in page, f"the page lacks {text!r}")

    def report(self, *paths):
        page = self.folder / "page.html"
        done = lpl("report", *paths, "-o", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = page.read_text()
        # Self-contained: nothing is fetched.
        for target in re.findall(r'(?:src|href)="([^"]*)"', text):
            self.assertTrue(target.startswith(("#", "data:")), target[:80])
        self.assertFalse(re.search(r"<script|@import|url\((?!#)", text))
        identities = re.findall(r' id="([^"]*)"', text)
        self.assertTrue(all(f"#{name}" in text for name in identities))
        return text

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
        self.assertEqual(lpl("selectivity", silent).returncode, 0)

    def test_a_run_without_records(self):
        path = self.folder / "coba.h5"
        done = lpl_sim(EXAMPLES / "coba.sim", "--out", path, "--progress", "none", "--set", "phase.run.duration=10 ms")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_says(self.report(path), "No spikes are in this file.")
        refused = lpl("selectivity", path)
        self.assertEqual(refused.returncode, 1)
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
        self.assertIn("the run is running", lpl("selectivity", path).stderr)

    def test_statuses_are_said(self):
        path = self.folder / "t.h5"
        for status, words in (("interrupted", "This run was interrupted"), ("failed", "This run failed")):
            write_training_file(path, status=status, only_training=True)
            self.assert_says(self.report(path), words)

    def test_spikes_come_back_through_auryns_format(self):
        path = self.network()
        spk, npz, csv = (self.folder / name for name in ("input.spk", "input.npz", "input.csv"))
        for out in (spk, npz, csv):
            self.assertEqual(lpl("spikes", path, "input", "-o", out).returncode, 0)
        source = NETWORK[:NETWORK.index("[[stimulus]]")].replace("DURATION", "3 s").replace(
            '{ what = "group_weights", of = "input_exc", every = "100 ms" },', "")
        source += '[[stimulus]]\nname = "input"\ntype = "spikes"\nsize = 80\nfile = "input.spk"\n'
        again = self.folder / "again.h5"
        done = lpl_sim(self.write("again.sim", source), "--out", again, "--progress", "none")
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(path) as before, h5py.File(again) as after:
            times, ids = before["spikes/input/timestamps"][:], before["spikes/input/node_ids"][:]
            for name in ("input/timestamps", "input/node_ids", "exc/timestamps", "exc/node_ids"):
                np.testing.assert_array_equal(before[f"spikes/{name}"], after[f"spikes/{name}"])
        arrays, table = np.load(npz), np.loadtxt(csv, delimiter=",", skiprows=1)
        np.testing.assert_array_equal(arrays["time"], times * 1e-3)
        np.testing.assert_array_equal(arrays["neuron"], ids)
        np.testing.assert_allclose(table[:, 0], times * 1e-3, atol=1e-9)
        np.testing.assert_array_equal(table[:, 1], ids)

    def test_spikes_of_a_span(self):
        path, out = self.network(), self.folder / "some.npz"
        self.assertEqual(lpl("spikes", path, "input", "-o", out, "--begin", 1, "--end", 2).returncode, 0)
        with h5py.File(path) as file:
            times = file["spikes/input/timestamps"][:] * 1e-3
        np.testing.assert_array_equal(np.load(out)["time"], times[(times >= 1 - 1e-9) & (times < 2 - 1e-9)])

    def test_weights_come_back_through_matrix_market(self):
        path = self.network()
        for name in ("w.wmat", "w.npz", "w.csv"):
            self.assertEqual(lpl("weights", path, "input_exc", "-o", self.folder / name).returncode, 0)
        source = NETWORK.replace("DURATION", "1 s").replace("density = 0.5, weight = 0.6", 'file = "w.wmat"')
        again = self.folder / "again.h5"
        done = lpl_sim(self.write("again.sim", source), "--out", again, "--progress", "none")
        self.assertEqual(done.returncode, 0, done.stderr)
        arrays, table = np.load(self.folder / "w.npz"), np.loadtxt(self.folder / "w.csv", delimiter=",", skiprows=1)
        with h5py.File(path) as before, h5py.File(again) as after:
            for column, name in enumerate(("pre", "post", "value")):
                last = before[f"weights/input_exc/run/{name}"][:]
                np.testing.assert_array_equal(after[f"weights/input_exc/initial/{name}"][:], last)
                np.testing.assert_array_equal(arrays[name], last)
                np.testing.assert_array_equal(table[:, column].astype(last.dtype), last)
        first = self.folder / "first.npz"
        self.assertEqual(lpl("weights", path, "input_exc", "-o", first, "--snapshot", "initial").returncode, 0)
        self.assertTrue((np.load(first)["value"] == np.float32(0.6)).all())

    def test_the_program_finds_its_python(self):
        done = subprocess.run([ROOT / "scripts/lpl.py", "info", self.network()], capture_output=True, text=True,
                              timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("lpl_sim", done.stdout)

    def test_any_dataset(self):
        path = self.network()
        for name in ("rate.csv", "rate.npy"):
            self.assertEqual(lpl("export", path, "rates/exc/rate", "-o", self.folder / name).returncode, 0)
        with h5py.File(path) as file:
            rate = file["rates/exc/rate"][:]
        np.testing.assert_array_equal(np.loadtxt(self.folder / "rate.csv").astype("f4"), rate)
        np.testing.assert_array_equal(np.load(self.folder / "rate.npy"), rate)

    def test_misuse_is_told(self):
        path, out = self.network(), self.folder / "out"
        self.write("text.h5", "no HDF5")
        with h5py.File(self.folder / "foreign.h5", "w") as file:
            file["x"] = 1
        for arguments, message in (
            (("info", self.folder / "none.h5"), "there is no file"),
            (("info", self.folder / "text.h5"), "cannot be read as HDF5"),
            (("report", self.folder / "foreign.h5", "-o", out), "no result file of lpl_sim or lpl_rate"),
            (("spikes", path, "inh", "-o", out), "no spikes of 'inh' were recorded; there are those of exc, input"),
            (("spikes", path, "exc", "-o", out), "use .csv, .npz, .spk"),
            (("weights", path, "nothing", "-o", out), "there are those of input_exc"),
            (("weights", path, "input_exc", "--snapshot", "end", "-o", out), "there are initial, run"),
            (("weights", path, "input_exc", "-o", out), "use .csv, .npz, .wmat, .mtx"),
            (("export", path, "rates/exc", "-o", out), "there is no dataset rates/exc"),
            (("export", path, "rates/exc/rate", "-o", out), "goes to .npy or .csv"),
        ):
            done = lpl(*arguments)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn(message, done.stderr)
            self.assertNotIn("Traceback", done.stderr)

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
