#!/usr/bin/env python3
"""Limits of rates and weights: a run that leaves one ends there, on any number of ranks, with a result that says why."""

import unittest

from support import InFolder, datasets, lpl_sim, status

import h5py
import numpy as np
from lpl_analysis.results import Result

# Inputs whose rate rises from 10 to 80 Hz at 3 s, and synapses of both rules.
NETWORK = """
[simulation]
seed = 3
min_delay = "0.8 ms"
[[stimulus]]
name = "input"
type = "poisson"
size = 40
rate = { file = "rate.txt" }
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
weight = 0.5
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
weight = 0.3
plasticity = "inhibitory"
[[phase]]
name = "early"
duration = "2 s"
[[phase]]
name = "late"
duration = "8 s"
[[record]]
what = "spikes"
of = ["input", "exc"]
[[record]]
what = "rates"
of = "exc"
every = "300 ms"
[[record]]
what = "weights"
of = "inh_exc"
every = "500 ms"
[rule.lpl]
type = "lpl"
predictive = { strength = 1.0 }
hebbian = { strength = 1.0, tau_mean = "1 s", tau_variance = "1 s" }
update = { learning_rate = 1e-2, window = "100 ms" }
"""


class Limits(InFolder):
    def setUp(self):
        super().setUp()
        self.write("rate.txt", "0 10\n2.9 10\n3 80\n1000 80\n")

    def run_with(self, limit, out, ranks=1, *options, network=NETWORK, expected=1):
        self.write("net.sim", network + limit)
        done = lpl_sim("net.sim", "--out", out, "--progress", "none", *options, ranks=ranks, cwd=self.folder)
        self.assertEqual(done.returncode, expected, done.stderr)
        return "\n".join(line for line in done.stderr.splitlines() if line.startswith("lpl_sim: "))

    def reason(self, out):
        with h5py.File(self.folder / out) as file:
            return file.attrs["reason"].decode(), float(file.attrs["model_time"])

    def counted(self, out, source, begin, end):
        with h5py.File(self.folder / out) as file:
            times = file[f"spikes/{source}/timestamps"][:] * 1e-3
        return int(np.sum((times >= begin - 1e-6) & (times < end - 1e-6)))

    def test_a_rate_that_leaves_its_range_ends_the_run(self):
        limit = '[[limit]]\nwhat = "rate"\nof = "input"\nlow = "2 Hz"\nhigh = "40 Hz"\nevery = "250 ms"\n'
        said = self.run_with("", "whole.h5", expected=0)
        self.assertEqual(said, "")
        said = self.run_with(limit, "one.h5")
        count = self.counted("whole.h5", "input", 3, 3.25)
        rate = count / 40 / 0.25
        self.assertGreater(rate, 40)
        reason = f"limit 'rate': the rate of 'input' was {rate:.6g} Hz from 3 s to 3.25 s; " \
            'it must lie from "2 Hz" to "40 Hz"'
        self.assertEqual(said, f"lpl_sim: {reason}; one.h5 holds what was done")
        self.assertEqual(status(self.folder / "one.h5"), "stopped")
        self.assertEqual(self.reason("one.h5"), (reason, 3.25))
        with Result(self.folder / "one.h5") as result:
            self.assertEqual(result.note, f"This run left a limit ({reason}): the file holds what had been written.")
            self.assertEqual(result.reached(), 3.25)
        # All until then is there, and nothing else.
        for source in ("input", "exc"):
            self.assertEqual(self.counted("one.h5", source, 0, 100), self.counted("whole.h5", source, 0, 3.25))
        with h5py.File(self.folder / "one.h5") as one, h5py.File(self.folder / "whole.h5") as whole:
            last = sorted(name for name in one["weights/inh_exc"] if name.startswith("step_"))[-1]
            self.assertEqual(last, "step_000000030000")
            self.assertTrue(np.array_equal(one[f"weights/inh_exc/{last}/value"], whole[f"weights/inh_exc/{last}/value"]))
            self.assertNotIn("late", one["weights/inh_exc"])
        for ranks in (2, 5):
            self.assertEqual(self.run_with(limit, "ranks.h5", ranks).replace("ranks.h5", "one.h5"), said)
            self.assertEqual(datasets(self.folder / "ranks.h5"), datasets(self.folder / "one.h5"))

    def test_an_average_over_time_begins_in_the_middle_and_follows_the_rate(self):
        limit = '[[limit]]\nname = "fast"\nwhat = "rate"\nof = "input"\nhigh = "60 Hz"\nevery = "100 ms"\ntau = "1 s"\n'
        said = self.run_with(limit, "one.h5")
        average, k = 30.0, 0
        self.run_with("", "whole.h5", expected=0)
        while average <= 60:
            rate = self.counted("whole.h5", "input", 0.1 * k, 0.1 * (k + 1)) / 40 / 0.1
            average += (rate - average) * (1 - np.exp(-0.1))
            k += 1
        self.assertIn(f"limit 'fast': the rate of 'input', averaged over 1 s, was {average:.6g} Hz at {0.1 * k:.6g} s; "
                      'it must be "60 Hz" at most', said)
        self.assertEqual(self.run_with(limit, "two.h5", 2).replace("two.h5", "one.h5"), said)

    def test_a_mean_weight_that_leaves_its_range_ends_the_run(self):
        self.run_with("", "whole.h5", expected=0)
        with h5py.File(self.folder / "whole.h5") as whole:
            early = np.mean(whole["weights/inh_exc/early/value"][:], dtype=float)
            late = np.mean(whole["weights/inh_exc/late/value"][:], dtype=float)
        self.assertNotEqual(early, late)
        # Judged at the end of the first phase only; between what is there and what will be.
        bound = "high" if late > early else "low"
        limit = f'[[limit]]\nwhat = "weight"\nof = "inh_exc"\n{bound} = {(early + late) / 2}\nevery = "2 s"\n'
        self.run_with(limit + 'phases = ["early"]\n', "early.h5", expected=0)
        self.assertEqual(status(self.folder / "early.h5"), "complete")
        other = "low" if bound == "high" else "high"
        limit = f'[[limit]]\nwhat = "weight"\nof = "inh_exc"\n{other} = {(early + late) / 2}\nevery = "2 s"\n'
        said = self.run_with(limit, "one.h5")
        self.assertIn(f"limit 'weight': the mean weight of 'inh_exc' was {early:.6g} at 2 s; it must be", said)
        with h5py.File(self.folder / "one.h5") as one:
            self.assertIn("early", one["weights/inh_exc"])  # the phase was over
        for ranks in (2, 5):
            self.assertEqual(self.run_with(limit, "ranks.h5", ranks).replace("ranks.h5", "one.h5"), said)
            self.assertEqual(datasets(self.folder / "ranks.h5"), datasets(self.folder / "one.h5"))

    def test_a_resumed_run_ends_at_the_same_step(self):
        limit = '[[limit]]\nwhat = "rate"\nof = "input"\nhigh = "70 Hz"\nevery = "70 ms"\ntau = "1 s"\n'
        said = self.run_with(limit, "one.h5", 1, "--checkpoint", "c", "--checkpoint-model-time", "0.99 s")
        whole = datasets(self.folder / "one.h5")
        again = self.run_with(limit, "one.h5", 2, "--resume", "c")
        self.assertEqual(again, said)
        self.assertEqual(datasets(self.folder / "one.h5"), whole)
        self.assertEqual(status(self.folder / "one.h5"), "stopped")

    def test_what_cannot_be_judged_is_refused(self):
        for limit, message in (
                ('what = "rate"\nof = "exc"\nevery = "1 s"\n', "limit 'rate': neither 'low' nor 'high' is given"),
                ('what = "rate"\nof = "exc"\nlow = "5 Hz"\nhigh = "2 Hz"\nevery = "1 s"\n',
                 "'high' is \"2 Hz\", below 'low' is \"5 Hz\""),
                ('what = "rate"\nof = "exc"\nlow = "5 Hz"\nevery = "1 s"\ntau = "1 s"\n', "give 'high', too"),
                ('what = "rate"\nof = "exc"\nlow = "5 Hz"\nevery = "30 s"\n', "nothing would be judged"),
                ('what = "weight"\nof = "exc_inh"\nlow = "5 mV"\nevery = "1 s"\n', "'low'"),
                ('what = "weight"\nof = "exc"\nlow = 5\nevery = "1 s"\n', "no connection has that name"),
                ('what = "weight"\nof = "exc_inh"\nlow = 5\nevery = "1 s"\ntau = "1 s"\n',
                 "a mean weight is not averaged over time")):
            self.assertIn(message, self.run_with("[[limit]]\n" + limit, "x.h5", expected=2))


if __name__ == "__main__":
    unittest.main()
