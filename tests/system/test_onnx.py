#!/usr/bin/env python3
"""Networks as ONNX: what the graph computes is what lpl_rate does, layer by layer."""

import os
import subprocess
import unittest

from analysis_runs import lpl
from support import ROOT, h5py, lpl_rate
from test_rate import LINEAR, LPL, RESIDUAL, SCENES, SUPERVISED, RateTest, description

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import helper, numpy_helper

# Every key of a convolutional net that changes what it computes, and names of its own.
CONVOLUTIONAL = """type = "convolutional"
channels = [6, 8, 5, 7]
kernels = [5, 3, 4, 1]
strides = [2, 1, 1, 1]
paddings = [2, 0, 2, 0]
pools = [3, 0, 2, 0]
pool_strides = [1, 1, 2, 1]
adaptive_pools = [0, 0, 9, 3]
dropouts = [0, 0, 0.5, 0]
names = ["blocks.0.0", "blocks.1.0", "third", "fourth"]"""
PLAIN = CONVOLUTIONAL.replace("[0, 0, 9, 3]", "[0, 0, 0, 0]").replace("0.5", "0")
DENSE = 'type = "dense"\nunits = [12, 6]'
END_TO_END = 'learning.scope="end_to_end"'
STILL = ("optimizer.learning_rate=0", "optimizer.weight_decay=0", "record.hooks=[1]", "training.epochs=1")


# ---- the operators that the graphs use, in double precision, as onnx.ai/onnx/operators defines them


def windows(x, shape, strides, pads, beyond):
    padded = np.pad(x, [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])], constant_values=beyond)
    return sliding_window_view(padded, shape, axis=(2, 3))[:, :, ::strides[0], ::strides[1]]


def conv(x, weight, bias=0.0, *, strides, pads):
    y = np.einsum("nchwij,ocij->nohw", windows(x, weight.shape[2:], strides, pads, 0), weight, optimize=True)
    return y + np.reshape(bias, (-1, 1, 1))


def normalise(x, weight, bias, mean, variance, *, epsilon):
    weight, bias, mean, variance = (values[:, None, None] for values in (weight, bias, mean, variance))
    return weight * (x - mean) / np.sqrt(variance + epsilon) + bias


OPERATORS = {
    "Add": lambda x, y: x + y,
    "BatchNormalization": normalise,
    "Conv": conv,
    "Flatten": lambda x: x.reshape(len(x), -1),
    "Gemm": lambda x, weight, bias=0.0, *, transB: x @ (weight.T if transB else weight) + bias,
    "GlobalAveragePool": lambda x: x.mean(axis=(2, 3), keepdims=True),
    "Identity": lambda x: x,
    "MatMul": lambda x, y: x @ y,
    "MaxPool": lambda x, *, kernel_shape, strides, pads: windows(x, kernel_shape, strides, pads, -np.inf).max(axis=(4, 5)),
    "Relu": lambda x: np.maximum(x, 0),
    "Transpose": lambda x, *, perm: x.transpose(perm),
}


def assert_fits(values, told):
    """Of the shape that a model tells; a side without a number is open."""
    sides = [side.dim_value for side in told.type.tensor_type.shape.dim]
    assert len(sides) == values.ndim and all(side in (0, is_) for side, is_ in zip(sides, values.shape)), (told, values.shape)


def run(path, x):
    """The outputs of the model in a file, by name."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    values = {tensor.name: numpy_helper.to_array(tensor).astype(float) for tensor in model.graph.initializer}
    (given,) = model.graph.input
    assert_fits(x, given)
    values[given.name] = np.asarray(x, float)
    for node in model.graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = OPERATORS[node.op_type](*(values[name] for name in node.input), **attributes)
    for output in model.graph.output:
        assert_fits(values[output.name], output)
    return {output.name: values[output.name] for output in model.graph.output}


def cross_entropy(scores, labels):
    return np.mean(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(labels)), labels])


class Onnx(RateTest):
    def export(self, name="run", *more):
        path = self.folder / f"{name}.onnx"
        done = lpl("onnx", self.folder / f"{name}.h5", "-o", path, "--overwrite", *more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return path

    def assert_close(self, found, expected, what):
        expected = np.asarray(expected)
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6 * np.abs(expected).max(), err_msg=what)

    def assert_same_activity(self, name="run"):
        """Of the test images, at every block. Returns the outputs of the graph."""
        path = self.export(name)
        done = lpl_rate("eval", self.folder / f"{name}.h5", "--activity", "--overwrite", "--out", self.folder / "e.h5")
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.folder / "e.h5") as file:
            activity = {key: values[:] for key, values in file["activity"].items()}
        outputs = run(path, activity["pixels"].transpose(0, 3, 1, 2))
        blocks = len(activity) - 2
        self.assertEqual([key for key in outputs if key.startswith("block")], [f"block_{b + 1}" for b in range(blocks)])
        for b in range(blocks):
            self.assertGreater(activity[f"layer_{b + 1}"].std(), 0)
            self.assert_close(outputs[f"block_{b + 1}"], activity[f"layer_{b + 1}"], f"block {b + 1}")
        return outputs

    def test_convolutional_nets(self):
        for net, biases in ((CONVOLUTIONAL, "true"), (PLAIN, "false")):
            self.train("run", f"network.biases={biases}", text=description(net=net))
            outputs = self.assert_same_activity()
            np.testing.assert_allclose(outputs["map"].mean(axis=(2, 3)), outputs["block_4"], rtol=1e-12)

    def test_the_published_nets(self):
        for name in ("alexnet", "vgg11"):
            net = f"net.{name}.channels=[8, 8, 8, 8, 8, 12, 12{', 8' * (name == 'vgg11')}]"
            text = f'[network]\nnet = "{name}"\n[training]\nbatch = 10\nepochs = 1\n[learning]\nrule = "lpl"\n[data]\n{SCENES}\nside = 64'
            self.train("run", net, "readout.epochs=1", text=text)
            self.assert_same_activity()

    def test_residual_nets_use_their_running_averages(self):
        for net in (RESIDUAL, RESIDUAL + "\nnormalised = false\nstem_pool = 1\nstem_pool_stride = 1"):
            self.train("run", END_TO_END, text=description(net=net))
            self.assert_same_activity()

    def test_dense_nets(self):
        self.train("run", text=description(net=DENSE))
        outputs = self.assert_same_activity()
        self.assertNotIn("map", outputs)

    def test_a_linear_unit_of_the_toy_experiments(self):
        self.train("run", text=description(net=LINEAR, data='set = "clusters"\nsteps_per_epoch = 3'))
        x = np.random.default_rng(1).normal(size=(5, 2))
        with h5py.File(self.folder / "run.h5") as file:
            weight, bias = (file[f"network/network.encoder.blocks.0.module.0.{what}"][:] for what in ("weight", "bias"))
        np.testing.assert_allclose(run(self.export(), x)["block_1"], x @ weight.T + bias, rtol=1e-6)

    def given(self, net, rule, *settings):
        """Trains on given batches, without learning anything. Returns views 1 and 2 of the first one and its labels."""
        batches = self.batches()
        self.train("run", *STILL, *settings, text=description(net=net, rule=rule, data=f'set = "batches"\nfile = "{batches}"\nclasses = 10'))
        with h5py.File(batches) as file:
            return [file[f"batches/img_{view}"][0] for view in (1, 2)], file["batches/labels"][0]

    def test_projectors(self):
        """What losses see of both views: of every block, or of the last one."""
        for net, scope, blocks in ((PLAIN, "layer_local", [1, 2, 3, 4]), (PLAIN, "end_to_end", [4]), (DENSE, "layer_local", [1, 2])):
            views, _ = self.given(net, LPL, "network.projector_size=6", "network.projector_hidden=9", f'learning.scope="{scope}"')
            path = self.export()
            with h5py.File(self.folder / "run.h5") as file:
                for v, view in enumerate(views, start=1):
                    outputs = run(path, view if net is PLAIN else view.transpose(0, 2, 3, 1).reshape(len(view), -1))
                    self.assertEqual([key for key in outputs if key.startswith("proj")], [f"projector_{b}" for b in blocks])
                    for hook, b in enumerate(blocks):
                        seen = file[f"inspection/hooks/step_1/z_{v}/{hook}"][:]
                        self.assertGreater(seen.std(), 0)
                        self.assert_close(outputs[f"projector_{b}"], seen, f"{scope}, block {b}, view {v}")

    def test_classifiers(self):
        """By the loss at every hook."""
        for scope, blocks in (("layer_local", [1, 2, 3, 4]), ("end_to_end", [4])):
            views, labels = self.given(PLAIN, SUPERVISED, f'learning.scope="{scope}"', "record.hooks=[]")
            outputs = [run(self.export(), view) for view in views]
            with h5py.File(self.folder / "run.h5") as file:
                losses = file["steps/cross_entropy"][0]
            for hook, b in enumerate(blocks):
                expected = np.mean([cross_entropy(found[f"classifier_{b}"], labels) for found in outputs])
                self.assertAlmostEqual(losses[hook], expected, places=5)

    def test_misuse_is_told(self):
        self.train("run", text=description(net=CONVOLUTIONAL))
        result, path = self.folder / "run.h5", self.export()
        before = path.read_bytes()

        def refused(message, *arguments):
            done = lpl("onnx", *arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(message, done.stderr)
        refused("is there already", result, "-o", path)
        self.assertEqual(path.read_bytes(), before)
        refused("use .onnx", result, "-o", self.folder / "net.pt")
        with h5py.File(result, "r+") as file:
            weight = file["network/network.encoder.third.weight"][:]
            del file["network/network.encoder.third.weight"]
        refused("run.h5: has no /network/network.encoder.third.weight; has the run finished?", result, "-o", self.folder / "a.onnx")
        with h5py.File(result, "r+") as file:
            file["network/network.encoder.third.weight"] = weight
            text = file["config/description"][()].decode()
            del file["config/description"]
            file["config/description"] = text.replace("side = 32", "side = 0")
        refused("give --side PIXELS", result, "-o", self.folder / "a.onnx")
        self.assertEqual(self.export("run", "--side", "32").read_bytes(), before)
        with h5py.File(result, "r+") as file:
            file["config/description"][()] = text.replace("adaptive_pools", "other_pools")
        refused("does not say 'adaptive_pools'", result, "-o", self.folder / "a.onnx")
        with h5py.File(result, "r+") as file:
            del file["network"]
        refused("run.h5: has no trained network", result, "-o", self.folder / "a.onnx")
        self.assertFalse((self.folder / "a.onnx").exists())

    def test_a_missing_package_is_told(self):
        self.write("onnx.py", "raise ImportError")
        self.train("run")
        done = subprocess.run([ROOT / "scripts/lpl.py", "onnx", self.folder / "run.h5", "-o", self.folder / "net.onnx"],
                              env=dict(os.environ, PYTHONPATH=str(self.folder)), capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("install python3-onnx", done.stderr)
        self.assertFalse((self.folder / "net.onnx").exists())


if __name__ == "__main__":
    unittest.main()
