#!/usr/bin/env python3
"""Fig. 2: one linear unit and two clusters: LPL finds the direction that is predictable, not the one that varies.

Samples lie at x = -1 or 1 (and 0.1 around it) and y = sigma_y times noise; successive samples share the cluster. From a
small to a large sigma_y, LPL tells the clusters apart; Oja's rule and LPL without its predictive term follow the larger
variance. Beside it: the samples, weights and losses while LPL learns, and how often successive samples may change cluster.
No numbers are published with this figure. The published one has 50 values of sigma_y and 10 repetitions.
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
SWITCHING = np.linspace(0, 0.5, 6)  # probability that the later sample is of the other cluster
REPEATS = 3
SAMPLES = 10000
SHOWN = 40
DRAWN = (0.1, 1, 3)  # sigma_y whose samples are shown
WATCHED = 3.0  # sigma_y at which weights and losses are followed
WATCHES = 30
STEPS, QUICK_STEPS = 10000, 1000
LEARNING_RATE = 1e-2  # at most; lower where y is large


def clusters(sigma_y):
    """Samples [sample, (x, y)] and whether each is of the right cluster."""
    random = np.random.default_rng(0)
    right = random.random(SAMPLES) < 0.5
    x = np.where(right, 1.0, -1.0) + 0.1 * random.normal(size=SAMPLES)
    return np.stack([x, sigma_y * random.normal(size=SAMPLES)], axis=1), right


def settings_of(chosen, unit, sigma_y, seed):
    settings = [f"data.sigma_y={sigma_y:.6g}", f"optimizer.learning_rate={LEARNING_RATE / max(sigma_y, 1):.6g}",
                f"training.seed={seed}", *UNITS[unit]]
    return settings + ([f"training.steps={QUICK_STEPS}"] if chosen.quick else [])


def name_of(unit, sigma_y):
    return f"clusters2d_{unit.replace(' ', '_')}_{sigma_y:.3g}"


def learn(chosen, unit, sigma_y, seed, *more):
    """The weights (x, y) that a unit has learnt."""
    path = figure.run(chosen, "clusters2d.rate", *settings_of(chosen, unit, sigma_y, seed), *more,
                      name=name_of(unit, sigma_y), threads=1)
    with Result(path) as result:
        (weights,) = result.parameters().values()
    return weights.ravel()


def watch(chosen, unit):
    """While a unit learns: steps and weights [step, (x, y)] after them, and the losses of every step by term."""
    last = QUICK_STEPS if chosen.quick else STEPS
    steps = np.unique(np.rint(np.logspace(0, np.log10(last), WATCHES)).astype(int))
    path = figure.run(chosen, "clusters2d.rate", *settings_of(chosen, unit, WATCHED, 1), "record.losses=true",
                      f"record.parameters={steps.tolist()}", name=f"{name_of(unit, WATCHED)}_watched", threads=1)
    with Result(path) as result:
        weights = [next(iter(result.at(f"inspection/parameters/step_{step}").values()))[:].ravel() for step in steps]
        return steps, np.array(weights), {term: result.at(f"steps/{term}")[:, 0] for term in ("pull", "push")}


def score(weights, sigma_y):
    """The selectivity of each unit for the cluster."""
    samples, right = clusters(sigma_y)
    return [measures.class_selectivity(samples @ w, right) for w in weights]


def draw_samples(axis, sigma_y):
    """Some samples, and the direction in which all vary most."""
    samples, right = clusters(sigma_y)
    for inside, colour in ((right, "C0"), (~right, "0.5")):
        axis.scatter(*samples[:SHOWN][inside[:SHOWN]].T, s=9, color=colour, alpha=0.8)
    most = np.linalg.eigh(np.cov(samples.T))[1][:, 1]
    end = 2.5 * most * np.sign(most[abs(most).argmax()])
    axis.annotate("", end, -end, arrowprops={"arrowstyle": "->", "color": "0.2"})
    axis.set(xlim=(-3, 3), ylim=(-8, 8), xlabel="x", ylabel="y", title=f"Samples, σ_y = {sigma_y:g}")


def draw_scores(axis, places, scores):
    for i, (unit, values) in enumerate(scores.items()):
        middle, spread = np.mean(values, axis=1), np.std(values, axis=1)
        axis.plot(places, middle, color=f"C{i}", label=unit)
        axis.fill_between(places, middle - spread, middle + spread, color=f"C{i}", alpha=0.2, lw=0)
    axis.set(ylim=(0, 1), ylabel="selectivity for the cluster")
    axis.legend()


def in_steps_of(steps, values):
    """The means of a record of every step between the steps."""
    return [values[first:last].mean() for first, last in zip((0, *steps[:-1]), steps)]


def draw_watched(axes, watched):
    for i, (unit, (steps, weights, losses)) in enumerate(watched.items()):
        for weight, line, name in zip(abs(weights.T), ("-", "--"), "xy"):
            axes[0].plot(steps, weight, line, color=f"C{i}", label=f"{unit}: {name}")
        for line, (term, values) in zip(("-", "--"), losses.items()):
            axes[1].plot(steps, in_steps_of(steps, values), line, color=f"C{i}", label=f"{unit}: {term}")
    axes[0].set(xscale="log", yscale="log", ylabel="size of the weight", title=f"Weights, σ_y = {WATCHED:g}")
    axes[1].set(xscale="log", yscale="symlog", ylabel="loss", title=f"Losses, σ_y = {WATCHED:g}")
    for axis in axes:
        axis.set(xlabel="step")
        axis.legend(fontsize=7)


def draw(noise, weights, scores, watched, switching, by_switching):
    picture, axes = plots.panels(2, 4, width=15, height=7)
    for axis, sigma_y in zip(axes[0], DRAWN):
        draw_samples(axis, sigma_y)
    draw_scores(axes[0, 3], noise, scores)
    axes[0, 3].set(xscale="log", xlabel="σ_y", title="Selectivity")
    for i, unit in enumerate(scores):
        axes[1, 0].plot(noise, abs(weights[unit][:, 0, 0]), color=f"C{i}", label=f"{unit}: x")
        axes[1, 0].plot(noise, abs(weights[unit][:, 0, 1]), "--", color=f"C{i}", label=f"{unit}: y")
    axes[1, 0].set(xscale="log", yscale="log", ylim=(1e-4, 1e3), xlabel="σ_y", ylabel="size of the weight",
                   title="Weights, first repetition")
    axes[1, 0].legend(ncol=2, fontsize=7, loc="upper left")
    draw_watched(axes[1, 1:3], watched)
    draw_scores(axes[1, 3], switching, by_switching)
    axes[1, 3].set(xlabel="probability that the cluster changes", title="Selectivity, σ_y = 1")
    return picture


def main():
    chosen = figure.options(__doc__).parse_args()
    noise, repeats = (NOISE[[0, 6]], 1) if chosen.quick else (NOISE, REPEATS)
    switching = SWITCHING[[0, 5]] if chosen.quick else SWITCHING
    seeds = range(1, repeats + 1)
    weights = {unit: np.array([[learn(chosen, unit, sigma_y, seed) for seed in seeds] for sigma_y in noise])
               for unit in UNITS}
    scores = {unit: np.array([score(w, sigma_y) for w, sigma_y in zip(weights[unit], noise)]) for unit in UNITS}
    watched = {unit: watch(chosen, unit) for unit in ("LPL", "predictive off")}
    by_switching = {"LPL": np.array([score([learn(chosen, "LPL", 1, seed, f"data.switching={p:g}") for seed in seeds], 1)
                                     for p in switching])}
    for unit in UNITS:
        for i in np.flatnonzero(np.isnan(scores[unit]).any(axis=1)):
            print(f"{unit}, sigma_y {noise[i]:.3g}: undefined in {np.isnan(scores[unit][i]).sum()} of {repeats} "
                  "repetitions, where the unit's activity is constant")
    figure.compare([*((f"{unit}: selectivity, sigma_y {noise[i]:.3g}", None, np.mean(scores[unit][i]))
                      for unit in UNITS for i in range(len(noise))),
                    *((f"LPL: selectivity, cluster changes with {p:g}", None, np.mean(found))
                      for p, found in zip(switching, by_switching["LPL"]))])
    figure.save(chosen, draw(noise, weights, scores, watched, switching, by_switching), "fig2")


if __name__ == "__main__":
    main()
