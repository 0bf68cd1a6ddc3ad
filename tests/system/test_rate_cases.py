#!/usr/bin/env python3
"""Situations that users of training code have run into, with what is right: published numbers where something is
published, a reason where something is refused, and nothing wrong in silence."""

import json
import struct
import unittest

from support import h5py, lpl_rate, status
from event_reader import shown
from test_rate import CLUSTERS, END_TO_END, LINEAR, LPL, OJA, RESIDUAL, SUPERVISED, VGG, RateTest, description, read_safetensors

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

    def test_activity_beyond_every_number_is_said_with_its_block(self):
        self.train("run", "readout.wanted=false")
        with h5py.File(self.folder / "run.h5", "r+") as result:
            for block in range(8):
                result[f"network/network.encoder.blocks.{block}.module.0.weight"][...] = 1e30
        done = lpl_rate("eval", self.folder / "run.h5", "--out", self.folder / "eval.h5")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"lpl_rate eval: block 1: .*not finite")

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

    def trained(self, *settings, rule=LPL, net=VGG):
        """The parameters of a run, by name."""
        exported = self.folder / "trained.safetensors"
        self.train("trained", "readout.wanted=false", "training.epochs=1", *settings, text=description(rule, net),
                   arguments=["--export", exported])
        return read_safetensors(exported)

    def start_from(self, tensors, *settings, rule=LPL, net=VGG):
        """A run that starts from these, at rate 0; the completed process."""
        write_tensors(self.folder / "start.safetensors", tensors)
        return lpl_rate(*self.command(description(rule, net), "started", [
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
        more = {"network.encoder.fc.weight": np.zeros((2, 2)), "network.encoder.projectors.0.net.0.weight": np.zeros(3),
                "network.encoder.blocks.8.module.0.num_batches_tracked": np.zeros(1)}
        done = self.start_from({**tensors, **more})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: " + str(self.folder / "start.safetensors") +
                      ": not used: network.encoder.fc.weight, network.encoder.projectors.0.net.0.weight\n", done.stderr)

    def test_blocks_that_the_network_does_not_have_are_refused(self):
        tensors = self.trained()
        shorter = VGG.replace("[8, 8, 8, 8, 8, 8, 8, 8]", "[8, 8, 8, 8, 8, 8]").replace("[2, 2, 0, 2, 0, 2, 0, 2]", "[2, 2, 0, 2, 0, 2]")
        names = [f"network.encoder.blocks.{block}.module.0.{kind}" for block in (6, 7) for kind in ("bias", "weight")]
        message = self.refusal(tensors, net=shorter)
        self.assertIn(f"is of another network: 4 of its tensors stand in blocks that this one does not have: {', '.join(names[:3])} and 1 more;",
                      message)
        residual = self.trained(*END_TO_END, net=RESIDUAL)
        message = self.refusal(residual, *END_TO_END, net=RESIDUAL.replace("blocks = [2, 1]", "blocks = [1, 1]"))
        self.assertIn("stand in blocks that this one does not have: network.encoder.layer1.1.", message)
        heads = self.trained(rule=SUPERVISED)
        self.assertIn("classifier_heads.8.bias", self.refusal({**heads, "classifier_heads.8.bias": np.zeros(10)}, rule=SUPERVISED))

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


class Resumed(RateTest):
    """A run that ended and goes on."""

    ALL = ["data.blocks_per_epoch=1", "training.epochs=4", "readout.every=2"]

    def test_event_files_show_every_step_once(self):
        self.train("straight", *self.ALL, arguments=["--events", self.folder / "straight"])
        expected = shown(self.folder / "straight")
        self.assertEqual({len(values) for values in expected.values()}, {1})
        checkpoint, events = self.folder / "run.checkpoint", self.folder / "events"
        self.train("run", *self.ALL, arguments=["--events", events, "--checkpoint", checkpoint, "--checkpoint-every", "1us"])
        checkpoint.write_bytes(b"broken")  # that before it is of the third or the fourth epoch; the last ones are repeated
        self.train("resumed", *self.ALL, arguments=["--events", events, "--resume", checkpoint, "--fall-back"])
        self.assertEqual(len(list(events.iterdir())), 2)
        self.assertEqual(shown(events), expected)

    def test_fall_back_is_offered_where_it_helps(self):
        checkpoint = self.folder / "run.checkpoint"
        self.train("run", *self.ALL, arguments=["--checkpoint", checkpoint, "--checkpoint-every", "1us"])
        previous = self.folder / "run.checkpoint.previous"
        self.assertTrue(previous.exists())
        resume = ["--resume", checkpoint]
        other = self.refused(*self.ALL, "training.batch=8", arguments=resume)
        self.assertNotIn("--fall-back", other)
        whole = checkpoint.read_bytes()
        checkpoint.write_bytes(whole[:-5])
        self.assertIn("--fall-back", self.refused(*self.ALL, arguments=resume))
        previous.write_bytes(previous.read_bytes()[:-5])
        self.assertNotIn("--fall-back", self.refused(*self.ALL, arguments=resume))


class Warnings(RateTest):
    """What is allowed, but hardly meant, is said."""

    COSINE = 'optimizer.schedule="cosine"'

    def said(self, *settings, text=None, arguments=("--check",)):
        done = lpl_rate(*self.command(text or description(), "said", settings, arguments))
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line for line in done.stderr.splitlines() if line.startswith("warning: ")]

    def test_an_only_epoch_at_rate_0(self):
        for settings in (["training.epochs=1"], ["training.epochs=50", "training.steps=3"]):
            for arguments in (["--check"], []):
                (line,) = self.said(self.COSINE, *settings, "readout.wanted=false", arguments=arguments)
                self.assertIn("nothing is learned: the only epoch of the training runs at the learning rate 0", line)
        with h5py.File(self.folder / "said.h5") as result:
            self.assertEqual(list(result["training/learning_rate"]), [0])

    def test_a_training_within_its_warm_up(self):
        (line,) = self.said(self.COSINE, "training.epochs=4", "optimizer.learning_rate=9e-3")
        self.assertIn("does not exceed 0.003 of 0.009", line)
        for settings in ([self.COSINE, "training.epochs=10"], [self.COSINE, "training.epochs=1", "optimizer.warmup_epochs=0"],
                         ["training.epochs=1"]):
            self.assertEqual(self.said(*settings), [], settings)

    def test_keys_of_a_choice_that_was_not_made(self):
        lines = self.said("optimizer.warmup_epochs=3", "optimizer.momentum=0.5")
        self.assertEqual([line.removeprefix("warning: ") for line in lines],
                         ['optimizer.momentum has no effect with type = "adam"',
                          'optimizer.warmup_epochs has no effect with schedule = "constant"'])

    def test_readouts_that_still_learn(self):
        (line,) = self.said("readout.epochs=4", "training.epochs=1", "readout.learning_rate=0.03", "readout.untrained=false",
                            arguments=[])
        self.assertRegex(line, r"readouts have not converged: that of block \d \(\w+\) still rose by [\d.]+ points .* "
                               r"readout.epochs = 4")
        with h5py.File(self.folder / "said.h5") as result:
            rise = result["readout/late_rise"][-1]
        self.assertGreater(rise.max(), 0.01)
        self.assertIn(f"still rose by {100 * rise.max():.1f} points", line)
        lines = self.said("readout.epochs=4", "readout.pixels=true", "readout.untrained=true", "training.epochs=1",
                          "readout.learning_rate=0.03", arguments=[])
        for line, what in zip(lines, (r"block \d", "the pixels", r"untrained block \d"), strict=True):
            self.assertRegex(line, rf"readouts have not converged: that of {what} \(\w+\) still rose by ")
        self.assertEqual(self.said("readout.epochs=300", "training.epochs=1", "readout.learning_rate=1e-9", arguments=[]), [])

    def test_the_accuracy_on_the_images_that_readouts_learn_from_is_shown(self):
        done = lpl_rate(*self.command(description(), "run", []))
        self.assertEqual(done.returncode, 0, done.stderr)
        shown_lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("  (training)")]
        with h5py.File(self.folder / "run.h5") as result:
            stored = result["readout/training_accuracy"][-1]
            self.assertEqual(stored.shape, (8, 6))
        self.assertEqual(shown_lines, [[f"{100 * value:.1f}" for value in layer] for layer in stored])


class Undefined(RateTest):
    """What is not defined is shown as undefined."""

    def test_measures_of_a_dead_layer(self):
        self.train("run", "readout.wanted=false", "training.epochs=1")
        with h5py.File(self.folder / "run.h5", "r+") as result:
            result["network/network.encoder.blocks.7.module.0.weight"][...] = 0
            result["network/network.encoder.blocks.7.module.0.bias"][...] = -1
        out = self.folder / "judged.h5"
        done = lpl_rate("eval", self.folder / "run.h5", "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(out) as judged:
            self.assertEqual(judged["metrics/mean_activity"][-1, 7], 0)
            for name in ("participation_ratio", "cosine_within", "cosine_across", "class_correlation", "class_radius",
                         "class_dimension"):
                self.assertTrue(np.isnan(judged[f"metrics/{name}"][-1, 7]), name)
            for name in ("participation_ratio", "cosine_across", "class_radius"):
                self.assertTrue(np.isfinite(judged[f"metrics/{name}"][-1, 0]), name)
            for name in ("within", "across"):
                self.assertEqual(judged[f"metrics/cosine_histogram/{name}"][-1, 7].sum(), 0)

    def test_the_loss_of_a_rule_without_one(self):
        text = description(OJA, LINEAR, CLUSTERS)
        done = lpl_rate(*self.command(text, "oja", ['optimizer.type="sgd"']))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("last loss -\n", done.stdout)
        with h5py.File(self.folder / "oja.h5") as result:
            self.assertTrue(np.isnan(result["training/total"][:]).all())


class Limits(RateTest):
    """Values that a method cannot use are refused where they stand, with what is allowed."""

    def test_numbers(self):
        for settings, reason in (
            (["optimizer.learning_rate=1e300"], "'learning_rate' is 1e+300; it must be"),
            (["optimizer.learning_rate=1e-50"], "'learning_rate' is 1e-50; in size it must be 0 or from"),
            (["optimizer.beta1=1"], "'beta1' is 1; it must be below 1"),
            (["optimizer.beta2=1.0"], "'beta2' is 1.0; it must be below 1"),
            (["optimizer.weight_decay=-8.0"], "'weight_decay' is -8.0; it must be"),
            (["optimizer.start_rate=-8"], "'start_rate' is -8; it must be"),
            (["optimizer.epsilon=1e-300"], "'epsilon'"),
            (["optimizer.weight_decay=-1"], "'weight_decay'"),
            (["training.epochs=10000001"], "'epochs' is 10000001; it must be from 1 to 10000000"),
            (["training.batch=2097152"], "'batch' is 2097152"),
            (["readout.learning_rate=1e39"], "'learning_rate'"),
            (["learning.label=6"], "the label columns 0 to 5"),
            (["data.trajectories=1000000", "data.frames=1000"], "1000000000 frames in all; at most 100000000"),
            (["data.readout_blocks=100000"], "none remains for training"),
            (["net.tiny.kernels=[3, 3, 3, 3, 3, 3, 3, 64]"], "from 1 to 63"),
            (["net.tiny.pools=[2, 2, 0, 2, 0, 2, 0, 16]"], "from 0 to 15"),
            (["net.tiny.adaptive_pools=[0, 0, 0, 0, 0, 0, 0, 1048576]"], "from 0 to 255"),
            (["net.tiny.dropouts=[0, 0, 0, 0, 0, 0, 0, 1]"], "silences every input"),
            (["net.tiny.dropouts=[0, 0, 0, 0, 0, 0, 0, 0.99999999999]"], "silences every input"),
            (["record.gradients=[1, 7]"], "record: 'gradients' names step 7; this training has the steps 1 to 6"),
            (["training.steps=4", "record.hooks=[5]"], "record: 'hooks' names step 5; this training has the steps 1 to 4"),
            (["record.estimates=[1]"], "stale estimates are kept by the rule lpl with"),
        ):
            with self.subTest(settings=settings):
                self.assertIn(reason, self.refused(*settings))

    def test_blocks_by_the_million(self):
        net = RESIDUAL.replace("blocks = [2, 1]", "blocks = [1000000, 1]")
        self.assertIn("from 1 to 1000", self.refused(*END_TO_END, text=description(net=net)))

    def test_toys(self):
        for settings, reason in (
            (["data.sigma_y=1e38"], "'sigma_y'"),
            (["data.steps_per_epoch=4294967295", "training.epochs=2"], "at most 4294967295 steps are possible in all"),
            (["learning.label=1"], "'label' is 1; this data set has the label column 0 only"),
        ):
            with self.subTest(settings=settings):
                self.assertIn(reason, self.refused(*settings, text=description(net=LINEAR, data=CLUSTERS)))
        digits = self.write("digits.txt", "5 0 1 1 0\n6 1 0 0 1\n")
        text = description(net=LINEAR, data=f'set = "digits"\nfile = "{digits}"\nfirst = 6')
        self.assertIn("'first' is 6, and 'second' is not given, so it is 6 by default: two different digits",
                      self.refused(text=text))

    def test_a_batch_of_more_images_than_there_are(self):
        text = description(data=f'set = "cifar10"\nfolder = "{self.cifar10()}"')
        self.assertIn("'batch' is 29; ", self.refused("training.batch=29", text=text))
        self.assertIn("has 28 images to train on: give a batch of 2 to 28", self.refused("training.batch=29", text=text))
        message = self.refused(text=text.replace("batch = 10\n", ""))
        self.assertIn("'batch' is not given, so it is 1024 by default", message)
        self.train("whole", "training.batch=28", text=text)

    def warnings(self, text, *settings, arguments=()):
        """All but those of readouts that have not converged."""
        done = lpl_rate(*self.command(text, "plan", settings, arguments))
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line for line in done.stderr.splitlines() if line.startswith("warning:") and "have not converged" not in line]

    def test_what_only_the_data_can_judge_is_said_where_it_stands(self):
        """Of 40 images that readouts learn from, and of 6 steps."""
        text = description()
        self.assertEqual(self.warnings(text), [])
        self.assertEqual(self.warnings(text.replace("batch = 16\n", ""), "training.steps=6"), [])
        line = text.splitlines().index("batch = 16") + 1
        said = f"plan.rate:{line}:9: readout: 'batch' is 41; readouts learn from 40 images, which make one batch: one step an epoch"
        for arguments in ((), ("--check",)):
            with self.subTest(arguments=arguments):
                found = self.warnings(text.replace("batch = 16", "batch = 41"), arguments=arguments)
                self.assertEqual(len(found), 1)
                self.assertTrue(found[0].endswith(said), found)
                found = self.warnings(text, "training.steps=7", arguments=arguments)
                self.assertEqual(len(found), 1)
                self.assertIn("plan.rate (--set): training: 'steps' is 7; the training ends after 2 epochs of 3 steps, 6 in all: give more epochs",
                              found[0])
        line = text.splitlines().index("losses = true") + 2
        self.assertIn(f"refused.rate:{line}:9: record: 'hooks' names step 7; this training has the steps 1 to 6",
                      self.refused(text=text.replace("losses = true\n", "losses = true\nhooks = [7]\n")))
        line = text.splitlines().index("epochs = 2") + 1
        self.assertRegex(self.refused(text=text.replace("epochs = 2\n", "epochs = 2\nsteps = 99999999999999999999\n", 1)),
                         rf"refused.rate:{line + 1}:\d+: ")

    def test_eval_warns_of_the_batch_that_it_is_given(self):
        self.train("run", text=description().replace("batch = 16", "batch = 41"))
        for settings, count in (([], 0), (["--set", "readout.batch=41"], 1), (["--set", "readout.batch=40"], 0)):
            done = lpl_rate("eval", self.folder / "run.h5", "--out", self.folder / "eval.h5", "--overwrite", *settings)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr.count("'batch' is 41; readouts learn from 40 images"), count, done.stderr)

    def test_a_readout_from_a_single_image(self):
        folder = self.cifar10()
        for i in range(1, 6):
            path = folder / f"data_batch_{i}.bin"
            path.write_bytes(path.read_bytes()[:3073])
        text = description(data=f'set = "cifar10"\nfolder = "{folder}"')
        self.train("one", "training.batch=4", text=text)  # a single image is left for the readout
        with h5py.File(self.folder / "one.h5") as result:
            self.assertTrue(np.isnan(result["metrics/cosine_within"][-1]).any())


if __name__ == "__main__":
    unittest.main()
