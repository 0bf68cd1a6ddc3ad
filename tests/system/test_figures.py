#!/usr/bin/env python3
"""Every figure draws itself in its reduced version, prints the published values beside ours, and runs nothing twice."""

import pathlib
import subprocess
import unittest

from support import LPL_SIM, ROOT, InFolder, h5py

import matplotlib.image


class Figures(InFolder):
    def draw(self, name):
        """Runs a figure; its texts, and the lines of its table as {what: numbers}."""
        done = subprocess.run([ROOT / f"scripts/figures/{name}.py", "--quick", "--out", self.folder, "--cache",
                               self.folder / "cache", "--programs", pathlib.Path(LPL_SIM).resolve().parent],
                              capture_output=True, text=True, timeout=500)
        self.assertEqual(done.returncode, 0, done.stderr)
        picture = matplotlib.image.imread(self.folder / f"{name}_quick.png")
        self.assertGreater(min(picture.shape[:2]), 500)
        self.assertTrue(0.005 < (picture[..., :3].sum(axis=2) < 2.9).mean(), "the picture is blank")
        self.assertEqual((self.folder / f"{name}_quick.pdf").read_bytes()[:5], b"%PDF-")
        lines = done.stdout.splitlines()
        header = next(i for i, line in enumerate(lines) if line.split() == ["published", "ours"])
        numbers, width = {}, lines[header].index("published") - 2
        for line in lines[header + 1:]:
            if not line.startswith("pictures:"):
                numbers[line[:width].strip()] = [float(value) for value in line[width:].split()]
        return done.stdout, numbers

    def test_fig5(self):
        text, numbers = self.draw("fig5")
        self.assertEqual(text.count("running "), 5)
        self.assertIn("not comparable", text)
        self.assertEqual(numbers["recurrent: R2 of P1"][0], 0.807)
        # Little is learnt in so short a time, but slow signals are read better than their controls.
        for variant in ("recurrent", "feedforward"):
            self.assertGreater(numbers[f"{variant}: R2 of P1"][-1], numbers[f"{variant}: R2 of P1ctl"][-1])
        self.assertLess(numbers["Hebbian off: mean rate (Hz)"][-1], 0.1)

    def test_fig6_and_its_cache(self):
        text, numbers = self.draw("fig6")
        self.assertGreater(text.count("running "), 5)
        for what in ("window, variance 0.1: peak", "window, variance 0.1: trough", "window, variance 1: peak",
                     "10 Hz, mean 20 Hz, +10 ms", "10 Hz, mean 20 Hz, -10 ms", "50 Hz, mean 20 Hz, +10 ms"):
            published, ours = numbers[what]
            self.assertAlmostEqual(ours, published, delta=0.02, msg=what)
        again, _ = self.draw("fig6")
        self.assertNotIn("running ", again)
        # A run that did not end is made again.
        damaged = next((self.folder / "cache").glob("stdp_window_0.1-*.h5"))
        with h5py.File(damaged, "r+") as file:
            file.attrs["status"] = "interrupted"
        again, _ = self.draw("fig6")
        self.assertEqual(again.count("running "), 1)

    def test_e1(self):
        _, numbers = self.draw("e1")
        # Mean 20, and the variance (plus 1e-3) for each unit of change.
        self.assertEqual(numbers["threshold at dz/dt = 0, variance 0.5"], [20.0])
        self.assertAlmostEqual(numbers["threshold at dz/dt = 10, variance 2"][0], 20 + 2.001 * 10, places=6)

    def test_a_missing_program_is_told(self):
        done = subprocess.run([ROOT / "scripts/figures/fig6.py", "--cache", self.folder, "--out", self.folder,
                               "--programs", self.folder], capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--programs", done.stderr)


if __name__ == "__main__":
    unittest.main()
