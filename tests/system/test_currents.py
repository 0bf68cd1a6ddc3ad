#!/usr/bin/env python3
"""Computed currents in whole runs: the same bits on any number of ranks, in epochs of any length, and after a resumed run."""

import unittest

from support import InFolder, datasets, lpl_sim, status

# Neurons that hold what is added to them, which is what is recorded, and integrators that it makes fire.
NETWORK = """
[simulation]
seed = 4
min_delay = "0.8 ms"
[cell.probe]
model = "equations"
step = ["seen = I", "V = I / 1 nS"]
[cell.probe.inputs]
I = "pA"
[cell.probe.states]
V = "0 mV"
seen = "0 pA"
[cell.probe.spike]
when = "V > 65 mV"
[[population]]
name = "p"
cell = "probe"
size = 37
positions = { random = true, extent = ["1 mm"] }
[[stimulus]]
name = "white"
type = "current"
to = "p"
neurons = ["1:30", 36]
noise = { deviation = "10 pA", every = "0.5 ms" }
[[stimulus]]
name = "slow"
type = "current"
to = "p"
noise = { type = "ornstein_uhlenbeck", mean = "40 pA", deviation = "10 pA", tau = "5 ms" }
[[stimulus]]
name = "tide"
type = "current"
to = "p"
phases = ["b"]
noise = { type = "ornstein_uhlenbeck", deviation = "10 pA", tau = "20 ms", shared = true }
[[stimulus]]
name = "wave"
type = "current"
to = "p"
value = "10 pA * sin(6.2832 * (40 Hz * t - x / 0.3 mm))"
start = "3.3 ms"
stop = "65.7 ms"
[[phase]]
name = "a"
duration = "21.7 ms"
[[phase]]
name = "b"
duration = "50 ms"
[[record]]
what = "spikes"
of = "p"
[[record]]
what = "state"
of = "p"
variable = "seen"
neurons = "all"
every = "0.1 ms"
"""


class Currents(InFolder):
    def setUp(self):
        super().setUp()
        self.description = self.write("net.sim", NETWORK)

    def run_network(self, name, *arguments, ranks=1):
        out = self.folder / f"{name}.h5"
        done = lpl_sim(self.description, "--out", out, "--progress", "none", *arguments, ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(status(out), "complete")
        return {key: value for key, value in datasets(out).items() if key != "config/description"}

    def test_are_the_same_on_any_ranks_in_epochs_of_any_length(self):
        expected = self.run_network("one")
        self.assertGreater(expected["spikes/p/timestamps"][0][0], 100)
        for ranks in (1, 2, 3):
            for delay in ("0.1 ms", "0.3 ms", "3.2 ms"):
                with self.subTest(ranks=ranks, delay=delay):
                    self.assertEqual(self.run_network("other", "--overwrite", "--set", f"simulation.min_delay={delay}", ranks=ranks), expected)

    def test_are_the_same_without_records_that_end_epochs(self):
        expected = self.run_network("one")
        found = self.run_network("rare", "--set", "record.state.every=10 ms", ranks=2)
        self.assertEqual(found["spikes/p/timestamps"], expected["spikes/p/timestamps"])

    def test_go_on_where_a_checkpoint_was_written(self):
        expected = self.run_network("straight")
        for first, then in ((1, 3), (3, 2), (2, 1)):
            with self.subTest(first=first, then=then):
                checkpoint = self.folder / "run.checkpoint"
                self.run_network("run", "--overwrite", "--checkpoint", checkpoint, "--set", "phase.b.duration=13.1 ms", ranks=first)
                self.assertEqual(self.run_network("run", "--resume", checkpoint, ranks=then), expected)

    def test_that_are_no_numbers_end_the_run_with_the_same_words(self):
        messages = set()
        for ranks in (1, 3):
            done = lpl_sim(self.description, "--out", self.folder / "bad.h5", "--overwrite", "--progress", "none", "--set",
                           "stimulus.wave.value=10 pA * log(1 + 30 - i)", ranks=ranks)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(status(self.folder / "bad.h5"), "failed")
            line = next(line for line in done.stderr.splitlines() if line.startswith("lpl_sim:"))
            messages.add(line.replace("rank 2: ", ""))  # where neuron 31 lives
        self.assertEqual(messages, {"lpl_sim: stimulus 'wave': the current of neuron 31 is -inf A at 0.0033 s; in size it must be a number up to 3.40282e+38; "
                                    "look at its expressions"})


if __name__ == "__main__":
    unittest.main()
