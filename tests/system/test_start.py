#!/usr/bin/env python3
"""Runs that begin where others ended: weights of a result file, all that a checkpoint holds, on any number of ranks."""

import random
import unittest

from support import InFolder, datasets, lpl_sim

import h5py
import numpy as np

# Both rules, adaptation, and inputs that are silent at the end of the first phase, so that nothing is underway there.
NETWORK = """
[simulation]
seed = {seed}
min_delay = "0.8 ms"
[[stimulus]]
name = "input"
type = "spikes"
file = "{spikes}"
size = 60
[[population]]
name = "exc"
cell = "if"
size = 33
{exc}
[[population]]
name = "inh"
cell = "aif"
size = 9
{inh}
[[connection]]
name = "input_exc"
from = "input"
to = "exc"
plasticity = "lpl"
{input_exc}
[[connection]]
name = "exc_inh"
from = "exc"
to = "inh"
density = 0.5
weight = 3
delay = "2.1 ms"
short_term = {{ model = "tsodyks", U = 0.3, tau_rec = "300 ms" }}
{exc_inh}
[[connection]]
name = "input_inh"
from = "input"
to = "inh"
plasticity = "triplet"
density = 0.3
weight = 0.4
{input_inh}
[[connection]]
name = "inh_exc"
from = "inh"
to = "exc"
receptor = "GABA"
plasticity = "inhibitory"
{inh_exc}
[[record]]
what = "spikes"
of = ["exc", "inh"]
[[record]]
name = "learned"
what = "weights"
of = "input_exc"
[[record]]
name = "triplets"
what = "weights"
of = "input_inh"
[[record]]
name = "inhibition"
what = "weights"
of = "inh_exc"
[[record]]
what = "variables"
of = ["exc", "inh", "input_exc", "input_inh", "exc_inh", "inh_exc"]
[rule.lpl]
type = "lpl"
predictive = {{ strength = 1.0 }}
hebbian = {{ strength = 1.0, tau_mean = "1 s", tau_variance = "1 s" }}
update = {{ learning_rate = 1e-2, window = "100 ms" }}
"""
PHASE = '[[phase]]\nname = "{}"\nduration = "2 s"\n'
FRESH = {"seed": 5, "exc": "", "inh": "", "exc_inh": "", "input_inh": "", "input_exc": "density = 0.4\nweight = 0.4",
         "inh_exc": "density = 0.6\nweight = { uniform = [0.2, 0.4] }"}


def train(begin, seed):
    """Spikes of 1.4 s from a time on; the rest of a phase is silent."""
    generator = random.Random(seed)
    times = sorted(generator.random() * 1.4 for _ in range(2600))
    seen, lines = set(), []
    for time in times:
        spike = (round(time * 1e4), generator.randrange(60))
        if spike not in seen:
            seen.add(spike)
            lines.append(f"{begin + spike[0] * 1e-4:.4f} {spike[1]}\n")
    return lines


class Start(InFolder):
    def setUp(self):
        super().setUp()
        first, second = train(0, 1), train(0, 2)
        self.write("both.ras", "".join(first + train(2, 2)))
        self.write("first.ras", "".join(first))
        self.write("second.ras", "".join(second))

    def run_network(self, out, phases, *options, ranks=1, expected=0, **parts):
        text = NETWORK.format(**{**FRESH, **parts}) + "".join(map(PHASE.format, phases))
        self.write("net.sim", text)
        done = lpl_sim("net.sim", "--out", out, "--progress", "none", "--overwrite", *options, ranks=ranks, cwd=self.folder)
        self.assertEqual(done.returncode, expected, done.stderr)
        return done.stderr

    def learn(self):
        self.run_network("a.h5", ["learn"], "--checkpoint", "a.checkpoint", spikes="first.ras")

    def spikes(self, out, source, begin):
        with h5py.File(self.folder / out) as file:
            group = file[f"spikes/{source}"]
            steps = np.rint(group["timestamps"][:] * 10).astype(int) - begin
            chosen = steps >= 0
            return list(zip(steps[chosen], group["node_ids"][:][chosen]))

    def weights(self, out, connection, snapshot):
        with h5py.File(self.folder / out) as file:
            group = file[f"weights/{connection}/{snapshot}"]
            return [group[name][:].tolist() for name in ("pre", "post", "value")]

    def test_a_checkpoint_goes_on_as_the_run_would_have(self):
        self.run_network("straight.h5", ["learn", "test"], spikes="both.ras")
        self.learn()
        self.check_going_on('initial = { from = "a.checkpoint" }\n')

    def test_a_result_file_with_variables_does_too(self):
        # Of its first phase, whatever came after.
        self.run_network("straight.h5", ["learn", "test"], ranks=2, spikes="both.ras")
        (self.folder / "straight.h5").rename(self.folder / "long.h5")
        self.run_network("straight.h5", ["learn", "test"], spikes="both.ras")
        self.assertEqual(datasets(self.folder / "long.h5"), datasets(self.folder / "straight.h5"))
        self.learn()
        with h5py.File(self.folder / "a.h5") as file:
            stored = file["variables/learn"]
            self.assertEqual(sorted(stored), ["exc", "exc_inh", "inh", "inh_exc", "input_exc", "input_inh"])
            self.assertEqual((stored["exc"].attrs["step"], stored["exc"].attrs["time"]), (20000, 2))
            self.assertEqual((stored["exc/V"].shape, stored["exc/V"].attrs["units"], stored["exc/V"].attrs["by"]),
                             ((33,), b"V", b"neuron"))
            # Synapses by postsynaptic neuron.
            pre, post, value = self.weights("a.h5", "inh_exc", "learn")
            self.assertEqual(stored["inh_exc/weight"][:].tolist(),
                             [weight for _, _, weight in sorted(zip(post, pre, value), key=lambda entry: entry[:2])])
        self.check_going_on('initial = { from = "long.h5", at = "learn" }\n')

    def check_going_on(self, begin):
        # Whatever the description says otherwise about weights, these are those that were learned.
        parts = {"spikes": "second.ras", "exc": begin, "inh": begin, "exc_inh": begin, "input_inh": begin, "input_exc": begin + FRESH["input_exc"],
                 "inh_exc": begin + "density = 0.6\nweight = 0"}
        self.run_network("b.h5", ["test"], **parts)
        for connection in ("input_exc", "input_inh", "inh_exc"):
            self.assertEqual(self.weights("b.h5", connection, "initial"), self.weights("a.h5", connection, "learn"))
            self.assertFalse(self.weights("b.h5", connection, "initial") == self.weights("b.h5", connection, "test"))
            self.assertEqual(self.weights("b.h5", connection, "test"), self.weights("straight.h5", connection, "test"))
        for source in ("exc", "inh"):
            expected = self.spikes("straight.h5", source, 20000)
            self.assertGreater(len(expected), 20)
            self.assertEqual(self.spikes("b.h5", source, 0), expected)
        expected = datasets(self.folder / "b.h5")
        for ranks in (2, 5):
            self.run_network("ranks.h5", ["test"], ranks=ranks, **parts)
            self.assertEqual(datasets(self.folder / "ranks.h5"), expected)
        # Only some of it makes another run; the states that are given stay.
        self.run_network("c.h5", ["test"], **{**parts, "exc": begin.replace(" }", ', V = "-60 mV" }')})
        self.assertNotEqual(self.spikes("c.h5", "exc", 0), self.spikes("b.h5", "exc", 0))
        some = begin.replace(" }", ', variables = ["mean"] }')
        self.run_network("c.h5", ["test"], **{**parts, "input_exc": some + FRESH["input_exc"]})
        self.assertEqual(self.weights("c.h5", "input_exc", "initial"), self.weights("a.h5", "input_exc", "initial"))

    def test_weights_of_a_result_file_are_those_of_a_snapshot(self):
        self.learn()
        for at, there in (('at = "learn"', "learn"), ('at = "initial"', "initial"), ("", "learn")):
            rest = f'{{ from = "a.h5"{", " if at else ""}{at} }}'
            parts = {"spikes": "second.ras", "input_exc": f"density = 0.4\nweight = {rest}",
                     "inh_exc": 'density = 0.6\nweight = { from = "a.checkpoint" }'}
            for ranks in (1, 2, 5):
                self.run_network("b.h5", ["test"], ranks=ranks, **parts)
                self.assertEqual(self.weights("b.h5", "input_exc", "initial"), self.weights("a.h5", "input_exc", there))
                self.assertEqual(self.weights("b.h5", "inh_exc", "initial"), self.weights("a.h5", "inh_exc", "learn"))
        # The result says which files it is of.
        with h5py.File(self.folder / "b.h5") as file:
            inputs = file["config/inputs/path"][()].decode()
        for name in ("a.h5", "a.checkpoint"):
            self.assertIn(str(self.folder / name) + "\n", inputs)

    def test_the_synapses_of_a_result_file_are_a_wiring(self):
        self.learn()
        # With another seed, densities would give other synapses.
        for ranks in (1, 2, 5):
            self.run_network("b.h5", ["test"], ranks=ranks, spikes="second.ras", seed=6,
                             input_exc='file = { from = "a.h5" }',
                             inh_exc='file = { from = "a.h5", at = "initial" }\n'
                                     'initial = { from = "a.checkpoint", variables = ["weight", "post_trace"] }')
            for connection in ("input_exc", "inh_exc"):
                self.assertEqual(self.weights("b.h5", connection, "initial"), self.weights("a.h5", connection, "learn"))

    def test_a_resumed_run_has_the_same_result(self):
        self.learn()
        parts = {"spikes": "both.ras", "exc": 'initial = { from = "a.checkpoint" }',
                 "input_exc": 'density = 0.4\nweight = { from = "a.h5" }'}
        self.run_network("b.h5", ["learn", "test"], "--checkpoint", "b.checkpoint", **parts)
        expected = datasets(self.folder / "b.h5")
        self.run_network("b.h5", ["learn", "test"], "--resume", "b.checkpoint.previous", ranks=2, **parts)
        self.assertEqual(datasets(self.folder / "b.h5"), expected)

    def test_what_does_not_fit_is_said_with_what_is_there(self):
        self.learn()
        self.write("note.txt", "nothing")
        place = r"net\.sim:\d+:\d+: "
        learned = 'density = 0.4\nweight = { from = "a.h5"'
        for parts, message in (
                ({"input_exc": learned + ', at = "lern" }'},
                 "holds no weights of 'input_exc' at 'lern'; there are \"initial\", \"learn\""),
                ({"input_exc": learned + ', of = "exc_inh" }'},
                 "holds no weights of a connection 'exc_inh'; there are those of \"inh_exc\", \"input_exc\", \"input_inh\""),
                ({"input_exc": learned + ', of = "inh_exc" }'},
                 "'inh_exc' lies between 9 and 33 neurons there, 'input_exc' between 60 and 33 here"),
                ({"input_exc": learned + " }", "seed": 6}, r"'input_exc' has no synapse from \d+ to \d+ at 'learn'"),
                ({"input_exc": 'density = 0.4\nweight = { from = "note.txt" }'}, "note.txt: is no HDF5 file"),
                ({"input_exc": 'density = 0.4\nweight = { from = "a.checkpoint", at = "learn" }'},
                 "a checkpoint is of one moment; leave 'at' out"),
                ({"input_exc": 'initial = { from = "a.h5", of = "input" }\n' + FRESH["input_exc"]},
                 "holds no variables of 'input'; there are those of \"exc\", \"exc_inh\", \"inh\", \"inh_exc\", "),
                ({"input_exc": 'initial = { from = "a.h5", at = "initial" }\n' + FRESH["input_exc"]},
                 "holds no variables of 'input_exc' at 'initial'; there are \"learn\""),
                ({"inh_exc": 'initial = { from = "a.h5" }\ndensity = 0.6\nweight = 0', "seed": 6},
                 r"'inh_exc' has \d+ synapses there, 'inh_exc' has \d+ here"),
                ({"input_exc": 'initial = { from = "a.checkpoint", variables = ["trace"] }\n' + FRESH["input_exc"]},
                 "'variables' lists \"trace\"; it must be mean, variance, error_rise, error or weight"),
                ({"input_exc": 'initial = { from = "a.checkpoint", of = "exc_inh" }\n' + FRESH["input_exc"]},
                 "holds no 'mean' of 'exc_inh'; there are \"short_term.x\""),
                ({"exc_inh": 'initial = { from = "a.checkpoint", variables = ["weight"] }'},
                 "holds no 'weight' of 'exc_inh'; there are \"short_term.x\""),
                ({"exc_inh": 'initial = { from = "a.checkpoint", of = "inh_exc", variables = ["weight"] }'},
                 r"'inh_exc' has \d+ synapses there, 'exc_inh' has \d+ here"),
                ({"input_exc": 'initial = { from = "a.checkpoint", of = "inh_exc" }\n' + FRESH["input_exc"]},
                 r"'inh_exc' has \d+ synapses there, 'input_exc' has \d+ here"),
                ({"input_exc": 'initial = { from = "a.checkpoint", of = "inh_exc", variables = ["mean"] }\n'
                               + FRESH["input_exc"]},
                 "holds no 'mean' of 'inh_exc'; there are \"post_trace\", .*\"weight\"; 'variables' chooses"),
                ({"inh_exc": 'initial = { from = "a.checkpoint" }\ndensity = 0.6\nweight = 0', "seed": 6},
                 r"'inh_exc' has \d+ synapses there, 'inh_exc' has \d+ here"),
                ({"inh_exc": 'initial = { from = "a.checkpoint" }\ntotal = 173\nweight = 0'}, "synapses there"),
                ({"exc": 'initial = { from = "a.checkpoint", of = "inh" }'}, "'V' of 'inh' is 36 bytes there and 132 here"),
                ({"exc": 'initial = { from = "a.checkpoint", of = "none" }'},
                 "holds nothing of 'none'; there are \"exc\", \"inh\""),
                ({"exc": 'initial = { from = "a.checkpoint", variables = ["W"] }'}, "the model 'if' has no state 'W'"),
                ({"exc": 'initial = { from = "a.h5", of = "inh" }'}, "'V' of 'inh' is 36 bytes there and 132 here"),
                ({"exc": 'initial = { from = "note.txt" }'}, "note.txt: is no HDF5 file")):
            for ranks, options in ((1, ["--check"]), (2, [])):
                said = self.run_network("x.h5", ["test"], *options, ranks=ranks, expected=2, spikes="second.ras", **parts)
                self.assertRegex(said, place)
                self.assertRegex(said, message)


if __name__ == "__main__":
    unittest.main()
