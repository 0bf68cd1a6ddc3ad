#!/usr/bin/env python3
"""Stimuli that show something: what the result file says of it, replayed, on several ranks and resumed."""

import subprocess
import sys
import unittest

from support import ROOT, InFolder, datasets, environment, lpl_sim  # first: it finds the packages

import h5py
import numpy as np

NETWORK = """
simulation = { seed = 3 }
[[stimulus]]
name = "patterns"
type = "patterns"
size = 60
rate = "80 Hz"
random_intensities = true
background = "4 Hz"
on = { normal = ["40 ms", "13 ms"], beyond = "clip" }
off = { exponential = "50 ms" }
patterns = { count = 3, size = 20 }
[[stimulus]]
name = "frozen"
type = "frozen_noise"
size = 20
rate = "20 Hz"
count = 2
on = "30 ms"
off = "70 ms"
order = "sequential"
phases = ["second"]
[[stimulus]]
name = "bump"
type = "bump"
size = 20
rate = "20 Hz"
width = 3
on = "130 ms"
off = { exponential = "20 ms" }
[[stimulus]]
name = "latencies"
type = "latencies"
size = 4
on = "30 ms"
off = { uniform = ["10 ms", "90 ms"] }
background = "3 Hz"
pattern = [{ neurons = "0:4", latencies = ["1 ms", "5 ms", "9 ms", "12 ms"] }]
[[stimulus]]
name = "correlated"
type = "correlated"
groups = 3
size = 10
rate = "20 Hz"
deviation = "20 Hz"
tau = "20 ms"
shared = true
delay = "10 ms"
[[stimulus]]
name = "cue"
type = "pattern_current"
to = "exc"
patterns = { count = 2, size = 7 }
amplitude = "5 mV"
on = "20 ms"
off = { exponential = "100 ms" }
phases = ["second"]
[[population]]
name = "exc"
cell = "if"
size = 21
[[connections]]
from = ["patterns", "frozen", "bump", "latencies", "correlated"]
to = ["exc"]
density = 0.5
weight = 0.4
[[phase]]
name = "first"
duration = "0.93 s"
[[phase]]
name = "second"
duration = "2 s"
[[record]]
what = "spikes"
of = ["patterns", "frozen", "bump", "latencies", "correlated", "exc"]
"""


class Presentations(InFolder):
    def network(self):
        return self.write("net.sim", NETWORK)

    def run_it(self, *arguments, **options):
        done = lpl_sim(*arguments, "--progress", "none", cwd=self.folder, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_are_the_same_on_any_ranks_and_resumed(self):
        self.network()
        self.run_it("net.sim", "--out", "straight.h5")
        straight = datasets(self.folder / "straight.h5")
        self.run_it("net.sim", "--out", "two.h5", ranks=2)
        self.assertEqual(datasets(self.folder / "two.h5"), straight)
        self.run_it("net.sim", "--out", "parts.h5", "--checkpoint", "c.lpl", "--set", "phase.second.duration=0.6171 s")
        self.run_it("net.sim", "--out", "parts.h5", "--resume", "c.lpl", ranks=2)
        self.assertEqual(datasets(self.folder / "parts.h5"), straight)

    def test_are_in_the_result_file(self):
        self.network()
        self.run_it("net.sim", "--out", "run.h5")
        with h5py.File(self.folder / "run.h5") as file:
            shown = {name: {what: group[what][:] for what in ("begin", "end", "index")}
                     for name, group in file["presentations"].items()}
            self.assertEqual(file["presentations/frozen/begin"].attrs["units"], b"s")
            times, ids = file["spikes/patterns/timestamps"][:] * 1e-3, file["spikes/patterns/node_ids"][:]
        # Aligned with the phase that it is restricted to.
        np.testing.assert_allclose(shown["frozen"]["begin"], 0.93 + 0.07 + 0.1 * np.arange(20), atol=1e-9)
        np.testing.assert_allclose(shown["frozen"]["end"], 0.93 + 0.1 + 0.1 * np.arange(20), atol=1e-9)
        np.testing.assert_array_equal(shown["frozen"]["index"], np.arange(20) % 2)
        self.assertTrue(len(shown["cue"]["begin"]) > 5 and (shown["cue"]["begin"] > 0.93).all())
        one = shown["patterns"]
        self.assertGreater(len(one["begin"]), 15)
        self.assertTrue((one["begin"][1:] >= one["end"][:-1]).all() and (one["begin"] < 2.93).all())
        # Twenty of sixty neurons fire while a pattern is shown, and no others.
        for which in range(3):
            inside = np.zeros(len(times), bool)
            for begin, end, index in zip(one["begin"], one["end"], one["index"]):
                if index == which:
                    inside |= (times >= begin - 1e-9) & (times < end - 1e-9)
            self.assertLessEqual(len(np.unique(ids[inside])), 20)
            self.assertGreater(len(np.unique(ids[inside])), 5)

    def export(self, *arguments, what="presentations"):
        return subprocess.run([sys.executable, ROOT / "scripts/lpl.py", what, "run.h5", *arguments],
                              cwd=self.folder, env=environment(), capture_output=True, text=True)

    def test_are_replayed_from_what_is_exported(self):
        self.network()
        self.run_it("net.sim", "--out", "run.h5")
        sections = NETWORK.split("[[stimulus]]")
        for name in ("patterns", "frozen", "bump", "latencies"):
            done = self.export(name, "-o", f"{name}.stim")
            self.assertEqual(done.returncode, 0, done.stderr)
            place = next(i for i, section in enumerate(sections) if f'name = "{name}"' in section)
            kept = [line for line in sections[place].split("\n") if not line.startswith(("on =", "off =", "order ="))]
            sections[place] = "\n".join([*kept[:-1], f'replay = "{name}.stim"', ""])
        self.write("again.sim", "[[stimulus]]".join(sections))
        self.run_it("again.sim", "--out", "again.h5")
        straight, again = datasets(self.folder / "run.h5"), datasets(self.folder / "again.h5")
        different = {name for name in straight if straight[name] != again[name]}
        self.assertEqual(different, {"config/description", "config/inputs/path", "config/inputs/checksum"})

    def test_drawn_patterns_are_files(self):
        self.network()
        self.run_it("net.sim", "--out", "run.h5")
        with h5py.File(self.folder / "run.h5") as file:
            self.assertEqual(set(file["patterns"]), {"patterns", "cue"})
            self.assertEqual(file["patterns/patterns/size"][:].tolist(), [20, 20, 20])
            drawn = file["patterns/patterns/neuron"][:].reshape(3, 20)
        again = NETWORK
        for name, how in (("patterns", "count = 3, size = 20"), ("cue", "count = 2, size = 7")):
            done = self.export(name, "-o", f"{name}.pat", what="patterns")
            self.assertEqual(done.returncode, 0, done.stderr)
            again = again.replace(f"patterns = {{ {how} }}", f'file = "{name}.pat"')
        lines = (self.folder / "patterns.pat").read_text().split("\n\n")
        self.assertEqual([[int(line) for line in pattern.split()] for pattern in lines], drawn.tolist())
        self.write("again.sim", again)
        self.run_it("again.sim", "--out", "again.h5")
        straight, again = datasets(self.folder / "run.h5"), datasets(self.folder / "again.h5")
        self.assertEqual({name for name in straight if straight[name] != again.get(name)},
                         {"config/description", "config/inputs/path", "config/inputs/checksum",
                          *(f"patterns/{stimulus}/{what}" for stimulus in ("patterns", "cue")
                            for what in ("neuron", "size"))})
        done = self.export("frozen", "-o", "frozen.pat", what="patterns")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'frozen' is no stimulus that drew patterns; there are cue, patterns", done.stderr)

    def test_a_pattern_without_members_is_in_no_file_of_patterns(self):
        self.write("net.sim", NETWORK.replace("count = 3, size = 20", "count = 30, density = 0.01"))
        self.run_it("net.sim", "--out", "run.h5")
        done = self.export("patterns", "-o", "some.pat", what="patterns")
        self.assertEqual(done.returncode, 2)
        self.assertIn("of 'patterns' has no member, for which a .pat file has no word", done.stderr)
        self.assertFalse((self.folder / "some.pat").exists())
        self.assertEqual(self.export("patterns", "-o", "some.npz", what="patterns").returncode, 0)
        with np.load(self.folder / "some.npz") as some, h5py.File(self.folder / "run.h5") as file:
            size = file["patterns/patterns/size"][:]
            np.testing.assert_array_equal(np.bincount(some["pattern"], minlength=30), size)
            self.assertEqual((size == 0).any() and len(size), 30)

    def test_are_exported_as_tables(self):
        self.network()
        self.run_it("net.sim", "--out", "run.h5")
        for ending in ("csv", "npz"):
            self.assertEqual(self.export("frozen", "-o", f"frozen.{ending}").returncode, 0)
        rows = np.loadtxt(self.folder / "frozen.csv", delimiter=",", skiprows=1)
        self.assertEqual((self.folder / "frozen.csv").read_text().split("\n")[0], "begin_s,end_s,index")
        np.testing.assert_allclose(rows[1], [1.1, 1.13, 1], atol=1e-12)
        table = np.load(self.folder / "frozen.npz")
        np.testing.assert_allclose(np.stack([table[what] for what in ("begin", "end", "index")], 1), rows, rtol=1e-14)
        for arguments, message in ((("frozen", "-o", "frozen.txt"), "use .csv, .npz, .stim"),
                                   (("exc", "-o", "exc.stim"), "'exc' is no stimulus that shows something; there are bump, "
                                    "cue, frozen, latencies, patterns")):
            done = self.export(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)


# Neurons that do not spike by themselves, computed by a kernel, by the register machine, and by it on doubles, with a
# rule whose weights move where they spike.
INJECTED = """
simulation = { seed = 5, min_delay = "1.5 ms" }
[[stimulus]]
name = "source"
type = "patterns"
size = 37
rate = "100 Hz"
background = "10 Hz"
on = "30 ms"
off = "40 ms"
patterns = { count = 2, size = 9 }
[[stimulus]]
name = "some"
type = "poisson"
size = 5
rate = "50 Hz"
[[population]]
name = "p"
cell = "CELL"
size = 37
precision = "PRECISION"
[[population]]
name = "q"
cell = "CELL"
size = 80
[[stimulus]]
name = "into_p"
type = "injection"
from = "source"
to = "p"
[[stimulus]]
name = "into_q"
type = "injection"
from = "some"
to = "q"
neurons = ["70:74", 3]
phases = ["second"]
[[connection]]
name = "learns"
from = "source"
to = "p"
receptor = "GABA"
all_to_all = true
weight = 1e-9
delay = "1.5 ms"
plasticity = "inhibitory"
[[phase]]
name = "first"
duration = "0.5 s"
[[phase]]
name = "second"
duration = "0.7 s"
[[record]]
what = "spikes"
of = ["source", "some", "p", "q"]
[[record]]
what = "weights"
of = "learns"
"""

OWN = """
model = "equations"
[parameters]
tau = "20 ms"
[states]
V = "-70 mV"
[dynamics]
V = "(-70 mV - V) / tau"
[spike]
when = "V > -50 mV"
then = { V = "-70 mV" }
[receptors]
GABA = { exponential = "g", tau = "10 ms", unit = "1" }
"""


class Injections(InFolder):
    def setUp(self):
        super().setUp()
        self.write("own.cell", OWN)

    def results(self, cell, precision, *arguments, out, **options):
        self.write("net.sim", INJECTED.replace("CELL", cell).replace("PRECISION", precision))
        done = lpl_sim("net.sim", "--out", out, "--progress", "none", "--overwrite", *arguments, cwd=self.folder, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return datasets(self.folder / out)

    def spikes(self, out, source):
        with h5py.File(self.folder / out) as file:
            group = file[f"spikes/{source}"]
            return group["timestamps"][:], group["node_ids"][:].astype(int)

    def test_spikes_are_those_of_the_stimulus_on_any_ranks_and_resumed(self):
        weights = []
        for cell, precision in (("if", "float32"), ("own", "float32"), ("own", "float64")):
            with self.subTest(cell=cell, precision=precision):
                straight = self.results(cell, precision, out="straight.h5")
                times, ids = self.spikes("straight.h5", "source")
                self.assertGreater(len(times), 500)
                found = self.spikes("straight.h5", "p")
                np.testing.assert_array_equal(found[0], times)
                np.testing.assert_array_equal(found[1], ids)
                times, ids = self.spikes("straight.h5", "some")
                second = times >= 500
                found = self.spikes("straight.h5", "q")
                expected = sorted(zip(times[second], np.array([3, 70, 71, 72, 73])[ids[second]]))
                self.assertEqual(list(zip(*found)), expected)
                self.assertEqual(self.results(cell, precision, out="two.h5", ranks=2), straight)
                self.results(cell, precision, "--checkpoint", "c", "--set", "phase.second.duration=0.1234 s",
                             out="parts.h5")
                self.assertEqual(self.results(cell, precision, "--resume", "c", out="parts.h5", ranks=2), straight)
                self.assertNotEqual(straight["weights/learns/initial/value"], straight["weights/learns/second/value"])
                weights.append(straight["weights/learns/second/value"])
        self.assertEqual(weights[0], weights[1])
        self.assertEqual(weights[0], weights[2])

    def test_are_refused_where_they_cannot_be(self):
        text = INJECTED.replace("CELL", "if").replace("PRECISION", "float32")
        for change, message in ((('from = "source"\nto', 'from = "sourc"\nto'),
                                 "'from' is \"sourc\", but no earlier stimulus with spikes has that name; did you mean "
                                 "'source'?"),
                                (('from = "some"', 'from = "source"'),
                                 "'source' has 37 inputs, but there are 5 neurons to add their spikes to")):
            self.write("net.sim", text.replace(*change))
            done = lpl_sim("net.sim", "--check", cwd=self.folder)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, r"net.sim:\d+:8: stimulus 'into_[pq]': ")
            self.assertIn(message, done.stderr)


class Lists(InFolder):
    def test_what_a_description_can_name_is_listed(self):
        for option, words in (("--stimuli", ("poisson ", "patterns ", "clamp ")), ("--wirings", ("density ", "total ")),
                              ("--rules", ("lpl ", "symmetric_stdp ")),
                              ("--records", ("spikes ", "weight_statistics "))):
            # A name after --rules is that of a rule to print.
            places = ((option,), ("--seed", "1", option)) + ((("net.sim", option),) if option != "--rules" else ())
            for arguments in places:
                done = lpl_sim(*arguments, cwd=self.folder)
                self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
                lines = done.stdout.splitlines()[1:]
                for word in words:
                    found = [line.strip() for line in lines if line.startswith("  " + word)]
                    self.assertEqual(len(found), 1, done.stdout)
                    self.assertGreater(len(found[0]), len(word) + 10)  # with what it is

    def test_the_documents_have_all(self):
        language = (ROOT / "docs/language.md").read_text() + (ROOT / "docs/rules.md").read_text()
        for option in ("--stimuli", "--rules", "--wirings", "--records"):
            for line in lpl_sim(option, cwd=self.folder).stdout.splitlines()[1:]:
                self.assertRegex(language, rf"`(type = \"?)?{line.split()[0]}\b", option)


if __name__ == "__main__":
    unittest.main()
