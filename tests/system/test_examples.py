#!/usr/bin/env python3
"""Every example runs through the program, at reduced duration, and does what it is there for."""

import unittest

from support import EXAMPLES, InFolder, h5py, lpl_sim, status

SHORTER = {
    "coba": ["phase.run.duration=0.5 s"],
    "minimal": [],
    "stdp_window": [],
    "stdp_rate": [],
}
FIGURE_5 = ["phase.prime.duration=2 s", "phase.learn.duration=5 s", "record.rates.every=1 s", "record.group_means.every=1 s"]


class Examples(InFolder):
    def run_example(self, name, ranks=1):
        out = self.folder / f"{name}.h5"
        sets = [part for assignment in SHORTER.get(name, FIGURE_5) for part in ("--set", assignment)]
        done = lpl_sim(EXAMPLES / f"{name}.sim", "--out", out, "--progress", "none", *sets, ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(status(out), "complete")
        self.assertIn("real-time factor", done.stdout)
        return h5py.File(out, "r")

    def test_all_examples_run_and_check(self):
        names = sorted(path.stem for path in EXAMPLES.glob("*.sim"))
        self.assertGreaterEqual(len(names), 12)
        for name in names:
            with self.subTest(example=name):
                self.run_example(name, ranks=2 if name in ("invariance", "coba") else 1).close()
                checked = lpl_sim(EXAMPLES / f"{name}.sim", "--check")
                self.assertEqual(checked.returncode, 0, checked.stderr)
                self.assertIn("synapses created", checked.stdout)

    def test_coba_fires_at_15_to_20_hz(self):
        done = lpl_sim(EXAMPLES / "coba.sim", "--out", self.folder / "c.h5", "--progress", "none", "--set", "phase.run.duration=2 s")
        spikes = int(next(line for line in done.stdout.splitlines() if line.startswith("spikes")).split()[1])
        self.assertTrue(15 <= spikes / 4000 / 2 <= 20, spikes)

    def test_stdp_window_has_the_published_extrema(self):
        with self.run_example("stdp_window") as result:
            change = result["weights/input_post/pair/value"][:] / result["weights/input_post/initial/value"][:] - 1
        # Published: peak +0.417, trough -0.258 relative change at 10 Hz, mean 10 Hz, variance 0.1, within 50 ms.
        self.assertAlmostEqual(change.max(), 0.417, delta=0.02)
        self.assertAlmostEqual(change.min(), -0.258, delta=0.02)
        # Potentiation where inputs lead (the first half of inputs fires before the neuron), depression where they lag.
        self.assertLess(change.argmax(), 50)

    def test_hebbian_off_silences_and_no_inhibition_does_not(self):
        with self.run_example("feedforward") as result:
            self.assertNotIn("inh", result["spikes"])


if __name__ == "__main__":
    unittest.main()
