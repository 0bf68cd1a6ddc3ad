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


if __name__ == "__main__":
    unittest.main()
