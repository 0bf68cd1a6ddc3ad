#!/usr/bin/env python3
"""Extended Data Fig. 6: how factors move along the sequences of E5, and the manifolds that layers make of them.

Frames that follow each other; how often a level of a factor follows another. Hues go round a ring in an order that is
permuted once, by the seed, so that only sequences tell which hues are neighbours: matrices and colours take them in that
order, which is read off how often they follow each other. Below: the last layer's activity in its two directions of
largest variance, with and without the predictive term and before learning, in a colour for each level. No numbers are published with this figure. On the trainings of
e5.py, with its options.
"""

import figure

from typing import NamedTuple
import tomllib

import e5
import numpy as np

from lpl_analysis import plots, sequences
from lpl_analysis.disentanglement import dissimilarity
from lpl_analysis.results import Result
from matplotlib.colors import LogNorm

VARIANTS = ("LPL", "predictive off", "random")
POINTS = 1200  # shown, from all over the sequences
RAREST = 1e-3  # probability that is told from none


class Seen(NamedTuple):
    """What a file of activity tells, rows in the order of the sequences."""

    frames: np.ndarray  # pixels of some that follow each other [frame, row, column, channel], from 0 to 1
    factors: dict  # by name, [frame], as places in the order in which sequences go through them
    counts: dict  # by name, how often a place follows another [from, to]
    activity: np.ndarray  # of the last layer [frame, unit]


def look(path):
    with Result(path) as result:
        caused = result.file["activity"]
        names = e5.factor_names(result)
        levels, block = caused["labels"][()], tomllib.loads(result.description)["training"]["batch"]
        first = sequences.moving(levels, block, len(names))
        frames = caused["pixels"][first:first + len(names)]
        last = figure.layers_of(caused)[-1]
    low, high = (bound(frames, axis=(0, 1, 2)) for bound in (np.min, np.max))
    factors = {name: e5.places(name, column, block) for name, column in zip(names, levels.T)}
    counts = {name: sequences.transitions(column, block) for name, column in factors.items()}
    return Seen((frames - low) / (high - low), factors, counts, last)


def embedding(activity):
    """In the two directions of largest variance [image, 2], and the part of the variance that lies in them."""
    centred = activity - activity.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(centred.T))
    return centred @ vectors[:, :-3:-1], values[-2:].sum() / values.sum()


def moves_beside(counts):
    """The part of all changes of a factor on a ring that go to the next place or the one after it."""
    apart = sequences.distances(len(counts))
    return counts[(apart == 1) | (apart == 2)].sum() / counts[apart > 0].sum()


def neighbours_and_others(activity, places):
    """Mean dissimilarity of places that are beside each other on a ring, and of those that are not."""
    matrix = dissimilarity(activity, places)
    apart = sequences.distances(len(matrix))
    return np.mean(matrix[apart == 1]), np.mean(matrix[apart > 1])


def colours(name, places):
    if e5.is_hue(name):
        return {"c": places / (places.max() + 1), "cmap": "hsv", "vmin": 0, "vmax": 1}
    return {"c": places, "cmap": "viridis"}


def draw(seen, embeddings):
    rows = 2 + len(embeddings)
    picture, axes = plots.panels(rows, len(seen.factors), width=11, height=1.9 * rows)
    for axis, frame in zip(axes[0], seen.frames):
        axis.imshow(frame)
        axis.axis("off")
    axes[0, 0].set_title("A sequence", loc="left")
    for axis, (name, matrix) in zip(axes[1], seen.counts.items()):
        probability = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        image = axis.imshow(np.maximum(probability, RAREST), norm=LogNorm(RAREST, 1), cmap="magma")
        axis.set(title=name.replace("_", " "), xticks=[], yticks=[], xlabel="next")
    axes[1, 0].set_ylabel("now")
    picture.colorbar(image, ax=list(axes[1]), shrink=0.8, label="probability")
    for row, (variant, points) in zip(axes[2:], embeddings.items()):
        for axis, (name, places) in zip(row, seen.factors.items()):
            every = max(1, len(points) // POINTS)
            axis.scatter(*points[::every].T, s=1.5, rasterized=True, **colours(name, places[::every]))
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(variant)
    return picture


def main():
    chosen = e5.options(__doc__)
    seen = {variant: look(e5.activity(chosen, variant)) for variant in VARIANTS}
    factors = seen["LPL"].factors
    hues = [name for name in factors if e5.is_hue(name)]
    rows = [(f"{name}: changes to a neighbour or the next but one", None, moves_beside(seen["LPL"].counts[name]))
            for name in hues]
    embeddings = {}
    for variant, found in seen.items():
        embeddings[variant], share = embedding(found.activity)
        beside, others = np.mean([neighbours_and_others(found.activity, factors[name]) for name in hues], axis=0)
        rows += [(f"{variant}: dissimilarity of neighbouring hues", None, beside),
                 (f"{variant}: dissimilarity of other hues", None, others),
                 (f"{variant}: variance in two directions", None, share)]
    figure.compare(rows)
    figure.save(chosen, draw(seen["LPL"], embeddings), "e6")


if __name__ == "__main__":
    main()
