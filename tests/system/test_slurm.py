#!/usr/bin/env python3
"""The job scripts on a real SLURM of one node: runs on all ranks, are interrupted, preempted and queued again, and end
with the result of a straight run."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from support import EXAMPLES, ROOT, InFolder, datasets, environment, lpl_sim, status

SCRIPTS = ROOT / "scripts/slurm"
LONG = ["--set", "phase.run.duration=3000 s"]
DONE = ("COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY")


def setUpModule():
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")]
    if missing:
        raise unittest.SkipTest(f"SLURM is not installed (no {', '.join(missing)})")
    if os.geteuid() != 0:
        raise unittest.SkipTest("starting SLURM needs root")
    global FOLDER
    FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="lpl-slurm-"))
    os.environ["SLURM_CONF"] = str(FOLDER / "slurm.conf")  # never a SLURM that the machine may have
    unittest.addModuleCleanup(stop)
    started = subprocess.run([SCRIPTS / "local_slurm.sh", "start", FOLDER], capture_output=True, text=True)
    if started.returncode != 0:
        raise unittest.SkipTest(f"SLURM does not start here: {started.stderr}")
    os.environ["LPL_HOME"] = str(ROOT)


def stop():
    subprocess.run(["scancel", "--user", "root"], capture_output=True)
    subprocess.run([SCRIPTS / "local_slurm.sh", "stop", FOLDER], check=True)
    time.sleep(1)
    shutil.rmtree(FOLDER, ignore_errors=True)


class Slurm(InFolder):
    def sbatch(self, *arguments):
        done = subprocess.run(["sbatch", "--parsable", f"--output={self.folder}/job-%j.log", *map(str, arguments)], cwd=self.folder,
                              env=environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def job(self, number, key):
        shown = subprocess.run(["scontrol", "show", "job", number], capture_output=True, text=True).stdout
        return next((word.split("=", 1)[1] for word in shown.split() if word.startswith(key + "=")), "")

    def wait_for(self, condition, what, seconds=180):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                logs = "".join(f"{path}:\n{path.read_text()}" for path in self.folder.glob("*.log"))
                queue = subprocess.run(["squeue"], capture_output=True, text=True).stdout
                self.fail(f"waited in vain until {what}\n{queue}{logs}")
            time.sleep(0.1)

    def wait_until_complete(self, number):
        self.wait_for(lambda: self.job(number, "JobState") in DONE, f"job {number} has ended")
        self.assertEqual(self.job(number, "JobState"), "COMPLETED", self.log(number))

    def log(self, number):
        return (self.folder / f"job-{number}.log").read_text()

    def assert_straight(self, *settings):
        lpl_sim(EXAMPLES / "minimal.sim", "--out", "straight.h5", *settings, cwd=self.folder)
        self.assertEqual(status(self.folder / "run.h5"), "complete")
        self.assertEqual(datasets(self.folder / "straight.h5"), datasets(self.folder / "run.h5"))

    def started(self):
        return (self.folder / "run.checkpoint").exists()

    def test_a_run_on_all_ranks_of_a_job_is_bound_to_cores(self):
        number = self.sbatch(SCRIPTS / "mpi.sbatch", EXAMPLES / "minimal.sim", "run.h5")
        self.wait_until_complete(number)
        self.assertRegex(self.log(number), r"ranks +2 on \S+ \(cores (\d+) \| (?!\1)\d+\)")
        self.assertNotIn("warning", self.log(number))
        self.assert_straight()

    def test_mpirun_works_in_a_job_too(self):
        number = self.sbatch("--export=ALL,LPL_LAUNCHER=mpirun --bind-to core", SCRIPTS / "mpi.sbatch", EXAMPLES / "minimal.sim", "run.h5")
        self.wait_until_complete(number)
        self.assertRegex(self.log(number), r"ranks +2 on ")
        self.assert_straight()

    def test_a_signal_before_the_end_of_time_makes_the_job_queue_again(self):
        for script in ("single.sbatch", "mpi.sbatch"):
            with self.subTest(script=script):
                for path in self.folder.glob("run.*"):
                    path.unlink()
                number = self.sbatch(SCRIPTS / script, EXAMPLES / "minimal.sim", "run.h5", *LONG, "--checkpoint-every", "500ms")
                self.wait_for(self.started, "there is a checkpoint")
                # What --signal=B:USR1@120 sends.
                subprocess.run(["scancel", "--batch", "--signal=USR1", number], check=True)
                self.wait_for(lambda: self.job(number, "Restarts") == "1", "the job is queued again")
                self.wait_until_complete(number)
                self.assertIn(f"job {number}: interrupted, queued again", self.log(number))
                self.assert_straight(*LONG)

    def test_a_preempted_job_goes_on_later(self):
        number = self.sbatch(SCRIPTS / "mpi.sbatch", EXAMPLES / "minimal.sim", "run.h5", *LONG, "--checkpoint-every", "500ms")
        self.wait_for(self.started, "there is a checkpoint")
        urgent = self.sbatch("--partition=high", "--exclusive", "--wrap=sleep 1")
        self.wait_until_complete(urgent)
        self.wait_until_complete(number)
        self.assertGreaterEqual(int(self.job(number, "Restarts")), 1)
        self.assert_straight(*LONG)

    def test_a_sweep_is_a_job_array(self):
        command = [sys.executable, ROOT / "scripts/sweep.py", EXAMPLES / "minimal.sim", "--vary", "seed=1..3", "--folder", self.folder / "sweep",
                   "--result", "@seed", "--slurm=--time=10"]
        submitted = subprocess.run(command, env=environment(), capture_output=True, text=True)
        self.assertEqual(submitted.returncode, 0, submitted.stderr)
        self.wait_for(lambda: sum(status(path) == "complete" for path in (self.folder / "sweep").glob("minimal-*.h5")) == 3, "all points are complete")
        again = subprocess.run(command, env=environment(), capture_output=True, text=True)
        self.assertIn("3 of 3 points are complete", again.stdout)
        self.assertNotIn("Submitted", again.stdout)


if __name__ == "__main__":
    unittest.main()
