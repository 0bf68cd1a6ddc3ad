#!/usr/bin/env python3
"""The analysis measures what it says, reads every state of a result file, and its exports come back unchanged."""

import contextlib
import io
import os
import pathlib
import re
import signal
import subprocess
import time
import types
import unittest

from support import EXAMPLES, LPL_SIM, ROOT, InFolder, environment, h5py, lpl_rate, lpl_sim

import numpy as np
from scipy import stats
from training_file import LAYERS, write_training_file

import lpl as program
from lpl_analysis import measures, selectivity
from lpl_analysis.disentanglement import disentanglement, dissimilarity, steadiest_units
from lpl_analysis import export, identity, output
from lpl_analysis.results import Group, Result, ResultError, Snapshot

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


WINDOWS = """
simulation = { seed = 3 }
phase = [{ name = "first", duration = "1 s" }, { name = "second", duration = "2.0005 s" }]
record = [{ what = "spikes", of = ["input", "exc"], last = "500 ms" },
          { what = "rates", of = ["exc"], every = "300 ms", last = "500 ms" },
          { what = "state", name = "v", of = "exc", variable = "V", neurons = [5, 1], every = "0.3 ms", last = "100 ms" },
          { what = "state", name = "t", of = "exc", variable = "theta", neurons = [0], every = "7 ms" },
          { what = "state", name = "m", of = "exc", variable = "input_exc.mean", neurons = [2], every = "10 ms", phases = ["second"] },
          { what = "state", name = "i", of = "inh", variable = "V", neurons = [0], every = "1 s" },
          { what = "weights", of = "input_exc", phases = ["second"], every = "400 ms" }]
connection = [{ name = "input_exc", from = "input", to = "exc", density = 0.5, weight = 0.6, plasticity = "lpl" },
              { name = "input_inh", from = "input", to = "inh", density = 0.5, weight = 0.6 }]
population = [{ name = "exc", cell = "if", size = 12 }, { name = "inh", cell = "lif", size = 2 }]
[[stimulus]]
name = "input"
type = "poisson"
group = [{ name = "A,left", size = 40, rate = "20 Hz" }, { name = "_B$x$", size = 40, rate = "10 Hz" }]
"""


def read_as_libsonata(file, population):
    """Times [ms], node ids and data of a report, by the steps of libsonata's reader."""
    group = file[f"report/{population}"]
    ids, pointers = group["mapping/node_ids"][:], group["mapping/index_pointers"][:]
    assert len(pointers) == len(ids) + 1 and group["mapping/node_ids"].attrs["sorted"]
    start, stop, step = group["mapping/time"][:]
    assert group["mapping/time"].attrs["units"] == b"ms" and group["data"].attrs["units"]
    assert group["data"].dtype == np.float32 and len(group["mapping/element_ids"]) == pointers[-1]
    times, t = [], start
    while t < stop - 1e-6:
        times.append(t)
        t += step
    return np.array(times), ids, np.array([group["data"][i] for i in range(len(times))])


def read_as_bmtk(file, population, node):
    """Times [ms] and trace of a node, by the steps of bmtk's reader."""
    mapping, data = file[f"report/{population}/mapping"], file[f"report/{population}/data"]
    start, stop, step = (float(value) for value in mapping["time"])
    count = int((stop - start) / step)
    at = list(mapping["node_ids"]).index(node)
    columns = slice(mapping["index_pointer"][at], mapping["index_pointer"][at + 1])
    assert len(mapping["element_pos"][columns]) == 1
    return start + step * np.arange(count), data[0:count, columns][:, 0]


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
        self.assertTrue(np.isnan(disentanglement(silent, factors)[:2]).all())

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

    def test_undefined_is_no_number(self):
        activity, signals = self.random.poisson(2, (400, 3)).astype(float), self.random.poisson(2, (400, 2)).astype(float)
        half_dead = np.column_stack([signals[:, 0], np.full(400, 7.0)])
        self.assertTrue(np.isfinite(measures.decode(activity, signals)).all())
        self.assertEqual([np.isnan(r2) for r2 in measures.decode(activity, half_dead)], [False, True])
        self.assertEqual(measures.undecodable(activity, half_dead), ["", "the input does not vary"])
        silent = np.zeros((400, 3))
        self.assertTrue(np.isnan(measures.decode(silent, signals)).all())
        self.assertEqual(measures.undecodable(silent, signals), ["the activity does not vary"] * 2)
        # Two groups of different rates: a prediction of the means alone is related to nothing in time.
        unequal = signals * [1, 10]
        self.assertTrue(np.isnan(measures.correlation(*measures.reconstruct(silent, unequal))))
        self.assertEqual(measures.unrelated(*measures.reconstruct(silent, unequal)), "the prediction does not vary")
        self.assertTrue(np.isnan(measures.class_selectivity(np.arange(4.0), np.ones(4, bool))))
        self.assertTrue(np.isnan(dissimilarity(np.ones((4, 2)), np.array([0, 0, 1, 1]))).all())

    def test_spikes_after_the_last_whole_bin_are_left_out(self):
        counts = measures.count_spikes(np.array([0.0, 0.049, 0.055]), np.zeros(3, int), 1, 0.0, 0.06)
        np.testing.assert_array_equal(counts, [[1], [1]])

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

    def windows(self, *settings):
        path = self.folder / "windows.h5"
        done = lpl_sim(self.write("windows.sim", WINDOWS), "--out", path, "--overwrite", "--progress", "none",
                       *[part for setting in settings for part in ("--set", setting)])
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def test_readers_of_sonata_find_every_sample_at_its_time(self):
        with h5py.File(self.windows()) as file:
            self.assertEqual(set(file["report"]), {"exc", "exc.v.2", "exc.t", "exc.m", "inh"})
            # Samples are taken at multiples of the interval: in steps of 0.1 ms, first and after the last of each.
            expected = {"exc": (9000, 10002, 3), "exc.v.2": (29007, 30006, 3), "exc.t": (0, 30030, 70),
                        "exc.m": (10000, 30100, 100), "inh": (0, 40000, 10000)}
            for name, (first, after, every) in expected.items():
                times, ids, data = read_as_libsonata(file, name)
                steps = np.arange(first, after, every)
                self.assertEqual(len(data), len(file[f"report/{name}/data"]), name)
                np.testing.assert_allclose(times, steps * 0.1, atol=1e-6, err_msg=name)
                np.testing.assert_allclose(file[f"report/{name}/time"][:], steps * 1e-4, atol=1e-9, err_msg=name)
                for i, node in enumerate(ids):
                    bmtk_times, trace = read_as_bmtk(file, name, node)
                    np.testing.assert_allclose(bmtk_times, times, atol=1e-6, err_msg=name)
                    np.testing.assert_array_equal(trace, data[:, i])
            self.assertEqual(file["report/exc/mapping/node_ids"][:].tolist(), [1, 5])
            self.assertEqual(file["report/exc.m/data"].attrs["variable"], b"input_exc.mean")
            self.assertEqual(file["report/exc.v.2"].attrs["population"], b"exc")
            for source in file["spikes"].values():
                self.assertTrue((np.diff(source["timestamps"][:]) >= 0).all())
                self.assertEqual(h5py.check_enum_dtype(source.attrs.get_id("sorting").dtype)["by_time"],
                                 source.attrs["sorting"])
            # Bins end with their windows; snapshots are of the phases that the record names.
            np.testing.assert_allclose(file["rates/exc/time"][:], [0.5, 0.6, 0.9, 2.5005, 2.7, 3.0])
            np.testing.assert_allclose(file["rates/exc/end"][:], [0.6, 0.9, 1.0, 2.7, 3.0, 3.0005])
            self.assertEqual([name for name in file["weights/input_exc"]],
                             ["initial", "second", *(f"step_{k:012}" for k in range(12000, 30000, 4000))])

    def test_samples_do_not_depend_on_the_windows_around_them(self):
        with h5py.File(self.windows()) as file:
            parts = [(file[f"report/{name}/time"][:], file[f"report/{name}/data"][:]) for name in ("exc", "exc.v.2")]
        with h5py.File(self.windows("record.v.last=10 s")) as file:
            self.assertEqual(set(file["report"]), {"exc", "exc.t", "exc.m", "inh"})
            whole = dict(zip(np.rint(file["report/exc/time"][:] * 1e4), file["report/exc/data"][:].tolist()))
        for times, data in parts:
            self.assertEqual([whole[step] for step in np.rint(times * 1e4)], data.tolist())

    def test_a_record_without_a_sample_is_refused(self):
        for setting, message in (("record.v.last=0.2 ms", "none lies in what is recorded (first from 0.9998 to 1 s)"),
                                 ("record.v.phases=[]", "lists no phase")):
            done = lpl_sim(self.write("windows.sim", WINDOWS), "--check", "--set", setting, "--set", "record.v.every=7 ms")
            self.assertEqual(done.returncode, 2, setting)
            self.assertIn("windows.sim", done.stderr)
            self.assertIn(message, done.stderr)

    def test_recorded_state_is_read_and_exported(self):
        path = self.windows()
        with Result(path) as result, h5py.File(path) as file:
            self.assertEqual(set(result.reports()), {"v", "t", "m", "i"})
            report = result.report("v")
            self.assertEqual((report.variable, report.unit, report.neurons.tolist()), ("V", "V", [1, 5]))
            first, second = file["report/exc/time"][:], file["report/exc.v.2/time"][:]
            np.testing.assert_array_equal(report.time, [*first, np.nan, *second])
            self.assertTrue(np.isnan(report.data[len(first)]).all())
        for name in ("v.csv", "v.npz"):
            self.assertEqual(lpl("state", path, "v", "-o", self.folder / name).returncode, 0)
        table, arrays = np.loadtxt(self.folder / "v.csv", delimiter=",", skiprows=1), np.load(self.folder / "v.npz")
        np.testing.assert_array_equal(arrays["time"], [*first, *second])
        np.testing.assert_array_equal(table[:, 1:].astype("f4"), arrays["value"])
        refused = lpl("state", path, "v", "-o", self.folder / "v.h5")
        self.assertIn("choose one with --window", refused.stderr)
        self.assertEqual(lpl("state", path, "v", "-o", self.folder / "v.h5", "--window", "2").returncode, 0)
        with h5py.File(self.folder / "v.h5") as sonata:
            self.assertEqual(list(sonata["report"]), ["exc"])
            times, ids, data = read_as_libsonata(sonata, "exc")
            np.testing.assert_allclose(times, second * 1e3, atol=1e-6)
            np.testing.assert_array_equal(data, arrays["value"][len(first):])

    def test_seconds_that_were_not_recorded_are_not_silent(self):
        path = self.windows()
        with Result(path) as result:
            rows = selectivity.analyse(result, selectivity.find_pathway(result))
            self.assertEqual([(row["begin"], row["end"]) for row in rows], [(0.5, 1.0), (2.5005, 3.0005)])
            for row in rows:
                ids = result.spikes("exc", row["begin"], row["end"])[1]
                self.assertAlmostEqual(row["rate"], len(ids) / 12 / 0.5)
                self.assertIn("no decoding: 0.5 s were recorded", row["notes"][0])
        self.assertIn("n/a", lpl("selectivity", path).stdout)

    def test_names_of_groups_may_hold_anything(self):
        path = self.windows("record.spikes.last=10 s")
        with Result(path) as result:
            self.assertEqual([group.name for group in result.groups("input")], ["A,left", "_B$x$"])
            rows = selectivity.analyse(result, selectivity.find_pathway(result))
        printed = lpl("selectivity", path, "--picture", self.folder / "p.png").stdout
        header, row = printed.splitlines()[1], printed.splitlines()[2]
        for name in ("A,left", "_B$x$"):
            self.assertIn(f"R2 {name}", header)
            self.assertIn(f"w {name}", header)
        self.assertIn(f"{rows[0]['r2'][1]:.3f}", row)
        self.assert_says(self.report(path), "R² of _B$x$")

    def test_files_of_version_0_1_are_read(self):
        path = self.windows("record.spikes.last=10 s")
        old = self.folder / "old.h5"
        with h5py.File(path) as file, h5py.File(old, "w") as past:
            for name, value in file.attrs.items():
                past.attrs[name] = value
            for name in ("config", "network", "phases", "spikes", "rates", "weights"):
                file.copy(name, past)
            past["network/input"].attrs["groups"] = b"A,left,_B$x$"
            past["network/exc"].attrs["groups"] = b"exc"
            for source in past["spikes"].values():
                del source.attrs["recorded"]
            del past["rates/exc/end"]
            file.copy("report/exc", past.create_group("report"), name="v")
            for name in ("record", "population"):
                del past["report/v"].attrs[name]
            past["report/v/mapping/time"][:] = 900.0, 3000.5, 0.3
            times = file["report/exc/time"][:]
        with Result(old) as result:
            self.assertEqual(result.reports(), ["v"])
            np.testing.assert_array_equal(result.report("v").time, times)
            # Two groups, three names: they cannot be told apart.
            self.assertEqual([group.name for group in result.groups("input")], ["group 1", "group 2"])
            self.assertEqual(result.bins("exc")[1][0], 0.5 + 0.3)
        self.report(old)
        self.assertEqual(lpl("state", old, "v", "-o", self.folder / "old_v.h5").returncode, 0)
        with h5py.File(self.folder / "old_v.h5") as sonata:
            np.testing.assert_allclose(sonata["report/v/mapping/time"][:], [900.0, 900.0 + 0.3 * len(times), 0.3])

    def test_what_is_missing_is_named(self):
        path = self.network()
        with h5py.File(path, "r+") as file:
            del file["rates/exc/rate"], file["spikes/exc/node_ids"], file["phases/run"].attrs["end"]
            file["spikes/input/timestamps"].attrs["units"] = "s"
        for arguments, message in ((("spikes", path, "exc", "-o", self.folder / "o.npz"), "there is no /spikes/exc/node_ids"),
                                   (("spikes", path, "input", "-o", self.folder / "o.npz"), "is in 's'; lpl_sim writes ms"),
                                   (("report", path, "-o", self.folder / "o.html"), "run.h5: "),
                                   (("info", path), "/phases/run has no attribute 'end'")):
            done = lpl(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)

    def test_outputs_spare_what_is_there(self):
        path = self.network()
        before = path.read_bytes()
        link, twin, other = (self.folder / name for name in ("link.html", "twin.html", "notes.html"))
        link.symlink_to(path)
        os.link(path, twin)
        other.write_text("mine")
        os.mkfifo(self.folder / "pipe.html")
        commands = {"report": ("report", path, "-o"), "selectivity": ("selectivity", path, "--picture"),
                    "spikes": ("spikes", path, "exc", "-o"), "weights": ("weights", path, "input_exc", "-o"),
                    "state": ("state", path, "state", "-o"), "export": ("export", path, "rates/exc/rate", "-o")}
        for name, command in commands.items():
            for target, message in ((path, "is also read"), (link, "is also read"), (twin, "is also read"),
                                    (other, "is there already"), (self.folder, "is no regular file"),
                                    (self.folder / "pipe.html", "is no regular file"),
                                    (self.folder / "none" / "x.html", "there is no folder")):
                for more in (("--overwrite",), ()) if "also" in message or "regular" in message else ((),):
                    done = lpl(*command, target, *more)
                    self.assertEqual(done.returncode, 2, (name, target))
                    self.assertIn(message, done.stderr)
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual(other.read_text(), "mine")
        self.assertFalse([entry for entry in self.folder.iterdir() if entry.name.startswith(".")])

    def test_outputs_are_replaced_where_that_is_asked_for(self):
        path, page, table = self.network(), self.folder / "page.html", self.folder / "rate.csv"
        for _ in range(2):  # a page of ours is replaced
            self.assertEqual(lpl("report", path, "-o", page).returncode, 0)
            self.assertEqual(lpl("selectivity", path, "--picture", self.folder / "p.png").returncode, 0)
        real = self.folder / "real.csv"
        real.write_text("old")
        real.chmod(0o640)
        table.symlink_to(real)
        self.assertEqual(lpl("export", path, "rates/exc/rate", "-o", table, "--overwrite").returncode, 0)
        self.assertTrue(table.is_symlink())
        self.assertEqual(len(real.read_text().split()), 30)
        self.assertEqual(real.stat().st_mode & 0o777, 0o640)
        with self.assertRaises(ZeroDivisionError), output.replacing(real) as new:
            new.write_text("half")
            raise ZeroDivisionError
        self.assertEqual(len(real.read_text().split()), 30)

    def test_the_size_of_a_result_is_told_before(self):
        """Of known counts: 2000 samples of 8 neurons, and five snapshots of some 100,000 synapses."""
        source = self.write("size.sim", """
simulation = { seed = 3 }
connection = [{ name = "c", from = "input", to = "exc", density = 0.5, weight = 0.01 }]
phase = [{ name = "run", duration = "500 ms" }]
population = [{ name = "exc", cell = "if", size = 400 }]
stimulus = [{ name = "input", type = "poisson", size = 500, rate = "20 Hz" }]
record = [{ what = "state", of = "exc", variable = "V", neurons = [0, 1, 2, 3, 4, 5, 6, 7], every = "0.1 ms", last = "200 ms" },
          { what = "weights", of = "c", every = "150 ms" }]
""")
        said = []
        for arguments in (("--check",), ("--dry-run", "3")):
            done = lpl_sim(source, *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            said.append(float(re.search(r"result file +about ([\d.]+) MB.*assumed: neurons fire at 10 Hz", done.stdout)[1]))
        self.assertEqual(said[0], said[1])
        self.assertEqual(lpl_sim(source, "--out", self.folder / "size.h5", "--progress", "none").returncode, 0)
        real = (self.folder / "size.h5").stat().st_size * 1e-6
        self.assertAlmostEqual(said[0] / real, 1, delta=0.2)

    def test_the_size_of_a_training_result_is_told_before(self):
        source = EXAMPLES / "shapes.rate"
        settings = [part for setting in (
            "training.batch=16", "training.epochs=2", "optimizer.warmup_epochs=1",
            "data={set='scenes', trajectories=50, blocks_per_epoch=1, readout_blocks=1, test_blocks=1}",
            "net.vgg11.channels=[8, 8, 16, 16, 64, 64, 64, 64]", "readout={pixels=false, untrained=false, epochs=1}",
            "record.parameters=[1, 2]") for part in ("--set", setting)]
        done = lpl_rate(source, "--check", *settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = float(re.search(r"result file +about ([\d.]+) MB", done.stdout)[1])
        done = lpl_rate(source, "--out", self.folder / "r.h5", "--progress", "none", *settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertAlmostEqual(said / ((self.folder / "r.h5").stat().st_size * 1e-6), 1, delta=0.2)

    def test_steps_beyond_32_bits_are_refused(self):
        times, ids = np.array([0.0, 429496.7295]), np.array([0, 1])
        self.assertEqual(export.auryn_records(times, ids, 1e-4)[-1].tolist(), [2**32 - 1, 1])
        with self.assertRaisesRegex(ResultError, "steps up to 4294967295, 429497 s .* at 429496.7296 s"):
            export.auryn_records(times + 1e-4, ids, 1e-4)
        with self.assertRaisesRegex(ResultError, "last 0.0003 s"):
            export.auryn_records(times[:1], ids[:1], 3e-4)

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

    def test_a_run_is_known_by_the_files_it_reads(self):
        folder = self.folder / "d"
        folder.mkdir()
        source = folder / "x.sim"
        source.write_text('cell = "own"\nstimulus = [{ file = "in.ras" }]\ndata = "images"\n')
        (folder / "own.cell").write_text("1")
        (folder / "in.ras").write_text("2")
        (folder / "other.ras").write_text("3")
        (folder / "images").mkdir()
        (folder / "images/a.bin").write_text("4")
        names = {pathlib.Path(path).name for path in identity.inputs(source, [])}
        self.assertEqual(names, {"x.sim", "own.cell", "in.ras", "a.bin"})
        for setting in ('stimulus.0.file="other.ras"', "stimulus.0.file=other.ras"):
            self.assertIn("other.ras", {pathlib.Path(path).name for path in identity.inputs(source, [setting])})
        before = identity.digest(source, ["a=1"])
        self.assertEqual(before, identity.digest(source, ["a=1"]))
        self.assertNotEqual(before, identity.digest(source, ["a=2"]))
        then = identity.inputs(source, [])
        for name in ("own.cell", "in.ras", "images/a.bin", "x.sim"):
            text = (folder / name).read_text()
            (folder / name).write_text(text + " ")
            self.assertNotEqual(before, identity.digest(source, ["a=1"]), name)
            self.assertEqual([pathlib.Path(path).name for path in identity.changed(then, identity.inputs(source, []))],
                             [pathlib.Path(name).name])
            (folder / name).write_text(text)
        self.assertEqual(before, identity.digest(source, ["a=1"]))

    def test_spikes_come_back_through_auryns_format(self):
        path = self.network()
        spk, ras, npz, csv = (self.folder / f"input.{ending}" for ending in ("spk", "ras", "npz", "csv"))
        for out in (spk, ras, npz, csv):
            self.assertEqual(lpl("spikes", path, "input", "-o", out).returncode, 0)
        source = NETWORK[:NETWORK.index("[[stimulus]]")].replace("DURATION", "3 s").replace(
            '{ what = "group_weights", of = "input_exc", every = "100 ms" },', "")
        source += '[[stimulus]]\nname = "input"\ntype = "spikes"\nsize = 80\nfile = "input.spk"\n'
        with h5py.File(path) as before:
            times, ids = before["spikes/input/timestamps"][:], before["spikes/input/node_ids"][:]
            for file in (spk, ras):
                again = self.folder / f"again{file.suffix}.h5"
                done = lpl_sim(self.write("again.sim", source), "--set", f'stimulus.input.file="{file.name}"', "--out",
                               again, "--progress", "none")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("warning", done.stderr)
                with h5py.File(again) as after:
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
            (("spikes", path, "exc", "-o", out), "use .csv, .npz, .spk, .ras"),
            (("weights", path, "nothing", "-o", out), "there are those of input_exc"),
            (("weights", path, "input_exc", "--snapshot", "end", "-o", out), "there are initial, run"),
            (("weights", path, "input_exc", "-o", out), "use .csv, .npz, .wmat, .mtx"),
            (("export", path, "rates/exc", "-o", out), "there is no dataset rates/exc"),
            (("export", path, "rates/none", "-o", out), "there is no /rates/none"),
            (("state", path, "u", "-o", out), "no state 'u' was recorded; there are state"),
            (("state", path, "state", "-o", out), "use .csv, .npz, .h5"),
            (("state", path, "state", "-o", out, "--window", "2"), "--window is 2; 'state' has 1"),
            (("spikes", path, "exc", "-o", out, "--begin", "2", "--end", "1"), "there is no time between"),
            (("spikes", path, "exc", "-o", out, "--end", "nan"), "there is no time between"),
            (("export", path, "rates/exc/rate", "-o", out), "goes to .npy or .csv"),
        ):
            done = lpl(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(message, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
            self.assertFalse(out.exists())

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
