#!/usr/bin/env python3
"""Fig. 2: one linear unit and two clusters: LPL finds the direction that is predictable, not the one that varies.

Samples lie at x = -1 or 1 (and 0.1 around it) and y = sigma_y times noise; successive samples share the cluster. From a
small to a large sigma_y, LPL tells the clusters apart; Oja's rule and LPL without its predictive term follow the larger
variance. No numbers are published with this figure. The published one has 50 values of sigma_y and 10 repetitions.
"""

import figure

import numpy as np

from lpl_analysis import measures, plots
from lpl_analysis.results import Result

UNITS = {
    "LPL": [],
    "predictive off": ["rule.lpl_toy.predictive.strength=0"],
    "Hebbian off": ["rule.lpl_toy.hebbian.strength=0"],
    "Oja": ["learning.rule=oja"],
}
NOISE = np.logspace(-2, 2, 9)
REPEATS = 3
SAMPLES = 10000
LEARNING_RATE = 1e-2  # at most; lower where y is large


def clusters(sigma_y):
    """Samples [sample, (x, y)] and whether each is of the right cluster."""
    random = np.random.default_rng(0)
    right = random.random(SAMPLES) < 0.5
    x = np.where(right, 1.0, -1.0) + 0.1 * random.normal(size=SAMPLES)
    return np.stack([x, sigma_y * random.normal(size=SAMPLES)], axis=1), right


def learn(chosen, unit, sigma_y, seed):
    """The weights (x, y) that a unit has learnt."""
    settings = [f"data.sigma_y={sigma_y:.6g}", f"optimizer.learning_rate={LEARNING_RATE / max(sigma_y, 1):.6g}",
                f"training.seed={seed}", *UNITS[unit]]
    if chosen.quick:
        settings.append("training.steps=1000")
    name = f"clusters2d_{unit.replace(' ', '_')}_{sigma_y:.3g}"
    path = figure.run(chosen, "clusters2d.rate", *settings, name=name, threads=1)
    with Result(path) as result:
        (weights,) = result.parameters().values()
    return weights.ravel()


def draw(noise, weights, scores):
    picture, axes = plots.panels(1, 2, width=10, height=4)
    for i, (unit, score) in enumerate(scores.items()):
        middle = np.mean(score, axis=1)
        spread = np.std(score, axis=1)
        axes[0].plot(noise, middle, color=f"C{i}", label=unit)
        axes[0].fill_between(noise, middle - spread, middle + spread, color=f"C{i}", alpha=0.2, lw=0)
        axes[1].plot(noise, abs(weights[unit][:, 0, 0]), color=f"C{i}", label=f"{unit}: x")
        axes[1].plot(noise, abs(weights[unit][:, 0, 1]), "--", color=f"C{i}", label=f"{unit}: y")
    axes[0].set(xscale="log", ylim=(0, 1), xlabel="σ_y", ylabel="selectivity for the cluster", title="Selectivity")
    axes[1].set(xscale="log", yscale="log", ylim=(1e-4, 1e3), xlabel="σ_y", ylabel="size of the weight",
                title="Weights, first repetition")
    axes[0].legend()
    axes[1].legend(ncol=4, fontsize=7, loc="upper left")
    return picture


def main():
    chosen = figure.options(__doc__).parse_args()
    noise, repeats = (NOISE[[0, 6]], 1) if chosen.quick else (NOISE, REPEATS)
    weights, scores = {}, {}
    for unit in UNITS:
        weights[unit] = np.array([[learn(chosen, unit, sigma_y, seed) for seed in range(1, repeats + 1)]
                                  for sigma_y in noise])
        scores[unit] = np.empty((len(noise), repeats))
        for i, sigma_y in enumerate(noise):
            samples, right = clusters(sigma_y)
            scores[unit][i] = [measures.class_selectivity(samples @ w, right) for w in weights[unit][i]]
    for unit in UNITS:
        for i in np.flatnonzero(np.isnan(scores[unit]).any(axis=1)):
            print(f"{unit}, sigma_y {noise[i]:.3g}: undefined in {np.isnan(scores[unit][i]).sum()} of {repeats} "
                  "repetitions, where the unit's activity is constant")
    figure.compare([(f"{unit}: selectivity, sigma_y {noise[i]:.3g}", None, np.mean(scores[unit][i]))
                    for unit in UNITS for i in range(len(noise))])
    figure.save(chosen, draw(noise, weights, scores), "fig2")


if __name__ == "__main__":
    main()
