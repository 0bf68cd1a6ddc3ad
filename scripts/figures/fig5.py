#!/usr/bin/env python3
"""Fig. 5: spiking networks with LPL represent the slow signals in their input, and inhibition keeps neurons different.

Full: five runs of 101,800 s, four to six minutes each on an idle core. Published values: the notebook of the published
code, seed 123, last 100 s of each run.
"""

import figure

import numpy as np

from lpl_analysis import measures, plots, selectivity
from lpl_analysis.results import Result

VARIANTS = {
    "invariance_full": "recurrent",
    "feedforward": "feedforward",
    "fixed_inhibition": "fixed inhibition",
    "predictive_off": "predictive off",
    "hebbian_off": "Hebbian off",
}
PUBLISHED_R2 = {
    "invariance_full": [-0.000, 0.807, 0.002, 0.837, -0.007],
    "feedforward": [0.016, 0.777, 0.180, 0.823, 0.192],
}
PUBLISHED_CORRELATION = {"invariance_full": (0.227, 0.773)}  # before and after learning
RASTER = 5.0  # [s]
QUICK = ["phase.prime.duration=20 s", "phase.learn.duration=400 s", "record.rates.every=2 s",
         "record.group_means.every=2 s", "rule.lpl.update.gradient=augmented"]


def draw_decoding(axis, groups, rows):
    """R2 of each group after learning, a bar per variant, published values as diamonds."""
    width = 0.8 / len(rows)
    for i, (variant, phases) in enumerate(rows.items()):
        places = np.arange(len(groups)) + (i - (len(rows) - 1) / 2) * width
        axis.bar(places, np.maximum(phases[-1]["r2"], -0.1), width, color=f"C{i}", label=VARIANTS[variant])
        plots.mark_undefined(axis, places[np.isnan(phases[-1]["r2"])])
        if variant in PUBLISHED_R2:
            axis.plot(places, PUBLISHED_R2[variant], "D", color="black", ms=3.5, label="published" if i == 0 else None)
    axis.set(ylabel="R² on held-out seconds (cut at -0.1)", title="Decoding of input groups", ylim=(-0.12, 1.2))
    axis.set_xticks(range(len(groups)), groups)
    axis.axhline(0, color="0.3", lw=0.8)
    axis.legend(ncol=3)


def draw_summary(axis, rows, key, title, label):
    """One number per variant, before (pale) and after learning."""
    for i, (variant, phases) in enumerate(rows.items()):
        for place, phase, alpha in ((i - 0.2, phases[0], 0.35), (i + 0.2, phases[-1], 1.0)):
            axis.bar(place, phase[key], 0.38, color=f"C{i}", alpha=alpha)
            plots.mark_undefined(axis, [place] if np.isnan(phase[key]) else [])
    axis.set_xticks(range(len(rows)), [VARIANTS[variant].replace(" ", "\n") for variant in rows], fontsize=7)
    axis.set(title=title, ylabel=label)


def draw(results, pathway, rows):
    picture = plots.plt.figure(figsize=(12, 10.5), constrained_layout=True)
    grid = picture.add_gridspec(3, 6, height_ratios=[1.2, 1, 1])
    recurrent = results["invariance_full"]
    groups = [group.name for group in recurrent.groups(pathway.source)]
    end = recurrent.phases_reached()[-1].end
    plots.raster(picture.add_subplot(grid[0, :4]), recurrent, end - RASTER, end)
    activity, signals = selectivity.counts(recurrent, pathway, end - measures.LAST, end)
    plots.reconstruction(picture.add_subplot(grid[0, 4:]), *measures.reconstruct(activity, signals), groups)
    for column, variant in ((slice(0, 2), "invariance_full"), (slice(2, 4), "feedforward")):
        axis = picture.add_subplot(grid[1, column])
        plots.group_weights(axis, results[variant], pathway.connection)
        axis.set_title(f"Weights by input group, {VARIANTS[variant]}")
    draw_summary(picture.add_subplot(grid[1, 4:]), rows, "rate", "Mean rate, before (pale) and after", "rate (Hz)")
    draw_decoding(picture.add_subplot(grid[2, :3]), groups, rows)
    draw_summary(picture.add_subplot(grid[2, 3:5]), rows, "dimension", "Dimension of activity", "participation ratio")
    axis = picture.add_subplot(grid[2, 5])
    for i, (variant, phases) in enumerate(rows.items()):
        axis.bar(i, phases[-1]["correlation"], color=f"C{i}")
        plots.mark_undefined(axis, [i] if np.isnan(phases[-1]["correlation"]) else [])
        if variant in PUBLISHED_CORRELATION:
            axis.plot(i, PUBLISHED_CORRELATION[variant][1], "D", color="black", ms=3.5)
    axis.set_xticks([])
    axis.set(title="Input–output", ylabel="correlation")
    return picture


def main():
    chosen = figure.options(__doc__).parse_args()
    results = {variant: Result(figure.run(chosen, f"{variant}.sim", *(QUICK if chosen.quick else [])))
               for variant in VARIANTS}
    pathway = selectivity.find_pathway(results["invariance_full"])
    rows = {variant: selectivity.analyse(result, pathway) for variant, result in results.items()}
    groups = [group.name for group in results["invariance_full"].groups(pathway.source)]

    lines = []
    for variant, phases in rows.items():
        published = PUBLISHED_R2.get(variant, [None] * len(groups))
        lines += [(f"{VARIANTS[variant]}: R2 of {group}", known, ours)
                  for group, known, ours in zip(groups, published, phases[-1]["r2"])]
        for when, known, phase in zip(("before", "after"), PUBLISHED_CORRELATION.get(variant, (None, None)),
                                      (phases[0], phases[-1])):
            lines.append((f"{VARIANTS[variant]}: correlation {when}", known, phase["correlation"]))
        lines.append((f"{VARIANTS[variant]}: mean rate (Hz)", None, phases[-1]["rate"]))
        lines.append((f"{VARIANTS[variant]}: participation ratio", None, phases[-1]["dimension"]))
    for variant, phases in rows.items():
        for note in selectivity.notes(phases):
            print(f"{VARIANTS[variant]}: {note}")
    if chosen.quick:
        print("reduced runs: not comparable with the published ones")
    figure.compare(lines)
    figure.save(chosen, draw(results, pathway, rows), "fig5")


if __name__ == "__main__":
    main()
