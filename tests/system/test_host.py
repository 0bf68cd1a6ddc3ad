#!/usr/bin/env python3
"""What a host may lack: shared memory, a standard output that takes what is printed, a launcher that speaks to MPI."""

import shlex
import subprocess
import sys
import unittest

from support import EXAMPLES, LPL_SIM, InFolder, environment, mpirun, status

RUN = [str(EXAMPLES / "minimal.sim"), "--out", "r.h5", "--progress", "none"]


def on_small_disk(size, folder, script):
    """Runs a shell script that alone sees a file system of this size in `folder`."""
    return subprocess.run(["unshare", "--mount", "sh", "-c", f"mount -t tmpfs -o size={size} tmpfs {folder} && {script}"],
                          env=environment(), capture_output=True, text=True, timeout=60)


def small_disks():
    try:
        if on_small_disk("1m", "/tmp", "true").returncode == 0:
            return True
    except OSError:
        pass  # there is no unshare
    print("skipped: tests of full disks and full shared memory: this user may not mount", file=sys.stderr)
    return False


MAY_MOUNT = small_disks()


class SharedMemory(InFolder):
    def run_with(self, size, *command, before="true"):
        return on_small_disk(size, "/dev/shm", f"{before}; cd {self.folder}; exec {shlex.join(map(str, command))}")

    @unittest.skipUnless(MAY_MOUNT, "needs a mount namespace")
    def test_too_little_is_refused_with_what_is_needed(self):
        done = self.run_with("1m", *mpirun(3, LPL_SIM, *RUN))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"lpl_sim: /dev/shm of \S+ has 1\.0 MiB free, and 3 ranks share at least 4\.8 MiB there \(12 MiB at most\); free some")
        self.assertEqual(done.stderr.count("lpl_sim:"), 1, done.stderr)
        self.assertFalse((self.folder / "r.h5").exists())

    @unittest.skipUnless(MAY_MOUNT, "needs a mount namespace")
    def test_enough_is_enough_and_nothing_is_left_behind(self):
        done = self.run_with("6m", "sh", "-c", shlex.join(mpirun(3, LPL_SIM, *RUN)) + "; ls /dev/shm >left")
        self.assertEqual((done.returncode, (self.folder / "left").read_text()), (0, ""), done.stderr)
        self.assertEqual(status(self.folder / "r.h5"), "complete")

    @unittest.skipUnless(MAY_MOUNT, "needs a mount namespace")
    def test_the_programs_own_part_is_claimed_at_the_start(self):
        elsewhere = ["mpirun", "--mca", "btl_vader_backing_directory", self.folder, "-n", 3, LPL_SIM, *RUN]
        done = self.run_with("1m", *elsewhere, before="head -c 1m /dev/zero >/dev/shm/full")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"lpl_sim: rank 0: the ranks on \S+ cannot share \d+ KiB of memory in /dev/shm: No space left on device; free some")
        self.assertEqual(done.stderr.count("lpl_sim:"), 1, done.stderr)


class StandardOutput(InFolder):
    def test_closed(self):
        for closed, code in ((">&-", 1), ("<&- >&-", 1), ("<&-", 0), ("2>&-", 0)):
            with self.subTest(closed=closed):
                done = subprocess.run(["sh", "-c", f"exec {shlex.join([LPL_SIM, *RUN])} {closed}"], cwd=self.folder, env=environment(),
                                      capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertEqual("lpl_sim: cannot write to standard output: Bad file descriptor; what was printed" in done.stderr, code == 1)
                self.assertEqual(status(self.folder / "r.h5"), "complete")
                (self.folder / "r.h5").unlink()

    @unittest.skipUnless(MAY_MOUNT, "needs a mount namespace")
    def test_full(self):
        disk = self.folder / "disk"
        disk.mkdir()
        for arguments, cause in ((RUN, "No space left on device"), (["--version"], ""), (["--help"], "")):
            with self.subTest(arguments=arguments):
                program = shlex.join([LPL_SIM, *arguments])
                done = on_small_disk("16k", disk, f"cd {self.folder}; head -c 16k /dev/zero >disk/full; exec {program} >>disk/full")
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(f"lpl_sim: cannot write to standard output: {cause}", done.stderr)
        self.assertEqual(status(self.folder / "r.h5"), "complete")


class SlurmWithoutPmix(InFolder):
    def run_in(self, **variables):
        return subprocess.run([LPL_SIM, *RUN], cwd=self.folder, env=dict(environment(), SLURM_JOB_ID="7", SLURM_NTASKS="4", **variables),
                              capture_output=True, text=True, timeout=60)

    def test_a_program_alone_in_a_job_says_so(self):
        done = self.run_in()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: SLURM has given this job 4 tasks, but lpl_sim was started alone and runs as one rank; srun --mpi=pmix lpl_sim or "
                      "mpirun lpl_sim uses all 4", done.stderr)

    def test_a_step_without_pmix_says_what_to_do(self):
        done = self.run_in(SLURM_STEP_ID="0", SLURM_STEPID="0", SLURM_STEP_NUM_TASKS="4", SLURM_NODELIST="here")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^lpl_sim: step 0 of SLURM job 7 does not speak PMIx with the MPI library; start the program with srun --mpi=pmix .*mpirun -n RANKS\n$")

    def test_mpirun_in_a_job_is_well(self):
        done = subprocess.run(mpirun(2, "env", "SLURM_JOB_ID=7", "SLURM_STEP_ID=0", "SLURM_NTASKS=4", LPL_SIM, *RUN), cwd=self.folder,
                              env=environment(), capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
