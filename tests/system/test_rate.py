#!/usr/bin/env python3
"""lpl_rate as a user runs it: one result on any number of ranks and threads, interrupted or not; what it writes can be
read; every option trains; what means nothing is refused with the reason."""

import json
import os
import pathlib
import signal
import struct
import subprocess
import time
import unittest
import unittest.mock

from event_reader import read_events
from support import LPL_RATE, ROOT, InFolder, datasets, environment, h5py, lpl_rate, mpirun, status

import numpy as np

LPL = 'type = "lpl"\npredictive = { strength = 1 }\nhebbian = { strength = 1 }'
STALE = LPL + '\nrate = { estimates = "stale" }'
SUPERVISED = 'type = "supervised"'
CONTRASTIVE = 'type = "contrastive"'
OJA = 'type = "oja"'
VGG = 'type = "convolutional"\nchannels = [8, 8, 8, 8, 8, 8, 8, 8]\npools = [2, 2, 0, 2, 0, 2, 0, 2]'
RESIDUAL = 'type = "residual"\nstem_channels = 8\nchannels = [4, 8]\nblocks = [2, 1]\nstrides = [1, 2]\nexpansion = 3'
LINEAR = 'type = "dense"\nunits = [1]\nrectified = false'
SCENES = 'set = "scenes"\ntrajectories = 60\nblocks_per_epoch = 3\nreadout_blocks = 4\ntest_blocks = 4'
CLUSTERS = 'set = "clusters"\nsteps_per_epoch = 3'


def description(rule=LPL, net=VGG, data=SCENES):
    """A network that trains in a second: two epochs of three steps of ten pairs."""
    return f"""
[training]
batch = 10
epochs = 2
[network]
net = "tiny"
[learning]
rule = "tried"
[optimizer]
schedule = "constant"
[data]
{data}
[readout]
epochs = 2
batch = 16
pixels = false
[record]
losses = true
[net.tiny]
{net}
[rule.tried]
{rule}
"""


class RateTest(InFolder):
    def command(self, text, name, settings, arguments=()):
        """Arguments of a run of this description that writes NAME.h5."""
        assignments = [part for setting in settings for part in ("--set", setting)]
        return [self.write(f"{name}.rate", text), "--out", self.folder / f"{name}.h5", "--overwrite", "--progress", "none", *assignments,
                *arguments]

    def train(self, name, *settings, text=None, arguments=(), **options):
        """Runs to its end; returns the datasets of NAME.h5."""
        done = lpl_rate(*self.command(text or description(), name, settings, arguments), **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        out = self.folder / f"{name}.h5"
        self.assertEqual(status(out), "complete")
        return datasets(out)

    def refused(self, *settings, text=None, code=2, arguments=(), **options):
        """Runs into an error of one line; returns it."""
        done = lpl_rate(*self.command(text or description(), "refused", settings, arguments), timeout=60, **options)
        self.assertEqual(done.returncode, code, done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("lpl_rate:")]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]

    def assert_same(self, expected, found, ignore=()):
        ignore = {"training/images_per_second", *ignore}
        self.assertEqual(expected.keys(), found.keys())
        different = [name for name in expected if name not in ignore and expected[name] != found[name]]
        self.assertEqual(different, [])

    def batches(self, name="batches.h5", samples=10, batches=3):
        """A file of recorded batches of two views, noise around a common image."""
        random = np.random.default_rng(1)
        image = random.normal(size=(batches, samples, 3, 32, 32))
        path = self.folder / name
        with h5py.File(path, "w") as file:
            for view in ("img_1", "img_2"):
                file[f"batches/{view}"] = (image + 0.3 * random.normal(size=image.shape)).astype(np.float32)
            file["batches/labels"] = random.integers(0, 10, (batches, samples))
            file["batches/order"] = np.arange(batches)
        return path

    def cifar10(self):
        """A folder of 5 x 7 training and 8 test images of noise: an epoch of 28 images, its last batch incomplete."""
        random = np.random.default_rng(1)
        folder = self.folder / "cifar"
        folder.mkdir()
        for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
            records = random.integers(0, 256, (7 + (name[0] == "t"), 3073), np.uint8)
            records[:, 0] %= 10
            (folder / name).write_bytes(records.tobytes())
        return folder


# What is trained -> rule, further settings.
WAYS = {
    "layer_local": (LPL, []),
    "end_to_end": (LPL, ['learning.scope="end_to_end"']),
    "supervised": (SUPERVISED, []),
    "projector": (LPL, ["network.projector_size=6", "network.projector_hidden=12"]),
    "stale": (STALE, []),
    "no_pooling": (LPL, ["network.pooling=false"]),
    "shuffled": (LPL, ['learning.positives="shuffled"']),
    "contrastive": (CONTRASTIVE, []),
}
END_TO_END = ['learning.scope="end_to_end"']
BFLOAT16 = "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text()


class OneResult(RateTest):
    """Ten pairs on three or five ranks: unequal shares, and single samples."""

    def check_split(self, rule, settings, net=VGG):
        text = description(rule, net)
        expected = self.train("one", *settings, text=text, threads=1)
        self.assertIn("readout/accuracy", expected)
        for ranks, threads in ((1, 2), (2, 1), (3, 2), (5, 1)):
            with self.subTest(ranks=ranks, threads=threads):
                self.assert_same(expected, self.train(f"ranks{ranks}", *settings, text=text, ranks=ranks, threads=threads))

    def test_is_the_same_on_any_number_of_ranks_and_threads(self):
        for way, (rule, settings) in WAYS.items():
            with self.subTest(way=way):
                self.check_split(rule, settings)

    @unittest.skipUnless(BFLOAT16, "this processor has no avx512_bf16")
    def test_is_the_same_in_bfloat16(self):
        self.check_split(LPL, ['training.precision="bf16"'])

    def test_residual_nets_are_the_same(self):
        """Batch normalisation sees the batch of all ranks."""
        self.check_split(LPL, END_TO_END, RESIDUAL)
        if BFLOAT16:
            self.check_split(LPL, [*END_TO_END, 'training.precision="bf16"'], RESIDUAL)

    def test_dropout_is_the_same(self):
        net = 'type = "convolutional"\nchannels = [6, 8]\nkernels = [5, 3]\nstrides = [2, 1]\npaddings = [2, 1]\n' \
              "pools = [3, 0]\nadaptive_pools = [0, 3]\ndropouts = [0.2, 0.5]"
        self.check_split(LPL, [], net)
        self.check_split(LPL, END_TO_END, net)

    def test_augmented_images_are_the_same(self):
        text = description(data=f'set = "cifar10"\nfolder = "{self.cifar10()}"')
        expected = self.train("one", text=text)
        self.assertEqual(expected["steps/total"][0], (6,))
        for ranks in (2, 5):
            self.assert_same(expected, self.train("several", text=text, ranks=ranks, threads=2))

    def test_accumulated_gradients_are_the_same(self):
        """Five batches an epoch in steps of two, two and one."""
        net = VGG + "\ndropouts = [0, 0.2, 0, 0, 0.5, 0, 0, 0]"
        settings = ["training.accumulate=2", "data.blocks_per_epoch=5"]
        for way, rule, more in (("stale", STALE, []), ("end_to_end", SUPERVISED, END_TO_END)):
            with self.subTest(way):
                checkpoint = self.folder / f"{way}.checkpoint"
                text = description(rule, net)
                expected = self.train("one", *settings, *more, text=text,
                                      arguments=["--checkpoint", checkpoint, "--checkpoint-every", "1us"])
                self.assertEqual(expected["steps/total"][0], (6,))
                self.assert_same(expected, self.train("three", *settings, *more, text=text, ranks=3))
                checkpoint.write_bytes(b"broken")  # of the end; the one before it is of the end of the first epoch
                self.assert_same(expected, self.train("resumed", *settings, *more, text=text,
                                                      arguments=["--resume", checkpoint, "--fall-back"]))

    def test_toys_are_the_same(self):
        expected = self.train("one", text=description(net=LINEAR, data=CLUSTERS))
        self.assert_same(expected, self.train("four", text=description(net=LINEAR, data=CLUSTERS), ranks=4))

    def test_its_own_description_reproduces_it_and_another_seed_does_not(self):
        expected = self.train("one", "training.seed=5")
        with h5py.File(self.folder / "one.h5", "r") as result:
            text = result["config/description"][()].decode()
        self.assert_same(expected, self.train("again", text=text))
        self.assertNotEqual(expected["training/total"], self.train("seed", arguments=["--seed", "6"])["training/total"])
        self.assert_same(expected, self.train("given", arguments=["--seed", "5"]))


class Checkpoints(RateTest):
    LONG = ["training.epochs=60", "data.blocks_per_epoch=7", "readout.every=15", "optimizer.schedule=\"cosine\"",
            "optimizer.warmup_epochs=3"]

    def stop(self, name, sent, ranks=1, every="100ms", rule=STALE):
        """Starts a long run and sends it a signal after its first checkpoint; returns its exit status."""
        checkpoint = self.folder / f"{name}.checkpoint"
        arguments = ["--checkpoint", checkpoint, "--checkpoint-every", every]
        command = mpirun(ranks, LPL_RATE, *self.command(description(rule), name, self.LONG, arguments))
        with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 60
            while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertIsNone(process.poll(), "ended before its first checkpoint")
            process.send_signal(sent)
            process.communicate(timeout=60)
        self.assertTrue(checkpoint.exists())
        return process.returncode

    def resume(self, name, ranks=1, rule=STALE):
        return self.train(name, *self.LONG, text=description(rule), ranks=ranks,
                          arguments=["--resume", self.folder / f"{name}.checkpoint"])

    def test_a_terminated_run_goes_on_as_if_it_had_not_stopped(self):
        expected = self.train("straight", *self.LONG, text=description(STALE))
        self.assertEqual(self.stop("one", signal.SIGTERM), 75)
        self.assertEqual(status(self.folder / "one.h5"), "interrupted")
        with h5py.File(self.folder / "one.h5", "r") as interrupted:
            self.assertLess(len(interrupted["training/epoch"]), 60)
        self.assert_same(expected, self.resume("one", ranks=3))
        self.stop("three", signal.SIGTERM, ranks=3)
        self.assertEqual(status(self.folder / "three.h5"), "interrupted")
        self.assert_same(expected, self.resume("three"))

    def test_a_killed_run_goes_on_from_its_last_checkpoint(self):
        expected = self.train("straight", *self.LONG, text=description(STALE))
        self.assertEqual(self.stop("killed", signal.SIGKILL), -signal.SIGKILL)
        self.assert_same(expected, self.resume("killed"))

    def test_a_checkpoint_at_the_end_of_an_epoch_or_of_the_run_holds_all_of_it(self):
        """A checkpoint after every step: the last is one at the very end, that before it one at the end of an epoch."""
        checkpoint = self.folder / "all.checkpoint"
        settings = ["data.blocks_per_epoch=1", "training.epochs=4"]
        expected = self.train("all", *settings, arguments=["--checkpoint", checkpoint, "--checkpoint-every", "1us"])
        self.assert_same(expected, self.train("end", *settings, arguments=["--resume", checkpoint]))
        checkpoint.write_bytes(b"broken")
        epoch = self.train("epoch", *settings, arguments=["--resume", checkpoint, "--fall-back"])
        self.assert_same(expected, epoch)

    def test_running_averages_are_in_the_checkpoint(self):
        checkpoint = self.folder / "residual.checkpoint"
        text = description(net=RESIDUAL)
        expected = self.train("residual", *END_TO_END, text=text,
                              arguments=["--checkpoint", checkpoint, "--checkpoint-every", "1us"])
        checkpoint.write_bytes(b"broken")  # that at the end; the one before it stands at the end of the first epoch
        self.assert_same(expected, self.train("resumed", *END_TO_END, text=text, ranks=3,
                                              arguments=["--resume", checkpoint, "--fall-back"]))
        self.assertIn("network/network.encoder.layer1.0.downsample.1.running_var", expected)

    def test_a_checkpoint_of_another_run_is_refused(self):
        checkpoint = self.folder / "other.checkpoint"
        self.train("other", arguments=["--checkpoint", checkpoint, "--checkpoint-every", "1us"])
        message = self.refused("training.batch=8", arguments=["--resume", checkpoint])
        self.assertIn(str(checkpoint), message)


def read_safetensors(path):
    """Name -> float32 array; the format's own layout: length, JSON header, bytes."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[8 + length + begin : 8 + length + end], {"F32": np.float32}[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def add_counter(path, out, name):
    """Copies a safetensors file with one number of type int64 added."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    size = len(data) - 8 - length
    header[name] = {"dtype": "I64", "shape": [], "data_offsets": [size, size + 8]}
    text = json.dumps(header).encode()
    pathlib.Path(out).write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :] + struct.pack("<q", 6))


class Outputs(RateTest):
    def test_exported_parameters_are_pytorchs_and_training_goes_on_from_them(self):
        exported = self.folder / "trained.safetensors"
        self.train("run", text=description(SUPERVISED), arguments=["--export", exported])
        tensors = read_safetensors(exported)
        expected = {f"network.encoder.blocks.{b}.module.0.weight": (8, 3 if b == 0 else 8, 3, 3) for b in range(8)}
        expected.update({f"network.encoder.blocks.{b}.module.0.bias": (8,) for b in range(8)})
        expected.update({f"classifier_heads.{b}.weight": (10, 8) for b in range(8)})
        expected.update({f"classifier_heads.{b}.bias": (10,) for b in range(8)})
        self.assertEqual({name: values.shape for name, values in tensors.items()}, expected)
        with h5py.File(self.folder / "run.h5", "r") as result:
            for name, values in tensors.items():
                np.testing.assert_array_equal(values, result[f"network/{name}"][:], name)
        # At rate 0 and without decay they stay.
        self.train("still", f'training.initial="{exported}"', "optimizer.learning_rate=0", "optimizer.weight_decay=0",
                   text=description(SUPERVISED))
        with h5py.File(self.folder / "still.h5", "r") as result:
            for name, values in tensors.items():
                np.testing.assert_array_equal(values, result[f"network/{name}"][:], name)

    def test_residual_nets_go_out_and_in_as_pytorchs(self):
        exported = self.folder / "trained.safetensors"
        text = description(net=RESIDUAL)
        self.train("run", *END_TO_END, text=text, arguments=["--export", exported])
        tensors = read_safetensors(exported)
        names = [f"network.encoder.layer1.{b}.{part}" for b in (0, 1)
                 for part in ("conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var", "conv3.weight")]
        for name in ("network.encoder.conv1.weight", "network.encoder.bn1.running_mean", *names,
                     "network.encoder.layer2.0.downsample.0.weight", "network.encoder.layer2.0.downsample.1.running_var"):
            self.assertIn(name, tensors)
        self.assertEqual(tensors["network.encoder.layer1.0.conv2.weight"].shape, (4, 4, 3, 3))
        self.assertEqual(tensors["network.encoder.layer2.0.downsample.0.weight"].shape, (24, 12, 1, 1))
        # PyTorch counts steps beside the averages; the counters are no part of the network.
        counted = self.folder / "counted.safetensors"
        add_counter(exported, counted, "network.encoder.bn1.num_batches_tracked")
        self.train("still", *END_TO_END, f'training.initial="{counted}"', "optimizer.learning_rate=0", "training.steps=1",
                   "optimizer.weight_decay=0", text=text)
        with h5py.File(self.folder / "run.h5", "r") as run, h5py.File(self.folder / "still.h5", "r") as still:
            self.assertEqual(set(run["network"]), set(tensors))
            for name, values in tensors.items():
                np.testing.assert_array_equal(values, run[f"network/{name}"][:], name)
                if "running" not in name:
                    np.testing.assert_array_equal(values, still[f"network/{name}"][:], name)

    def test_eval_of_a_residual_net_uses_its_running_averages(self):
        self.train("run", *END_TO_END, text=description(net=RESIDUAL))
        for ranks in (1, 3):
            out = self.folder / f"eval{ranks}.h5"
            done = lpl_rate("eval", self.folder / "run.h5", "--out", out, ranks=ranks)
            self.assertEqual(done.returncode, 0, done.stderr)
            with h5py.File(self.folder / "run.h5", "r") as run, h5py.File(out, "r") as judged:
                for name in ("readout/accuracy", "metrics/participation_ratio", "metrics/mean_activity"):
                    np.testing.assert_array_equal(judged[name][-1], run[name][-1])

    def test_event_files_tell_what_the_result_file_does(self):
        self.train("run", "record.validation_every=2", arguments=["--events", self.folder / "events"])
        (path,) = (self.folder / "events").iterdir()
        version, scalars = read_events(path)
        self.assertEqual(version, "brain.Event:2")
        found = {}
        for _, step, tag, value in scalars:
            found.setdefault(tag, []).append((step, value))
        with h5py.File(self.folder / "run.h5", "r") as result:
            for tag, values in (("training/total", result["training/total"][:]), ("push/block 8", result["training/push"][:, 7])):
                self.assertEqual(found[tag], [(3 * (e + 1), float(np.float32(v))) for e, v in enumerate(values)])
            held_out = result["validation/push"][:, 7]
            self.assertEqual(found["validation/push/block 8"], [(6, float(np.float32(held_out[0])))])
            accuracy = result["readout/accuracy"][-1]
            self.assertEqual(found["readout/wall_hue/block 2"], [(6, float(np.float32(accuracy[1, 1])))])

    def test_eval_repeats_the_last_readout(self):
        self.train("run")
        for ranks in (1, 3):
            out = self.folder / f"eval{ranks}.h5"
            done = lpl_rate("eval", self.folder / "run.h5", "--out", out, ranks=ranks)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("wall_hue", done.stdout)
            with h5py.File(self.folder / "run.h5", "r") as run, h5py.File(out, "r") as judged:
                np.testing.assert_array_equal(judged["readout/accuracy"][-1], run["readout/accuracy"][-1])
                np.testing.assert_array_equal(judged["metrics/participation_ratio"][-1], run["metrics/participation_ratio"][-1])
        done = lpl_rate("eval", self.folder / "run.h5", cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((self.folder / "run.eval.h5").exists())
        with h5py.File(self.folder / "run.eval.h5") as judged:
            self.assertNotIn("activity", judged)
        self.assertEqual(status(self.folder / "run.h5"), "complete")

    def test_eval_of_imported_parameters(self):
        """Exported ones, of which nothing else than the description is known: what the run itself has read out."""
        exported = self.folder / "net.safetensors"
        self.train("run", arguments=["--export", exported])
        for ranks in (1, 2):
            done = lpl_rate("eval", self.folder / "run.rate", "--set", f'training.initial="{exported}"', "--out", self.folder / "e.h5",
                            "--overwrite", ranks=ranks)
            self.assertEqual(done.returncode, 0, done.stderr)
            with h5py.File(self.folder / "run.h5") as run, h5py.File(self.folder / "e.h5") as judged:
                for name in ("readout/accuracy", "metrics/sliced_wasserstein", "metrics/cosine_push"):
                    np.testing.assert_array_equal(judged[name][-1], run[name][-1])
                self.assertTrue(np.isfinite(judged["metrics/uniformity"][:]).all())
        refused = lpl_rate("eval", self.folder / "run.rate", "--out", self.folder / "none.h5")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("describes a network without parameters to read out", refused.stderr)
        self.assertFalse((self.folder / "none.h5").exists())

    def test_eval_keeps_the_activity_that_it_judges(self):
        self.train("run")
        found = []
        for ranks in (1, 3):
            out = self.folder / f"eval{ranks}.h5"
            done = lpl_rate("eval", self.folder / "run.h5", "--activity", "--out", out, ranks=ranks)
            self.assertEqual(done.returncode, 0, done.stderr)
            with h5py.File(out, "r") as judged:
                found.append({name: values[()] for name, values in judged["activity"].items()})
                mean = [judged[f"activity/layer_{i + 1}"][()].mean(dtype="f8")
                        for i in range(judged["metrics/mean_activity"].shape[1])]
                np.testing.assert_allclose(mean, judged["metrics/mean_activity"][-1], rtol=1e-6)
                names = judged["activity/labels"].attrs["labels"]
                self.assertEqual(names, judged["readout/accuracy"].attrs["labels"])
        one, three = found
        self.assertEqual(one["labels"].shape, (len(one["layer_1"]), 6))
        self.assertEqual(one["pixels"].shape[0], len(one["layer_1"]))
        self.assertEqual(one["pixels"].shape[3], 3)
        for name, values in one.items():
            np.testing.assert_array_equal(values, three[name], err_msg=name)

    def test_eval_keeps_the_activity_of_the_frames_of_training(self):
        """In the order of the trajectories: from one frame to the next at most one factor moves, but where one begins."""
        self.train("run")
        factors = {}
        for part, blocks in (("training", 84), ("validation", 4), ("test", 4)):
            found = []
            for ranks in (1, 3):
                out = self.folder / f"{part}{ranks}.h5"
                done = lpl_rate("eval", self.folder / "run.h5", f"--activity={part}", "--out", out, ranks=ranks)
                self.assertEqual(done.returncode, 0, done.stderr)
                found.append({name: values for name, values in datasets(out).items() if name.startswith("activity/")})
            self.assertEqual(*found)
            with h5py.File(out) as judged:
                factors[part] = judged["activity/labels"][:].reshape(blocks, 10, 6)
                self.assertEqual(len(judged["activity/layer_1"]), 10 * blocks)
        frames = np.concatenate(list(factors.values()))
        moved = (np.diff(frames, axis=1) != 0).sum(axis=2)
        # A trajectory has 17 frames, so a block of ten lies in one or two of them.
        self.assertTrue(((moved > 1).sum(axis=1) <= 1).all())
        self.assertGreater((moved == 1).mean(), 0.7)
        self.assertEqual(frames[..., :3].max(), 9)

    def test_the_result_holds_a_row_an_epoch_and_the_baselines(self):
        self.train("run", "readout.every=1", "readout.pixels=true")
        with h5py.File(self.folder / "run.h5", "r") as result:
            self.assertEqual(list(result["training/epoch"]), [0, 1])
            self.assertEqual(result["training/pull"].shape, (2, 8))
            self.assertEqual(result["steps/total"].shape, (6,))
            np.testing.assert_allclose(result["training/total"][:], result["steps/total"][:].reshape(2, 3).mean(1), rtol=1e-12)
            terms = result["steps/pull"][:] + result["steps/push"][:] + 10 * result["steps/decorr"][:]
            np.testing.assert_allclose(result["steps/total"][:], terms.sum(1), rtol=1e-6)
            self.assertEqual(list(result["readout/epoch"]), [1, 2])
            self.assertEqual(result["readout/accuracy"].shape, (2, 8, 6))
            self.assertEqual(result["readout/baselines/random"].shape, (8, 6))
            self.assertEqual(result["readout/baselines/pixels"].shape, (6,))

    def test_losses_on_the_validation_split(self):
        """They change nothing else, are the same on any number of ranks, and after a resumed run."""
        images = f'set = "cifar10"\nfolder = "{self.cifar10()}"'
        for name, text, settings in (("scenes", description(STALE), ["training.epochs=5"]),
                                     ("images", description(SUPERVISED, data=images), ["training.epochs=5"]),
                                     ("residual", description(net=RESIDUAL), ["training.epochs=5", *END_TO_END])):
            with self.subTest(name):
                plain = self.train("plain", *settings, text=text)
                settings = [*settings, "record.validation_every=2"]
                checkpoint = self.folder / "validation.checkpoint"
                run = self.train("run", *settings, text=text, arguments=["--checkpoint", checkpoint, "--checkpoint-epochs", "1"])
                own = {key: values for key, values in run.items() if key.startswith("validation/")}
                self.assert_same(plain, {key: values for key, values in run.items() if key not in own},
                                 ignore={"config/description"})
                self.assertEqual(len(own), 3 if name == "images" else 5, own.keys())
                self.assert_same(run, self.train("ranks", *settings, text=text, ranks=3))
                self.assert_same(run, self.train("resumed", *settings, text=text,
                                                 arguments=["--resume", f"{checkpoint}.previous"]))
                with h5py.File(self.folder / "run.h5") as result:
                    self.assertEqual(list(result["validation/epoch"]), [2, 4, 5])
                    self.assertTrue(np.all(np.isfinite(result["validation/total"])))
                    self.assertEqual(result["validation"].attrs["layers"], result["training"].attrs["layers"])

    def test_check_runs_nothing(self):
        done = lpl_rate(*self.command(description(), "checked", [], ["--check"]))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("parameters", done.stdout)
        self.assertFalse((self.folder / "checked.h5").exists())

    def test_check_opens_what_a_run_starts_from(self):
        """Initial parameters and the checkpoint of --resume: what fails at the start fails here."""
        parameters, checkpoint = self.folder / "p.safetensors", self.folder / "c.checkpoint"
        self.train("start", arguments=["--export", parameters, "--checkpoint", checkpoint])
        initial = f'training.initial="{parameters}"'

        def check(*settings, resume=None):
            arguments = ["--check", *(["--resume", resume] if resume else [])]
            done = lpl_rate(*self.command(description(), "start", settings, arguments))
            self.assertEqual(done.returncode, 0, done.stderr)
        check(initial)
        check(resume=checkpoint)
        wide = self.refused(initial, "net.tiny.channels=[8, 8, 8, 8, 8, 8, 8, 9]", arguments=["--check"])
        self.assertIn("blocks.7.module.0.weight has shape [8, 8, 3, 3]; the network's has [9, 8, 3, 3]", wide)
        self.assertIn("c.checkpoint: is of another description", self.refused(arguments=["--check", "--seed", "7", "--resume", checkpoint]))
        for path, arguments in ((parameters, ["--set", initial]), (checkpoint, ["--resume", checkpoint])):
            path.write_bytes(b"something else")
            self.assertIn(f"{path}: is no", self.refused(arguments=["--check", *arguments]))
            path.unlink()
            self.assertRegex(self.refused(arguments=["--check", *arguments]), "there is no (such )?file")


class Accumulate(RateTest):
    """training.accumulate, on recorded batches of the same samples, cut in different ways."""

    def gradients(self, name, batches, samples, *settings, step=1, rule=SUPERVISED):
        data = f'set = "batches"\nfile = "{self.batches(name + "_data.h5", samples, batches)}"'
        text = description(rule, data=data).replace("batch = 10", f"batch = {samples}")
        self.train(name, "training.epochs=1", "optimizer.learning_rate=0", f"record.gradients=[{step}]", *settings, text=text)
        with h5py.File(self.folder / f"{name}.h5") as result:
            group = result[f"inspection/gradients/step_{step}"]
            return {key: values[()] for key, values in group.items()}, result["steps/total"][()]

    def test_batches_of_a_mean_loss_are_one_batch(self):
        for settings in ([], END_TO_END):
            whole, (loss,) = self.gradients("whole", 1, 20, *settings)
            parts, (mean,) = self.gradients("parts", 4, 5, "training.accumulate=4", *settings)
            self.assertAlmostEqual(loss, mean, delta=1e-6 * loss)
            self.assertEqual(whole.keys(), parts.keys())
            for name, values in whole.items():
                np.testing.assert_allclose(parts[name], values, rtol=1e-4, atol=1e-5 * np.abs(values).max(), err_msg=name)

    def test_statistics_are_of_each_batch(self):
        whole, (loss,) = self.gradients("whole", 1, 20, rule=LPL)
        parts, (mean,) = self.gradients("parts", 4, 5, "training.accumulate=4", rule=LPL)
        _, single = self.gradients("single", 4, 5, rule=LPL)
        self.assertNotAlmostEqual(loss, mean, delta=1e-3 * abs(loss))
        self.assertAlmostEqual(mean, np.mean(single), delta=1e-12 * abs(mean))

    def test_the_last_step_of_an_epoch_takes_what_remains(self):
        last, losses = self.gradients("last", 3, 5, "training.accumulate=2", step=2)
        alone, single = self.gradients("alone", 3, 5, step=3)
        self.assertEqual(losses.shape, (2,))
        self.assertEqual(losses[1], single[2])
        for name, values in alone.items():
            np.testing.assert_array_equal(last[name], values, name)


class EveryOption(RateTest):
    """Three steps each: losses are finite, and parameters move."""

    def check(self, *settings, rule=LPL, net=VGG, data=SCENES):
        found = self.train("run", "training.epochs=1", *settings, text=description(rule, net, data))
        with h5py.File(self.folder / "run.h5", "r") as result:
            self.assertEqual(result["steps/total"].shape, (3,))
            for name in result["steps"]:
                if rule == OJA:
                    self.assertTrue(np.all(np.isnan(result[f"steps/{name}"][:])), "a loss of a rule that has none")
                    continue
                self.assertTrue(np.all(np.isfinite(result[f"steps/{name}"][:])), name)
            for name in result["optimizer/exp_avg"]:
                self.assertTrue(np.all(np.isfinite(result[f"optimizer/exp_avg/{name}"][:])), name)
            moved = [name for name in result["optimizer/exp_avg"] if np.any(result[f"optimizer/exp_avg/{name}"][:])]
            self.assertTrue(moved)
        return found

    def test_rules(self):
        for rule in (LPL, STALE, SUPERVISED, CONTRASTIVE, LPL + '\nrate = { hebbian = "hinge" }',
                     LPL + '\nrate = { hebbian = "variance" }', LPL + '\nrate = { gradient = "later" }'):
            with self.subTest(rule=rule):
                self.check(rule=rule)

    def test_settings(self):
        for settings in (['learning.positives="shuffled"'], ["network.pooling=false"], ["network.biases=false"],
                         ['optimizer.type="sgd"', "optimizer.momentum=0.8"], ['learning.scope="end_to_end"'],
                         ["network.projector_size=6", "network.projector_hidden=12"],
                         ['learning.scope="end_to_end"', "network.projector_size=6"], ["learning.label=4"],
                         ['optimizer.schedule="cosine"', "optimizer.warmup_epochs=0"]):
            with self.subTest(settings=settings):
                self.check(*settings)

    def test_nets(self):
        alexnet = (ROOT / "models/alexnet.net").read_text().replace("[64, 192, 384, 256, 256, 4096, 4096]",
                                                                    "[8, 8, 8, 8, 8, 16, 16]")
        self.assertIn("[8, 8", alexnet)
        for scope in ("layer_local", "end_to_end"):
            with self.subTest(net="alexnet", scope=scope):
                self.check(f'learning.scope="{scope}"', net=alexnet, data=SCENES + "\nside = 64")
            if scope == "end_to_end":
                for rule in (LPL, SUPERVISED, CONTRASTIVE):
                    with self.subTest(net="residual", rule=rule):
                        self.check(*END_TO_END, rule=rule, net=RESIDUAL)
                        self.check(*END_TO_END, rule=rule, net=RESIDUAL + "\nnormalised = false\nstem_pool = 1")
            with self.subTest(net="mlp", scope=scope):
                self.check(f'learning.scope="{scope}"', net='type = "dense"\nunits = [12, 6]')

    def test_recorded_batches(self):
        for rule in (LPL, SUPERVISED):
            self.check(rule=rule, data=f'set = "batches"\nfile = "{self.batches()}"')

    def test_toys(self):
        for rule in (LPL, OJA, SUPERVISED):
            with self.subTest(rule=rule):
                self.check('optimizer.type="sgd"', rule=rule, net=LINEAR, data=CLUSTERS)


class Refusals(RateTest):
    def test_combinations_that_mean_nothing(self):
        unpooled = "network.pooling=false"
        for rule, settings, reason in (
            (LPL, [unpooled, 'learning.scope="end_to_end"'], "no use for positions"),
            (LPL, [unpooled, "network.projector_size=8"], "memory"),
            (CONTRASTIVE, [unpooled], "whole samples"),
            (STALE, [unpooled], "by unit"),
            (LPL, [unpooled, 'learning.positives="shuffled"'], "not defined for unpooled maps"),
            (SUPERVISED + '\nrate = { estimates = "stale" }', [], "'rate'"),
            (CONTRASTIVE + '\nrate = { estimates = "stale" }', [], "'rate'"),
            (CONTRASTIVE + "\ndecorrelation = { strength = 1 }", [], "no decorrelation term"),
            (SUPERVISED, ['learning.positives="shuffled"'], "predictive term"),
            (LPL, ["training.batch=1"], "variance"),
            (LPL, ["record.validation_every=1", 'data={set="clusters"}', "readout.wanted=false"], "validation split"),
            (OJA, [], "one linear layer"),
        ):
            with self.subTest(rule=rule, settings=settings):
                self.assertIn(reason, self.refused(*settings, text=description(rule)))
                self.assertFalse((self.folder / "refused.h5").exists())

    def test_skip_connections_have_no_layer_local_form(self):
        resnet50 = description().replace('net = "tiny"', 'net = "resnet50"').replace("[net.tiny]\n" + VGG, "")
        for name, text in (("tiny", description(net=RESIDUAL)), ("resnet50", resnet50)):
            message = self.refused(text=text)
            self.assertIn(f"'{name}' has skip connections", message)
            self.assertIn("end_to_end", message)

    def test_ojas_rule_has_no_losses_to_propagate(self):
        text = description(OJA, LINEAR, CLUSTERS)
        self.assertIn("Oja", self.refused('optimizer.type="sgd"', 'learning.scope="end_to_end"', text=text))
        self.assertIn("Oja", self.refused('optimizer.type="sgd"', "network.projector_size=2", text=text))

    def test_unpooled_maps_have_no_class_each(self):
        self.assertIn("whole samples", self.refused("network.pooling=false", text=description(SUPERVISED)))

    def test_misspelt_keys_are_named_with_their_neighbour(self):
        for settings, message in ((["training.bach=3"], "did you mean 'batch'"), (["learning.scop=1"], "did you mean 'scope'"),
                                  (['rule.tried.hebian.strength=1'], "did you mean 'hebbian'"),
                                  (['learning.rule="lpll"'], "no rule 'lpll'"), (['data.set="scens"'], "scenes"),
                                  (['network.net="linear"'], "[net.tiny] is not used (used: linear); remove it")):
            with self.subTest(settings=settings):
                self.assertIn(message, self.refused(*settings))
        text = description().replace("batch = 10", "bach = 10")
        for ranks in (1, 3):
            self.assertRegex(self.refused(text=text, ranks=ranks), r"refused\.rate:\d+:\d+: .*did you mean 'batch'")

    def test_bfloat16_on_a_processor_without(self):
        with unittest.mock.patch.dict(os.environ, ONEDNN_MAX_CPU_ISA="AVX2"):
            for ranks in (1, 2):
                self.assertIn("bf16", self.refused('training.precision="bf16"', ranks=ranks))

    def test_images_too_small_for_the_net(self):
        self.assertIn("no pixel left", self.refused("data.side=16"))

    def test_missing_or_damaged_data(self):
        images = 'set = "cifar10"\nfolder = "cifar"'
        self.assertIn("scripts/fetch_data.sh cifar10", self.refused(text=description(data=images)))
        folder = self.cifar10()
        (folder / "data_batch_1.bin").rename(folder / "hidden")
        self.assertIn("data_batch_1.bin", self.refused(text=description(data=images)))
        (folder / "hidden").rename(folder / "data_batch_1.bin")
        self.train("whole", text=description(data=images))
        (folder / "data_batch_3.bin").write_bytes(bytes(3073 * 8 - 5))
        self.assertIn("data_batch_3.bin", self.refused(text=description(data=images)))
        (folder / "data_batch_3.bin").write_bytes(b"\x0b" + bytes(3072))
        self.assertIn("data_batch_3.bin", self.refused(text=description(data=images)))

    def test_recorded_batches_that_do_not_fit(self):
        path = self.batches(samples=9)
        data = f'set = "batches"\nfile = "{path}"'
        self.assertIn(f"training: 'batch' is 10; the batches in {path} have 9 samples; make them equal", self.refused(text=description(data=data)))
        with h5py.File(path, "r+") as file:
            file["batches/order"][0] = 7
        self.assertIn("batches/order: entry 0 is 7; expected 0 to 2", self.refused("training.batch=9", text=description(data=data)))
        with h5py.File(path, "r+") as file:
            file["batches/order"][0] = 0
            del file["batches/labels"]
        self.assertIn("batches.h5/batches/labels", self.refused("training.batch=9", text=description(data=data)))
        path.write_bytes(b"no HDF5 file")
        self.assertIn(str(path), self.refused("training.batch=9", text=description(data=data)))

    def test_initial_parameters_that_do_not_fit(self):
        exported = self.folder / "wide.safetensors"
        self.train("wide", "net.tiny.channels=[8, 8, 8, 8, 8, 8, 8, 9]", "readout.wanted=false", arguments=["--export", exported])
        message = self.refused(f'training.initial="{exported}"')
        self.assertIn("blocks.7.module.0.weight has shape [9, 8, 3, 3]; the network's has [8, 8, 3, 3]", message)
        exported.write_bytes(exported.read_bytes()[:-9])
        self.assertIn(str(exported), self.refused(f'training.initial="{exported}"'))

    def test_outputs_that_cannot_be_written(self):
        for option, place in (("--export", self.folder / "none" / "r.safetensors"), ("--events", self.write("file", "in the way"))):
            with self.subTest(option=option):
                self.assertIn(str(place), self.refused("readout.wanted=false", arguments=[option, place]))
                self.assertFalse((self.folder / "refused.h5").exists())
        (self.folder / "refused.h5").mkdir()
        self.assertIn("refused.h5 is a folder", self.refused())

    def test_a_description_for_the_other_program(self):
        for seed in ([], ["--seed", "3"]):
            done = lpl_rate(self.write("spiking.sim", 'phase = [{ name = "run", duration = "1 s" }]'), *seed, cwd=self.folder)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("spiking.sim:1:9: description: [[phase]] is of a spiking network, which lpl_sim runs", done.stderr)

    def test_eval_of_what_is_no_trained_network(self):
        self.train("toy", text=description(net=LINEAR, data=CLUSTERS))
        for arguments in ([self.folder / "none.h5"], [self.write("text.h5", "no HDF5")], [self.folder / "toy.h5"]):
            with self.subTest(arguments=arguments):
                done = lpl_rate("eval", *arguments, cwd=self.folder)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(str(arguments[0]), done.stderr)
        done = lpl_rate("eval", self.folder / "toy.h5", "--resume", "x", cwd=self.folder)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--resume", done.stderr)


class Overflow(RateTest):
    def test_a_loss_that_is_not_finite_ends_the_run_and_leaves_the_checkpoint(self):
        checkpoint = self.folder / "kept.checkpoint"
        settings = ["optimizer.learning_rate=1e30", "readout.wanted=false"]
        for ranks in (1, 3):
            with self.subTest(ranks=ranks):
                message = self.refused(*settings, code=1, ranks=ranks,
                                       arguments=["--checkpoint", checkpoint, "--checkpoint-every", "1us"])
                self.assertRegex(message, r"the (pull|push|decorr) loss of block \d is -?(inf|nan) at step 2;")
                self.assertEqual(status(self.folder / "refused.h5"), "failed")
        again = self.refused(*settings, code=1, arguments=["--resume", checkpoint])
        self.assertIn("at step 2;", again)

    def test_an_infinite_pixel_is_refused(self):
        path = self.batches()
        with h5py.File(path, "r+") as file:
            file["batches/img_1"][0, 3, 0, 5, 5] = np.inf
        message = self.refused(text=description(data=f'set = "batches"\nfile = "{path}"'))
        self.assertIn("batches/img_1: entry 9381 is inf", message)


if __name__ == "__main__":
    unittest.main()
