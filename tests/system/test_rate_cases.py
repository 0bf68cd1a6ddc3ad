#!/usr/bin/env python3
"""Situations that users of training code have run into, with what is right: published numbers where something is
published, a reason where something is refused, and nothing wrong in silence."""

import json
import struct
import unittest

from support import h5py, lpl_rate, status
from test_rate import END_TO_END, RESIDUAL, VGG, RateTest, description, read_safetensors

import numpy as np


def alexnet(data):
    """A description of a training of AlexNet as it is distributed."""
    text = description(data=data)
    return text[: text.index("[net.tiny]")].replace('net = "tiny"', 'net = "alexnet"') + text[text.index("[rule.tried]") :]


class AlexNet(RateTest):
    """As published with Halvagal & Zenke 2023."""

    NARROW = "net.alexnet.channels=[4, 6, 5, 5, 5, 8, 8]"
    NAMES = ["blocks.0.0", "blocks.1.0", "blocks.2.0", "blocks.3.0", "blocks.4.0", "blocks.5.2", "blocks.6.1"]

    def test_fits_the_images_of_cifar10_and_has_the_published_number_of_parameters(self):
        text = alexnet(f'set = "cifar10"\nfolder = "{self.cifar10()}"')
        done = lpl_rate(*self.command(text, "checked", [], ["--check"]))
        self.assertEqual(done.returncode, 0, done.stderr)
        # 2,469,696 in the convolutions (Krizhevsky 2014), 256 x 6 x 6 x 4096 + 4096 and 4096 x 4096 + 4096 after them.
        self.assertIn("parameters   57003840\n", done.stdout)

    def test_parameters_have_the_published_names_and_shapes(self):
        text = alexnet(f'set = "cifar10"\nfolder = "{self.cifar10()}"')
        exported = self.folder / "alexnet.safetensors"
        self.train("alexnet", self.NARROW, "readout.wanted=false", text=text, arguments=["--export", exported])
        shapes = [(4, 3, 11, 11), (6, 4, 5, 5), (5, 6, 3, 3), (5, 5, 3, 3), (5, 5, 3, 3), (8, 5, 6, 6), (8, 8, 1, 1)]
        expected = {f"network.encoder.{name}.weight": shape for name, shape in zip(self.NAMES, shapes)}
        expected.update({f"network.encoder.{name}.bias": shape[:1] for name, shape in zip(self.NAMES, shapes)})
        self.assertEqual({name: values.shape for name, values in read_safetensors(exported).items()}, expected)

    def test_the_fifth_convolution_pads_by_two(self):
        """Its map grows by two, and the pooling after it makes one pixel of the three."""
        text = alexnet(f'set = "cifar10"\nfolder = "{self.cifar10()}"')
        done = lpl_rate(*self.command(text, "checked", [self.NARROW], ["--check"]))
        self.assertEqual(done.returncode, 0, done.stderr)
        maps = [line.split()[3:6] for line in done.stdout.splitlines() if line.startswith("block ")]
        self.assertEqual(maps, [["3", "x", "3"]] + [["1", "x", "1"]] * 6)

    def test_names_that_cannot_be(self):
        for names, reason in (('["a", "b"]', "one for each of 'channels'"), ('["a/b", "", "c"]', "consists of letters"),
                              ('["a", "b", "a"]', "twice"), ('["a", "projectors.0", "b"]', "projectors")):
            text = description(net=f'type = "convolutional"\nchannels = [8, 8, 8]\nnames = {names}')
            self.assertIn(reason, self.refused(text=text))


class NoNumbers(RateTest):
    """What is no number ends the run, wherever it comes from."""

    def batches_text(self, **options):
        return description(data=f'set = "batches"\nfile = "{self.batches(**options)}"')

    def test_parameters_that_are_not_finite_end_the_run_at_the_end_of_the_epoch(self):
        """The only step of an epoch has finite losses, and moves the weights beyond every number."""
        settings = ['optimizer.type="sgd"', "optimizer.momentum=0", "optimizer.weight_decay=1e20",
                    "optimizer.learning_rate=1e20", "training.epochs=1"]
        for ranks in (1, 3):
            message = self.refused(*settings, text=self.batches_text(batches=1), code=1, ranks=ranks)
            self.assertRegex(message, r"network\.encoder\.blocks\.0\.module\.0\.weight \(block 1\) holds -?inf after epoch 1;")
            self.assertEqual(status(self.folder / "refused.h5"), "failed")
            with h5py.File(self.folder / "refused.h5") as result:
                self.assertTrue(np.isfinite(result["training/total"][:]).all())
                self.assertNotIn("network", result)

    def test_squares_beyond_every_number_would_stop_a_layer_in_silence(self):
        settings = ["optimizer.weight_decay=1e23", "training.epochs=1"]
        message = self.refused(*settings, text=self.batches_text(batches=1), code=1)
        self.assertRegex(message, r"mean square gradient of network\.encoder\.blocks\.\d\.module\.0\.weight .* inf after epoch 1")

    def test_a_checkpoint_of_broken_numbers_is_not_written(self):
        checkpoint = self.folder / "c.checkpoint"
        settings = ['optimizer.type="sgd"', "optimizer.momentum=0", "optimizer.weight_decay=1e20", 'optimizer.schedule="listed"',
                    "optimizer.rates=[0, 0, 1e20]"]
        message = self.refused(*settings, text=self.batches_text(), code=1,
                               arguments=["--checkpoint", checkpoint, "--checkpoint-every", "1us"])
        self.assertIn("after", message)
        again = self.refused(*settings, text=self.batches_text(), code=1, arguments=["--resume", checkpoint])
        self.assertEqual(message, again)  # from the step before

    def test_trained_networks_with_broken_numbers_are_refused_by_eval(self):
        self.train("run")
        with h5py.File(self.folder / "run.h5", "r+") as result:
            result["network/network.encoder.blocks.4.module.0.bias"][3] = np.nan
        done = lpl_rate("eval", self.folder / "run.h5", "--out", self.folder / "eval.h5")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("run.h5: network.encoder.blocks.4.module.0.bias holds nan", done.stderr)

    def test_a_channel_without_variance_is_refused(self):
        path = self.folder / "constant.h5"
        sizes = (10, 10, 10, 8, 4, 15)
        values = [np.arange(10) / 10] * 3 + [np.linspace(0.75, 1.25, 8), np.arange(4.0), np.linspace(-30, 30, 15)]
        with h5py.File(path, "w") as file:
            images = file.create_dataset("images", (480000, 8, 8, 3), "u1", chunks=(4800, 8, 8, 3), fillvalue=7)
            images[:, 0, 0, :2] = np.arange(480000)[:, None] % 251
            file["labels"] = np.stack(np.meshgrid(*values, indexing="ij"), -1).reshape(-1, len(sizes))
        data = f'set = "shapes3d"\nfile = "{path}"\nside = 8\ntrajectories = 60\nblocks_per_epoch = 3\nreadout_blocks = 4\ntest_blocks = 4'
        net = 'type = "convolutional"\nchannels = [8]'
        self.assertIn("constant.h5: every blue value of the frames to train on is 7;",
                      self.refused(text=description(net=net, data=data)))


def write_tensors(path, tensors):
    """A safetensors file of float32 numbers."""
    header, data = {}, b""
    for name, values in tensors.items():
        values = np.ascontiguousarray(values, "f4")
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class InitialParameters(RateTest):
    """What a file of parameters holds is used, or it is said."""

    def trained(self, *settings, net=VGG):
        """The parameters of a run, by name."""
        exported = self.folder / "trained.safetensors"
        self.train("trained", "readout.wanted=false", "training.epochs=1", *settings, text=description(net=net),
                   arguments=["--export", exported])
        return read_safetensors(exported)

    def start_from(self, tensors, *settings, net=VGG):
        """A run that starts from these, at rate 0; the completed process."""
        write_tensors(self.folder / "start.safetensors", tensors)
        return lpl_rate(*self.command(description(net=net), "started", [
            f'training.initial="{self.folder}/start.safetensors"', "optimizer.learning_rate=0", "optimizer.weight_decay=0",
            "training.epochs=1", "readout.wanted=false", *settings]))

    def refusal(self, *arguments, **options):
        done = self.start_from(*arguments, **options)
        self.assertEqual(done.returncode, 2, done.stderr)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("lpl_rate:")]
        self.assertIn("start.safetensors: ", line)
        self.assertNotIn("started.h5", [path.name for path in self.folder.iterdir()])
        return line

    def test_batch_normalisation_inside_blocks_is_taken_or_refused_never_dropped(self):
        tensors = self.trained(*END_TO_END, net=RESIDUAL)
        inside = [name for name in tensors if ".layer" in name and ".bn" in name]
        self.assertEqual(len(inside), 36)
        message = self.refusal(tensors, *END_TO_END, net=RESIDUAL + "\nnormalised = false")
        self.assertIn("36 of its tensors stand in parts of this one", message)
        self.assertIn("network.encoder.layer1.0.bn1.bias", message)
        self.assertIn("normalised = true", message)

        rescaled = {name: 0.5 * values + (".bn" in name) for name, values in tensors.items()}
        done = self.start_from(rescaled, *END_TO_END, net=RESIDUAL)
        self.assertEqual((done.returncode, "warning" in done.stderr), (0, False), done.stderr)
        with h5py.File(self.folder / "started.h5") as result:
            for name, values in rescaled.items():
                if "running" not in name:
                    np.testing.assert_array_equal(result[f"network/{name}"][:], values.astype("f4"), name)

    def test_what_is_not_used_is_said(self):
        tensors = self.trained()
        more = {"network.encoder.fc.weight": np.zeros((2, 2)), "network.encoder.blocks.8.module.0.weight": np.zeros(3),
                "network.encoder.blocks.8.module.0.num_batches_tracked": np.zeros(1)}
        done = self.start_from({**tensors, **more})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: " + str(self.folder / "start.safetensors") +
                      ": not used: network.encoder.blocks.8.module.0.weight, network.encoder.fc.weight\n", done.stderr)

    def test_names_that_begin_like_a_layer_are_of_another_network(self):
        tensors = self.trained()
        for name in ("network.encoder.blocks.3.module.1.weight", "network.encoder.blocks.3.module.0.scale",
                     "network.encoder.blocks.7.projector.weight"):
            message = self.refusal({**tensors, name: np.zeros(8)})
            self.assertIn("1 of its tensors stand in parts", message)
            self.assertIn(name, message)
        self.assertIn("network.biases = true", self.refusal(tensors, "network.biases=false"))

    def test_a_wrong_prefix_is_named(self):
        tensors = self.trained()
        first = "network.encoder.blocks.0.module.0.weight"
        for renamed, hint in (
            ({"module." + name: values for name, values in tensors.items()}, f"it has module.{first}: take 'module.' off"),
            ({name.removeprefix("network.encoder."): values for name, values in tensors.items()},
             "it has blocks.0.module.0.weight: put 'network.encoder.' before"),
            ({name.replace("blocks", "block"): values for name, values in tensors.items()},
             "the nearest name is network.encoder.block.0.module.0.weight"),
            ({"w": np.zeros(3), "b": np.zeros(2)}, "it has b, w"),
        ):
            message = self.refusal(renamed)
            self.assertIn(f"has no tensor {first}; ", message)
            self.assertIn(hint, message)


class Eval(RateTest):
    """Reads out what it is asked to, and opens what it reads."""

    def stl10(self):
        """A folder of STL-10 with 40 unlabelled, 20 training and 10 test images."""
        random = np.random.default_rng(1)
        folder = self.folder / "stl"
        folder.mkdir()
        for name, images in (("unlabeled", 40), ("train", 20), ("test", 10)):
            random.integers(0, 256, (images, 3, 96, 96), np.uint8).tofile(folder / f"{name}_X.bin")
            random.integers(1, 11, images, np.uint8).tofile(folder / f"{name}_y.bin")
        return folder

    def judge(self, run, *arguments):
        out = self.folder / "judged.h5"
        done = lpl_rate("eval", self.folder / run, "--out", out, *arguments)
        return done, out

    def test_reads_out_a_run_that_wanted_no_readouts(self):
        self.train("with")
        self.train("without", "readout.wanted=false")
        done, out = self.judge("without.h5")
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.folder / "with.h5") as run, h5py.File(out) as judged:
            np.testing.assert_array_equal(judged["readout/accuracy"][-1], run["readout/accuracy"][-1])

    def test_needs_neither_unlabelled_images_nor_initial_parameters(self):
        folder, exported = self.stl10(), self.folder / "initial.safetensors"
        text = description(data=f'set = "stl10"\nfolder = "{folder}"\ndownsample = true')
        self.train("first", "readout.wanted=false", text=text, arguments=["--export", exported])
        self.train("run", f'training.initial="{exported}"', text=text)
        exported.unlink()
        (folder / "unlabeled_X.bin").unlink()
        done, out = self.judge("run.h5")
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.folder / "run.h5") as run, h5py.File(out) as judged:
            np.testing.assert_array_equal(judged["readout/accuracy"][-1], run["readout/accuracy"][-1])
        (folder / "test_X.bin").unlink()
        done, _ = self.judge("run.h5")
        self.assertIn("test_X.bin", done.stderr)

    def test_another_data_set_takes_the_place_of_the_runs_own(self):
        self.train("recorded", text=description(data=f'set = "batches"\nfile = "{self.batches()}"'))
        done, _ = self.judge("recorded.h5")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no labelled images to read out; name one that has, such as --set data.set=cifar10", done.stderr)
        done, out = self.judge("recorded.h5", "--set", "data.set=cifar10", "--set", f"data.folder={self.cifar10()}")
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(out) as judged:
            self.assertEqual(judged["readout/accuracy"].shape, (1, 8))


if __name__ == "__main__":
    unittest.main()
