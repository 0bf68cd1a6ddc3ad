"""A trained network as an ONNX graph, which other programs run. Parameters keep PyTorch's names."""

import math
import tomllib

import numpy as np

from lpl_analysis.results import ResultError

try:
    from onnx import TensorProto, helper, numpy_helper, shape_inference
except ImportError:
    raise SystemExit("lpl.py: Python's onnx is missing; install python3-onnx (Debian, Ubuntu), or its like elsewhere") from None

OPSET, IR_VERSION = 13, 7  # of 2020: all that is needed, and no runtime is older
EPSILON = 1e-5  # of batch normalisation
LARGEST = 2**31 - 2**20  # bytes of parameters; protobuf's files end at 2 GiB
VECTORS = ("batches", "clusters", "digits")  # data sets whose samples need not be square images
HEAD = "network.encoder."


def tensor(name, shape):
    """Float32; a side is a number, a name, or None where it follows from the graph."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


class Graph:
    """Nodes in the order of computation. A value is called by the name of the node that makes it."""

    def __init__(self, parameters):
        self.parameters = parameters
        self.nodes, self.constants, self.outputs = [], {}, []

    def add(self, kind, name, *inputs, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def output(self, name, kind, x, dimensions=2):
        self.outputs.append(tensor(self.add(kind, name, x), [None] * dimensions))
        return name

    def constant(self, name, values):
        self.constants[name] = np.asarray(values, np.float32)
        return name

    def has(self, name):
        return name in self.parameters

    def parameter(self, name):
        if not self.has(name):
            raise ResultError(f"has no /network/{name}; has the run finished?")
        return self.constant(name, self.parameters[name])

    def weights(self, layer):
        """Those of a layer, and its biases where it has some."""
        return [self.parameter(f"{layer}.{what}") for what in ("weight", "bias")[:1 + self.has(f"{layer}.bias")]]

    def inputs_of(self, layer):
        """The number of channels or units that a layer sees."""
        return self.constants[self.parameter(f"{layer}.weight")].shape[1]

    # ---- layers, by their names

    def dense(self, layer, x):
        return self.add("Gemm", f"{layer}.y", x, *self.weights(layer), transB=1)

    def convolution(self, layer, x, stride, padding):
        return self.add("Conv", f"{layer}.y", x, *self.weights(layer), strides=[stride] * 2, pads=[padding] * 4)

    def normalisation(self, layer, x):
        values = [self.parameter(f"{layer}.{what}") for what in ("weight", "bias", "running_mean", "running_var")]
        return self.add("BatchNormalization", f"{layer}.y", x, *values, epsilon=EPSILON)

    def rectify(self, x):
        return self.add("Relu", f"{x}.rectified", x)

    def pool(self, x, side, stride, padding=0):
        """Of rectified maps: what lies beyond their edge never counts."""
        return self.add("MaxPool", f"{x}.pooled", x, kernel_shape=[side] * 2, strides=[stride] * 2, pads=[padding] * 4)

    def average(self, x, side, target):
        """Square maps of one side as maps of another: means over windows of rows, then of columns."""
        means = np.zeros((target, side))
        for i in range(target):
            first, last = i * side // target, -(-(i + 1) * side // target)
            means[i, first:last] = 1 / (last - first)
        rows = self.add("MatMul", f"{x}.rows", self.constant(f"{x}.means", means), x)
        return self.add("MatMul", f"{x}.averaged", rows, self.constant(f"{x}.means_of_columns", means.T))


# ---- the kinds of networks (docs/language.md): the outputs of their blocks


def dense(graph, net, x):
    for i in range(len(net["units"])):
        x = graph.dense(f"{HEAD}blocks.{i}.module.0", x)
        if net["rectified"]:
            x = graph.rectify(x)
        yield x


def convolutional(graph, net, x, side):
    """`side` of the images; it matters only where maps are averaged."""
    keys = ("names", "kernels", "strides", "paddings", "pools", "pool_strides", "adaptive_pools")
    for name, kernel, stride, padding, pool, pool_stride, target in zip(*(net[key] for key in keys)):
        if target:
            x, side = graph.average(x, side, target), target
        x = graph.rectify(graph.convolution(HEAD + name, x, stride, padding))
        side = (side + 2 * padding - kernel) // stride + 1
        if pool:
            x, side = graph.pool(x, pool, pool_stride), (side - pool) // pool_stride + 1
        yield x


def residual(graph, net, x):
    x = graph.convolution(f"{HEAD}conv1", x, net["stem_stride"], net["stem_kernel"] // 2)
    x = graph.rectify(graph.normalisation(f"{HEAD}bn1", x))
    x = graph.pool(x, net["stem_pool"], net["stem_pool_stride"], net["stem_pool"] // 2)
    yield x
    for stage, (blocks, stride) in enumerate(zip(net["blocks"], net["strides"]), start=1):
        for b in range(blocks):
            x = bottleneck(graph, f"{HEAD}layer{stage}.{b}", x, 1 if b else stride)
            yield x


def bottleneck(graph, name, x, stride):
    y = x
    for layer, (its_stride, padding) in enumerate([(1, 0), (stride, 1), (1, 0)], start=1):
        y = graph.convolution(f"{name}.conv{layer}", y, its_stride, padding)
        if graph.has(f"{name}.bn{layer}.weight"):
            y = graph.normalisation(f"{name}.bn{layer}", y)
        if layer < 3:
            y = graph.rectify(y)
    if graph.has(f"{name}.downsample.0.weight"):
        x = graph.normalisation(f"{name}.downsample.1", graph.convolution(f"{name}.downsample.0", x, stride, 0))
    return graph.rectify(graph.add("Add", f"{name}.sum", y, x))


# ---- the whole


def read_network(graph, description, net, side):
    """Adds the network. Returns its input, as name and shape, and the outputs of its blocks."""
    if net["type"] == "dense":
        units = graph.inputs_of(f"{HEAD}blocks.0.module.0")
        if description["data"]["set"] in VECTORS:
            return ("samples", ["N", units]), list(dense(graph, net, "samples"))
        pixels = graph.add("Flatten", "pixels", graph.add("Transpose", "channels_last", "images", perm=[0, 2, 3, 1]))
        return ("images", ["N", 3] + [math.isqrt(units // 3)] * 2), list(dense(graph, net, pixels))
    if net["type"] == "residual":
        return ("images", ["N", graph.inputs_of(f"{HEAD}conv1"), "H", "W"]), list(residual(graph, net, "images"))
    sides = ["H", "W"]
    if any(net["adaptive_pools"]):
        side = side or description["data"].get("side", 0)
        if side < 1:
            raise ResultError("the network averages maps to a fixed size, and the description does not say how large its "
                              "images are: give --side PIXELS")
        sides = [side, side]
    return (("images", ["N", graph.inputs_of(HEAD + net["names"][0]), *sides]),
            list(convolutional(graph, net, "images", side or 0)))


def add_hook(graph, name, x, maps):
    """What losses and readouts see of a block."""
    if maps:
        return graph.output(name, "Flatten", graph.add("GlobalAveragePool", f"{name}.mean", x))
    return graph.output(name, "Identity", x)


def add_heads(graph, block, x, head):
    """What stands at the hook of a block, counted from 0, where the network has it: its projector, and its classifier, which
    has the number `head`."""
    projector, classifier = f"{HEAD}projectors.{block}.net", f"classifier_heads.{head}"
    if graph.has(f"{projector}.0.weight"):
        for part in (0, 2):
            x = graph.rectify(graph.dense(f"{projector}.{part}", x))
        x = graph.output(f"projector_{block + 1}", "Identity", x)
    if graph.has(f"{classifier}.weight"):
        graph.output(f"classifier_{block + 1}", "Identity", graph.dense(classifier, x))


def build(parameters, description, side=None):
    """The ONNX model of a network, of its parameters by PyTorch's names and the resolved description. `side` of the images
    [pixels], for descriptions that do not say. Raises ResultError."""
    graph = Graph(parameters)
    net = description["net"][description["network"]["net"]]
    given, blocks = read_network(graph, description, net, side)
    maps, layer_local = net["type"] != "dense", description["learning"]["scope"] == "layer_local"
    for b, x in enumerate(blocks):
        hook = add_hook(graph, f"block_{b + 1}", x, maps)
        if layer_local or x is blocks[-1]:
            add_heads(graph, b, hook, b if layer_local else 0)
    if maps:
        graph.output("map", "Identity", blocks[-1], dimensions=4)
    if sum(values.nbytes for values in graph.constants.values()) > LARGEST:
        raise ResultError("its parameters do not fit into an ONNX file, which ends at 2 GiB")
    constants = [numpy_helper.from_array(values, name) for name, values in graph.constants.items()]
    model = helper.make_model(helper.make_graph(graph.nodes, "network", [tensor(*given)], graph.outputs, constants),
                              opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="lpl_rate")
    return shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


def export_network(result, path, side=None):
    """The network of a training run as a file .onnx. Returns the names of its outputs."""
    if path.suffix != ".onnx":
        raise ResultError(f"the output's ending, '{path.suffix}', says no known format; use .onnx")
    parameters = result.parameters()
    if not parameters:
        raise ResultError(f"{result.path}: has no trained network; lpl_rate writes one into /network at the end of a run")
    try:
        model = build(parameters, tomllib.loads(result.description), side)
    except ResultError as error:
        raise ResultError(f"{result.path}: {error}") from error
    except KeyError as missing:
        raise ResultError(f"{result.path}: /config/description does not say {missing}, as those of this version do") from missing
    path.write_bytes(model.SerializeToString())
    return [output.name for output in model.graph.output]
