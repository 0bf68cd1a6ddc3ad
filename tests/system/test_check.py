#!/usr/bin/env python3
"""What --check prints of a network: its devices, when they act, and what its rules change."""

import unittest

from support import InFolder, lpl_sim

NETWORK = """
simulation = { seed = 3 }
[[population]]
name = "p"
size = 10
cell = "lif"
[[stimulus]]
name = "in"
type = "poisson"
size = 20
rate = "10 Hz"
[[stimulus]]
name = "shown"
type = "frozen_noise"
size = 5
rate = "10 Hz"
on = "10 ms"
off = "10 ms"
phases = ["second"]
[[stimulus]]
name = "drive"
type = "poisson_drive"
to = "p"
neurons = "0:4"
receptor = "GABA"
weight = 0.1
rate = "1 kHz"
start = "50 ms"
stop = "150 ms"
[[stimulus]]
name = "series"
type = "current"
to = "p"
start = "20 ms"
times = ["0 s", "1 s"]
values = ["0 V", "1 mV"]
[[stimulus]]
name = "patterns"
type = "pattern_current"
to = "p"
pattern = [{ neurons = [1, 2] }, { neurons = [2, 7] }]
amplitude = "1 mV"
on = "10 ms"
off = "10 ms"
phases = ["first", "third"]
[[stimulus]]
name = "added"
type = "injection"
from = "shown"
to = "p"
neurons = "5:10"
phases = ["first"]
[[stimulus]]
name = "idle"
type = "poisson_drive"
to = "p"
weight = 0.1
rate = "1 kHz"
start = "250 ms"
phases = ["first"]
[[connection]]
name = "static"
from = "in"
to = "p"
density = 0.5
weight = 0.1
[[connection]]
name = "pairs"
from = "in"
to = "p"
density = 0.5
weight = 0.1
plasticity = "pairs"
[rule.pairs]
type = "pair_stdp"
[[connection]]
name = "own"
from = "in"
to = "p"
density = 0.5
weight = 0.1
plasticity = "own"
[rule.own]
type = "traces"
traces = { x = { of = "pre", tau = "20 ms" } }
states = { e = "0 * weight" }
on_spike = { e = "e + 0.1 * x * weight" }
each = { every = "100 ms", w = "w + e", e = "0 * weight" }
[[connection]]
name = "built_in"
from = "in"
to = "p"
density = 0.5
weight = 0.1
plasticity = "lpl"
[[phase]]
name = "first"
duration = "100 ms"
[[phase]]
name = "second"
duration = "100 ms"
[[phase]]
name = "third"
duration = "100 ms"
"""


ODD = """simulation = {{ seed = 1 }}
phase = [{{ name = "a", duration = "50 ms" }}, {{ name = "b", duration = "50 ms" }}]
[cell.m]
model = "equations"
parameters = {{ tau_s = "{tau}" }}
states = {{ V = "-65 mV" }}
inputs = {{ I = "mV" }}
[cell.m.receptors]
EXC = {{ exponential = "I_e", tau = "tau_s", unit = "pA" }}
[cell.m.dynamics]
V = "(-65 mV - V + I_e * 1 mV / 1 pA + I) / 10 ms"
[[population]]
name = "p"
cell = "m"
size = 4
initial = {{ V = "{initial}" }}
[[connection]]
name = "c"
from = "p"
to = "p"
{wiring}
[[stimulus]]
name = "s"
type = "current"
to = "p"
values = ["1 mV", "2 mV"]
phases = ["b"]
times = {times}
"""


class Check(InFolder):
    def test_lists_devices_and_rules(self):
        network = self.write("net.sim", NETWORK)
        for ranks in (1, 2):
            done = lpl_sim(network, "--check", ranks=ranks)
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
            self.assertEqual([line for line in lines if line.split()[0] in ("stimulus", "device", "rule")], [
                "stimulus in 20 inputs, poisson",
                "stimulus shown 5 inputs, frozen_noise, 0.1 s to 0.2 s",
                "device drive 4 neurons of p, poisson_drive onto GABA, 0.05 s to 0.15 s",
                "device series 10 neurons of p, current, 0.02 s to 0.3 s",
                "device patterns 3 neurons of p, pattern_current, 0 s to 0.1 s, 0.2 s to 0.3 s",
                "device added 5 neurons of p, injection, 0 s to 0.1 s",
                "device idle 10 neurons of p, poisson_drive onto AMPA, never",
                "rule pairs type pair_stdp: traces x_pre, x_post; on_arrival w; on_spike w",
                "rule own type traces: traces x; on_spike e; each w, e",
                "rule lpl type lpl",
            ])
            self.assertIn("warning: stimulus 'idle': never acts", done.stderr)

    def test_what_cannot_be_meant(self):
        self.write("w.wmat", "%%MatrixMarket matrix coordinate real general\n4 4 1\n1 2 0.1\n")
        usual = {"tau": "5 ms", "initial": "-60 mV", "wiring": 'density = 0.5\nweight = "1 pA"', "times": '["60 ms", "70 ms"]'}
        for what, code, message in (
                ({"wiring": 'file = "w.wmat"\nweight = "1 pA"'}, 2, "connection 'c': 'weight' is \"1 pA\", but the file gives the weights"),
                ({"tau": "-5 ms"}, 2, "'tau_s' is \"-5 ms\": a time constant of the receptor 'EXC' is -5 ms; it must be above 0"),
                ({"tau": "0 ms"}, 2, "it must be above 0"),
                ({"tau": "1 ms * (2.5 - i)"}, 2, "population 'p': neuron 3: 'tau_s' is -0.0005: a time constant of the receptor 'EXC' is -0.5 ms"),
                ({"initial": "-60 V"}, 2, "population 'p' initial: 'V' is \"-60 V\", more than 1 V; did you mean mV?"),
                ({"times": '["10 ms", "20 ms"]'}, 0, "warning: stimulus 's': never acts: its series, from 0.01 s on, lies outside of its phases"),
                ({"times": '["10 ms", "20 ms"]\nrepeats = 4\nevery = "30 ms"'}, 0, ""),
                ({}, 0, "")):
            with self.subTest(what=what):
                self.write("odd.sim", ODD.format(**usual | what))
                done = lpl_sim("odd.sim", "--check", cwd=self.folder)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(message, done.stderr)
                self.assertEqual(done.stderr == "", message == "", done.stderr)


if __name__ == "__main__":
    unittest.main()
