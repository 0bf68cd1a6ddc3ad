#!/usr/bin/env python3
"""However spikes travel between ranks: one result, and failures, signals and lost ranks are known to all."""

import os
import re
import signal
import subprocess
import time
import unittest

from support import EXAMPLES, LPL_SIM, InFolder, datasets, environment, h5py, lpl_sim, mpirun, ranks_of, small_disk, status, wait_for
from test_ranks import RULES, SHORT_TERM

FORMS = ("all-gather", "directed")

# A chain whose neurons hear neighbours only, correlated inputs, and everything that counts spikes.
CHAIN = """
simulation = { seed = 3 }
[[stimulus]]
name = "input"
type = "correlated"
groups = 3
size = 20
rate = "30 Hz"
deviation = "20 Hz"
tau = "50 ms"
[[population]]
name = "chain"
cell = "if"
size = 211
positions = { grid = [211], extent = ["2.11 mm"] }
initial_membrane = { mean = "-60 mV", deviation = "5 mV" }
[[population]]
name = "few"
cell = "if"
size = 3
[[connection]]
name = "input_chain"
from = "input"
to = "chain"
density = 0.3
weight = 0.5
[[connection]]
name = "chain_chain"
from = "chain"
to = "chain"
distance = { probability = "0.5", within = "0.05 mm" }
weight = { uniform = [0.1, 0.3] }
delay = { uniform = ["0.8 ms", "7 ms"] }
[[connection]]
name = "chain_few"
from = "chain"
to = "few"
in_degree = 12
weight = 0.3
[[connection]]
name = "few_chain"
from = "few"
to = "chain"
receptor = "GABA"
density = 0.1
weight = 0.5
plasticity = "inhibitory"
[[phase]]
name = "early"
duration = "0.45 s"
[[phase]]
name = "late"
duration = "0.8 s"
[[record]]
what = "spikes"
of = ["input", "chain", "few"]
[[record]]
what = "rates"
of = ["input", "chain", "few"]
every = "70 ms"
[[record]]
what = "bursts"
of = "chain"
every = "90 ms"
tau = "50 ms"
[[record]]
name = "groups"
what = "pattern_rates"
of = "input"
every = "110 ms"
[[record]]
name = "assemblies"
what = "pattern_rates"
of = "chain"
patterns = "chain.pat"
every = "110 ms"
[[record]]
what = "weights"
of = "few_chain"
every = "200 ms"
[[record]]
what = "state"
of = "chain"
variable = "V"
neurons = [0, 100, 210]
every = "1 ms"
[[limit]]
what = "rate"
of = "chain"
high = "1000 Hz"
every = "130 ms"
tau = "1 s"
[[limit]]
name = "input_rate"
what = "rate"
of = "input"
low = "1 Hz"
every = "200 ms"
"""


class Exchange(InFolder):
    def setUp(self):
        super().setUp()
        self.write("rules.sim", RULES)
        self.write("short_term.sim", SHORT_TERM)
        self.write("chain.sim", CHAIN)
        self.write("chain.pat", "0\n3\n100\n210\n\n3\n4\n150\n")

    def run_to(self, out, description, *arguments, ranks=1, returns=0):
        done = lpl_sim(description, "--out", out, "--progress", "none", *arguments, ranks=ranks, cwd=self.folder)
        self.assertEqual(done.returncode, returns, done.stderr)
        return done

    def results(self, out):
        return datasets(self.folder / out)

    def test_one_result(self):
        for description in ("chain.sim", "rules.sim", "short_term.sim"):
            self.run_to("one.h5", description, "--overwrite")
            expected = self.results("one.h5")
            for form in FORMS:
                for ranks in (2, 4, 5):
                    with self.subTest(description=description, form=form, ranks=ranks):
                        done = self.run_to(f"{form}{ranks}.h5", description, "--overwrite", "--exchange", form, ranks=ranks)
                        self.assertEqual(re.search(r"^exchange +(\S+);", done.stdout, re.MULTILINE)[1], form)
                        self.assertEqual(self.results(f"{form}{ranks}.h5"), expected)

    def test_goes_on_from_either(self):
        self.run_to("one.h5", "rules.sim")
        for forms in (FORMS, FORMS[::-1]):
            for ranks in ((4, 5, 2), (1, 4, 1)):
                with self.subTest(forms=forms, ranks=ranks):
                    for length, form, count in zip(("0.41 s", "0.77 s", "1.1 s"), (*forms, forms[0]), ranks):
                        resume = ["--overwrite"] if length == "0.41 s" else ["--resume", "c"]
                        self.run_to("parts.h5", "rules.sim", "--set", f"phase.run.duration={length}", "--checkpoint", "c", *resume,
                                    "--exchange", form, ranks=count)
                    self.assertEqual(self.results("parts.h5"), self.results("one.h5"))

    def test_an_interrupted_run_goes_on_within_bins(self):
        arguments = ["--set", "phase.late.duration=40 s"]
        self.run_to("one.h5", "chain.sim", *arguments)
        for form, other in (FORMS, FORMS[::-1]):
            with self.subTest(form=form):
                out = self.folder / f"{form}.h5"
                arguments_of = [*arguments, "--progress", "none", "--out", out, "--checkpoint", f"c{form}", "--checkpoint-every", "0.1s"]
                command = mpirun(4, LPL_SIM, "chain.sim", *arguments_of, "--exchange", form)
                with subprocess.Popen(command, env=environment(), cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
                    self.assertTrue(wait_for((self.folder / f"c{form}").exists, run))
                    os.kill(ranks_of(run.pid)[3], signal.SIGUSR1)
                    _, errors = run.communicate(timeout=60)
                self.assertEqual(run.returncode, 75, errors)
                self.assertEqual(status(out), "interrupted")
                self.run_to(out, "chain.sim", *arguments, "--checkpoint", f"c{form}", "--resume", f"c{form}", "--exchange", other, ranks=2)
                self.assertEqual(self.results(out), self.results("one.h5"))

    def test_a_limit_ends_the_run_at_the_same_step(self):
        expected = None
        for ranks, form in ((1, "auto"), *((ranks, form) for ranks in (2, 5) for form in FORMS)):
            with self.subTest(ranks=ranks, form=form):
                done = self.run_to("limit.h5", "chain.sim", "--overwrite", "--set", "limit.rate.high=1 Hz", "--exchange", form, ranks=ranks, returns=1)
                said = re.search(r"limit 'rate': the rate of 'chain'.*", done.stderr)[0]
                expected = expected or (said, self.results("limit.h5"))
                self.assertEqual((said, self.results("limit.h5")), expected)

    def test_fewer_bytes_go_where_neighbours_are_heard(self):
        received = {}
        for form in FORMS:
            done = self.run_to(f"{form}.h5", "chain.sim", "--exchange", form, ranks=5)
            found = re.search(r"sends ([\d.]+) messages, ([\d.]+) bytes, and receives ([\d.]+) bytes", done.stdout)
            received[form] = float(found[3])
            # Each part of the chain hears its neighbours, and 'few' hear and are heard on two ranks of five.
            self.assertLessEqual(float(found[1]), 4 if form == "directed" else 1)
        self.assertLess(received["directed"], received["all-gather"] / 4)

    def test_a_dry_run_says_what_both_would_carry(self):
        def planned(ranks, description="chain.sim"):
            text = lpl_sim(description, "--dry-run", ranks, cwd=self.folder).stdout
            found = {form: [float(word) for word in re.search(rf"{form} +sends ([\d.e+]+) messages, ([\d.e+]+) bytes, and receives ([\d.e+]+) bytes; "
                                                              r"([\d.e+]+) us, ([\d.e+-]+) MiB", text).groups()] for form in FORMS}
            return found, re.search(r"(\d+) ranks take the (.*)", text)
        few, taken = planned(5)
        self.assertEqual(taken.groups(), ("5", "all-gather"))
        # At least 64 words a rank; at most four partners, of a word or more each.
        self.assertEqual(few["all-gather"][:3], [3, 256, 4 * 256])
        self.assertLessEqual(few["directed"][0], 4)
        self.assertGreaterEqual(few["directed"][1], 4 * few["directed"][0])
        many, taken = planned(128)
        self.assertEqual(many["all-gather"][2], 127 * 256)
        self.assertLess(many["directed"][2], many["all-gather"][2] / 10)
        self.assertLess(many["directed"][3], many["all-gather"][3])
        self.assertEqual(taken.groups(), ("128", "directed one"))
        # Where all ranks hear each other, a message to each costs more than seven that go on.
        many, taken = planned(128, EXAMPLES / "coba.sim")
        self.assertEqual((many["directed"][0], many["all-gather"][0]), (127, 7))
        self.assertGreater(many["directed"][3], many["all-gather"][3])
        self.assertEqual(taken.groups(), ("128", "all-gather"))

    def test_few_ranks_gather(self):
        done = self.run_to("r.h5", "chain.sim", ranks=2)
        self.assertRegex(done.stdout, r"exchange +all-gather; a rank sends 1 messages, ")
        self.assertNotIn("exchange", re.sub("shares.*|by rank.*", "", self.run_to("one.h5", "chain.sim").stdout))
        self.assertIn("directed", self.run_to("bad.h5", "chain.sim", "--exchange", "post", returns=2).stderr)


class Failures(InFolder):
    def test_a_full_disk_ends_the_run_with_the_cause(self):
        text = (EXAMPLES / "minimal.sim").read_text()
        text = text.replace('of = "exc"', 'of = ["exc", "input"]').replace('rate = "10 Hz"', 'rate = "300 Hz"')
        self.write("long.sim", text)
        with small_disk(self.folder / "disk", "3m") as disk:
            out = disk / "full.h5"
            done = lpl_sim("long.sim", "--out", out, "--set", "phase.run.duration=2000 s", "--progress", "none", "--exchange", "directed",
                           ranks=3, cwd=self.folder, timeout=60)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, r"lpl_sim: .*(cannot append|cannot flush|cannot write).*No space left")
            self.assertEqual(done.stderr.count("lpl_sim:"), 1, done.stderr)
            self.assertEqual(status(out), "failed")
            with h5py.File(out, "r") as file:
                self.assertEqual(len(file["spikes/exc/timestamps"]), len(file["spikes/exc/node_ids"]))

    def test_a_stopped_rank_ends_the_run(self):
        out = self.folder / "r.h5"
        command = mpirun(3, LPL_SIM, EXAMPLES / "coba.sim", "--set", "phase.run.duration=1000000 s", "--progress", "none", "--out", out,
                         "--exchange", "directed", "--stall-timeout", "2 s")
        with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            self.assertTrue(wait_for(lambda: out.exists() and out.stat().st_size > 2000, run))
            time.sleep(1)
            ranks = ranks_of(run.pid)
            os.kill(ranks[1], signal.SIGSTOP)
            _, errors = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 1, errors)
        self.assertRegex(errors, rf"rank [02] on \S+ has waited for 2 s for other ranks in .*; rank 1 \(process {ranks[1]}\) on this host has given no sign of life")
        self.assertEqual(status(out), "failed")


if __name__ == "__main__":
    unittest.main()
