#!/usr/bin/env python3
"""Extended Data Fig. 5: whether single units of a network that watches scenes change come to stand for single factors.

A VGG-11 sees sequences of scenes in which one factor moves. Then, for draws of images that agree in one factor, the unit
that varies least votes for that factor (Kim & Mnih, ICML 2018); the score is the part of new draws whose unit tells the
factor. Beside LPL: without the predictive term, with shuffled positives, before learning, and the pixels themselves.
Full: a narrow network on the built-in 32 x 32 scenes, about half an hour on two cores; --shapes FILE takes 3dshapes.h5
and the published network and training: days without a GPU. Published values: the notebooks, ten repetitions.
"""

import figure

import pathlib
import sys
import tomllib

import numpy as np
import scenes

from lpl_analysis import plots, sequences
from lpl_analysis.disentanglement import disentanglement, dissimilarity
from lpl_analysis.results import Result

VARIANTS = ("LPL", "predictive off", "shuffled", "random")
PIXELS = "pixels"
SHAPES_A_BLOCK = 1024
PUBLISHED = {"LPL": 0.953, "predictive off": 0.162, "random": 0.271, PIXELS: 0.877}
PUBLISHED_STRICT = {"LPL": 0.899, "predictive off": 0.072, "random": 0.208, PIXELS: 0.684}


def activity(chosen, variant):
    """The file of the activity that test images cause in the trained network."""
    if chosen.quick or not chosen.shapes:
        return scenes.activity(chosen, variant, chosen.images)
    trained = figure.run(chosen, "shapes3d.rate", "readout.pixels=false", "readout.untrained=false",
                         f'data.file="{chosen.shapes.resolve()}"', *scenes.VARIANTS[variant],
                         name=f"shapes3d_{variant.replace(' ', '_')}")
    return figure.activity(chosen, trained, 1 + chosen.images // SHAPES_A_BLOCK)


def factor_names(result):
    """Of a file of activity."""
    count = result.at("activity/labels").shape[1]
    return result.names_near("activity/labels", "labels", count, "factor ")


def is_hue(name):
    return name.endswith("_hue")


def places(name, levels, block):
    """Levels [frame] of a factor in the order of sequences, of blocks of so many frames: hues go round a ring of their own."""
    if not is_hue(name):
        return levels
    return np.argsort(sequences.ring(sequences.transitions(levels, block)))[levels]


def judge(path):
    """The disentanglement of every layer."""
    with Result(path) as result:
        caused = result.file["activity"]
        return [disentanglement(layer, caused["labels"][()]) for layer in figure.layers_of(caused)]


def judge_images(path):
    """The disentanglement of the pixels, which all variants share, and by factor the dissimilarities at the last layer,
    hues in the order in which sequences go round them."""
    with Result(path) as result:
        caused = result.file["activity"]
        factors, names = caused["labels"][()], factor_names(result)
        block = tomllib.loads(result.description)["training"]["batch"]
        pixels = caused["pixels"][()]
        last = figure.layers_of(caused)[-1]
    return (disentanglement(pixels.reshape(len(pixels), -1), factors),
            {name: dissimilarity(last, places(name, column, block)) for name, column in zip(names, factors.T)})


def draw_scores(axis, title, scores, published):
    axis.bar(range(len(scores)), scores.values(), color="0.7", width=0.5)
    plots.mark_undefined(axis, [i for i, score in enumerate(scores.values()) if score != score])
    known = [i for i, name in enumerate(scores) if name in published]
    axis.plot(known, [published[list(scores)[i]] for i in known], "D", ms=5, mfc="none", color="C3", label="published")
    axis.axhline(1 / 6, color="0.4", lw=0.8, ls=":", label="chance")
    axis.set_xticks(range(len(scores)), scores, rotation=30, ha="right")
    axis.set(ylim=(0, 1.25), yticks=[0, 0.5, 1], title=title)
    axis.legend(loc="upper right", ncol=2)


def draw(judged, pixels, dissimilarities):
    picture, axes = plots.panels(2, 6, width=13, height=6)
    grid = axes[0, 0].get_gridspec()
    for axis in axes[0]:
        axis.remove()
    last = {variant: layers[-1] for variant, layers in judged.items()}
    last[PIXELS] = pixels
    draw_scores(picture.add_subplot(grid[0, 0:2]), "Last layer", {n: d.score for n, d in last.items()}, PUBLISHED)
    draw_scores(picture.add_subplot(grid[0, 2:4]), "Last layer, strict", {n: d.strict for n, d in last.items()},
                PUBLISHED_STRICT)
    axis = picture.add_subplot(grid[0, 4:6])
    for variant, layers in judged.items():
        axis.plot(range(1, len(layers) + 1), [d.score for d in layers], "o-", ms=4, label=variant)
    axis.set(xlabel="layer", ylim=(0, 1), title="By layer")
    axis.legend(ncol=2)
    for axis, (name, matrix) in zip(axes[1], dissimilarities.items()):
        image = axis.imshow(matrix, vmin=0, vmax=2, cmap="magma")
        axis.set(title=name.replace("_", " "), xticks=[], yticks=[])
    picture.colorbar(image, ax=list(axes[1]), shrink=0.7, label="dissimilarity, last layer (LPL)")
    return picture


def options(description):
    """The command line, with defaults that depend on it."""
    parser = figure.options(description)
    parser.add_argument("--shapes", type=pathlib.Path, metavar="FILE", help="3dshapes.h5 of the published data set")
    parser.add_argument("--images", type=int, help="test images that draws are made from (default: 15000)")
    chosen = parser.parse_args()
    if chosen.images is None:
        chosen.images = 300 if chosen.quick else 15000
    if chosen.images < 100:
        sys.exit(f"--images is {chosen.images}: draws need at least 100 images")
    return chosen


def main():
    chosen = options(__doc__)
    files = {variant: activity(chosen, variant) for variant in VARIANTS}
    judged = {variant: judge(path) for variant, path in files.items()}
    pixels, dissimilarities = judge_images(files["LPL"])
    if chosen.quick or not chosen.shapes:
        print("other scenes and shorter training than the published ones: compare orders, not numbers")
    rows = []
    for variant, layers in judged.items():
        rows.append((f"{variant}: disentanglement", PUBLISHED.get(variant), layers[-1].score))
        rows.append((f"{variant}: disentanglement, strict", PUBLISHED_STRICT.get(variant), layers[-1].strict))
    rows.append((f"{PIXELS}: disentanglement", PUBLISHED[PIXELS], pixels.score))
    rows.append((f"{PIXELS}: disentanglement, strict", PUBLISHED_STRICT[PIXELS], pixels.strict))
    figure.compare(rows)
    figure.save(chosen, draw(judged, pixels, dissimilarities), "e5")


if __name__ == "__main__":
    main()
