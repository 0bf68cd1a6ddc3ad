#!/usr/bin/env python3
"""One result, bit for bit: on any number of ranks, for any block length, in every run, and from its own canonical text."""

import os
import re
import unittest

from support import EXAMPLES, InFolder, datasets, h5py, lpl_sim, status

SHORT = ["--set", "phase.prime.duration=0.7 s", "--set", "phase.learn.duration=2.9 s", "--set", "rule.lpl.hebbian.tau_mean=1 s",
         "--set", "record.group_means.every=500 ms", "--set", "record.rates.every=100 ms", "--set", "rule.lpl.update.window=200 ms",
         "--progress", "none"]


class OneResult(InFolder):
    def run_example(self, name, *arguments, ranks=1):
        out = self.folder / f"{name}.h5"
        done = lpl_sim(EXAMPLES / "invariance.sim", "--out", out, *SHORT, *arguments, ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(status(out), "complete")
        return datasets(out)

    def assert_same(self, expected, found, ignore=()):
        self.assertEqual(expected.keys(), found.keys())
        for name, value in expected.items():
            if name not in ignore:
                self.assertEqual(value, found[name], name)

    def test_is_the_same_on_any_number_of_ranks(self):
        expected = self.run_example("one")
        self.assertGreater(expected["spikes/exc/timestamps"][0][0], 100)
        self.assertNotEqual(expected["weights/input_exc/initial/value"], expected["weights/input_exc/learn/value"])
        for ranks in (2, 3, 4, 7):
            with self.subTest(ranks=ranks):
                self.assert_same(expected, self.run_example(f"ranks{ranks}", ranks=ranks))

    def test_is_the_same_in_every_run_and_for_any_block_length(self):
        expected = self.run_example("one")
        self.assert_same(expected, self.run_example("again"))
        for block in (1, 37, 5000):
            with self.subTest(block=block):
                found = self.run_example(f"block{block}", "--set", f"simulation.plasticity_block={block}")
                self.assert_same(expected, found, ignore=("config/description",))

    def test_its_own_description_reproduces_it(self):
        expected = self.run_example("one")
        with h5py.File(self.folder / "one.h5", "r") as result:
            text = result["config/description"][()].decode()
        description = self.write("canonical.sim", text)
        done = lpl_sim(description, "--out", self.folder / "canonical.h5", "--progress", "none")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same(expected, datasets(self.folder / "canonical.h5"))

    def test_another_seed_is_another_run(self):
        expected, found = self.run_example("one"), self.run_example("seed", "--seed", "5")
        self.assertNotEqual(expected["spikes/input/timestamps"], found["spikes/input/timestamps"])

    def test_a_dry_run_says_what_ranks_will_hold(self):
        checked = lpl_sim(EXAMPLES / "invariance.sim", "--check").stdout
        created = sum(int(words) for words in re.findall(r"(\d+) synapses created", checked))
        for ranks in (1, 3, 100):
            done = lpl_sim(EXAMPLES / "invariance.sim", "--dry-run", ranks)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(int(re.search(r"synapses +(\d+) in all", done.stdout)[1]), created)
            listed = [int(words) for words in re.findall(r"^rank .* (\d+) synapses", done.stdout, re.MULTILINE)]
            self.assertEqual(sum(listed), created if ranks <= 16 else 0)
        # On three ranks the fullest is what --check finds when the three really build their parts.
        fullest = re.search(r"memory +[\d.]+ MiB in all; by rank [\d.]+ to ([\d.]+)", lpl_sim(EXAMPLES / "invariance.sim", "--dry-run", 3).stdout)[1]
        built = re.search(r"memory +([\d.]+) MiB on the fullest of 3", lpl_sim(EXAMPLES / "invariance.sim", "--check", ranks=3).stdout)[1]
        self.assertAlmostEqual(float(fullest), float(built), delta=0.06)

    def test_sixteen_ranks_on_two_cores_end(self):
        self.assert_same(self.run_example("one"), self.run_example("sixteen", ranks=16))

    def test_ranks_that_share_a_core_give_it_away(self):
        core = min(os.sched_getaffinity(0))

        def seconds(ranks):
            done = lpl_sim(EXAMPLES / "invariance.sim", "--out", self.folder / "shared.h5", "--progress", "none", "--set", "phase.prime.duration=1 s",
                           "--set", "phase.learn.duration=10 s", ranks=ranks, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
            self.assertEqual(done.returncode, 0, done.stderr)
            return float(re.search(r"time +([\d.]+) s wall", done.stdout)[1])

        # Some 10 times as long as alone; spinning before they give the core away, hundreds of times.
        self.assertLess(min(seconds(4) for _ in range(3)), 50 * min(seconds(1) for _ in range(3)))


if __name__ == "__main__":
    unittest.main()
