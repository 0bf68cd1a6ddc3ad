#!/usr/bin/env python3
"""What the documents show is accepted by lpl_sim, and what they name is there."""

import re
import tomllib
import unittest

from support import ROOT, InFolder, h5py, lpl_sim

import numpy as np

from test_documents import PAGES


def fenced(page, language):
    """The blocks of code of a page that are of this language, as (line, text)."""
    text = page.read_text(encoding="utf-8")
    return [(text.count("\n", 0, found.start()) + 1, found[1])
            for found in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def tables(page):
    """Of each table its rows, as header -> cell."""
    found, header = [], None
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] if line.startswith("|") else []
        if not cells:
            header = None
        elif header is None:
            header = [cell.strip('`') for cell in cells]
            found.append([])
        elif set(line) - set("|-: "):
            found[-1].append(dict(zip(header, cells)))
    return found


class Snippets(InFolder):
    """Blocks of TOML: whole descriptions, cells and rules are accepted by --check."""

    CELL = """
[simulation]
[[population]]
name = "p"
size = 2
cell = "NAME"
[[phase]]
name = "run"
duration = "1 ms"
"""
    RULE = CELL.replace("NAME", "lif") + """
[[connection]]
name = "c"
from = "p"
to = "p"
density = 1
weight = 0.1
plasticity = "NAME"
"""

    def accepted(self, text, place):
        done = lpl_sim(self.write("snippet.sim", text), "--check", cwd=self.folder)
        self.assertEqual(done.returncode, 0, f"{place}: {done.stderr}")

    def test_snippets(self):
        counts = {"description": 0, "cell": 0, "rule": 0}
        for page in PAGES:
            for _, text in fenced(page, "text"):  # files that descriptions of the page read
                if named := re.match(r"# (\w+\.\w+)", text):
                    self.write(named[1], text)
            for line, text in fenced(page, "toml"):
                place = f"{page.name}:{line}"
                with self.subTest(place):
                    named = re.match(r"# (\w+)\.(cell|rule)\b", text)
                    if named:  # also for descriptions that follow on the page
                        self.write(f"{named[1]}.{named[2]}", text)
                        shell = self.CELL if named[2] == "cell" else self.RULE
                        self.accepted(shell.replace("NAME", named[1]), place)
                        counts[named[2]] += 1
                    elif "[[phase]]" in text:
                        self.accepted(text, place)
                        counts["description"] += 1
        self.assertGreaterEqual(counts["description"], 5)
        self.assertGreaterEqual(min(counts.values()), 1)

    def test_assignments_within_text(self):
        count = 0
        for page in PAGES:
            text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
            for code in re.findall(r"`([a-z_]+ = [\[{\"][^`\n]*)`", text):
                # Shorthand is left out: [...], { mean, deviation }.
                if "..." not in code and not re.search(r"\{ [a-z_]+[,\s}](?! =)", code):
                    with self.subTest(page=page.name, code=code):
                        tomllib.loads(code)
                        count += 1
        self.assertGreater(count, 60)

    def test_that_a_wrong_one_is_found(self):
        with self.assertRaises(AssertionError):
            self.accepted(self.CELL.replace("NAME", "no_such_cell"), "")


ONE_NEURON = """
[simulation]
dt = "0.1 ms"
[[population]]
name = "p"
size = 1
cell = "c"
[cell.c]
{cell}
[[phase]]
name = "run"
duration = "30 ms"
[[record]]
what = "spikes"
of = "p"
[[record]]
what = "state"
of = "p"
variable = "V"
neurons = "all"
every = "0.1 ms"
"""

PAIR = """
[simulation]
dt = "0.1 ms"
[[population]]
name = "post"
size = 1
cell = "spiking"
[cell.spiking]
model = "equations"
states = { V = "0 mV", x = 0 }
receptors = { KICK = "V", PLASTIC = "x" }
dynamics = { V = "-V / 1 s", x = "-x / 1 s" }
spike = { when = "V > 1 mV", then = { V = "0 mV" } }
[[stimulus]]
name = "pre"
type = "spikes"
size = 1
file = "pre.ras"
[[stimulus]]
name = "kick"
type = "spikes"
size = 1
file = "kick.ras"
[[connection]]
name = "plastic"
from = "pre"
to = "post"
receptor = "PLASTIC"
one_to_one = true
weight = 0.5
delay = "0.8 ms"
plasticity = "song"
[[connection]]
name = "kicks"
from = "kick"
to = "post"
receptor = "KICK"
one_to_one = true
weight = "3 mV"
delay = "0.1 ms"
[[phase]]
name = "run"
duration = "100 ms"
[[record]]
what = "spikes"
of = "post"
[[record]]
what = "synapses"
of = "plastic"
pre = "all"
post = "all"
every = "0.1 ms"
"""


class OtherSimulators(InFolder):
    """What the pages for users of other simulators name is there: models, rules, stimuli, wirings, parameters. What they
    say about times is so."""

    FROM = [ROOT / f"docs/from_{simulator}.md" for simulator in ("auryn", "nest", "brian2")]
    LISTS = {"cell": "--models", "rule": "--rules", "stimulus": "--stimuli", "wiring": "--wirings"}
    # The classes that Auryn 0.8.4 has, and those of the programs of Zenke et al. 2015.
    AURYN = """
        ABSConnection AIF2Group AIFGroup AdExGroup AllToAllConnection AuditoryBeepGroup AurynDelayVector AurynVector
        BinarySpikeMonitor BinaryStateMonitor BurstRateMonitor Checker ComplexMatrix ConcatGroup Connection
        CorrelatedPoissonGroup CubaIFGroup CurrentInjector DelayConnection DelayedSpikeMonitor Device DuplexConnection
        EulerTrace ExpCobaSynapse ExpCubaSynapse FileCurrentInjector FileInputGroup FileModulatedPoissonGroup FileStimGroup
        GlobalPFConnection IFGroup IafPscDeltaGroup IafPscExpGroup IdentityConnection InputChannelGroup IzhikevichGroup
        LPTripletConnection LinearComboSynapse LinearTrace Logger MinimalTripletConnection ModSynIFGroup Monitor
        MovingBumpGroup MultiStateMonitor NaudGroup NeuronGroup NormalStimulator P10Connection P11Connection P12Connection
        PairInteractionConnection ParrotGroup PatternMonitor PatternStimulator PoissonGroup PoissonSpikeInjector
        PoissonStimulator PopulationRateMonitor ProfilePoissonGroup RateChecker RateModulatedConnection RateMonitor
        RealTimeMonitor SIFGroup SRM0Group STDPConnection STDPwdConnection STPConnection SimpleMatrix SparseConnection
        SpikeDelay SpikeMonitor SpikeTimingStimGroup SpikingGroup StateMonitor StimulusGroup StructuredPoissonGroup
        SymmetricSTDPConnection SynapseModel SyncBuffer System TIFGroup Trace TripletConnection TripletDecayConnection
        TripletScalingConnection VoltageClamp VoltageClampMonitor VoltageMonitor WeightChecker WeightMatrixMonitor
        WeightMonitor WeightPatternMonitor WeightStatsMonitor WeightSumMonitor""".split()

    def test_every_class_of_auryn_has_its_row(self):
        named = {name for rows in tables(self.FROM[0]) for row in rows
                 for name in re.findall(r"`(\w+)`", row.get("Auryn", ""))}
        self.assertEqual(set(self.AURYN) - named, set())

    def test_names_in_tables(self):
        known = {kind: set(re.findall(r"^  (\w+) ", lpl_sim(option).stdout, re.MULTILINE))
                 for kind, option in self.LISTS.items()}
        counts = dict.fromkeys(self.LISTS, 0)
        for page in self.FROM:
            for row in (row for rows in tables(page) for row in rows):
                for kind in self.LISTS:
                    names = re.findall(r"`(\w+)`", row.get(kind, ""))
                    counts[kind] += len(names)
                    self.assertEqual(set(names) - known[kind], set(), f"{page.name}: {row}")
        self.assertGreater(min(counts.values()), 10, counts)

    def test_parameters_in_tables(self):
        """Names behind an arrow are parameters, or states or receptors, of the row's model or rule."""
        count = 0
        for page in self.FROM:
            for row in (row for rows in tables(page) for row in rows):
                for kind in ("cell", "rule"):
                    owners = re.findall(r"`(\w+)`", row.get(kind, ""))
                    named = [name for lot in re.findall(r"→ ((?:`\w+`(?:, )?)+)", " ".join(row.values()))
                             for name in re.findall(r"`(\w+)`", lot)]
                    if owners:
                        described = " ".join(lpl_sim(self.LISTS[kind], owner).stdout for owner in owners)
                        count += len(named)
                        for name in named:
                            self.assertRegex(described, rf"(?m)^  {name} ", f"{page.name}: {row}")
        self.assertGreater(count, 60)

    def times(self, cell):
        """Of a neuron: spikes, and V by sample."""
        path = self.folder / "run.h5"
        done = lpl_sim(self.write("run.sim", ONE_NEURON.format(cell=cell)), "--out", path, "--overwrite")
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(path) as file:
            return file["spikes/p/timestamps"][:], file["report/p/data"][:, 0]

    def test_times_of_nest(self):
        """NEST's tables: iaf_psc_alpha of 1000 pA spikes at 4.8 ms and every 6.8 ms, V at 0.1 ms is -69.602 mV."""
        spikes, potential = self.times('model = "iaf_psc_alpha"\nI_e = "1000 pA"')
        np.testing.assert_allclose(spikes + 0.1, [4.8, 11.6, 18.4, 25.2], atol=1e-9)
        self.assertAlmostEqual(potential[0] * 1e3, -69.602, places=3)

    def test_times_of_brian(self):
        """What Brian 2.5.1 says of dv/dt = (2*mV - v)/(10*ms), threshold 1 mV, reset 0, refractory 2 ms."""
        spikes, potential = self.times("""
model = "equations"
states = { V = "0 mV" }
dynamics = { V = "(2 mV - V) / 10 ms" }
spike = { when = "V > 1 mV", then = { V = "0 mV" }, refractory = "1.9 ms" }""")
        np.testing.assert_allclose(spikes, [6.9, 15.8, 24.7], atol=1e-9)
        monitor = {0.1: 0.01990033, 0.2: 0.03960265, 6.9: 0.99684786, 8.8: 0, 8.9: 0, 9.0: 0.01990033}  # ms, mV
        for time, value in monitor.items():
            self.assertAlmostEqual(potential[round(time * 10) - 1] * 1e3, value, places=6, msg=time)

    def test_weights_of_brian(self):
        """The page's STDP against Brian 2.5.1, four arrivals in the step of a spike among them."""
        page = self.FROM[2]
        rule = next(text for _, text in fenced(page, "toml") if text.startswith("# song.rule"))
        self.write("song.rule", rule)
        arriving = [20, 95, 140, 230, 310, 395, 480, 555, 640, 720, 815, 900]
        spiking = [41, 103, 134, 251, 318, 381, 501, 563, 611, 761, 801, 908]
        for name, steps in (("pre", arriving), ("kick", [step - 2 for step in spiking])):
            self.write(f"{name}.ras", "".join(f"{step * 1e-4:.4f} 0\n" for step in steps))
        path = self.folder / "run.h5"
        done = lpl_sim(self.write("run.sim", PAIR), "--out", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(path) as file:
            np.testing.assert_allclose(file["spikes/post/timestamps"][:], np.array(spiking) * 0.1, atol=1e-9)
            weight = file["weights/plastic/synapses/value"][:, 0]
        for step, wanted in {100: 0.50937067, 300: 0.51655475, 500: 0.49862534, 700: 0.5279185, 999: 0.53444571}.items():
            self.assertAlmostEqual(weight[step - 1], wanted, delta=2e-7)


if __name__ == "__main__":
    unittest.main()
