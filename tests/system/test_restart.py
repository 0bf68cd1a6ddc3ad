#!/usr/bin/env python3
"""Runs that are interrupted or killed, at any moment and on any number of ranks, end with the result of a straight run.

LPL_KILLS: how many times runs are killed (default 12).
"""

import os
import pathlib
import random
import shlex
import shutil
import signal
import subprocess
import time
import unittest

from support import LPL_RATE, LPL_SIM, InFolder, datasets, environment, living_below, mpirun, processes_below, small_disk, status, wait_for

KILLS = int(os.environ.get("LPL_KILLS", "12"))

# Every kind of state: LPL with the augmented gradient, inhibitory plasticity, adaptation, long delays, a spike file, a
# device, noise with and without a memory, short-term plasticity of every form and of spikes under way, all records, unfinished bins, and three phases.
SPIKING = """
simulation = { seed = 11 }
[[stimulus]]
name = "input"
type = "poisson"
size = 90
rate = { signal = "slow", period = "0.5 s", mean = "30 Hz", deviation = "15 Hz" }
[[stimulus]]
name = "file"
type = "spikes"
file = "spikes.ras"
size = 5
[[stimulus]]
name = "electrode"
type = "current"
to = "exc"
times = ["0 s", "1 s"]
values = ["0 mV", "2 mV"]
every = "1.5 s"
repeats = 20
[[stimulus]]
name = "fast"
type = "current"
to = "exc"
neurons = ["2:31"]
noise = { deviation = "5 mV", every = "0.3 ms" }
[[stimulus]]
name = "slow"
type = "current"
to = "exc"
noise = { type = "ornstein_uhlenbeck", mean = "2 mV", deviation = "3 mV", tau = "20 ms" }
[[stimulus]]
name = "tide"
type = "current"
to = "inh"
noise = { type = "ornstein_uhlenbeck", deviation = "3 mV", tau = "50 ms", shared = true }
[[population]]
name = "exc"
cell = "if"
size = 33
initial_membrane = { mean = "-60 mV", deviation = "10 mV" }
[[population]]
name = "inh"
cell = "aif"
size = 9
[[connection]]
name = "input_exc"
from = "input"
to = "exc"
density = 0.4
weight = 0.2
plasticity = "lpl"
[[connection]]
name = "file_exc"
from = "file"
to = "exc"
density = 0.8
weight = 0.4
delay = "7.3 ms"
short_term = { U = 0.4, tau_rec = "30 ms", tau_fac = "100 ms", u = 0.8 }
[[connection]]
name = "exc_inh"
from = "exc"
to = "inh"
density = 0.5
weight = 0.5
delay = "2.1 ms"
[[connection]]
name = "exc_late"
from = "exc"
to = "exc"
receptor = "NMDA"
density = 0.5
weight = 0.2
delay = { uniform = ["0.9 ms", "40 ms"] }
short_term = { model = "tsodyks", tau_rec = "200 ms", tau_fac = "100 ms" }
[[connection]]
name = "inh_exc"
from = "inh"
to = "exc"
receptor = "GABA"
density = 0.6
weight = 0.3
plasticity = "inhibitory"
short_term = { model = "tsodyks2", tau_rec = "100 ms", tau_fac = "30 ms" }
[[phase]]
name = "first"
duration = "3.3 s"
[[phase]]
name = "second"
duration = "11.27 s"
plasticity = ["inh_exc"]
[[phase]]
name = "third"
duration = "20 s"
[[record]]
what = "spikes"
of = ["input", "exc", "inh", "file"]
[[record]]
what = "rates"
of = ["exc", "input"]
every = "130 ms"
[[record]]
what = "weights"
of = "input_exc"
every = "3 s"
[[record]]
name = "groups"
what = "group_weights"
of = "inh_exc"
every = "50 ms"
[[record]]
name = "v"
what = "state"
of = "exc"
variable = "V"
neurons = [0, 5, 16, 32]
every = "1 ms"
[[record]]
name = "mean"
what = "state"
of = "exc"
variable = "input_exc.mean"
neurons = [32, 1]
every = "10 ms"
[rule.lpl]
type = "lpl"
predictive = { strength = 1.0 }
hebbian = { strength = 1.0, tau_mean = "1 s", tau_variance = "1 s" }
transmitter = { strength = 1e-5 }
eligibility = {}
update = { learning_rate = 1e-3, window = "300 ms", gradient = "augmented", tau_rms = "10 s" }
"""


def spikes_of_file():
    generator = random.Random(5)
    return "".join(f"{t * 0.0371 + generator.random() * 0.03:.4f} {generator.randrange(5)}\n" for t in range(900))


class Restart:
    """The tests, for any program: a subclass sets the program, a description and the files that it names."""

    program, suffix, description, files = None, None, None, {}
    short = []  # arguments that shorten the run
    earlier = []  # arguments by which a checkpoint is left over besides the last
    often, generations = [], 0  # arguments that ask for more checkpoints than there are phases, and how many at least
    hungry, limit_kib = None, 350_000  # a description that needs more memory than the limit on one of two ranks
    ranks = (1, 2, 3)
    timings = set()  # datasets that hold wall times

    @classmethod
    def setUpClass(cls):
        if not os.path.exists(cls.program):
            raise unittest.SkipTest(f"there is no {cls.program}")

    def setUp(self):
        super().setUp()
        for name, text in self.files.items():
            self.write(name, text)
        self.write("run" + self.suffix, self.description)
        self.out, self.checkpoint = self.folder / "run.h5", self.folder / "run.checkpoint"

    def command(self, *arguments, ranks=1, out=None):
        command = [self.program, "run" + self.suffix, "--progress", "none", "--out", out or self.out, *arguments]
        return mpirun(ranks, *command)

    def run_to_end(self, *arguments, timeout=300, **options):
        return subprocess.run(self.command(*arguments, **options), cwd=self.folder, env=environment(), capture_output=True, text=True,
                              timeout=timeout)

    def start(self, *arguments, every="50ms", ranks=1):
        resume = ["--resume", self.checkpoint] if self.checkpoint.exists() else []
        command = self.command("--checkpoint", self.checkpoint, "--checkpoint-every", every, *resume, *arguments, ranks=ranks)
        return subprocess.Popen(command, cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def straight(self, *arguments):
        done = self.run_to_end(*arguments, out=self.folder / "straight.h5")
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.results(self.folder / "straight.h5")

    def results(self, path):
        return {name: value for name, value in datasets(path).items() if name not in self.timings}

    def assert_same_as(self, expected):
        self.assertEqual(status(self.out), "complete")
        found = self.results(self.out)
        self.assertEqual(expected.keys(), found.keys())
        for name, value in expected.items():
            self.assertEqual(value, found[name], name)

    def generation(self):
        try:
            found = self.checkpoint.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def interrupt(self, number=signal.SIGUSR1, ranks=1):
        """Starts or resumes a run, lets it write a checkpoint, and asks it to end; returns its exit status and errors."""
        before = self.generation()
        process = self.start(ranks=ranks)
        if not wait_for(lambda: self.generation() != before, process):
            self.fail(f"no checkpoint was written: {process.communicate()}")
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        return process.returncode, errors

    def test_a_checkpoint_resumes_on_any_number_of_ranks(self):
        expected = self.straight(*self.short)
        # Left over at the end: the checkpoints of the ends of the last phase and of the one before it.
        done = self.run_to_end("--checkpoint", self.checkpoint, *self.earlier, *self.short, ranks=max(self.ranks))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_as(expected)
        for ranks, left in ((1, ""), *((ranks, ".previous") for ranks in (*self.ranks, 16))):
            with self.subTest(ranks=ranks, left=left):
                done = self.run_to_end("--resume", f"{self.checkpoint}{left}", *self.short, ranks=ranks)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assert_same_as(expected)

    def test_signals_interrupt_and_the_run_goes_on(self):
        expected = self.straight()
        for number, ranks in ((signal.SIGTERM, 1), (signal.SIGUSR1, max(self.ranks)), (signal.SIGINT, 1)):
            code, errors = self.interrupt(number, ranks)
            self.assertEqual(code, 75, errors)
            self.assertEqual(status(self.out), "interrupted")
        done = self.run_to_end("--resume", self.checkpoint)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_as(expected)

    def test_checkpoints_are_written_without_changing_the_result(self):
        expected = self.straight()
        process = self.start(every="30ms")
        _, errors = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 0, errors)
        self.assert_same_as(expected)
        # The last checkpoint is behind the end of the file by now; the one before it even more.
        self.checkpoint.write_bytes(self.checkpoint.read_bytes()[:1000])
        refused = self.run_to_end("--resume", self.checkpoint)
        self.assertEqual(refused.returncode, 2)
        self.assertRegex(refused.stderr, r"run.checkpoint: is damaged: it ends early; .*run.checkpoint.previous .*--fall-back")
        self.assert_same_as(expected)
        done = self.run_to_end("--resume", self.checkpoint, "--fall-back")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("taking the one before", done.stderr)
        self.assert_same_as(expected)

    def test_checkpoints_by_model_time_or_epochs(self):
        expected = self.straight(*self.short)
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                process = self.start(*self.often, *self.short, every="1h", ranks=ranks)
                found = set()
                while process.poll() is None:
                    found.add(self.generation())
                    time.sleep(0.0005)
                self.assertEqual(process.returncode, 0, process.communicate()[1])
                self.assertGreaterEqual(len(found - {None}), self.generations)
                self.assert_same_as(expected)
                done = self.run_to_end("--resume", pathlib.Path(f"{self.checkpoint}.previous"), *self.short)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assert_same_as(expected)
                self.checkpoint.unlink()

    def test_refuses_what_is_not_its_own(self):
        self.interrupt()
        refused = self.run_to_end("--resume", self.checkpoint, "--seed", "77")
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("run.checkpoint: is of another description: ", refused.stderr)
        refused = self.run_to_end("--resume", self.checkpoint, out="other.h5")
        self.assertEqual(refused.returncode, 1, refused.stderr)
        self.assertIn("other.h5: the result file of the checkpoint is not there; name it with --out", refused.stderr)
        refused = self.run_to_end("--resume", "run" + self.suffix)
        self.assertEqual(refused.returncode, 2)
        self.assertIn(f"run{self.suffix}: is no checkpoint", refused.stderr)
        refused = self.run_to_end("--resume", "absent.checkpoint")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--resume absent.checkpoint: there is no such file", refused.stderr)
        checked = self.run_to_end("--resume", "absent.checkpoint", "--check")
        self.assertEqual((checked.returncode, checked.stderr), (2, refused.stderr))
        checked = self.run_to_end("--resume", self.checkpoint, "--check")
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def assert_fails(self, process, message, seconds=60):
        """The job ends by itself with status 1 and one line that says why."""
        _, errors = process.communicate(timeout=seconds)
        self.assertEqual(process.returncode, 1, errors)
        lines = [line for line in errors.splitlines() if line.startswith(os.path.basename(self.program) + ":")]
        self.assertEqual(len(lines), 1, errors)
        self.assertRegex(lines[0], message)

    def test_a_checkpoint_that_cannot_be_written_ends_the_run(self):
        for ranks in (1, max(self.ranks)):
            with self.subTest(ranks=ranks):
                lost = self.folder / "lost"
                lost.mkdir()
                self.checkpoint = lost / "run.checkpoint"
                process = self.start(ranks=ranks)
                self.assertTrue(wait_for(self.checkpoint.exists, process))
                shutil.rmtree(lost)
                self.assert_fails(process, r"cannot open .*lost/run.checkpoint.new: No such file or directory")
                self.assertEqual(status(self.out), "failed")

    def test_a_full_disk_for_checkpoints_ends_the_run(self):
        with small_disk(self.folder / "disk", "16k") as disk:
            self.checkpoint = disk / "run.checkpoint"
            self.assert_fails(self.start(), r"cannot write .*disk/run.checkpoint.new: No space left on device")
            self.assertEqual(status(self.out), "failed")
            self.assertEqual(list(disk.iterdir()), [])

    @unittest.skipIf("ASAN_OPTIONS" in os.environ, "the address sanitizer cannot live with a limit on memory")
    def test_a_rank_without_memory_ends_the_run(self):
        if not self.hungry:
            self.skipTest("no description that needs much memory")
        self.write("hungry" + self.suffix, self.hungry)
        command = [self.program, "hungry" + self.suffix, "--out", str(self.out), "--progress", "none"]
        limited = ["bash", "-c", f"ulimit -v {self.limit_kib}; exec {shlex.join(command)}"]
        process = subprocess.Popen(["mpirun", "-n", "1", *command, ":", "-n", "1", *limited], cwd=self.folder, env=environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assert_fails(process, r"rank 1: out of memory")

    def kill(self, process, victim):
        """Kills and waits until nothing of the run is left, as a batch system does; what survives for long is a failure."""
        ranks = [pid for pid in processes_below(process.pid) if pid != process.pid] or [process.pid]
        victims = {"one rank": [random.choice(ranks)], "all ranks": ranks, "mpirun": [process.pid]}[victim]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            # Open MPI's launcher can wait for ever for a rank that died while it was being started. No rank may.
            self.assertEqual(living_below(process.pid), [], "ranks wait for one that has died")
            process.kill()
            process.communicate()
        end = time.monotonic() + 30
        while any(pathlib.Path(f"/proc/{pid}/stat").exists() for pid in ranks):
            self.assertLess(time.monotonic(), end, "ranks outlive their job")
            time.sleep(0.01)

    def wait_for_moment(self, process, moment):
        """Returns at a moment of the kind; False where the run has ended before."""
        if moment == "any":
            if random.random() < 0.7:  # else at any moment of the start, too
                wait_for(self.checkpoint.exists, process)
            time.sleep(random.expovariate(1 / 0.15))
            return process.poll() is None
        fresh = pathlib.Path(f"{self.checkpoint}.new")
        if not wait_for(self.out.exists, process):
            return False
        if moment == "checkpoint":
            return wait_for(fresh.exists, process)
        length = self.out.stat().st_size
        return wait_for(lambda: self.out.stat().st_size != length, process)

    def test_kills(self):
        expected = self.straight()
        seed = int(os.environ.get("LPL_KILL_SEED", time.time_ns() % 10**6))
        random.seed(seed)
        kills, runs = 0, 0
        while kills < KILLS:
            for path in (self.out, self.checkpoint, pathlib.Path(f"{self.checkpoint}.previous")):
                path.unlink(missing_ok=True)
            # One run, killed up to eight times, each time resumed on another number of ranks.
            for attempt in range(9):
                ranks = random.choice(self.ranks)
                moment, victim = random.choice(("any", "checkpoint", "flush")), random.choice(("one rank", "all ranks", "mpirun"))
                with self.subTest(seed=seed, kill=kills, moment=moment, victim=victim, ranks=ranks):
                    process = self.start(ranks=ranks)
                    if attempt < 8 and kills < KILLS and self.wait_for_moment(process, moment):
                        self.kill(process, victim)
                        kills += 1
                        if self.out.exists() and self.out.stat().st_size > 0:
                            self.assertIn(status(self.out), ("running", "complete"))
                            datasets(self.out)
                        continue
                    _, errors = process.communicate(timeout=300)
                    self.assertEqual(process.returncode, 0, errors)
                    self.assert_same_as(expected)
                    runs += 1
                    break
        print(f"{self.program}: {kills} kills, {runs} runs completed, seed {seed}")


class SpikingRestart(Restart, InFolder):
    program, suffix, description = LPL_SIM, ".sim", SPIKING
    files = {"spikes.ras": spikes_of_file()}
    hungry = """
simulation = { seed = 1 }
stimulus = [{ name = "input", type = "poisson", size = 10000, rate = "5 Hz" }]
population = [{ name = "exc", cell = "if", size = 10000 }]
connection = [{ name = "input_exc", from = "input", to = "exc", density = 0.5, weight = 0.03 }]
phase = [{ name = "run", duration = "600 s" }]
"""
    often, generations = ["--checkpoint-model-time", "100ms"], 10
    short = ["--set", "phase.second.duration=1.27 s", "--set", "phase.third.duration=1 s"]


# All that a training run keeps: both moments of Adam, stale estimates, an epoch under way, losses of every step,
# inspections, baselines and readouts.
TRAINING = """
training = { seed = 3, batch = 24, epochs = 5 }
network = { net = "small" }
learning = { rule = "stale" }
data = { set = "scenes", side = 16, trajectories = 200, blocks_per_epoch = 9, readout_blocks = 3, test_blocks = 2 }
readout = { every = 2, epochs = 2 }
optimizer = { warmup_epochs = 2 }
record = { losses = true, gradients = [3], parameters = [20], estimates = [25] }
net = { small = { type = "convolutional", channels = [16, 24, 32], pools = [2, 2, 2] } }
rule = { stale = { type = "lpl", predictive = { strength = 1.0 }, hebbian = { strength = 1.0 }, rate = { estimates = "stale" } } }
"""


class TrainingRestart(Restart, InFolder):
    program, suffix, description = LPL_RATE, ".rate", TRAINING
    # Activity of the first layer: 1 MiB a view, 2 GiB a rank.
    hungry = """
training = { batch = 2048, epochs = 1 }
network = { net = "wide" }
learning = { rule = "lpl" }
data = { set = "scenes", side = 64, trajectories = 800, blocks_per_epoch = 1, readout_blocks = 1, test_blocks = 1 }
readout = { wanted = false }
net = { wide = { type = "convolutional", channels = [64, 64] } }
"""
    often, generations = ["--checkpoint-epochs", "1"], 3
    short, earlier = ["--set", "training.epochs=3"], ["--checkpoint-epochs", "1"]
    timings = {"training/images_per_second"}

    def test_refuses_what_is_not_its_own(self):
        """The result file is written anew from the checkpoint, so it need not be there."""
        self.interrupt()
        refused = self.run_to_end("--resume", self.checkpoint, "--seed", "77")
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("run.checkpoint: is of another description: ", refused.stderr)
        refused = self.run_to_end("--resume", "run.rate")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("run.rate: is no checkpoint", refused.stderr)
        refused = self.run_to_end("--resume", "absent.checkpoint")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--resume absent.checkpoint: there is no such file", refused.stderr)


if __name__ == "__main__":
    unittest.main()
