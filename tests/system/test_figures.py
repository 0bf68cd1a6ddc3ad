#!/usr/bin/env python3
"""Every figure draws itself in its reduced version, prints the published values beside ours, and runs nothing twice."""

import gzip
import pathlib
import subprocess
import sys
import unittest

from support import LPL_SIM, ROOT, InFolder, h5py, lpl_rate

sys.path.insert(0, str(ROOT / "scripts/figures"))
import fig4  # noqa: E402

import matplotlib.image
import numpy as np


class Figures(InFolder):
    def run_figure(self, name, *more):
        return subprocess.run([ROOT / f"scripts/figures/{name}.py", "--quick", "--out", self.folder, "--cache",
                               self.folder / "cache", "--programs", pathlib.Path(LPL_SIM).resolve().parent, *more],
                              capture_output=True, text=True, timeout=500)

    def draw(self, name, *more):
        """Runs a figure; its texts, and the lines of its table as {what: numbers}."""
        done = self.run_figure(name, *more)
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
                numbers[line[:width].strip()] = [np.nan if value == "undefined" else float(value)
                                                 for value in line[width:].split()]
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

    def test_fig2(self):
        _, numbers = self.draw("fig2")
        self.assertGreater(numbers["LPL: selectivity, sigma_y 0.01"][-1], 0.7)
        self.assertGreater(numbers["LPL: selectivity, sigma_y 10"][-1], 0.7)
        self.assertGreater(numbers["Oja: selectivity, sigma_y 0.01"][-1], 0.7)
        self.assertLess(numbers["Oja: selectivity, sigma_y 10"][-1], 0.1)
        self.assertLess(numbers["predictive off: selectivity, sigma_y 10"][-1], 0.1)
        # Where every other pair changes cluster, nothing tells that clusters persist.
        self.assertGreater(numbers["LPL: selectivity, cluster changes with 0"][-1], 0.7)
        self.assertLess(numbers["LPL: selectivity, cluster changes with 0.5"][-1], 0.5)

    def test_fig3(self):
        text, numbers = self.draw("fig3")
        self.assertIn("not numbers", text)
        self.assertEqual(len([what for what in numbers if what.startswith("LPL: accuracy, layer")]), 8)
        self.assertEqual(numbers["LPL: accuracy, layer 5"][0], 0.623)
        for _, ours in numbers.values():
            self.assertTrue(np.isfinite(ours))

    def test_fashion(self):
        text, numbers = self.draw("fashion")
        self.assertEqual(text.count("running "), 3)
        for network in ("LPL", "supervised", "end to end", "untrained"):
            found = [numbers[f"{network}: accuracy, layer {layer}"][-1] for layer in range(1, 9)]
            self.assertTrue(all(0 < accuracy < 1 for accuracy in found), network)
        self.assertTrue(0 < numbers["pixels: accuracy"][-1] < 1)

    def test_fig4(self):
        text, numbers = self.draw("fig4")
        self.assertEqual(text.count("running "), 2)
        self.assertIn("network.biases=false", text)
        self.assertEqual(numbers["after 400: selectivity, swap position"][0], 0.567)
        self.assertEqual(numbers["after 400: selectivity, objects not exposed"][0], 0.906)
        for values in numbers.values():
            self.assertTrue(np.isfinite(values[-1]))
        again, _ = self.draw("fig4")
        self.assertNotIn("running ", again)

    def test_s1(self):
        _, numbers = self.draw("s1")
        # d^2/8 - log(5 d^2/16) is least where d/4 = 2/d; the hinge lets go at a variance of 1.
        self.assertAlmostEqual(numbers["logarithm (LPL): distance of the least loss"][-1], 8**0.5, delta=2e-3)
        self.assertAlmostEqual(numbers["hinge (VICReg): distance of the least loss"][-1], (16 / 5)**0.5, delta=2e-3)
        self.assertTrue(np.isnan(numbers["plain variance: distance of the least loss"][-1]))
        self.assertAlmostEqual(numbers["plain variance: loss at a distance of 10"][-1], 100 / 8 - 500 / 16, places=3)

    def test_s2(self):
        _, numbers = self.draw("s2")
        for kept, other in (("digit", "place"), ("place", "digit")):
            self.assertGreater(numbers[f"sequences keep the {kept}: selectivity for the {kept}"][-1], 0.3)
            self.assertLess(numbers[f"sequences keep the {kept}: selectivity for the {other}"][-1], 0.1)

    def write_idx(self, name, array):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        with gzip.open(self.folder / f"{name}.gz", "wb") as file:
            file.write(header + array.tobytes())

    def test_s2_of_mnist_files(self):
        done = self.run_figure("s2", "--mnist", self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("train-images-idx3-ubyte.gz", done.stderr)
        labels = np.repeat(np.array([4, 5, 6], "u1"), 20)
        images = np.zeros((60, 10, 10), "u1")
        images[20:40, 2:8, 4:6] = 255  # fives are bars, sixes are boxes
        images[40:, 2:8, 2:8] = 255
        self.write_idx("train-labels-idx1-ubyte", labels)
        self.write_idx("train-images-idx3-ubyte", images)
        _, numbers = self.draw("s2", "--mnist", self.folder)
        self.assertGreater(numbers["sequences keep the digit: selectivity for the digit"][-1], 0.9)
        whole = gzip.open(self.folder / "train-images-idx3-ubyte.gz").read()
        with gzip.open(self.folder / "train-images-idx3-ubyte.gz", "wb") as file:
            file.write(whole[:-1])
        done = self.run_figure("s2", "--mnist", self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is no complete idx file", done.stderr)

    def test_e1(self):
        _, numbers = self.draw("e1")
        # Mean 20, and the variance (plus 1e-3) for each unit of change.
        self.assertEqual(numbers["threshold at dz/dt = 0, variance 0.5"], [20.0])
        self.assertAlmostEqual(numbers["threshold at dz/dt = 10, variance 2"][0], 20 + 2.001 * 10, places=6)

    def test_e5(self):
        text, numbers = self.draw("e5")
        self.assertIn("not numbers", text)
        self.assertEqual(numbers["LPL: disentanglement"][0], 0.953)
        # The pixels do not depend on how little is learnt: chance is 1/6.
        self.assertGreater(numbers["pixels: disentanglement"][-1], 0.3)
        for variant in ("LPL", "predictive off", "shuffled", "random"):
            self.assertTrue(0 <= numbers[f"{variant}: disentanglement"][-1] <= 1)
        again, _ = self.draw("e5")
        self.assertNotIn("running ", again)
        done = self.run_figure("e5", "--images", "50")
        self.assertEqual(done.returncode, 1)
        self.assertIn("at least 100 images", done.stderr)

    def test_e6(self):
        _, numbers = self.draw("e6")
        for hue in ("floor_hue", "wall_hue", "object_hue"):
            # Of changes within trajectories all, of those between them four of nine.
            self.assertGreater(numbers[f"{hue}: changes to a neighbour or the next but one"][-1], 0.6)
        for variant in ("LPL", "predictive off", "random"):
            self.assertTrue(0 < numbers[f"{variant}: variance in two directions"][-1] <= 1)
            self.assertTrue(0 < numbers[f"{variant}: dissimilarity of other hues"][-1] < 2)

    def test_a_missing_program_is_told(self):
        done = subprocess.run([ROOT / "scripts/figures/fig6.py", "--cache", self.folder, "--out", self.folder,
                               "--programs", self.folder], capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--programs", done.stderr)


class LayerOfFig4(InFolder):
    """The dense layer that scripts/figures/fig4.py trains."""

    def test_its_rule_is_lpl_rates(self):
        views = np.random.default_rng(1).normal(size=(2, 12, 7)).astype("f4")
        with h5py.File(self.folder / "views.h5", "w") as file:
            for name, view in zip(("img_1", "img_2"), views):
                file[f"batches/{name}"] = view[None, :, :, None, None]
            file.update({"batches/labels": np.zeros((1, 12), int), "batches/order": np.zeros(1, int)})
        self.write("dense.rate", f"""
            [training]
            batch = 12
            epochs = 1
            [network]
            net = "dense"
            biases = false
            [net.dense]
            type = "dense"
            units = [5]
            rectified = false
            [learning]
            rule = "lpl"
            [optimizer]
            learning_rate = 0
            schedule = "constant"
            [data]
            set = "batches"
            file = "views.h5"
            [record]
            gradients = [1]""")
        first, second = np.arange(12), np.arange(12, 24)
        for moved in ("both", "later"):
            done = lpl_rate(self.folder / "dense.rate", "--out", self.folder / f"{moved}.h5", "--set",
                            f"rule.lpl.rate.gradient={moved}")
            self.assertEqual(done.returncode, 0, done.stderr)
            with h5py.File(self.folder / f"{moved}.h5") as result:
                (name,) = result["inspection/gradients/step_1"]
                weights, gradient = result[f"network/{name}"][:].T, result[f"inspection/gradients/step_1/{name}"][:].T
                losses = [result[f"training/{term}"][0, 0] for term in ("pull", "push", "decorr")]
            samples = views.reshape(24, 7).astype(float)
            z = samples @ weights
            (pull, _, _), by_z = fig4.lpl(z, first, second, hold_earlier=moved == "later")
            # lpl_rate asks each view by itself for variance and decorrelation, the figure all samples at once.
            by_z -= fig4.lpl(z, first, first)[1]
            pushes, decorrelations = [], []
            for view in (first, second):
                (_, push, decorrelation), of_view = fig4.lpl(z[view], first, first)
                by_z[view] += of_view / 2
                pushes.append(push)
                decorrelations.append(decorrelation)
            np.testing.assert_allclose(losses, [pull, np.mean(pushes), np.mean(decorrelations)], rtol=1e-5)
            np.testing.assert_allclose(gradient, samples.T @ by_z, rtol=1e-4, atol=1e-5 * abs(gradient).max())

    def test_an_input_comes_from_its_position(self):
        random = np.random.default_rng(2)
        weights, images, positions = random.normal(size=(3, 4, 5)), random.normal(size=(9, 4)), np.arange(9) % 3
        z, gradient = fig4.respond(weights, images, positions), random.normal(size=(9, 5))
        expected = np.zeros_like(weights)
        for image, position, response, by_z in zip(images, positions, z, gradient):
            np.testing.assert_allclose(response, image @ weights[position])
            expected[position] += np.outer(image, by_z)
        np.testing.assert_allclose(fig4.to_weights(gradient, images, positions), expected)

    def test_swapped_objects_lose_selectivity_where_they_are_swapped(self):
        random = np.random.default_rng(3)
        images = np.maximum(random.normal(size=(2000, 10)) @ random.normal(size=(10, 32)), 0).astype("f4")
        judged = fig4.repeat(images, 1, steps=600, exposures=400)
        before, after = ({name: values[i] for name, values in judged.selectivity.items()} for i in (0, -1))
        for name in ("swap", "non-swap"):  # the layer has learnt that objects stay the same
            self.assertGreater(before[name], 0.9 * before["middle"])
        self.assertLess(after["swap"], 0.8 * before["swap"])
        self.assertGreater(after["non-swap"] / before["non-swap"], after["swap"] / before["swap"] + 0.1)
        self.assertGreater(judged.reversed[-1], judged.reversed[0])
        self.assertAlmostEqual(judged.preferred[0] - judged.other[0], before["swap"], places=5)


if __name__ == "__main__":
    unittest.main()
