#!/usr/bin/env python3
"""Records that say something about many neurons or synapses: against what spikes and weights themselves say."""

import unittest

from support import InFolder, datasets, lpl_sim

import h5py
import numpy as np
from lpl_analysis.results import Result

NETWORK = """
[simulation]
seed = 3
[[stimulus]]
name = "input"
type = "poisson"
size = 40
rate = "40 Hz"
[[population]]
name = "exc"
cell = "if"
size = 21
initial_membrane = { mean = "-60 mV", deviation = "5 mV" }
[[population]]
name = "inh"
cell = "if"
size = 8
[[connection]]
name = "input_exc"
from = "input"
to = "exc"
density = 0.5
weight = 0.6
plasticity = "lpl"
[[connection]]
name = "exc_inh"
from = "exc"
to = "inh"
in_degree = 9
weight = 0.3
[[connection]]
name = "inh_exc"
from = "inh"
to = "exc"
receptor = "GABA"
in_degree = 5
weight = { uniform = [0.2, 0.4] }
plasticity = "inhibitory"
[[phase]]
name = "early"
duration = "1.25 s"
[[phase]]
name = "late"
duration = "2 s"
[[record]]
what = "spikes"
of = ["input", "exc"]
[[record]]
what = "weights"
of = "inh_exc"
every = "500 ms"
[[record]]
name = "statistics"
what = "weight_statistics"
of = "inh_exc"
every = "500 ms"
[[record]]
name = "between"
what = "pattern_weights"
of = "inh_exc"
pre_patterns = "inh.pat"
post_patterns = "exc.pat"
every = "500 ms"
[[record]]
name = "onto"
what = "pattern_weights"
of = "inh_exc"
post_patterns = "exc.pat"
every = "1 s"
phases = ["late"]
[[record]]
name = "assemblies"
what = "pattern_rates"
of = "exc"
patterns = "exc.pat"
every = "200 ms"
[[record]]
what = "bursts"
of = "input"
every = "150 ms"
phases = ["late"]
last = "1.9 s"
[rule.lpl]
type = "lpl"
predictive = { strength = 1.0 }
hebbian = { strength = 1.0, tau_mean = "1 s", tau_variance = "1 s" }
update = { learning_rate = 1e-2, window = "100 ms" }
"""
# Overlapping, with and without intensities.
EXC = [[0, 3, 20], [3, 4, 5, 6, 7], [12]]
INH = [[0, 1, 2], [7]]


# Leaky neurons of two sizes that are held at -50 mV for 20 ms.
CLAMPED = """
simulation = {}
[cell.leaky]
model = "equations"
[cell.leaky.parameters]
C = "200 pF * (1 + i)"
tau = "20 ms"
[cell.leaky.states]
V = "-65 mV"
[cell.leaky.dynamics]
V = "(-65 mV - V) / tau"
[[population]]
name = "a"
cell = "leaky"
size = 7
[[population]]
name = "b"
cell = "if"
size = 3
[[stimulus]]
name = "electrode"
type = "clamp"
to = "a"
neurons = ["1:6"]
times = ["10 ms", "30 ms"]
values = ["-50 mV", "-50 mV"]
[[stimulus]]
name = "other"
type = "clamp"
to = "b"
times = ["0 ms", "30 ms"]
values = ["-60 mV", "-60 mV"]
[[phase]]
name = "p"
duration = "50 ms"
[[record]]
name = "needed"
what = "clamp_current"
of = "a"
neurons = [0, 2, 5]
every = "1 ms"
[[record]]
name = "V"
what = "state"
of = "a"
variable = "V"
neurons = 2
every = "1 ms"
[[record]]
name = "drive"
what = "clamp_current"
of = "b"
neurons = 1
every = "1 ms"
"""


class Monitors(InFolder):
    def setUp(self):
        super().setUp()
        self.write("exc.pat", "# members\n0 1.0\n3 0.5\n# a comment ends no pattern\n20\n\n\n3\n4\n5\n6\n7\n\n12 2\n")
        self.write("inh.pat", "0\n1\n2\n\n7\n")
        self.write("net.sim", NETWORK)

    def run_network(self, out, *options, ranks=1, expected=0):
        done = lpl_sim("net.sim", "--out", out, "--progress", "none", *options, ranks=ranks, cwd=self.folder)
        self.assertEqual(done.returncode, expected, done.stderr)
        return done.stderr

    def test_they_say_what_spikes_and_weights_say(self):
        self.run_network("a.h5")
        expected = datasets(self.folder / "a.h5")
        with h5py.File(self.folder / "a.h5") as file:
            weights = file["weights/inh_exc"]
            times = weights["statistics/time"][:]
            self.assertEqual(times.tolist(), [0.5 * k for k in range(7)])
            for k, time in enumerate(times):
                snapshot = weights["initial" if k == 0 else f"step_{round(time * 1e4):012}"]
                pre, post, value = (snapshot[name][:] for name in ("pre", "post", "value"))
                exact = value.astype(float)
                if k > 0:  # the first sample shows the end of the first step, the snapshot its begin
                    np.testing.assert_allclose(weights["statistics/value"][k],
                                               [exact.mean(), exact.std(), exact.sum()], rtol=2e-7)
                    for p, inh in enumerate(INH):
                        for q, exc in enumerate(EXC):
                            chosen = exact[np.isin(pre, inh) & np.isin(post, exc)]
                            found = weights["between/value"][k, p, q]
                            if len(chosen):
                                self.assertAlmostEqual(found, chosen.mean(), delta=1e-7)
                            else:
                                self.assertTrue(np.isnan(found))
            self.assertGreater(weights["statistics/value"][-1, 1], 0.01)
            self.assertEqual(weights["statistics/value"].attrs["units"], b"1")
            self.assertEqual(weights["onto/value"].shape, (2, 1, 3))
            self.assertEqual([name.decode() for name in weights["onto"].attrs["pre_patterns"]], ["inh"])
            self.assertEqual(weights["onto/time"][:].tolist(), [2, 3])
        with Result(self.folder / "a.h5") as result:
            times, ids = result.spikes("exc")
            begin, end, rates, names = result.pattern_rates("exc", "assemblies")
            self.assertEqual(names, ["0", "1", "2"])
            self.assertEqual(begin[:8].tolist(), [0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.25])  # the phase ends a bin
            for k in range(len(begin)):
                now = (times > begin[k] - 1e-6) & (times < end[k] - 1e-6)
                counts = [np.sum(now & np.isin(ids, members)) for members in EXC]
                np.testing.assert_allclose(rates[k], counts / (np.array([3, 5, 1]) * (end[k] - begin[k])), rtol=1e-6)
            self.assertGreater(rates.sum(), 10)
            self.check_bursts(result)
            time, value, columns = result.weight_columns("inh_exc", "between")
            self.assertEqual((value.shape, columns), ((7, 2, 3), {"pre_patterns": ["0", "1"],
                                                                  "post_patterns": ["0", "1", "2"]}))
            self.assertEqual(result.weight_columns("inh_exc", "statistics")[2], {"statistics": ["mean", "deviation", "sum"]})
        for ranks in (2, 5):
            self.run_network("ranks.h5", ranks=ranks)
            self.assertEqual(datasets(self.folder / "ranks.h5"), expected)

    def check_bursts(self, result):
        times, ids = result.spikes("input")
        traces, last, events, bursts = np.zeros(40), np.zeros(40), [], []
        for time, neuron in zip(times, ids):
            before = traces[neuron]
            traces[neuron] = before * np.exp(-(time - last[neuron]) / 16e-3) + 1
            last[neuron] = time
            if traces[neuron] <= 1 + np.exp(-1):
                events.append(time)
            elif before <= 1 + np.exp(-1):
                bursts.append(time)
        begin, end, rates, kinds = result.bursts("input")
        self.assertEqual((kinds, begin[0], end[-1]), (["events", "bursts"], 1.35, 3.25))
        self.assertGreater(len(bursts), 100)
        self.assertGreater(len(events), 1000)
        for k in range(len(begin)):
            for column, found in enumerate((events, bursts)):
                count = np.sum((np.array(found) > begin[k] - 1e-6) & (np.array(found) < end[k] - 1e-6))
                self.assertAlmostEqual(rates[k, column], count / 40 / (end[k] - begin[k]), delta=1e-4)

    def test_a_clamp_needs_the_current_that_leaks(self):
        self.write("net.sim", CLAMPED)
        self.run_network("a.h5")
        with Result(self.folder / "a.h5") as result:
            needed, drive = result.report("needed"), result.report("drive")
            self.assertEqual((needed.unit, needed.variable, needed.neurons.tolist()), ("A", "clamp_current", [0, 2, 5]))
            self.assertEqual(result.report("V").unit, "V")
            self.assertEqual(drive.unit, "V/s")  # no capacitance is known
        leak = 15e-3 * -np.expm1(-0.1 / 20) / 0.1e-3  # [V/s], of a step
        for column, capacitance in ((1, 600e-12), (2, 1200e-12)):
            np.testing.assert_allclose(needed.data[11:30, column], leak * capacitance, rtol=1e-3)
            self.assertTrue(np.all(needed.data[31:, column] == 0) and np.all(needed.data[:10, column] == 0))
        self.assertTrue(np.all(needed.data[:, 0] == 0))  # not clamped
        np.testing.assert_allclose(needed.data[10, 1], 15e-3 / 0.1e-3 * 600e-12, rtol=1e-3)  # the jump from rest
        self.assertGreater(drive.data[5, 0], 0)
        expected = datasets(self.folder / "a.h5")
        self.run_network("ranks.h5", ranks=3)
        self.assertEqual(datasets(self.folder / "ranks.h5"), expected)
        self.write("net.sim", CLAMPED.replace('of = "b"\nneurons = 1', 'of = "c"\nneurons = 1')
                   + '[[population]]\nname = "c"\ncell = "if"\nsize = 3\n')
        self.assertIn("no stimulus of the type \"clamp\" acts on 'c'", self.run_network("x.h5", expected=2))

    def test_a_resumed_run_has_the_same(self):
        self.run_network("a.h5", "--checkpoint", "c", "--checkpoint-model-time", "0.73 s")
        expected = datasets(self.folder / "a.h5")
        for ranks, left in ((2, ".previous"), (1, ".previous")):
            self.run_network("a.h5", "--resume", f"c{left}", ranks=ranks)
            self.assertEqual(datasets(self.folder / "a.h5"), expected)

    def test_what_cannot_be_recorded_is_refused(self):
        self.write("far.pat", "0\n\n3\n21\n")
        self.write("twice.pat", "0\n4\n0\n")
        for old, new, message in (
                ('patterns = "exc.pat"\nevery = "200', 'patterns = "far.pat"\nevery = "200',
                 r"far.pat:4:1: neuron 21 does not exist; 'exc' has neurons 0 to 20"),
                ('patterns = "exc.pat"\nevery = "200', 'patterns = "twice.pat"\nevery = "200',
                 r"twice.pat:3:1: neuron 0 is in pattern 0 already; a blank line ends a pattern"),
                ('name = "statistics"', 'name = "late"', "'late' is what a snapshot of weights is called"),
                ('what = "weight_statistics"\nof = "inh_exc"', 'what = "weight_statistics"\nof = "exc"',
                 "no connection has that name"),
                ('every = "1 s"\nphases', 'every = "5 s"\nphases', "nothing would be recorded"),
                ('of = "input"\nevery', 'of = "nobody"\nevery', "no population or stimulus has that name")):
            self.assertIn(old, NETWORK)
            self.write("net.sim", NETWORK.replace(old, new))
            self.assertRegex(self.run_network("x.h5", expected=2), message)


if __name__ == "__main__":
    unittest.main()
