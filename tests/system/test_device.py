#!/usr/bin/env python3
"""lpl_rate on a device against the CPU, in one program: the same numbers within rounding, with steps recorded and
repeated, views made on the device and ranks that exchange through NCCL; its own numbers exactly, interrupted or not.

The devices are those of this machine, or LPL_DEVICES of the tests' own (tests/gpu/fake_cuda.cpp), which is the host."""

import os
import shutil
import subprocess
import sys
import unittest
import unittest.mock

import numpy as np

from support import h5py, lpl_rate, status
from test_rate import CLUSTERS, END_TO_END, LINEAR, OJA, RESIDUAL, STALE, VGG, WAYS, RateTest, description


def devices():
    if "LPL_DEVICES" in os.environ:
        return int(os.environ["LPL_DEVICES"])
    if not shutil.which("nvidia-smi"):
        return 0
    return subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout.count("GPU ")


DEVICES = devices()

# Epochs of three steps: the last batch of images is smaller, so it is first taken in step 3, recorded in step 6 and
# repeated in step 9.
EPOCHS = ["training.epochs=4", "readout.every=2"]
# float32 sums in another order, and then eleven steps of Adam, which divides small gradients by their size.
FIRST_STEP, LATER_STEPS = 2e-5, 2e-3


class Device(RateTest):
    def losses(self, name, device, *settings, text, ranks=1):
        self.train(name, *EPOCHS, *settings, text=text, ranks=ranks, arguments=["--device", device])
        with h5py.File(self.folder / f"{name}.h5", "r") as result:
            return result["steps/total"][()]

    def check(self, text, *settings, ranks=(1, 3), later_steps=LATER_STEPS):
        expected = self.losses("cpu", "cpu", *settings, text=text)
        bounds = np.full(len(expected), later_steps)
        bounds[0] = FIRST_STEP
        for n in (n for n in ranks if n <= DEVICES):
            found = self.losses("device", "cuda", *settings, text=text, ranks=n)
            self.assertEqual(found.shape, expected.shape)
            deviation = np.abs(found - expected) / np.abs(expected).max()
            self.assertTrue((deviation <= bounds).all(), f"{n} ranks: {deviation}")

    def setUp(self):
        super().setUp()
        self.images = f'set = "cifar10"\nfolder = "{self.cifar10()}"'

    def test_every_way_of_learning_equals_the_cpus(self):
        for way, (rule, settings) in WAYS.items():
            with self.subTest(way):
                self.check(description(rule), *settings)

    def test_augmented_images_are_the_cpus(self):
        self.check(description(data=self.images), ranks=(1, 2, 4))

    def test_other_networks(self):
        net = 'type = "convolutional"\nchannels = [6, 8]\nkernels = [5, 3]\nstrides = [2, 1]\npaddings = [2, 1]\n' \
              "pools = [3, 0]\nadaptive_pools = [0, 3]\ndropouts = [0, 0.5]"
        self.check(description(net=net, data=self.images))
        # Normalisation divides by deviations of few values: 1e-7 in the first five steps, more in those that follow.
        self.check(description(net=RESIDUAL), *END_TO_END, later_steps=1e-2)
        self.check(description(net='type = "dense"\nunits = [20, 10]', data=self.images))

    def test_more_steps_than_are_taken_without_a_look_at_their_losses(self):
        text = description(net=LINEAR, data='set = "clusters"\nsteps_per_epoch = 300')
        expected = self.losses("cpu", "cpu", text=text)
        found = self.losses("device", "cuda", text=text)
        self.assertEqual(len(found), 1200)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)

    def test_what_is_measured_of_a_network(self):
        measures = ("participation_ratio", "mean_activity", "cosine_within", "cosine_across")
        for net, settings in ((VGG, []), (RESIDUAL, END_TO_END)):
            text, found = description(net=net, data=self.images), {}
            for device in ("cpu", "cuda"):
                # It hardly learns: a trained one would differ by what rounding grows to.
                self.train(device, "optimizer.learning_rate=1e-9", *settings, text=text, arguments=["--device", device])
                with h5py.File(self.folder / f"{device}.h5", "r") as result:
                    found[device] = [result[f"metrics/{name}"][()] for name in measures]
            np.testing.assert_allclose(found["cuda"], found["cpu"], rtol=1e-3)

    def test_ojas_rule(self):
        text = description(OJA, LINEAR, CLUSTERS)
        weights = []
        for device in ("cpu", "cuda"):
            self.train(device, "optimizer.type=\"sgd\"", text=text, arguments=["--device", device])
            with h5py.File(self.folder / f"{device}.h5", "r") as result:
                weights.append(result["network/network.encoder.blocks.0.module.0.weight"][()])
        np.testing.assert_allclose(*weights, rtol=1e-6)

    def test_stochastic_gradient_descent(self):
        self.check(description(), "optimizer.type=\"sgd\"", "optimizer.learning_rate=0.01")

    # Rounded to 8 bits: what is compared is that it learns alike.
    def test_bfloat16(self):
        text = description(data=self.images)
        expected = self.losses("cpu", "cpu", text=text)
        found = self.losses("device", "cuda", "training.precision=\"bf16\"", text=text)
        self.assertLess(np.abs(found - expected).max(), 0.05 * np.abs(expected).max())

    def test_a_resumed_run_has_the_numbers_of_one_that_did_not_stop(self):
        text = description(STALE, data=self.images)
        for ranks in range(1, min(DEVICES, 2) + 1):
            checkpoint = self.folder / "saved.checkpoint"
            saving = ["--device", "cuda", "--checkpoint", checkpoint, "--checkpoint-epochs", "1"]
            straight = self.train("straight", *EPOCHS, text=text, ranks=ranks, arguments=saving)
            # The one before the last: of the end of epoch 3.
            resuming = ["--device", "cuda", "--resume", f"{checkpoint}.previous"]
            resumed = self.train("resumed", *EPOCHS, text=text, ranks=ranks, arguments=resuming)
            self.assert_same(straight, resumed)

    def test_a_loss_that_is_no_number_is_found_though_nobody_waits_for_it(self):
        text = description()
        done = lpl_rate(*self.command(text, "bad", [*EPOCHS, "optimizer.learning_rate=1e30"], ["--device", "cuda"]))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"the \w+ loss of block 1 is -?(nan|inf) at step 2")

    # docs/gpu.md says what they are. Of the device, they take most of the time that convolutions leave.
    @unittest.skipUnless("LPL_DEVICES" in os.environ, "a device of the tests' own says what is recorded")
    @unittest.mock.patch.dict(os.environ, LPL_DEVICE_COUNTS="1")
    def test_a_recorded_step_is_made_of_as_few_operations_as_is_documented(self):
        settings = [*EPOCHS, 'training.precision="bf16"']
        done = lpl_rate(*self.command(description(), "counted", settings, ["--device", "cuda"]))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({line for line in done.stderr.splitlines() if line.startswith("recorded: ")},
                         {"recorded: 107 operations, 122 allocations"})

    @unittest.skipUnless("LPL_DEVICES" in os.environ, "a device of the tests' own can be told to be full")
    def test_a_device_that_fails_ends_the_job_with_the_cause(self):
        arguments = self.command(description(), "full", EPOCHS, ["--device", "cuda"])
        # While the network is made, in a step, and while one is recorded.
        for ranks, rank, after in ((1, 0, 3), (1, 0, 600), (3, 1, 3), (3, 1, 250), (3, 2, 350)):
            with self.subTest(ranks=ranks, after=after), unittest.mock.patch.dict(
                    os.environ, LPL_DEVICE_FULL=f"{rank} {after}"):
                done = lpl_rate(*arguments, ranks=ranks, timeout=60)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, r"CUDA device \d \(host\): out of memory: another \d+ MiB do not fit")
                self.assertIn(f"rank {rank}" if ranks > 1 else "use a smaller batch", done.stderr)
                if after > 3:
                    self.assertIn(status(self.folder / "full.h5"), ("failed", "running"))

    @unittest.skipUnless(DEVICES >= 3, "three ranks need three devices")
    def test_a_map_that_is_too_large_for_one_rank_alone_ends_the_job(self):
        """Of ten samples one rank takes eight, another two, the third none, and waits for both."""
        wide = 'type = "convolutional"\nchannels = [131072]'
        arguments = self.command(description(net=wide), "large", ["readout.wanted=false"], ["--device", "cuda"])
        done = lpl_rate(*arguments, ranks=3, timeout=120)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"a map has 2147483648 numbers, more than the 2\^31 that are possible; use a smaller")


if __name__ == "__main__":
    if DEVICES == 0:
        sys.exit("skipped: no device")
    unittest.main()
