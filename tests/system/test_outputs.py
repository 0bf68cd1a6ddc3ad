#!/usr/bin/env python3
"""What a run writes never costs a file of anybody, and a run ends with what it has done."""

import os
import pathlib
import signal
import subprocess
import time
import unittest

from support import LPL_RATE, LPL_SIM, InFolder, datasets, environment, h5py, lpl_rate, lpl_sim, mpirun, status, wait_for

import numpy as np

SPIKING = """
simulation = { seed = 3 }
population = [{ name = "exc", cell = "if", size = 8 }]
[[stimulus]]
name = "input"
type = "spikes"
file = "spikes.ras"
size = 20
[[connection]]
name = "input_exc"
from = "input"
to = "exc"
file = "weights.mtx"
plasticity = "lpl"
[[phase]]
name = "first"
duration = "0.5 s"
[[phase]]
name = "last"
duration = "1 s"
[[record]]
what = "spikes"
of = ["exc", "input"]
[[record]]
what = "rates"
of = "exc"
every = "50 ms"
[[record]]
name = "v"
what = "state"
of = "exc"
variable = "V"
neurons = [0, 7]
every = "1 ms"
[[record]]
what = "weights"
of = "input_exc"
"""
SPIKES = "".join(f"{t * 0.003:.4f} {t * 7 % 20}\n" for t in range(1200))
WEIGHTS = ("%%MatrixMarket matrix coordinate real general\n20 8 160\n" +
           "".join(f"{pre} {post} 0.4\n" for pre in range(1, 21) for post in range(1, 9)))

TRAINING = """
training = { seed = 3, batch = 24, epochs = 2 }
network = { net = "small" }
learning = { rule = "lpl" }
data = { set = "scenes", side = 16, trajectories = 100, blocks_per_epoch = 4, readout_blocks = 3, test_blocks = 2 }
readout = { epochs = 2 }
optimizer = { schedule = "constant" }
net = { small = { type = "convolutional", channels = [16, 24], pools = [2, 2] } }
"""


class Runs(InFolder):
    def setUp(self):
        super().setUp()
        self.write("net.sim", SPIKING)
        self.write("spikes.ras", SPIKES)
        self.write("weights.mtx", WEIGHTS)
        self.write("net.rate", TRAINING)

    def done(self, *arguments, run=lpl_sim, description="net.sim", **options):
        done = run(description, "--progress", "none", *arguments, cwd=self.folder, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def refused(self, message, *arguments, code=2, run=lpl_sim, description="net.sim", **options):
        """One line that says why, and every file as it was."""
        before = self.contents()
        done = run(description, "--progress", "none", *arguments, cwd=self.folder, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, message)
        self.assertEqual(done.stderr.count(f"{run.__name__}:"), 1, done.stderr)
        self.assertEqual(self.contents(), before)

    def contents(self):
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}

    def start(self, *arguments, program=LPL_SIM, description="net.sim", ranks=1):
        return subprocess.Popen(mpirun(ranks, program, description, "--progress", "none", *arguments), cwd=self.folder,
                                env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Places(Runs):
    def test_no_output_is_an_input_or_another_output(self):
        os.link(self.folder / "spikes.ras", self.folder / "linked.ras")
        (self.folder / "symbolic.h5").symlink_to("weights.mtx")
        (self.folder / "spikes.ras.new").write_text("mine")
        for arguments, message in (
                (["--out", "net.sim"], r"--out .*net\.sim: would overwrite .*net\.sim, which this run reads"),
                (["--out", "./../" + self.folder.name + "/spikes.ras"], "--out .*would overwrite .*spikes.ras"),
                (["--out", "linked.ras"], "--out .*linked.ras: would overwrite .*spikes.ras"),
                (["--out", "symbolic.h5"], "--out .*would overwrite .*weights.mtx"),
                (["--checkpoint", "weights.mtx"], "--checkpoint .*would overwrite .*weights.mtx"),
                (["--out", "a.h5", "--checkpoint", "a.h5"], "--checkpoint .*a.h5 and --out .*a.h5 would both write .*a.h5"),
                (["--out", "a.h5", "--checkpoint", "a.h5.new"], "would both write .*a.h5.new")):
            for ranks in (1, 2):
                with self.subTest(arguments=arguments, ranks=ranks):
                    self.refused(message, *arguments, ranks=ranks)

    def test_a_parent_behind_a_link_is_that_of_what_the_link_leads_to(self):
        (self.folder / "real/sub").mkdir(parents=True)
        (self.folder / "link").symlink_to("real/sub")
        self.refused("--out .*would overwrite .*spikes.ras", "--overwrite", "--out", "link/../../spikes.ras")
        self.write("real/below.ras", SPIKES)
        reads_below = ["--set", "stimulus.input.file=link/../below.ras", "--overwrite", "--out"]
        self.refused("--out .*would overwrite .*real/below.ras", *reads_below, "real/below.ras")
        self.write("below.ras", "mine")
        self.done(*reads_below, "a.h5")
        self.assertEqual((self.folder / "below.ras").read_text(), "mine")

    def test_files_of_others_beside_an_output_stay(self):
        for name in ("a.h5.new", "a.h5.lock", "a.h5.previous"):
            self.write(name, "mine")
            self.refused(f"--out .*{name}, which is written beside it, is there already and is no file of a run", "--overwrite", "--out", "a.h5")
            (self.folder / name).unlink()

    def test_a_file_whose_head_a_killed_run_had_not_written_yet_is_replaced(self):
        (self.folder / "a.h5.new").write_bytes(bytes(2048) + b"what follows the head")
        self.done("--out", "a.h5")
        self.assertFalse((self.folder / "a.h5.new").exists())

    def test_the_default_output_is_no_input_either(self):
        with h5py.File(self.folder / "net.h5", "w") as file:
            times = file.create_dataset("spikes/input/timestamps", data=[1.0, 2.0])
            times.attrs["units"] = "ms"
            file["spikes/input/node_ids"] = [0, 1]
        self.write("net.sim", SPIKING.replace("spikes.ras", "net.h5"))
        self.refused(r"--out .*net\.h5: would overwrite .*net\.h5, which this run reads")

    def test_only_regular_files_are_written(self):
        (self.folder / "folder").mkdir()
        os.mkfifo(self.folder / "pipe")
        places = [("folder", "a folder"), ("pipe", "a pipe")]
        if os.geteuid() == 0:
            subprocess.run(["mknod", self.folder / "device", "c", "1", "3"], check=True)
            places.append(("device", "a device"))
        for place, kind in places:
            for option in ("--out", "--checkpoint"):
                self.refused(f"{option} .*{place}: .*{place} is {kind}, no regular file", option, place)
        self.refused("--out .*there is no folder .*none; make it first", "--out", "none/a.h5")
        self.refused("--out a{250}.h5: .*a{250}.h5.new cannot be looked up: File name too long", "--out", "a" * 250 + ".h5")
        for option in ("--out", "--checkpoint"):
            self.refused(f"{option} /proc/a: no file can be created in /proc: ", option, "/proc/a")
        self.refused("--checkpoint .*there is no folder .*none", "--checkpoint", "none/a.checkpoint")
        self.refused("--out .*there is no folder .*net.sim", "--out", "net.sim/a.h5")

    def test_the_streams_of_a_process_are_no_files(self):
        """Whatever they are open to: a pipe, or a file that was made before the run began."""
        with open(self.folder / "stream", "w") as stream:
            for place in ("/dev/stdout", "/dev/fd/1", f"/proc/self/fd/{stream.fileno()}"):
                for output in (subprocess.PIPE, stream):
                    with self.subTest(place=place, output=output):
                        done = subprocess.run([LPL_SIM, "net.sim", "--overwrite", "--out", place], cwd=self.folder, env=environment(),
                                              stdout=output, stderr=subprocess.PIPE, text=True, timeout=60, pass_fds=(stream.fileno(),))
                        self.assertEqual(done.returncode, 2, done.stderr)
                        self.assertIn(f"lpl_sim: --out {place}: leads to no file that has a name; name a regular file", done.stderr)
        self.assertEqual(list(self.folder.glob("*.lock")), [])

    def test_messages_name_what_was_given(self):
        (self.folder / "link.h5").symlink_to("none/a.h5")
        self.refused("--out link.h5: there is no folder .*none; make it first", "--out", "link.h5")
        self.write("thesis.txt", "chapter one")
        (self.folder / "other.h5").symlink_to("thesis.txt")
        self.refused("lpl_sim: other.h5: is there already", "--out", "other.h5")
        self.refused("lpl_sim: --checkpoint other.h5: is a text", "--checkpoint", "other.h5")

    def test_a_link_stays_a_link(self):
        (self.folder / "link.h5").symlink_to("target.h5")
        self.done("--out", "link.h5")
        self.assertTrue((self.folder / "link.h5").is_symlink())
        self.assertEqual(status(self.folder / "target.h5"), "complete")

    def test_the_outputs_of_training(self):
        for arguments, message in (
                (["--out", "net.rate"], "--out .*would overwrite .*net.rate"),
                (["--out", "a", "--export", "a"], "--export .*a and --out .*a would both write"),
                (["--export", "none/a"], "--export .*there is no folder"),
                (["--checkpoint", "a", "--export", "a"], "would both write .*a"),
                (["--checkpoint", "none/a"], "--checkpoint .*there is no folder"),
                (["--events", "net.rate"], "--events net.rate: .*net.rate is a file, no folder; name a folder"),
                (["--events", "net.rate/a/b"], "--events net.rate/a/b: the folder cannot be made: Not a directory"),
                (["--events", "net.h5"], "--events net.h5: is a folder, but --out net.h5 would write a file there: .*net.h5"),
                (["--events", "a", "--export", "./a"], "--events a: is a folder, but --export ./a would write a file there"),
                (["--events", "a.new", "--checkpoint", "a"], "--events a.new: is a folder, but --checkpoint a would write a file there: .*a.new"),
                (["--events", "/proc/none/a"], "--events /proc/none/a: the folder cannot be made: ")):
            for ranks in (1, 2):
                with self.subTest(arguments=arguments, ranks=ranks):
                    self.refused(message, *arguments, run=lpl_rate, description="net.rate", ranks=ranks)
        self.assertFalse((self.folder / "net.h5").exists())

    def test_reading_out_does_not_overwrite_what_it_reads(self):
        self.done(run=lpl_rate, description="net.rate")
        before = (self.folder / "net.h5").read_bytes()
        (self.folder / "link.h5").symlink_to("net.h5")
        done = lpl_rate("eval", "net.h5", "--out", "link.h5", cwd=self.folder)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("would overwrite", done.stderr)
        refused = lpl_rate("eval", "net.h5", "--set", "network.biases=false", cwd=self.folder)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--set network.biases=false: a network is read out as it was trained", refused.stderr)
        self.assertEqual(lpl_rate("eval", "net.h5", cwd=self.folder).returncode, 0)
        self.assertTrue((self.folder / "net.eval.h5").exists())
        self.assertEqual((self.folder / "net.h5").read_bytes(), before)

    def test_activity_is_not_replaced_by_a_readout_without(self):
        self.done(run=lpl_rate, description="net.rate")

        def read_out(*options):
            return lpl_rate("eval", "net.h5", *options, cwd=self.folder)
        for first, then, message in ((["--activity"], [], "made with --activity there, without options here"),
                                     ([], ["--activity"], "made without options there, with --activity here")):
            self.assertEqual(read_out(*first, "--overwrite").returncode, 0)
            before = self.contents()
            refused = read_out(*then)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn(f"net.eval.h5: is there already, and not the result of this run ({message})", refused.stderr)
            self.assertEqual(self.contents(), before)
            self.assertEqual(read_out(*first).returncode, 0)
        self.assertEqual(read_out("--activity", "--overwrite").returncode, 0)
        self.assertIn("activity/layer_1", datasets(self.folder / "net.eval.h5"))


class Results(Runs):
    def test_a_rerun_replaces_its_result_and_no_other(self):
        self.done("--out", "run.h5")
        first = datasets(self.folder / "run.h5")
        self.done("--out", "run.h5", ranks=2)
        self.assertEqual(datasets(self.folder / "run.h5"), first)
        self.refused("run.h5: is there already, and not the result of this run .*seed = 3.* there, .*seed = 4.* here.*--overwrite",
                     "--out", "run.h5", "--seed", "4")
        self.write("weights.mtx", WEIGHTS.replace("1 1 0.4", "1 1 0.3"))
        self.refused(r"not the result of this run \(.*weights.mtx has changed", "--out", "run.h5")
        self.done("--out", "run.h5", "--overwrite")
        self.assertNotEqual(datasets(self.folder / "run.h5"), first)

    def test_what_is_no_result_is_not_replaced(self):
        self.write("thesis.txt", "chapter one")
        message = 'thesis.txt: is there already, and is a text that begins "chapter one"; name another file with --out, or move it away'
        self.refused(message, "--out", "thesis.txt")
        self.done("--out", "run.h5", run=lpl_rate, description="net.rate")
        self.done("--out", "run_sim.h5")
        for more in ([], ["--overwrite"]):
            self.refused('--checkpoint thesis.txt: is a text that begins "chapter one", and --overwrite replaces only a checkpoint',
                         "--checkpoint", "thesis.txt", "--out", "run_sim.h5", *more)
            self.refused('--export thesis.txt: is a text that begins "chapter one", and --overwrite replaces only a safetensors file',
                         "--export", "thesis.txt", "--out", "run.h5", *more, run=lpl_rate, description="net.rate")

    def test_overwrite_replaces_results_and_what_is_empty(self):
        self.done("--out", "other.h5", "--seed", "4")
        self.write("empty", "")
        for name in ("other.h5", "empty", "absent"):
            self.done("--out", name, "--overwrite")
            self.assertEqual(status(self.folder / name), "complete")
        with open(self.folder / "other.h5", "r+b") as damaged:  # as a kill in mid-flush may leave it
            damaged.seek(8)
            damaged.write(b"\xff" * 40)
        self.refused("other.h5: is there already, and not the result of this run", "--out", "other.h5")
        self.done("--out", "other.h5", "--overwrite")

    def test_overwrite_replaces_nothing_else(self):
        self.write("thesis.txt", "chapter one\nIt was a dark night")
        (self.folder / "odd").write_bytes(bytes(range(256)))
        self.done("--checkpoint", "a.checkpoint", "--out", "a.h5")
        with h5py.File(self.folder / "data.h5", "w") as file:
            file["lpl_sim"] = np.arange(3)
        with h5py.File(self.folder / "images.h5", "w") as file:
            file.attrs["format"] = "lpl images 1"
        (self.folder / "link").symlink_to("thesis.txt")
        found = {"thesis.txt": 'a text that begins "chapter one"', "odd": "a file of another kind", "a.checkpoint": "a checkpoint",
                 "data.h5": "an HDF5 file of another kind", "images.h5": "a set of images", "link": "a text"}
        before = self.contents()
        for name, what in found.items():
            for run, description in ((lpl_sim, "net.sim"), (lpl_rate, "net.rate")):
                for ranks in (1, 2):
                    with self.subTest(name=name, run=run, ranks=ranks):
                        self.refused(f"--out {name}: is {what}.*, and --overwrite replaces only a result of lpl_sim or lpl_rate; name another file",
                                     "--out", name, "--overwrite", run=run, description=description, ranks=ranks)
        self.refused("--out thesis.txt: is a text", "--out", "thesis.txt", "--overwrite", "--resume", "a.checkpoint")
        self.assertEqual(self.contents(), before)

    def test_overwrite_replaces_checkpoints_and_exports_of_other_runs(self):
        self.write("empty", "")
        for option in ("--checkpoint", "--export"):
            for name in (f"file{option}", "empty"):
                self.done(option, name, "--seed", "4", "--overwrite", run=lpl_rate, description="net.rate")
                other = (self.folder / name).read_bytes()
                self.refused(f"{option} {name}: is ", option, name, "--out", "new.h5", run=lpl_rate, description="net.rate")
                self.done(option, name, "--overwrite", run=lpl_rate, description="net.rate")
                self.assertNotEqual((self.folder / name).read_bytes(), other)
                self.write("empty", "")

    def test_a_result_names_the_data_it_was_made_from(self):
        self.done("--out", "run.h5")
        with h5py.File(self.folder / "run.h5") as file:
            paths = file["config/inputs/path"][()].decode().splitlines()
            sums = file["config/inputs/checksum"][()].decode().splitlines()
        self.assertEqual([pathlib.Path(path).name for path in paths], ["spikes.ras", "weights.mtx"])
        self.assertEqual(len(sums), 2)
        self.assertRegex(sums[0], "^[0-9a-f]{16}$")

    def test_two_runs_do_not_share_an_output(self):
        first = self.start("--out", "run.h5", "--set", "phase.last.duration=100000 s")
        try:
            self.assertTrue(wait_for((self.folder / "run.h5").exists, first))
            for ranks in (1, 2):
                done = lpl_sim("net.sim", "--out", "run.h5", "--overwrite", cwd=self.folder, ranks=ranks)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertRegex(done.stderr, rf"--out run.h5: is being written by another run \(process {first.pid} on ")
        finally:
            first.kill()
            first.communicate()
        # A lock ends with its owner, however that ends.
        self.assertEqual(status(self.folder / "run.h5"), "running")
        self.done("--out", "run.h5", "--overwrite")
        self.assertFalse((self.folder / "run.h5.lock").exists())

    def test_a_result_that_is_taken_away_is_an_error(self):
        for steal in (os.unlink, lambda path: os.replace(self.write("other", "mine"), path)):
            process = self.start("--out", "run.h5", "--set", "phase.last.duration=100000 s", "--overwrite")
            self.assertTrue(wait_for((self.folder / "run.h5").exists, process))
            steal(self.folder / "run.h5")
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 1, errors)
            self.assertIn("run.h5: was removed or replaced while this run was writing it", errors)


class Ends(Runs):
    def test_a_signal_without_checkpoint_marks_the_result(self):
        for number, ranks in ((signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGUSR1, 2)):
            with self.subTest(number=number):
                process = self.start("--out", "run.h5", "--set", "phase.last.duration=100000 s", "--overwrite", ranks=ranks)
                self.assertTrue(wait_for((self.folder / "run.h5").exists, process))
                time.sleep(0.2)
                process.send_signal(number)
                out, errors = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 1, errors)
                self.assertIn("interrupted  run.h5 holds what was done; without --checkpoint", out)
                self.assertEqual(status(self.folder / "run.h5"), "interrupted")
                with h5py.File(self.folder / "run.h5") as file:
                    self.assertGreater(file.attrs["model_time"], 0)
                (self.folder / "run.h5").unlink()

    def test_a_second_signal_ends_at_once(self):
        process = self.start("--out", "run.h5", "--set", "phase.last.duration=100000 s")
        self.assertTrue(wait_for((self.folder / "run.h5").exists, process))
        os.kill(process.pid, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        os.kill(process.pid, signal.SIGCONT)
        process.communicate(timeout=20)
        self.assertLess(process.returncode, 0)

    def test_training_too(self):
        process = self.start("--out", "run.h5", "--set", "training.epochs=100000", program=LPL_RATE, description="net.rate")
        self.assertTrue(wait_for((self.folder / "run.h5").exists, process))
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn("interrupted  run.h5 holds what was done", out)
        self.assertEqual(status(self.folder / "run.h5"), "interrupted")
        self.assertIn("run.h5: its status is 'interrupted'", lpl_rate("eval", "run.h5", cwd=self.folder).stderr)

    def test_looking_needs_no_mpi(self):
        variables = dict(environment(), OMPI_MCA_ess="none", OMPI_MCA_pmix="none", PMIX_MCA_gds="none")  # MPI cannot start
        for program, description in ((LPL_SIM, "net.sim"), (LPL_RATE, "net.rate")):
            for arguments in (["--version"], [description, "--check"]):
                done = subprocess.run([program, *arguments], cwd=self.folder, env=variables, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)


class Prolonged(Runs):
    def test_a_finished_run_goes_on(self):
        longer = ["--set", "phase.last.duration=2.35 s"]
        self.done("--out", "straight.h5", *longer)
        for ranks, more in ((1, 2), (2, 1)):
            self.done("--out", "run.h5", "--checkpoint", "run.checkpoint", "--overwrite", ranks=ranks)
            done = self.done("--out", "run.h5", "--resume", "run.checkpoint", *longer, ranks=more)
            self.assertIn("for 1.35 s model time", done.stdout)
            straight, prolonged = datasets(self.folder / "straight.h5"), datasets(self.folder / "run.h5")
            self.assertEqual(straight.keys(), prolonged.keys())
            for name, value in straight.items():
                self.assertEqual(value, prolonged[name], name)
            with h5py.File(self.folder / "run.h5") as file:
                self.assertAlmostEqual(file["phases/last"].attrs["end"], 2.85)

    def test_only_the_length_may_differ(self):
        run = ["--out", "run.h5", "--checkpoint", "run.checkpoint"]
        self.done(*run)
        resume = ["--out", "run.h5", "--resume", "run.checkpoint"]
        self.refused("run.checkpoint: has reached 1.5 s, but the last phase 'last' ends at 1.2 s now; make it longer", *resume,
                     "--set", "phase.last.duration=0.7 s")
        self.refused("run.checkpoint: is of another description: .*0.5 s.* there, .*0.6 s.* here", *resume, "--set",
                     "phase.first.duration=0.6 s")
        self.write("spikes.ras", SPIKES.replace("0.0030 7", "0.0030 8"))
        self.refused("run.checkpoint: is of a run on other data: .*spikes.ras has changed .*put the file back", *resume, "--set",
                     "phase.last.duration=2 s")

    def test_records_of_the_end_forbid_another_end(self):
        for extra, message in (('last = "100 ms"', "record '.*' has recorded some of the phase's last steps"),
                               ('every = "70 ms"', "record '.*' has counted a bin that ended early with the phase")):
            self.write("net.sim", SPIKING.replace('every = "50 ms"', extra if "every" in extra else 'every = "50 ms"\n' + extra))
            self.done("--out", "run.h5", "--checkpoint", "run.checkpoint", "--overwrite")
            self.refused(message, "--out", "run.h5", "--resume", "run.checkpoint", "--set", "phase.last.duration=2 s")

    def test_training_goes_on(self):
        longer = ["--set", "training.epochs=4"]
        training = {"run": lpl_rate, "description": "net.rate"}
        self.done("--out", "straight.h5", *longer, **training)
        self.done("--out", "run.h5", "--checkpoint", "run.checkpoint", **training)
        self.done("--out", "run.h5", "--resume", "run.checkpoint", *longer, **training, ranks=2)
        straight, prolonged = datasets(self.folder / "straight.h5"), datasets(self.folder / "run.h5")
        self.assertEqual(straight.keys(), prolonged.keys())
        for name, value in straight.items():
            if name != "training/images_per_second":
                self.assertEqual(value, prolonged[name], name)

    def test_a_longer_cosine_is_said(self):
        training = {"run": lpl_rate, "description": "net.rate"}
        cosine = ["--out", "run.h5", "--set", "optimizer.schedule=cosine", "--set", "optimizer.warmup_epochs=0"]
        self.done(*cosine, "--checkpoint", "run.checkpoint", **training)
        done = self.done(*cosine, "--resume", "run.checkpoint", "--set", "training.epochs=4", **training)
        self.assertRegex(done.stderr, "warning: 2 epochs were to be trained, now 4: the cosine of the learning rate spans all of them")
        self.refused("run.checkpoint: has taken 8 steps, but this run ends after 4", *cosine, "--resume", "run.checkpoint", "--set",
                     "training.epochs=1", **training)


if __name__ == "__main__":
    unittest.main()
