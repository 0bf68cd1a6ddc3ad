#!/usr/bin/env python3
"""The judge of recorded training cases: what a rule does not compute is skipped aloud, noise is read as recorded, and what is
no case, or has no numbers, is said in words."""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from support import LPL_RATE, ROOT, h5py

import numpy as np

sys.path.insert(0, str(ROOT / "tests" / "reference"))
import check_rate_case as judge  # noqa: E402

RECORDED = ROOT / "tests" / "reference" / "data" / "rate" / "lpl_default.h5"
NAMES = ["a", "b"]


def case_of(values):
    """A case in memory that holds these datasets."""
    case = h5py.File("case.h5", "w", driver="core", backing_store=False)
    for name, value in values.items():
        case[name] = value
    return case


def cosines(one, other):
    """Of the rows."""
    return (one * other).sum(1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))


class Noise(unittest.TestCase):
    def noise(self, step):
        names = np.array(NAMES, "S")
        with case_of({"param_names": names, "noise/param_max_abs_step_2": [1.0, 2.0], "noise/param_max_abs_step_10": [3.0, np.nan],
                      "noise/param_update_relative_l2_step_3": [9.0, 9.0]}) as case:
            return judge.noise_of(case, "param_max_abs", step)

    def test_steps_between_the_recorded_ones_have_the_noise_of_the_next(self):
        self.assertEqual(self.noise(1), {"a": 1.0, "b": 2.0})
        self.assertEqual(self.noise(2), {"a": 1.0, "b": 2.0})
        self.assertEqual(self.noise(3), {"a": 3.0, "b": 0.0})
        self.assertEqual(self.noise(11), {"a": 3.0, "b": 0.0})

    def test_a_term_has_at_most_the_noise_of_the_total(self):
        theirs = {"a": np.array([3.0, 4.0]), "b": np.array([100.0])}
        with case_of({"param_names": np.array(NAMES, "S"), "noise/grad_relative_l2_step_1": [1e-3, 1e-3],
                      "grads/step_1/a": [300.0, 400.0], "grads/step_1/b": [1.0]}) as case:
            noise = judge.noise_of_term(case, theirs, 10.0)
        self.assertAlmostEqual(noise["a"], 1e-2)
        self.assertAlmostEqual(noise["b"], 1e-3)

    def losses(self, coefficients, **values):
        with case_of({f"losses/{name}": np.array(value, float) for name, value in values.items()}) as case:
            return judge.noise_of_losses(case, coefficients, 3)

    def test_runs_that_have_parted_do_not_come_together_by_chance(self):
        noise = self.losses({"pull": 0.0}, pull=[[1.0, 4.0]] * 3, pull_float64=[[1.0, 4.0], [1.1, 4.0], [1.0, 4.0]])
        np.testing.assert_allclose(noise["pull"], [0, 0.1, 0.1])
        np.testing.assert_allclose(noise["total"], 0)

    def test_terms_whose_deviations_cancel_are_noise_of_the_total(self):
        noise = self.losses({"pull": 2.0, "push": -1.0}, total=[10] * 3, total_float64=[10] * 3, pull=[[3.0]] * 3,
                            pull_float64=[[3.5]] * 3, push=[[-4.0]] * 3, push_float64=[[-3.0]] * 3)
        np.testing.assert_allclose(noise["total"], 0.2)

    def test_noise_that_is_no_number_is_none(self):
        noise = self.losses({}, total=[2, 2, 2], total_float64=[2, np.nan, 2])
        np.testing.assert_allclose(noise["total"], 0)

    def test_nothing_is_divided_by_zero(self):
        self.assertAlmostEqual(judge.relative(np.array([1e-3, 2.2]), np.array([0.0, 2.0])), 0.1)
        self.assertEqual(judge.relative(np.array([0.0]), np.array([0.0])), 0)


class Edited(unittest.TestCase):
    """The first step of a recorded case, with something in it that is otherwise."""

    BIAS = "network.encoder.blocks.3.module.0.bias"

    @contextlib.contextmanager
    def edited(self):
        """The case, open for changes, of which `judged` then tells."""
        with tempfile.TemporaryDirectory() as folder:
            self.path = pathlib.Path(folder) / "edited.h5"
            with h5py.File(RECORDED) as recorded, h5py.File(self.path, "w") as case:
                for key, value in recorded.attrs.items():
                    case.attrs[key] = value
                case.attrs["steps"] = 1
                for name in ("batches", "lr", "params/init", "params/step_1", "grads", "losses", "noise", "param_names", "forward_init/z_1"):
                    recorded.copy(name, case, name)
                yield case
            command = [sys.executable, judge.__file__, self.path, "--lpl-rate", self.program]
            self.judged = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertNotIn("Traceback", self.judged.stderr)

    program = LPL_RATE

    def replace(self, case, name, value):
        del case[name]
        case[name] = value

    def passes(self, *words):
        self.assertEqual(self.judged.returncode, 0, self.judged.stderr)
        self.assertIn(" PASS\n", self.judged.stdout)
        for word in words:
            self.assertIn(word, self.judged.stdout)

    def fails(self, *words, status=1):
        self.assertEqual(self.judged.returncode, status, self.judged.stdout + self.judged.stderr)
        for word in words:
            self.assertIn(word, self.judged.stderr)

    def unusable(self, *words):
        self.fails("is no case of this layout: ", *words, status=2)

    def test_terms_that_are_not_recorded_are_not_asked_for(self):
        with self.edited() as case:
            del case["losses/decorr"], case["losses/push_float64"], case["noise"], case["forward_init"], case["grads"]
        self.passes("losses_rel=", "parameters_max=")

    def test_what_the_rule_does_not_compute_is_skipped_aloud(self):
        with self.edited() as case:
            case["losses/radial"], case["losses/cross_entropy_step_1"] = [[1.0] * 8], [1.0] * 8
            case["grad_terms/radial/a"] = [1.0]
            case["params/step_7/a"] = [1.0]
            case["forward_final/pooled_1"] = [1.0]
        self.passes("  skipped: losses/radial: this rule has no such term\n", "  skipped: losses/cross_entropy_step_1: this rule",
                    "  skipped: grad_terms/radial: this rule has no such term\n", "  skipped: params/step_7: the case has 1 steps\n",
                    "  skipped: forward_final: lpl_rate records nothing of the kind\n")

    def noisy(self, noise):
        """A case such as torch's own initialisation makes: a bias without gradient has gone a step of its own, by rounding."""
        with self.edited() as case:
            case[f"params/step_1/{self.BIAS}"][3] += 1e-3
            names = [name.decode() for name in case["param_names"][:]]
            case["noise/param_max_abs_step_1"][names.index(self.BIAS)] = noise

    def test_parameters_that_rounding_moves_are_judged_as_the_noise_says(self):
        self.noisy(noise=1.5e-3)
        self.passes("parameters_max=0.001 ")

    def test_without_that_noise_they_fail(self):
        self.noisy(noise=np.nan)
        self.fails("parameters_max of after step 1: 0.001, allowed 0.0002")

    def test_losses_and_gradients_that_rounding_moves(self):
        with self.edited() as case:
            case["losses/pull"][0, 2] *= 1.01
            case[f"grads/step_1/{self.BIAS}"][:] *= 1.01
            names = [name.decode() for name in case["param_names"][:]]
            case["noise/grad_relative_l2_step_1"][names.index(self.BIAS)] = 0.01
        self.passes()
        with self.edited() as case:
            case["losses/pull"][0, 2] *= 1.01
            case["losses/pull_float64"][0, 2] *= 1.01
            case[f"grads/step_1/{self.BIAS}"][:] *= 1.01
        self.fails("losses_rel of pull, step 1: 0.0099, allowed", f"gradients_rel of {self.BIAS}, step 1: 0.0099, allowed 0.0001")

    def test_recorded_values_that_are_no_numbers_fail(self):
        with self.edited() as case:
            case["losses/pull"][0, 2] = np.nan
            case["losses/total"][0] = np.inf
            case[f"grads/step_1/{self.BIAS}"][1] = np.nan
            case[f"params/step_1/{self.BIAS}"][1] = np.nan
        self.fails(*(f"{what}: the recorded values are not all finite" for what in
                     ("losses_rel of pull, step 1", "losses_rel of total, step 1", f"gradients_rel of {self.BIAS}, step 1",
                      f"parameters_max of {self.BIAS}, after step 1")))
        self.assertIn("losses_rel=nan", self.judged.stdout)

    def test_other_shapes_and_names_fail(self):
        with self.edited() as case:
            self.replace(case, f"grads/step_1/{self.BIAS}", np.ones((16, 1)))
            self.replace(case, f"params/step_1/{self.BIAS}", 1.0)
            self.replace(case, "losses/pull", np.ones((10, 7)))
            del case["losses/pull_float64"]
            case["grads/step_1/network.encoder.blocks.9.bias"] = np.ones(3)
            self.replace(case, "forward_init/z_1/3", np.ones(16))
        self.fails("losses_rel of pull, step 1: shape (8,), recorded (7,)",
                   f"gradients_rel of {self.BIAS}, step 1: shape (16,), recorded (16, 1)",
                   "gradients_rel of network.encoder.blocks.9.bias, step 1: lpl_rate has none of this name",
                   f"parameters_max of {self.BIAS}, after step 1: shape (16,), recorded ()",
                   "hooks_abs of z_1/3: shape (16, 16), recorded (16,)")

    def test_what_is_missing_is_named(self):
        for missing in ("lr", "batches/img_1", "param_names"):
            with self.edited() as case:
                del case[missing]
            self.unusable(f"it has no dataset {missing}")
        for missing in ("steps", "adam_beta2"):
            with self.edited() as case:
                del case.attrs[missing]
            self.unusable(f"it has no attribute '{missing}'")
        with self.edited() as case:
            del case["params/init"]
        self.unusable("no initial parameters (params/init)")

    def test_what_is_too_short_or_contradicts_itself_is_named(self):
        with self.edited() as case:
            case.attrs["steps"] = 11
        self.unusable("noise/total_relative has 10 rows, and at least 11 are needed")
        with self.edited() as case:
            self.replace(case, "noise/grad_relative_l2_step_1", [0.0])
        self.unusable("noise/grad_relative_l2_step_1 has the shape (1,), and param_names 16 names")
        with self.edited() as case:
            case["lr"][0] = [1e-3, 2e-3]
        self.unusable("lr differs between decayed and exempt parameters")
        with self.edited() as case:
            self.replace(case, "losses/pull_float64", np.ones((10, 2)))
        self.unusable("losses/pull and losses/pull_float64 have not the same shape")

    def test_options_that_are_wrong_are_named(self):
        for text, words in (("{", "no table in JSON"), ("{}", "lack 'class'"), ('{"class": "VAE"}', "its class is 'VAE'; lpl_rate has LPL"),
                            ('{"class": "LPL"}', "lack 'channel_sizes'"), ("[1]", "no table in JSON")):
            with self.edited() as case:
                case.attrs["config"] = text
            self.unusable(words)

    def test_an_absent_program_is_named(self):
        self.program = "/nowhere/lpl_rate"
        with self.edited():
            pass
        self.fails("/nowhere/lpl_rate does not run: No such file or directory; build it", status=2)


class Contrastive(unittest.TestCase):
    def test_a_recorded_decorrelation_is_skipped_aloud(self):
        """Also where its coefficient stands in the options, as the published defaults have it."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "contrastive.h5"
            with h5py.File(RECORDED) as recorded, h5py.File(path, "w") as case:
                config = json.loads(recorded.attrs["config"])
                config["class"] = "NegSampleBaseline"
                for key, value in recorded.attrs.items():
                    case.attrs[key] = value
                case.attrs["config"] = json.dumps(config)
                case.attrs["steps"] = 1
                for name in ("batches", "lr", "params/init"):
                    recorded.copy(name, case, name)
                hooks = [[recorded[f"forward_init/{view}/{k}"][:].astype(float) for k in range(8)] for view in ("z_1", "z_2")]
                case["losses/pull"] = [[-np.mean(cosines(one, other)) for one, other in zip(*hooks)]]
                case["losses/decorr"] = np.ones((1, 8))
                recorded.copy("grad_terms/decorr", case, "grad_terms/decorr")
            command = [sys.executable, judge.__file__, path, "--lpl-rate", LPL_RATE]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^contrastive losses_rel=\S+ PASS\n")
        self.assertIn("  skipped: losses/decorr: this rule has no such term\n", done.stdout)
        self.assertIn("  skipped: grad_terms/decorr: this rule has no such term\n", done.stdout)


if __name__ == "__main__":
    unittest.main()
