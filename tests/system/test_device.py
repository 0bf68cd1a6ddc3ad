#!/usr/bin/env python3
"""lpl_rate on a device against the CPU, in one program: the same numbers within rounding, with steps recorded and
repeated, views made on the device and ranks that exchange through NCCL; its own numbers exactly, interrupted or not.

The devices are those of this machine, or LPL_DEVICES of the tests' own (tests/gpu/fake_cuda.cpp), which is the host."""

import os
import re
import shutil
import subprocess
import sys
import unittest
import unittest.mock

from support import LPL_RATE, ROOT, h5py, lpl_rate, status

import numpy as np  # noqa: E402, of the Python that support found

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
# float32 sums in another order. Adam divides gradients by their size, so that the sign of one that is all rounding would
# decide a whole step: with this epsilon the eleven later steps differ by 1e-5 in the orders that the host has, by 4e-4
# with 1e-8.
STEADY = "optimizer.epsilon=1e-4"
FIRST_STEP, LATER_STEPS = 2e-5, 2e-4


class Device(RateTest):
    def losses(self, name, device, *settings, text, ranks=1):
        self.train(name, *EPOCHS, *settings, text=text, ranks=ranks, arguments=["--device", device])
        with h5py.File(self.folder / f"{name}.h5", "r") as result:
            return result["steps/total"][()]

    def check(self, text, *settings, ranks=(1, 3), later_steps=LATER_STEPS):
        settings = (STEADY, *settings)
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
        # Normalisation divides by deviations of few values: 1e-7 in the first steps, more in those that follow.
        self.check(description(net=RESIDUAL), *END_TO_END, later_steps=1e-3)
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

    def test_losses_on_the_validation_split(self):
        for text, settings in ((description(STALE, data=self.images), []), (description(net=RESIDUAL), END_TO_END)):
            found = []
            for device in ("cpu", "cuda"):
                self.train(device, "optimizer.learning_rate=1e-9", "record.validation_every=1", *settings, text=text,
                           arguments=["--device", device])
                with h5py.File(self.folder / f"{device}.h5", "r") as result:
                    found.append(result["validation/total"][()])
            np.testing.assert_allclose(*found, rtol=1e-3)

    def test_accumulated_gradients(self):
        self.check(description(STALE, data=self.images), "training.accumulate=2")

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

    # docs/gpu.md says what they are. Of the device, they take most of the time that convolutions leave. Memory is none of
    # them: the tests' own device ends where a recorded step allocates.
    @unittest.skipUnless("LPL_DEVICES" in os.environ, "a device of the tests' own says what is recorded")
    @unittest.mock.patch.dict(os.environ, LPL_DEVICE_COUNTS="1")
    def test_a_recorded_step_is_made_of_as_few_operations_as_is_documented(self):
        settings = [*EPOCHS, 'training.precision="bf16"']
        done = lpl_rate(*self.command(description(), "counted", settings, ["--device", "cuda"]))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({line for line in done.stderr.splitlines() if line.startswith("recorded: ")},
                         {"recorded: 91 operations"})

    @unittest.skipUnless("LPL_DEVICES" in os.environ, "a device of the tests' own can be told to be full")
    def test_a_device_that_fails_ends_the_job_with_the_cause(self):
        arguments = self.command(description(), "full", EPOCHS, ["--device", "cuda"])
        # While the network is made, in a step, and before steps are recorded.
        cases = ((1, 0, 3, "another"), (1, 0, 170, "another"), (1, 0, 243, "a step needs"), (3, 1, 3, "another"), (3, 1, 170, "another"),
                 (3, 1, 220, "a step needs"))
        for ranks, rank, after, what in (case for case in cases if case[0] <= DEVICES):
            with self.subTest(ranks=ranks, after=after), unittest.mock.patch.dict(
                    os.environ, LPL_DEVICE_FULL=f"{rank} {after} 1000000"):
                done = lpl_rate(*arguments, ranks=ranks, timeout=60)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertRegex(done.stderr, rf"CUDA device \d \(host\): out of memory: {what} \d+ MiB .*do not fit.* \(\d+ of \d+ MiB are free\)")
                self.assertIn(f"rank {rank}" if ranks > 1 else "use a smaller batch", done.stderr)
                if after > 3:
                    self.assertIn(status(self.folder / "full.h5"), ("failed", "running"))

    def failing(self, name, *arguments, ranks=1, **environment):
        """What lpl_rate says and how it ends on a device of the tests' own that is told to fail."""
        with unittest.mock.patch.dict(os.environ, environment):
            return lpl_rate(*self.command(description(), name, EPOCHS, arguments), ranks=ranks, timeout=60)

    @unittest.skipUnless("LPL_DEVICES" in os.environ, "a device of the tests' own can be told to fail")
    def test_a_driver_that_fails_is_no_reason_to_compute_on_the_cpu(self):
        for error, advice in ((35, "install a newer driver"), (802, "nvidia-fabricmanager"), (46, "for itself"), (999, "")):
            for device in ([], ["--device", "cuda"]):
                with self.subTest(error=error, device=device):
                    done = self.failing("driver", *device, ranks=min(DEVICES, 2) if error == 802 else 1, LPL_DEVICE_ERROR=str(error),
                                        LPL_DEVICE_DRIVER="12040")
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertRegex(done.stderr, rf", {error}\); the driver is for CUDA 12.4, lpl_rate uses CUDA \d+\.\d")
                    self.assertIn(advice, done.stderr)
                    self.assertIn("--device cpu", done.stderr)
                    self.assertFalse((self.folder / "driver.h5").exists())

    @unittest.skipUnless("LPL_DEVICES" in os.environ, "a device of the tests' own can be told to fail")
    def test_the_benchmark_says_what_the_program_said(self):
        bench = [sys.executable, ROOT / "scripts/bench_rate.py", "--device", "cuda", "--images", "4", "--batch", "4", "--repeats", "1",
                 "--lpl-rate", LPL_RATE]
        well = subprocess.run(bench, capture_output=True, text=True, timeout=120)
        self.assertEqual(well.returncode, 0, well.stderr)
        self.assertRegex(well.stdout, r"(?s)device       CUDA device 0.*float32 +\d.*bf16 +\d")
        done = subprocess.run(bench, capture_output=True, text=True, timeout=60, env=dict(os.environ, LPL_DEVICE_ERROR="802"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"lpl_rate.* ended with 1:\nlpl_rate: the driver of the CUDA devices fails")

    @unittest.skipUnless("LPL_DEVICES" in os.environ, "a device of the tests' own can be told to be absent")
    def test_without_devices_the_cpu_computes_and_is_named_first(self):
        for answer in ({"LPL_DEVICE_ERROR": "100"}, {"LPL_DEVICE_ERROR": "35", "LPL_DEVICE_DRIVER": "0"}):
            with self.subTest(answer=answer):
                done = self.failing("absent", "--overwrite", **answer)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, r"\Adevice       CPU \(")
                done = self.failing("absent", "--device", "cuda", "--overwrite", **answer)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("no CUDA device: there is none here", done.stderr)

    @unittest.skipUnless("LPL_DEVICES" in os.environ, "a device of the tests' own can be told to be full")
    def test_recorded_steps_make_room_for_others(self):
        cuda = ["--device", "cuda", "--overwrite"]
        found = []
        for after in (1000000, 300):
            done = self.failing("room", *cuda, LPL_DEVICE_FULL=f"0 {after} 1", LPL_DEVICE_COUNTS="1", LPL_CUDA_LOG="1")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"\Adevice       CUDA device 0 \(host\)")
            self.assertRegex(done.stdout, r"on a device  [1-9][0-9.]+ MiB at most\n")
            # A step of 10 samples, and again after its memory was given back.
            self.assertEqual(done.stderr.count("recorded: "), 1 if after > 300 else 2, done.stderr)
            takes = re.findall(r"a step of 10 samples takes memory (\d+) times, (\d+) KiB at once, (\d+) KiB as it is laid out", done.stderr)
            self.assertEqual(len(takes), 1, done.stderr)
            times, at_once, laid_out = (int(number) for number in takes[0])
            self.assertGreater(times, 100)
            self.assertLessEqual(at_once, laid_out)
            self.assertLess(laid_out, 1.2 * at_once)
            with h5py.File(self.folder / "room.h5", "r") as result:
                found.append(result["steps/total"][()])
        np.testing.assert_array_equal(*found)

    @unittest.skipUnless("LPL_DEVICES" in os.environ, "a device of the tests' own can be told to fail")
    def test_waiting_after_each_call_names_the_one_that_failed(self):
        cuda = ["--device", "cuda", "--overwrite"]
        done = self.failing("sync", *cuda, LPL_DEVICE_FAULT="200")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"failed: an illegal memory access .* LPL_CUDA_SYNC=1 tells which")
        done = self.failing("sync", *cuda, LPL_DEVICE_FAULT="200", LPL_CUDA_SYNC="1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, r"(the \w.*|by cuDNN|cudaMem\w+.*|cublas\w+) failed: an illegal memory access .*, 700\)\n")
        self.assertNotIn("LPL_CUDA_SYNC", done.stderr)

        # Otherwise the numbers are the same, step by step.
        self.assertEqual(self.failing("straight", *cuda).returncode, 0)
        self.assertEqual(self.failing("waited", *cuda, LPL_CUDA_SYNC="1").returncode, 0)
        losses = []
        for name in ("straight", "waited"):
            with h5py.File(self.folder / f"{name}.h5", "r") as result:
                losses.append(result["steps/total"][()])
        np.testing.assert_array_equal(*losses)

    @unittest.skipUnless("LPL_DEVICES" in os.environ, "which engines a device has is its own affair")
    def test_chosen_engines_are_told_if_asked(self):
        done = self.failing("log", "--device", "cuda", LPL_CUDA_LOG="1")
        told = [line for line in done.stderr.splitlines() if "of cuDNN, engine" in line]
        self.assertTrue(any("the forward pass of a 3x3 convolution from 3 to" in line for line in told), done.stderr)
        self.assertTrue(any("gradient of the filters" in line for line in told), done.stderr)
        self.assertNotIn("engine", self.failing("log", "--device", "cuda", "--overwrite").stderr)

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
