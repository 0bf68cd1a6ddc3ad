#!/usr/bin/env python3
"""Every example runs through the program, at reduced duration, and does what it is there for."""

import re
import subprocess
import sys
import unittest

from support import EXAMPLES, ROOT, InFolder, h5py, lpl_rate, lpl_sim, status

SHORTER = {
    "coba": ["phase.run.duration=0.5 s"],
    "minimal": [],
    "own_neuron": [],
    "stdp_window": [],
    "stdp_rate": [],
    **{f"brunel_{kind}": ["phase.run.duration=50 ms"] for kind in ("delta", "alpha", "exp")},
    **{name: ["phase.run.duration=100 ms"] for name in ("cuba", "coba_brette", "hh_coba")},
    "izhikevich2003": [],
    "hpc_benchmark": ["define.share=0.02", "phase.run.duration=50 ms", "record.weights.every=25 ms"],
    "microcircuit": ["define.scale=0.05", "phase.settle.duration=50 ms", "phase.run.duration=100 ms"],
    "polychronisation": ["phase.learn.duration=3 s"],
    "brunel_plastic": ["define.share=0.15", "phase.learn.duration=50 ms", "record.rates.every=50 ms"],
    "zenke2013": ["define.share=0.06", "phase.learn.duration=100 ms", "record.rates.every=50 ms"],
    "zenke2015": ["phase.learn.duration=2 s", "phase.test.duration=200 ms"],
    "burst_coding": [f"phase.{name}.duration=1 s" for name in ("neither", "soma", "dendrite", "both")],
    "vogels2011": ["phase.balance.duration=1 s", "phase.test.duration=500 ms"],
}
FIGURE_5 = ["phase.prime.duration=2 s", "phase.learn.duration=5 s", "record.rates.every=1 s", "record.group_means.every=1 s"]


class Examples(InFolder):
    @staticmethod
    def shorter(name):
        return [part for assignment in SHORTER.get(name, FIGURE_5) for part in ("--set", assignment)]

    def run_example(self, name, ranks=1):
        out = self.folder / f"{name}.h5"
        done = lpl_sim(EXAMPLES / f"{name}.sim", "--out", out, "--progress", "none", *self.shorter(name), ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(status(out), "complete")
        self.assertIn("real-time factor", done.stdout)
        shares = re.findall(r"([\d.]+) %", re.search("^shares .*", done.stdout, re.MULTILINE)[0])
        self.assertAlmostEqual(sum(map(float, shares)), 100, delta=0.05 * len(shares) + 1e-9)
        return h5py.File(out, "r")

    def test_all_examples_run_and_check(self):
        names = sorted(path.stem for path in EXAMPLES.glob("*.sim"))
        self.assertGreaterEqual(len(names), 22)
        for name in names:
            with self.subTest(example=name):
                self.run_example(name, ranks=2 if name in ("invariance", "coba") else 1).close()
                checked = lpl_sim(EXAMPLES / f"{name}.sim", "--check", *self.shorter(name))
                self.assertEqual(checked.returncode, 0, checked.stderr)
                if "[[connection" in (EXAMPLES / f"{name}.sim").read_text():
                    self.assertIn("synapses created", checked.stdout)

    def test_coba_fires_at_15_to_20_hz(self):
        done = lpl_sim(EXAMPLES / "coba.sim", "--out", self.folder / "c.h5", "--progress", "none", "--set", "phase.run.duration=2 s")
        spikes = int(next(line for line in done.stdout.splitlines() if line.startswith("spikes")).split()[1])
        self.assertTrue(15 <= spikes / 4000 / 2 <= 20, spikes)

    def test_bursts_follow_the_dendrite_and_events_the_soma(self):
        with self.run_example("burst_coding") as result:
            rates = result["bursts/pyramidal/rate"][()][1::2]  # the second half of each phase
        events, bursts = rates[:, 0], rates[:, 1]
        share = bursts / events
        self.assertTrue(events[1] > 1.5 * events[0] and events[3] > 1.2 * events[2], events)
        self.assertTrue(share[0] < 0.01 and share[1] < 0.01 and share[2] > 0.15, share)
        self.assertLess(abs(share[3] - share[2]), 0.06, share)

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


SMALL = ["training.batch=16", "training.epochs=1", "readout={pixels=false, untrained=false, epochs=1}"]
FRAMES = "trajectories=20, blocks_per_epoch=2, readout_blocks=1, test_blocks=1"
NARROW = [*SMALL, f'data={{set="scenes", side=32, {FRAMES}}}']
SMALLER = {
    "clusters2d": ["data.steps_per_epoch=50"],
    "oja": ["data.steps_per_epoch=50"],
    "digits": ["training.epochs=1", "data.steps_per_epoch=20"],
    "resnet50": [*NARROW, "net.resnet50.channels=[4, 4, 8, 8]", "net.resnet50.blocks=[1, 1, 1, 1]"],
    # No data set is at hand: the built-in scenes stand in.
    "shapes3d": [*SMALL, f'data={{set="scenes", side=64, {FRAMES}}}'],
}


class TrainingExamples(InFolder):
    def test_all_examples_train(self):
        digits = self.folder / "digits.txt"
        subprocess.run([sys.executable, ROOT / "scripts/make_digits.py", digits], check=True, capture_output=True)
        names = sorted(path.stem for path in EXAMPLES.glob("*.rate"))
        self.assertGreaterEqual(len(names), 10)
        for name in names:
            with self.subTest(example=name):
                settings = SMALLER.get(name, NARROW) + ([f'data.file="{digits}"'] if name == "digits" else [])
                out = self.folder / f"{name}.h5"
                sets = [part for assignment in settings for part in ("--set", assignment)]
                done = lpl_rate(EXAMPLES / f"{name}.rate", "--out", out, "--progress", "none", *sets)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(status(out), "complete")
                self.assertIn("pairs/s", done.stdout)


if __name__ == "__main__":
    unittest.main()
