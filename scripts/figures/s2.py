#!/usr/bin/env python3
"""Fig. S2: one linear unit learns from handwritten digits what stays: the digit, or its place.

A five or a six stands in one of two corners of a canvas. Where sequences keep the digit and change its place, LPL makes
the unit tell the digits apart wherever they stand; where they keep the place and change the digit, it tells the places.
The digits are scikit-learn's (8 x 8), or MNIST's (--mnist FOLDER with train-images-idx3-ubyte and
train-labels-idx1-ubyte, or the same with .gz). No numbers are published with this figure.
"""

import figure

import gzip
import pathlib
import subprocess
import sys

import numpy as np

from lpl_analysis import measures, output, plots
from lpl_analysis.results import Result, ResultError

DIGITS = (5, 6)
KEPT = ("digit", "place")
REPEATS = 3


def read_idx(folder, name):
    """An array of an MNIST file [...] uint8."""
    for path, opener in ((folder / name, open), (folder / f"{name}.gz", gzip.open)):
        if path.is_file():
            with opener(path, "rb") as file:
                data = file.read()
            dimensions = data[3] if data[:3] == b"\0\0\x08" else 0
            shape = np.frombuffer(data, ">u4", dimensions, 4)
            if dimensions == 0 or len(data) != 4 + 4 * dimensions + shape.prod():
                raise ResultError(f"{path}: has {len(data)} bytes and is no complete idx file of unsigned bytes")
            return np.frombuffer(data, "u1", offset=4 + 4 * dimensions).reshape(shape)
    raise ResultError(f"there is neither {folder / name} nor {name}.gz beside it")


def write_mnist(folder, out):
    """The digits of MNIST as text that lpl_rate reads: a line `label intensity intensity ...` an image."""
    images, labels = read_idx(folder, "train-images-idx3-ubyte"), read_idx(folder, "train-labels-idx1-ubyte")
    wanted = np.isin(labels, DIGITS)
    rows = np.column_stack([labels[wanted], images[wanted].reshape(wanted.sum(), -1) / 255])
    with output.replacing(out) as new:
        np.savetxt(new, rows, fmt="%.6g")


def digits_file(chosen):
    chosen.cache.mkdir(parents=True, exist_ok=True)
    out = chosen.cache.resolve() / ("mnist.txt" if chosen.mnist else "digits.txt")
    if chosen.mnist:
        write_mnist(chosen.mnist, out)
    else:
        subprocess.run([sys.executable, figure.ROOT / "scripts/make_digits.py", out, "--digits",
                        ",".join(map(str, DIGITS))], check=True, stdout=subprocess.DEVNULL)
    return out


def in_corners(path):
    """All images in both corners: samples [sample, canvas], which are the second digit, which in the lower corner."""
    rows = np.loadtxt(path)
    second, images = rows[:, 0] == DIGITS[1], rows[:, 1:]
    side = round(np.sqrt(images.shape[1]))
    canvas = np.zeros((2, len(images), 2 * side, 2 * side))
    canvas[0, :, :side, :side] = canvas[1, :, side:, side:] = images.reshape(-1, side, side)
    return canvas.reshape(2 * len(images), -1), np.tile(second, 2), np.repeat([False, True], len(images))


def learn(chosen, digits, kept, seed):
    settings = [f'data.file="{digits}"', f"data.keeps={kept}", f"data.first={DIGITS[0]}", f"data.second={DIGITS[1]}",
                f"training.seed={seed}", *(["training.steps=200"] if chosen.quick else [])]
    with Result(figure.run(chosen, "digits.rate", *settings, name=f"{digits.stem}_{kept}", threads=1)) as result:
        (weights,) = result.parameters().values()
    return weights.ravel()


def draw(weights, scores):
    picture, axes = plots.panels(1, 3, width=11, height=3.4)
    for axis, kept in zip(axes, KEPT):
        first = weights[kept][0]
        side = round(np.sqrt(len(first)))
        reach = abs(first).max()
        axis.imshow(first.reshape(side, side), cmap="RdBu_r", vmin=-reach, vmax=reach)
        axis.set(title=f"Weights, sequences keep the {kept}", xticks=[], yticks=[])
    for i, told in enumerate(KEPT):
        places = np.arange(len(KEPT)) + 0.4 * i - 0.2
        middle = [scores[kept][told].mean() for kept in KEPT]
        spread = [scores[kept][told].std() for kept in KEPT]
        axes[2].bar(places, middle, 0.36, yerr=spread, color=f"C{i}", label=f"for the {told}")
    axes[2].set_xticks(range(len(KEPT)), [f"keep the {kept}" for kept in KEPT])
    axes[2].set(ylabel="selectivity", xlabel="sequences", title="What the unit tells")
    axes[2].legend()
    return picture


def main():
    parser = figure.options(__doc__)
    parser.add_argument("--mnist", type=pathlib.Path, metavar="FOLDER", help="use MNIST's digits")
    chosen = parser.parse_args()
    try:
        digits = digits_file(chosen)
    except ResultError as error:
        sys.exit(f"s2.py: {error}")
    samples, second, lower = in_corners(digits)
    classes = {"digit": second, "place": lower}
    weights = {kept: [learn(chosen, digits, kept, seed) for seed in range(1, (1 if chosen.quick else REPEATS) + 1)]
               for kept in KEPT}
    scores = {kept: {told: np.array([measures.class_selectivity(samples @ w, classes[told]) for w in weights[kept]])
                     for told in KEPT} for kept in KEPT}
    figure.compare([(f"sequences keep the {kept}: selectivity for the {told}", None, scores[kept][told].mean())
                    for kept in KEPT for told in KEPT])
    figure.save(chosen, draw(weights, scores), "s2")


if __name__ == "__main__":
    main()
