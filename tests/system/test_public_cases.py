#!/usr/bin/env python3
"""Inputs that users of other simulators had trouble with: each gives the right value, or is refused with a reason."""

import unittest

import numpy as np
from support import InFolder, h5py, lpl_sim

SPIKES_IN = """[simulation]
seed = 1
[[stimulus]]
name = "in"
type = "spikes"
size = 10
file = "{file}"
[[phase]]
name = "run"
duration = "1 s"
[[record]]
what = "spikes"
of = "in"
"""
POISSON = """[simulation]
seed = 3
[[stimulus]]
name = "in"
type = "poisson"
{groups}
[[phase]]
name = "run"
duration = "{duration}"
[[record]]
what = "spikes"
of = "in"
"""
NEURON = """[simulation]
{simulation}
[[population]]
name = "e"
cell = "c"
size = 3
[cell.c]
model = "lif"
E_leak = "-70 mV"
threshold = "-50 mV"
drive = "600 mV"
{cell}
[[phase]]
name = "run"
duration = "1 s"
[[record]]
what = "spikes"
of = "e"
{more}
"""
RECURRENT = """[simulation]
[[population]]
name = "exc"
cell = "lif"
size = 4
[[connection]]
name = "rec"
from = "exc"
to = "exc"
{wiring}
[[phase]]
name = "run"
duration = "10 ms"
[[record]]
what = "weights"
of = "rec"
"""
HEADER = "%%MatrixMarket matrix coordinate "


def neuron(cell="", simulation="", more=""):
    return NEURON.format(cell=cell, simulation=simulation, more=more)


def poisson(groups, duration="1 s"):
    return POISSON.format(groups=groups, duration=duration)


# Name: description, the other files, what must be said.
REFUSED = {
    "a rate above one spike a step": (
        poisson('size = 100\nrate = "16 kHz"'), {}, "'rate' is \"16 kHz\", above 1/dt = 10000 Hz"),
    "a profile above one spike a step": (
        poisson('size = 100\nrate = { file = "p.txt" }'), {"p.txt": "0 5000\n0.0051 30000\n0.0128 5000\n"},
        "p.txt:2:8: the rate is 30000 Hz, above 1/dt"),
    "a profile that repeats without end": (
        poisson('size = 100\nrate = { file = "p.txt" }'), {"p.txt": "0 5\n1e-300 6\n"}, "it must last a step"),
    "a skew-symmetric matrix": (
        RECURRENT.format(wiring='file = "w.mtx"'), {"w.mtx": HEADER + "real skew-symmetric\n4 4 1\n2 1 0.5\n"},
        'the matrix is "skew-symmetric"'),
    "a pattern as weights": (
        RECURRENT.format(wiring='file = "w.mtx"'), {"w.mtx": HEADER + "pattern general\n4 4 1\n1 2\n"},
        "use it as 'mask' and give a 'weight'"),
    "a matrix larger than its file": (
        RECURRENT.format(wiring='file = "w.mtx"'), {"w.mtx": HEADER + "real general\n4000000000 4000000000 1\n1 1 1\n"},
        "the matrix is 4000000000 x 4000000000, but 'exc' has 4"),
    "a refractory period below a step": (
        neuron('refractory = "0.4 ms"', 'dt = "1 ms"\nmin_delay = "1 ms"'), {},
        "'refractory' is \"0.4 ms\", which is no multiple of the step dt = \"1 ms\""),
    "a refractory period off the grid": (
        neuron('refractory = "2.5 ms"', 'dt = "1 ms"\nmin_delay = "1 ms"'), {}, "'refractory' is \"2.5 ms\""),
    "half a step more than a long duration": (
        neuron().replace('"1 s"', '"1000.00005 s"'), {}, "'duration' is \"1000.00005 s\", which is no multiple"),
    "a duration beyond all numbers of steps": (neuron().replace('"1 s"', '"1e30 s"'), {}, "the longest run"),
    "a threshold that is never reached": (
        neuron().replace('"-50 mV"', '"20 mV"').replace('"-70 mV"', '"0 mV"'), {}, "never reached, as V is held in"),
    "membranes in millivolts": (
        neuron().replace("size = 3", 'size = 3\ninitial_membrane = { file = "v.txt" }'), {"v.txt": "-65\n-65\n-65\n"},
        "v.txt:1:1: -65 V lies outside the plausible range of -1 V to 0 V; did you mean mV?"),
    "a clamp in millivolts": (
        neuron(more='[[stimulus]]\nname = "cl"\ntype = "clamp"\nto = "e"\nneurons = [2]\nfile = "cl.txt"'),
        {"cl.txt": "0 -65\n0.01 -65\n"}, "cl.txt:1:3: -65 V lies outside"),
    "a default that does not fit dt": (
        RECURRENT.format(wiring="density = 1.0\nweight = 1").replace("[simulation]", '[simulation]\ndt = "1 ms"'), {},
        "'delay' is not given, so it is \"0.8 ms\" by default, which is no multiple of the step dt = \"1 ms\"; "
        "write a multiple, such as delay = \"1 ms\""),
    "decimal commas": (SPIKES_IN.format(file="s.ras"), {"s.ras": "0,1 1\n0,2 2\n"},
                       's.ras:1:1: "0,1" is not a number; write decimals with a point'),
    "a time beyond all runs": (SPIKES_IN.format(file="s.ras"), {"s.ras": "0.1 1\n1e300 2\n"}, "s.ras:2:1: the spike time 1e+300 s"),
    "a negative neuron": (SPIKES_IN.format(file="s.ras"), {"s.ras": "0.1 -1\n"}, "s.ras:1:5: neuron -1 does not exist"),
    "an escape character in a name": (neuron().replace('name = "e"', 'name = "e\\u001b[2J"'), {}, 'the name is "e\\x1b[2J"'),
}


class Case(InFolder):
    def run_case(self, text, files=(), ranks=1, arguments=()):
        """Runs a description beside `files`; returns the process, and the open result where there is one."""
        for name, content in dict(files).items():
            self.write(name, content)
        self.write("case.sim", text)
        done = lpl_sim("case.sim", "--overwrite", "--progress", "none", *arguments, ranks=ranks, cwd=self.folder, timeout=60)
        if not (self.folder / "case.h5").exists():
            return done, None
        result = h5py.File(self.folder / "case.h5", "r")
        self.addCleanup(result.close)
        return done, result

    def result_of(self, text, files=(), **options):
        done, result = self.run_case(text, files, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return result

    def warnings_of(self, done):
        return [line for line in done.stderr.splitlines() if line.startswith("warning:")]


class Refused(Case):
    def test_with_place_and_reason_on_any_number_of_ranks(self):
        for ranks in (1, 2):
            for case, (text, files, message) in REFUSED.items():
                with self.subTest(case=case, ranks=ranks):
                    done, result = self.run_case(text, files, ranks)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    said = [line for line in done.stderr.splitlines() if line.startswith("lpl_sim:")]
                    self.assertEqual(len(said), 1, done.stderr)
                    self.assertRegex(said[0], r"^lpl_sim: case\.sim:\d+:\d+: ")
                    self.assertIn(message, said[0])
                    self.assertIsNone(result)


class Seeds(Case):
    def test_a_seed_that_is_none_is_shown_as_given(self):
        for seed in ("-1", "1e3", "18446744073709551615"):
            done, _ = self.run_case(neuron(), arguments=("--seed", seed))
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(seed, done.stderr)


class Poisson(Case):
    def test_a_legal_rate_beside_a_legal_peak(self):
        files = {"p.txt": "0 5000\n0.005 5000\n0.0051 9000\n0.0064 9000\n0.0065 5000\n0.0128 5000\n"}
        result = self.result_of(poisson('size = 100\nrate = { file = "p.txt" }', "1.28 s"), files)
        step = np.rint(result["spikes/in/timestamps"][:] * 10).astype(int) % 128
        trials = 100 * 100  # loops and neurons of a step
        share = np.bincount(step, minlength=128) / trials
        deviation = np.sqrt(0.25 / (trials * 50))
        self.assertAlmostEqual(share[:50].mean(), 0.5, delta=5 * deviation)
        self.assertAlmostEqual(share[52:63].mean(), 0.9, delta=5 * np.sqrt(0.09 / (trials * 11)))

    def test_a_loop_begins_again_at_its_last_sample(self):
        result = self.result_of(poisson('size = 500\nrate = { file = "p.txt" }', "40 s"), {"p.txt": "0 0\n10 100\n"})
        count, _ = np.histogram(result["spikes/in/timestamps"][:] / 1e3 % 10, np.arange(11))
        expected = 500 * 4 * (10 * np.arange(10) + 5)
        self.assertLess(np.max(np.abs(count - expected) / np.sqrt(expected)), 5)

    def test_a_shuffled_profile_keeps_its_mean(self):
        groups = "".join(f'[[stimulus.group]]\nname = "{name}"\nsize = 500\nrate = {{ {rate} }}\n'
                         for name, rate in (("A", 'file = "p.txt"'), ("Actl", 'shuffle_of = "A"')))
        result = self.result_of(poisson(groups, "60 s"), {"p.txt": "0 50\n1 50\n2 0\n10 0\n"})
        neurons = result["spikes/in/node_ids"][:]
        expected = 500 * 6 * 75  # six loops of 50 spikes and 25 on the way down
        for first in (0, 500):
            self.assertAlmostEqual(np.sum(neurons // 500 * 500 == first), expected, delta=5 * np.sqrt(expected))


class Sonata(Case):
    def write_spikes(self, times, neurons, units="ms", group="spikes/exc", ids="node_ids"):
        with h5py.File(self.folder / "s.h5", "w") as file:
            made = file.create_group(group)
            made["timestamps"], made[ids] = times, neurons
            if units is not None:
                made["timestamps"].attrs["units"] = units

    def run_spikes(self, **options):
        return self.run_case(SPIKES_IN.format(file="s.h5"), **options)

    def test_units_are_honoured(self):
        for times, units in (([100, 200.5], "ms"), ([100, 200.5], None), ([.1, .2005], "s"), ([1e5, 200500], b"us")):
            with self.subTest(units=units):
                self.write_spikes(times, [1, 2], units)
                done, result = self.run_spikes()
                self.assertEqual(done.returncode, 0, done.stderr)
                np.testing.assert_allclose(result["spikes/in/timestamps"][:], [100, 200.5], rtol=1e-12)

    def test_the_layout_without_populations(self):
        self.write_spikes([100, 200], [4, 2], group="spikes", ids="gids")
        done, result = self.run_spikes()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(list(result["spikes/in/node_ids"]), [4, 2])

    def test_what_is_no_spike_is_refused(self):
        cases = {"negative": ([1., 2.], np.array([3, -1]), "ms", "node_ids[1]: neuron -1 does not exist"),
                 "fraction": ([1., 2.], np.array([3, 1.5]), "ms", "neuron 1.5 does not exist"),
                 "text": ([1., 2.], np.array([b"a", b"b"]), "ms", "node_ids"),
                 "infinite": ([1., np.inf], np.array([3, 4]), "ms", "timestamps[1]: the spike time inf ms is not finite"),
                 "far": ([1., 1e300], np.array([3, 4]), "ms", "the spike time 1e+300 ms lies after the end"),
                 "plane": ([[1., 2.]], np.array([[3, 4]]), "ms", "lists of the same length"),
                 "units": ([1., 2.], np.array([3, 4]), "fortnights", 'the units "fortnights"')}
        for ranks in (1, 2):
            for case, (times, neurons, units, message) in cases.items():
                with self.subTest(case=case, ranks=ranks):
                    self.write_spikes(times, neurons, units)
                    done, result = self.run_spikes(ranks=ranks)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertIn(message, done.stderr)
                    self.assertIsNone(result)

    def test_spikes_after_the_end_are_warned_of_once(self):
        self.write_spikes([2000, 3000], [1, 2])
        for ranks, arguments in ((1, ()), (2, ()), (2, ("--check",))):
            done, _ = self.run_spikes(ranks=ranks, arguments=arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(self.warnings_of(done)), 1, done.stderr)
            self.assertIn("all 2 spikes come after the end of the run at 1 s, the first at 2 s", done.stderr)


class Text(Case):
    def test_a_byte_order_mark_is_passed_over(self):
        result = self.result_of(SPIKES_IN.format(file="s.ras"), {"s.ras": "\ufeff0.1 1\r\n0.2 2\r\n"})
        np.testing.assert_allclose(result["spikes/in/timestamps"][:], [100, 200])

    def test_times_in_milliseconds_are_warned_of(self):
        done, result = self.run_case(SPIKES_IN.format(file="s.ras"), {"s.ras": "100 1\n200 2\n"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: stimulus 'in': all 2 spikes come after the end", done.stderr)
        self.assertEqual(len(result["spikes/in/timestamps"]), 0)


class MatrixMarket(Case):
    def weights(self, wiring, matrix):
        snapshot = self.result_of(RECURRENT.format(wiring=wiring), {"w.mtx": matrix})["weights/rec/initial"]
        whole = np.zeros((4, 4))
        whole[snapshot["pre"][:], snapshot["post"][:]] = snapshot["value"][:]
        return whole

    def test_a_symmetric_matrix_is_completed(self):
        lower = np.zeros((4, 4))
        for pre, post in ((1, 0), (2, 1), (3, 0), (3, 2)):
            lower[pre, post] = 0.5
        found = self.weights('file = "w.mtx"', HEADER + "real symmetric\n%\n4 4 4\n2 1 0.5\n3 2 0.5\n4 1 0.5\n4 3 0.5\n")
        np.testing.assert_array_equal(found, lower + lower.T)

    def test_words_of_the_header_have_any_case(self):
        expected = np.zeros((4, 4))
        expected[0, 1] = expected[2, 3] = 0.5
        found = self.weights('file = "w.mtx"', "%%MatrixMarket Matrix Coordinate Real General\n4 4 2\n1 2 0.5\n3 4 0.5\n")
        np.testing.assert_array_equal(found, expected)

    def test_a_pattern_is_a_mask(self):
        expected = np.zeros((4, 4))
        expected[0, 1] = expected[2, 3] = 0.25
        found = self.weights('mask = "w.mtx"\nweight = 0.25', HEADER + "pattern general\n%\n4 4 2\n1 2\n3 4\n")
        np.testing.assert_array_equal(found, expected)

    def test_what_scipy_writes(self):
        try:
            from scipy import io, sparse
        except ImportError:
            self.skipTest("scipy is not there")
        matrix = np.round(np.random.default_rng(3).random((4, 4)), 3)
        for written in (matrix, matrix + matrix.T):
            for form in (written, sparse.coo_matrix(written)):
                io.mmwrite(self.folder / "w.mtx", form)
                found = self.weights('file = "w.mtx"', (self.folder / "w.mtx").read_text())
                np.testing.assert_allclose(found, written, rtol=1e-6)


class Neurons(Case):
    def test_a_refractory_period_on_the_grid(self):
        result = self.result_of(neuron('refractory = "2 ms"', 'dt = "1 ms"\nmin_delay = "1 ms"'))
        times = result["spikes/e/timestamps"][:][result["spikes/e/node_ids"][:] == 0]
        # The drive reaches the threshold in the step after two at rest.
        np.testing.assert_allclose(np.diff(times), 3)

    def test_a_membrane_too_slow_for_single_precision_is_refused(self):
        for value, who in (('"2.1 s"', r"case.sim:\d+:\d+: cell '.*' of population 'e': 'tau_membrane' is \"2.1 s\", 2.1e\+04 steps of dt"),
                           ('"1 s + 0.6 s * i"', "population 'e': neuron 2: 'tau_membrane' is 2.2 s, 2.2e\\+04 steps of dt")):
            text = neuron(f"tau_membrane = {value}")
            self.write("case.sim", text)
            for ranks in (1, 2):
                done = lpl_sim("case.sim", "--out", "refused.h5", cwd=self.folder, ranks=ranks)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertRegex(done.stderr, who + '; beyond 2e\\+04 .* use a longer dt, or precision = "float64" of the population')
            for change in ("population.e.precision=float64", "simulation.dt=0.2 ms"):
                done = lpl_sim("case.sim", "--set", change, "--set", "phase.run.duration=1 ms", "--out", "run.h5", "--overwrite",
                               cwd=self.folder)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_any_printable_name(self):
        groups = "".join(f'[[stimulus.group]]\nname = "{name}"\nsize = 10\nrate = "10 Hz"\n' for name in ("A,left", "B\u00e4;"))
        self.assertIsNotNone(self.result_of(poisson(groups)))

    def test_all_and_ranges_of_neurons(self):
        record = ('[[record]]\nname = "{}"\nwhat = "state"\nof = "e"\nvariable = "V"\nevery = "10 ms"\nneurons = {}\n')
        wanted = {"every": '"all"', "range": '"0:3"', "list": "[0, 1, 2]", "mixed": '[2, "0:2"]'}
        more = "".join(record.format(name, neurons) for name, neurons in wanted.items())
        current = ('[[stimulus]]\nname = "i"\ntype = "current"\nto = "e"\nneurons = ["1:3"]\n'
                   'times = ["0 s", "1 s"]\nvalues = ["1 mV", "1 mV"]\n')
        result = self.result_of(neuron(more=more + current))
        reports = {group.attrs["record"].decode(): group for group in result["report"].values()}
        expected = reports["list"]["data"][:]
        self.assertTrue(np.any(expected[:, 0] != expected[:, 1]))
        np.testing.assert_array_equal(expected[:, 1], expected[:, 2])
        for name in wanted:
            np.testing.assert_array_equal(reports[name]["data"][:], expected)
            np.testing.assert_array_equal(reports[name]["mapping/node_ids"][:], [0, 1, 2])


if __name__ == "__main__":
    unittest.main()
