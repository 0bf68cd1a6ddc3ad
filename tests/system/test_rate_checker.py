#!/usr/bin/env python3
"""The judge of recorded training cases: what a rule does not compute is skipped aloud, and noise is read as recorded."""

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

    def test_nothing_is_divided_by_zero(self):
        self.assertAlmostEqual(judge.relative(np.array([1e-3, 2.2]), np.array([0.0, 2.0])), 0.1)
        self.assertEqual(judge.relative(np.array([0.0]), np.array([0.0])), 0)


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
