#!/usr/bin/env python3
"""A run on two hosts has the result of one host, and ends with the cause where the link between them is cut."""

import pathlib
import subprocess
import sys
import time
import unittest

from support import EXAMPLES, LPL_RATE, LPL_SIM, InFolder, datasets, environment, lpl_rate, lpl_sim, status

TWO_HOSTS = str(pathlib.Path(__file__).resolve().parent / "two_hosts.sh")
FOUR_RANKS = ["mpirun", "-n", "4", "--host", "hosta:2,hostb:2"]


def on_two_hosts(*words, **options):
    return subprocess.run([TWO_HOSTS, *map(str, words)], env=environment(), capture_output=True, text=True, timeout=120, **options)


class TwoHosts(InFolder):
    def test_the_result_is_that_of_one_host(self):
        for run, program, arguments, more in (
                *((lpl_sim, LPL_SIM, [EXAMPLES / "invariance.sim", "--set", "phase.prime.duration=0.5 s", "--set", "phase.learn.duration=1 s"],
                   ["--exchange", form]) for form in ("all-gather", "directed")),
                (lpl_rate, LPL_RATE, [EXAMPLES / "clusters2d.rate", "--set", "training.epochs=1", "--set", "data.steps_per_epoch=20"], [])):
            with self.subTest(program=program, more=more):
                arguments = [*arguments, "--progress", "none", "--overwrite", "--out"]
                one = run(*arguments, "one.h5", ranks=4, cwd=self.folder)
                self.assertEqual(one.returncode, 0, one.stderr)
                two = on_two_hosts(*FOUR_RANKS, program, *arguments, "two.h5", *more, cwd=self.folder)
                self.assertEqual(two.returncode, 0, two.stderr)
                self.assertRegex(two.stdout, r"2 on hosta \(.*\), 2 on hostb \(")
                expected, found = datasets(self.folder / "one.h5"), datasets(self.folder / "two.h5")
                self.assertEqual(expected.keys(), found.keys())
                for name, value in expected.items():
                    if "seconds" not in name and "per_second" not in name:
                        self.assertEqual(value, found[name], name)

    def test_a_cut_link_ends_the_run(self):
        out, cut = self.folder / "r.h5", self.folder / "cut"
        command = [TWO_HOSTS, "--cut", cut, *FOUR_RANKS, LPL_SIM, EXAMPLES / "invariance.sim", "--out", out, "--progress", "none",
                   "--set", "phase.learn.duration=1000000 s", "--stall-timeout", "3 s"]
        with subprocess.Popen(list(map(str, command)), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            for _ in range(600):
                if out.exists() and out.stat().st_size > 2000:
                    break
                self.assertIsNone(run.poll())
                time.sleep(0.05)
            time.sleep(2)
            cut.touch()
            _, errors = run.communicate(timeout=60)
        self.assertNotEqual(run.returncode, 0)
        self.assertRegex(errors, r"lpl_sim: rank 0 on hosta has waited for 3 s for other ranks in the exchange, its call \d+; "
                                 r"the ranks on this host are alive: another host, a rank on it or the link to it is lost")
        self.assertEqual(status(out), "failed")


if __name__ == "__main__":
    probe = on_two_hosts("true")
    if probe.returncode == 77:
        print(probe.stderr, file=sys.stderr, end="")
        sys.exit(77)
    unittest.main()
