#!/usr/bin/env python3
"""One result, bit for bit: on any number of ranks, for any block length, in every run, and from its own canonical text."""

import os
import re
import resource
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

        def used(ranks, duration):  # processor seconds, whoever else has the core
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = lpl_sim(EXAMPLES / "invariance.sim", "--out", self.folder / "shared.h5", "--overwrite", "--progress", "none",
                           "--set", "phase.prime.duration=1 s", "--set", f"phase.learn.duration={duration}",
                           ranks=ranks, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
            self.assertEqual(done.returncode, 0, done.stderr)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        def loop(ranks):
            return used(ranks, "21 s") - used(ranks, "1 s")

        # Some 6 times as much as alone; spinning before they give the core away, hundreds of times.
        self.assertLess(loop(4), 50 * loop(1))


# Every form of short-term plasticity: of inputs, of parrots that repeat several spikes in a step, with delays by synapse,
# with rules that move weights at windows and within epochs.
SHORT_TERM = """
simulation = { seed = 5 }
stimulus = [{ name = "input", type = "poisson", size = 60, rate = "50 Hz" }]
population = [{ name = "parrots", cell = "parrot", size = 12 }, { name = "exc", cell = "if", size = 37 }, { name = "inh", cell = "if", size = 9 }]
phase = [{ name = "run", duration = "2 s" }]
record = [{ what = "spikes", of = ["parrots", "exc", "inh"] }, { what = "weights", of = "input_exc" }, { name = "inhibition", what = "weights", of = "inh_exc" },
          { what = "state", of = "exc", variable = "g_nmda", neurons = "all", every = "100 ms" }]
[[connection]]
from = "input"
to = "parrots"
in_degree = 20
weight = 1
[[connection]]
from = "input"
to = "exc"
density = 0.3
weight = 0.4
plasticity = "lpl"
short_term = { U = 0.4, tau_rec = "30 ms", tau_fac = "100 ms", u = 0.8 }
[[connection]]
from = "parrots"
to = "exc"
density = 0.5
weight = 0.3
short_term = { model = "tsodyks", tau_rec = "100 ms" }
[[connection]]
from = "exc"
to = "inh"
density = 0.5
weight = 0.6
short_term = { model = "markram", U = 0.5, tau_rec = "50 ms" }
[[connection]]
from = "input"
to = "inh"
in_degree = 15
weight = 0.2
delay = { normal = ["3 ms", "2 ms"], low = "0.3 ms" }
short_term = { tau_rec = "50 ms", U = 0.3 }
[[connection]]
name = "late"
from = "exc"
to = "exc"
receptor = "NMDA"
density = 0.4
weight = 0.2
delay = { uniform = ["0.8 ms", "20 ms"] }
short_term = { model = "tsodyks2", tau_rec = "200 ms", tau_fac = "100 ms" }
[[connection]]
from = "inh"
to = "exc"
receptor = "GABA"
density = 0.7
weight = 0.3
plasticity = "inhibitory"
short_term = { model = "tsodyks", U = 0.3, tau_rec = "200 ms", tau_fac = "500 ms" }
"""


# Rules as text: traces of all kinds, states of synapses, windows, both conventions of delays, with what is drawn.
RULES = """
simulation = { seed = 5 }
[[population]]
name = "exc"
size = 203
cell = "if"
[[population]]
name = "inh"
size = 53
cell = "if"
[[stimulus]]
name = "in"
type = "poisson"
size = 300
rate = "20 Hz"
[rule.consolidated]
type = "p11"
eta = 0.05
tau_consolidation = "20 s"
[rule.global]
type = "global_rate"
size = 203
eta = 1e-2
[rule.dendritic]
type = "triplet_nest"
A2_plus = 1e-2
dendritic_delay = "0.6 ms"
[rule.voltage]
type = "clopath"
theta_minus = "-65 mV"
theta_plus = "-58 mV"
A_LTP = "2e-3 1/mV^2"
V_0 = "-60 mV"
[rule.windows]
type = "pair_interaction"
eta = 0.001
W_pre = { values = [-1, -0.5, 0], step = "20 ms" }
W_post = { values = [1, 0.3, 0], step = "10 ms" }
[[connection]]
name = "in_exc"
from = "in"
to = "exc"
density = 0.2
weight = { uniform = [0.3, 0.6] }
delay = { uniform = ["0.5 ms", "6 ms"] }
plasticity = "consolidated"
short_term = { U = 0.3, tau_rec = "200 ms", tau_fac = "600 ms" }
[[connection]]
name = "exc_exc"
from = "exc"
to = "exc"
density = 0.1
weight = 0.03
delay = "1.5 ms"
plasticity = "dendritic"
short_term = { U = 0.3, tau_rec = "200 ms", tau_fac = "600 ms" }
[[connection]]
name = "exc_inh"
from = "exc"
to = "inh"
density = 0.2
weight = 0.3
plasticity = "voltage"
delay = { uniform = ["0.5 ms", "6 ms"] }
[[connection]]
name = "inh_exc"
from = "inh"
to = "exc"
receptor = "GABA"
density = 0.3
weight = 0.3
plasticity = "global"
[[connection]]
name = "in_inh"
from = "in"
to = "inh"
all_to_all = true
weight = 0.01
plasticity = "windows"
[[phase]]
name = "run"
duration = "1.1 s"
[[record]]
what = "spikes"
of = ["exc", "inh"]
"""
RULES += "".join(f'[[record]]\nname = "w_{name}"\nwhat = "weights"\nof = "{name}"\n'
                 for name in ("in_exc", "exc_exc", "exc_inh", "inh_exc", "in_inh"))
RULES += "".join(f'[[record]]\nname = "{name.partition(".")[2]}"\nwhat = "state"\nof = "{of}"\nvariable = "{name}"\nneurons = "all"\nevery = "7 ms"\n'
                 for name, of in (("in_inh.of_post", "inh"), ("exc_inh.u_minus", "inh"), ("exc_exc.o1", "exc"), ("in_exc.x_post", "exc")))
RULES += """
[[record]]
name = "last_arrivals"
what = "synapses"
of = "in_inh"
variable = "of_pre"
pre = [0, 17, 299]
post = [0, 30, 52]
every = "3 ms"
"""


CLOCK = """
simulation = {}
[[population]]
name = "out"
cell = "if"
size = 1
[[stimulus]]
name = "in"
type = "pairing"
size = 2
rate = "200 Hz"
interval = "0.1 ms"
pairings = 2
first = "4.8 ms"
[rule.clock]
type = "traces"
[rule.clock.traces]
x = { of = "pre", tau = "20 ms" }
[rule.clock.each]
every = "5 ms"
w = "w + 0.1 * x"
[[connection]]
name = "synapse"
from = "in"
to = "out"
all_to_all = true
weight = 0.5
delay = "0.1 ms"
plasticity = "clock"
[[phase]]
name = "run"
duration = "8 ms"
[[record]]
what = "weights"
of = "synapse"
"""


class SameEverywhere(InFolder):
    def run_on(self, ranks, *arguments):
        out = self.folder / f"ranks{ranks}.h5"
        done = lpl_sim("net.sim", "--out", out, "--progress", "none", "--overwrite", *arguments, ranks=ranks, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        return datasets(out)

    def expect_the_same_on_any_ranks_and_after_resume(self, expected):
        for ranks in (2, 5):
            found = self.run_on(ranks, "--checkpoint", "run.checkpoint", "--checkpoint-model-time", "700 ms")
            self.assertEqual(expected, found)
            for resumed in (1, 3):
                with self.subTest(ranks=ranks, resumed=resumed):
                    (self.folder / f"ranks{resumed}.h5").write_bytes((self.folder / f"ranks{ranks}.h5").read_bytes())
                    done = lpl_sim("net.sim", "--out", f"ranks{resumed}.h5", "--progress", "none", "--resume",
                                   "run.checkpoint.previous", ranks=resumed, cwd=self.folder)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(expected, datasets(self.folder / f"ranks{resumed}.h5"))

    def test_short_term_plasticity(self):
        self.write("net.sim", SHORT_TERM)
        expected = self.run_on(1)
        for population in ("exc", "inh"):
            self.assertGreater(expected[f"spikes/{population}/timestamps"][0][0], 100)
        with h5py.File(self.folder / "ranks1.h5", "r") as result:
            spikes = result["spikes/parrots"]
            pairs = list(zip(spikes["timestamps"][:], spikes["node_ids"][:]))
        self.assertGreater(len(pairs), len(set(pairs)), "no parrot spiked twice in a step")
        self.expect_the_same_on_any_ranks_and_after_resume(expected)

    def test_a_clock_at_the_time_of_a_checkpoint(self):
        """What [each] reads at the end of an interval is there after a resume, too."""
        self.write("net.sim", CLOCK)
        expected = self.run_on(1, "--checkpoint", "run.checkpoint", "--checkpoint-model-time", "5 ms")
        done = lpl_sim("net.sim", "--out", "ranks1.h5", "--progress", "none", "--resume", "run.checkpoint.previous", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(expected, datasets(self.folder / "ranks1.h5"))
        with h5py.File(self.folder / "ranks1.h5", "r") as result:
            self.assertGreater(result["weights/synapse/run/value"][0], 0.55)

    def test_weights_that_are_no_numbers_end_the_run(self):
        self.write("net.sim", CLOCK.replace("w + 0.1 * x", "w + 0.1 * x / (w - w)"))
        for ranks in (1, 2):
            done = lpl_sim("net.sim", "--out", "r.h5", "--progress", "none", "--overwrite", ranks=ranks, cwd=self.folder)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("connection 'synapse': rule 'clock' has made 'w' of the synapse from 0 to 0", done.stderr)
            self.assertEqual(status(self.folder / "r.h5"), "failed")

    def test_rules_as_text(self):
        self.write("net.sim", RULES)
        expected = self.run_on(1)
        with h5py.File(self.folder / "ranks1.h5", "r") as result:
            for connection in ("in_exc", "exc_exc", "exc_inh", "inh_exc", "in_inh"):
                weights = result[f"weights/{connection}"]
                moved = abs(weights["run/value"][:] - weights["initial/value"][:])
                self.assertGreater(moved.max(), 1e-4, f"nothing was learnt by {connection}")
            traces = [result[f"report/{of}/data"][:] for of in ("inh", "inh.u_minus", "exc", "exc.x_post")]
            for trace in (*traces, result["weights/in_inh/last_arrivals/value"][:]):
                self.assertGreater(trace.max() - trace.min(), 0)
        self.expect_the_same_on_any_ranks_and_after_resume(expected)


if __name__ == "__main__":
    unittest.main()
