#!/usr/bin/env python3
"""A rank that no longer comes ends the run, with the cause; ranks that work for long do not."""

import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

from support import EXAMPLES, LPL_RATE, LPL_SIM, InFolder, environment, lpl_sim, mpirun, processes_below, ranks_of, status

TIMEOUT = 2  # [s]
LONG_SIM = [EXAMPLES / "invariance.sim", "--set", "phase.learn.duration=1000000 s", "--progress", "none"]
LONG_RATE = [EXAMPLES / "clusters2d.rate", "--set", "training.epochs=1000000", "--progress", "none"]


class Stalled(InFolder):
    def start(self, program, arguments, ranks=2, timeout=f"{TIMEOUT} s"):
        """A run in its loop: its launcher and its processes by rank."""
        self.out = self.folder / "r.h5"
        command = mpirun(ranks, program, *arguments, "--out", self.out, "--overwrite", "--stall-timeout", timeout)
        launcher = subprocess.Popen(command, env=environment(), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.end, launcher)
        for _ in range(600):
            if self.out.exists() and self.out.stat().st_size > 2000:
                time.sleep(1)
                return launcher, ranks_of(launcher.pid)
            self.assertIsNone(launcher.poll())
            time.sleep(0.05)
        self.fail("the run did not begin")

    @staticmethod
    def end(launcher):
        for pid in processes_below(launcher.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue  # it has ended meanwhile
        launcher.communicate()

    def test_a_stopped_rank_ends_the_run(self):
        for program, arguments in ((LPL_SIM, LONG_SIM), (LPL_RATE, LONG_RATE)):
            # Rank 0 writes the result; it is woken to be ended, and may close it as after any signal.
            for stopped, left in ((1, ["failed"]), (0, ["running", "interrupted"])):
                with self.subTest(program=program, stopped=stopped):
                    launcher, ranks = self.start(program, arguments)
                    os.kill(ranks[stopped], signal.SIGSTOP)
                    _, errors = launcher.communicate(timeout=60)
                    self.assertEqual(launcher.returncode, 1, errors)
                    name = pathlib.Path(program).name
                    said = re.findall(rf"^{name}: rank (\d) on \S+ has waited for 2 s for other ranks in .*, its call \d+; "
                                      rf"rank (\d) \(process (\d+)\) on this host has given no sign of life", errors, re.MULTILINE)
                    self.assertEqual(said, [(str(1 - stopped), str(stopped), str(ranks[stopped]))], errors)
                    self.assertIn(status(self.out), left)
                    self.out.unlink()

    def test_the_ranks_that_live_are_not_named(self):
        launcher, ranks = self.start(LPL_SIM, LONG_SIM, ranks=3)
        os.kill(ranks[1], signal.SIGSTOP)
        _, errors = launcher.communicate(timeout=60)
        self.assertRegex(errors, r"rank 0 on .*; rank 1 \(process \d+\) on this host has given")

    def test_a_short_stop_and_a_suspended_run_go_on(self):
        launcher, ranks = self.start(LPL_SIM, [*LONG_SIM, "--checkpoint", "checkpoint"], timeout="5 s")
        for pause, stopped in ((1, [ranks[1]]), (8, ranks.values())):
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(pause)
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            time.sleep(1)
        os.kill(ranks[0], signal.SIGUSR1)
        _, errors = launcher.communicate(timeout=60)
        self.assertEqual(launcher.returncode, 75, errors)
        self.assertEqual(status(self.out), "interrupted")

    def test_a_run_longer_than_the_timeout_is_none(self):
        done = lpl_sim(EXAMPLES / "minimal.sim", "--set", "phase.run.duration=2000 s", "--progress", "none", "--stall-timeout", "1 s",
                       ranks=2, cwd=self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_option(self):
        for text, message in (("10", "has no unit"), ("-1 s", "must be above 0"), ("5 mV", "unit 'mV'")):
            done = lpl_sim(EXAMPLES / "minimal.sim", "--stall-timeout", text, cwd=self.folder)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)
        done = lpl_sim(EXAMPLES / "minimal.sim", "--stall-timeout", "0", "--progress", "none", ranks=2, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
