#!/usr/bin/env python3
"""Bad input and bad disks: one clear message, the right exit status, within seconds, at any rank count."""

import signal
import subprocess
import unittest

from support import EXAMPLES, LPL_SIM, InFolder, datasets, environment, h5py, lpl_sim, small_disk, status

GOOD = (EXAMPLES / "minimal.sim").read_text()
MISTAKES = {
    "unknown key": (GOOD.replace("size = 10 }", "size = 10, sise = 3 }"), "key 'sise' is not known here; did you mean 'size'?"),
    "wrong unit": (GOOD.replace('"5 s"', '"5 mV"'), "unit 'mV'"),
    "missing file": (GOOD.replace("density = 0.5, weight = 0.2", 'file = "none.wmat"'), "there is no file"),
    "negative size": (GOOD.replace("size = 10 }", "size = -1 }"), "'size' is -1"),
    "unconnected name": (GOOD.replace('to = "exc"', 'to = "exd"'), "did you mean 'exc'"),
    "short delay": (GOOD.replace("seed", 'min_delay = "0.2 ms", seed').replace("density = 0.5", 'density = 0.5, delay = "0.1 ms"'), "below the minimum delay"),
    "no duration": (GOOD.replace(', duration = "5 s"', ""), "key 'duration' is missing"),
    "broken syntax": (GOOD.replace("size = 10 }", "size = }"), ""),
}


class BadInput(InFolder):
    def test_each_mistake_is_named_with_its_place(self):
        for ranks in (1, 3):
            for mistake, (text, message) in MISTAKES.items():
                with self.subTest(mistake=mistake, ranks=ranks):
                    self.assertNotEqual(text, GOOD)
                    self.write("bad.sim", text)
                    done = lpl_sim("bad.sim", ranks=ranks, cwd=self.folder, timeout=20)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    lines = [line for line in done.stderr.splitlines() if line.startswith("lpl_sim:")]
                    self.assertEqual(len(lines), 1, done.stderr)
                    self.assertRegex(lines[0], r"^lpl_sim: bad\.sim:\d+:\d+: ")
                    self.assertIn(message, lines[0])
                    self.assertFalse((self.folder / "bad.h5").exists())

    def test_misuse_of_the_command_line(self):
        for arguments, message in ((["none.sim"], "there is no file none.sim"), ([], "required"), (["--nonsense", "x.sim"], "nonsense"),
                                   ([self.folder], "is a folder")):
            with self.subTest(arguments=arguments):
                done = lpl_sim(*arguments, cwd=self.folder)
                self.assertEqual(done.returncode, 2)
                self.assertIn(message, done.stderr + done.stdout)

    def test_version_and_help(self):
        version = lpl_sim("--version")
        self.assertEqual(version.returncode, 0)
        self.assertRegex(version.stdout, r"lpl_sim \d+\.\d+\.\d+ .*vectors \w+")
        self.assertEqual(lpl_sim("--help").returncode, 0)


class BadDisk(InFolder):
    def test_unwritable_output(self):
        for ranks in (1, 3):
            done = lpl_sim(EXAMPLES / "minimal.sim", "--out", self.folder / "none" / "r.h5", ranks=ranks, timeout=30)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr, "--out .*r.h5: there is no folder .*none; make it first")
            self.assertEqual(done.stderr.count("lpl_sim:"), 1)

    def test_a_full_disk_ends_the_run_and_what_was_flushed_stays_readable(self):
        text = GOOD.replace('of = "exc"', 'of = ["exc", "input"]').replace('rate = "10 Hz"', 'rate = "300 Hz"')
        # The end of a phase flushes.
        self.write("long.sim", text.replace("phase = [", 'phase = [{ name = "first", duration = "2 s" }, '))
        for ranks in (1, 3):
            with self.subTest(ranks=ranks), small_disk(self.folder / "disk", "3m") as disk:
                out = disk / "full.h5"
                done = lpl_sim("long.sim", "--out", out, "--set", "phase.run.duration=2000 s", "--progress", "none",
                               ranks=ranks, cwd=self.folder, timeout=60)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, r"lpl_sim: .*(cannot append|cannot flush|cannot write).*No space left")
                self.assertEqual(done.stderr.count("lpl_sim:"), 1, done.stderr)
                with h5py.File(out, "r") as file:
                    self.assertEqual(status(out), "failed")
                    self.assertEqual(len(file["spikes/exc/timestamps"]), len(file["spikes/exc/node_ids"]))
                    self.assertGreater(file["spikes/input/timestamps"][-1], 1990)

    def test_a_live_file_can_be_read(self):
        out = self.folder / "live.h5"
        command = [LPL_SIM, EXAMPLES / "minimal.sim", "--out", out, "--set", "phase.run.duration=100000 s", "--progress", "none"]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                for _ in range(200):
                    if out.exists() and out.stat().st_size > 1_000_000:
                        break
                    self.assertIsNone(process.poll())
                    signal.sigtimedwait([], 0.05)
                with h5py.File(out, "r") as file:
                    self.assertEqual(status(out), "running")
                    self.assertGreaterEqual(len(file["spikes/exc/timestamps"]), 0)
            finally:
                process.kill()


if __name__ == "__main__":
    unittest.main()
