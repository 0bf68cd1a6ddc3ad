#!/usr/bin/env python3
"""Supplementary Fig. S1: what the predictive and the Hebbian term make of the distance between two clusters.

A unit's activity is normal around -d/2 and d/2, with a deviation of d/4, and samples that follow each other are of the
same cluster. Then the predictive loss, their mean squared difference, is d^2 / 8, and the variance d^2 (1/4 + 1/16). With
its logarithm, as in LPL, the sum has a minimum: clusters part, and activity stays finite. The plain variance outweighs the
predictive loss at any distance: activity grows without end. The hinge of VICReg (Bardes et al. 2021) lets go at a variance
of 1; beyond, only the predictive term is left. No numbers are published with this figure.
"""

import figure

import numpy as np

from lpl_analysis import plots

LARGEST = 10.0  # distance
HEBBIAN = {
    "plain variance": lambda variance: -variance,
    "logarithm (LPL)": lambda variance: -np.log(variance),
    "hinge (VICReg)": lambda variance: np.maximum(0, 1 - np.sqrt(variance)),
}


def predictive(distance):
    return distance**2 / 8


def variance(distance):
    return distance**2 * (1 / 4 + 1 / 16)


def losses(points):
    """Distances, and the sum of both terms by form of the Hebbian one."""
    distance = np.linspace(0.05, LARGEST, points)
    return distance, {name: predictive(distance) + form(variance(distance)) for name, form in HEBBIAN.items()}


def draw_clusters(axis):
    z = np.linspace(-6, 6, 400)
    for centre, colour in ((-2, "C0"), (2, "C1")):
        axis.fill_between(z, np.exp(-(z - centre) ** 2 / 2), color=colour, alpha=0.5, lw=0)
    axis.annotate("", (-2, 1.06), (2, 1.06), arrowprops={"arrowstyle": "<->"})
    axis.text(0, 1.08, "d", ha="center", va="bottom")
    axis.set(xlabel="activity z", ylim=(0, 1.25), yticks=[], title="Two clusters")


def draw(points):
    picture, axes = plots.panels(1, 4, width=13, height=3.4)
    draw_clusters(axes[0])
    distance, sums = losses(points)
    for axis, (name, total) in zip(axes[1:], sums.items()):
        axis.plot(distance, predictive(distance), "--", color="0.5", label="predictive, d² / 8")
        axis.plot(distance, HEBBIAN[name](variance(distance)), color="0.5", label="Hebbian")
        axis.plot(distance, total, color="C3", label="sum")
        axis.axhline(0, color="0.85", lw=0.8, zorder=0)
        axis.set(xlabel="distance d", ylabel="loss", title=name[0].upper() + name[1:])
        axis.legend()
    return picture


def main():
    chosen = figure.options(__doc__).parse_args()
    rows = []
    for name, total in losses(100001)[1].items():
        distance = losses(100001)[0]
        least = total.argmin()
        inside = 0 < least < len(distance) - 1
        rows.append((f"{name}: distance of the least loss", None, distance[least] if inside else float("nan")))
        rows.append((f"{name}: loss at a distance of {LARGEST:g}", None, total[-1]))
    figure.compare(rows)
    figure.save(chosen, draw(101 if chosen.quick else 1001), "s1")


if __name__ == "__main__":
    main()
