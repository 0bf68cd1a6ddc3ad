#!/usr/bin/env python3
"""What each layer of a deep network learns from photographs of clothes, by LPL, without each term, and with labels.

Full: seven trainings a seed of a narrow VGG-11 on Fashion-MNIST (examples/fashion.rate), some 10 min each on one core;
the data come from a package of the distribution (scripts/fetch_data.sh fashion). Not a published figure: Fig. 3 on
photographs that are at hand. --quick takes the built-in scenes.
"""

import figure

import numpy as np

import scenes

from lpl_analysis import plots
from lpl_analysis.results import Result

WITHOUT_TERMS = ("LPL", "predictive off", "shuffled", "decorrelation off", "Hebbian off")
VARIANTS = {name: scenes.VARIANTS[name] for name in WITHOUT_TERMS} | {
    "supervised": ["learning.rule=supervised"],
    "end to end": ["learning.scope=end_to_end"],
}
QUICK_VARIANTS = ("LPL", "supervised", "end to end")


def train(chosen, variant, seed):
    with_baselines = str(variant == "LPL").lower()
    source, quick = ("shapes.rate", scenes.QUICK) if chosen.quick else ("fashion.rate", [])
    return figure.run(chosen, source, *quick, f"readout.pixels={with_baselines}", f"readout.untrained={with_baselines}",
                      f"training.seed={seed}", *VARIANTS[variant], name=f"fashion_{variant.replace(' ', '_')}_{seed}",
                      threads=1)


def baselines(chosen, seed):
    """Accuracy by layer of the network before training, and from the pixels [1]."""
    with Result(train(chosen, "LPL", seed)) as result:
        stored = result.file["readout/baselines"]
        return {"untrained": figure.by_layer(stored["random"][()]), "pixels": np.atleast_1d(stored["pixels"][()].mean())}


def draw(accuracy, dimension):
    picture, axes = plots.panels(1, 2, width=10, height=4)
    for i, (name, values) in enumerate(accuracy.items()):
        mean = values.mean(axis=0)
        layers = range(1, len(mean) + 1)
        if name == "pixels":
            axes[0].axhline(mean[0], color="0.4", lw=0.8, ls=":", label=name)
            continue
        axes[0].plot(layers, mean, "o-", ms=4, color=f"C{i}", label=name)
        axes[0].fill_between(layers, values.min(axis=0), values.max(axis=0), color=f"C{i}", alpha=0.2, lw=0)
        if name in dimension:
            axes[1].plot(layers, dimension[name].mean(axis=0), "o-", ms=4, color=f"C{i}", label=name)
    axes[0].set(xlabel="layer", ylabel="accuracy", title="Linear readout", ylim=(0, 1))
    axes[1].set(xlabel="layer", ylabel="participation ratio", title="Dimension", yscale="log")
    axes[0].legend(ncol=3, loc="lower right", bbox_to_anchor=(1, 0.2))
    return picture


def main():
    parser = figure.options(__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each variant (default: 3)")
    chosen = parser.parse_args()
    seeds = range(1, 1 + (1 if chosen.quick else chosen.seeds))
    learned = {variant: [figure.learned(train(chosen, variant, seed)) for seed in seeds]
               for variant in (QUICK_VARIANTS if chosen.quick else VARIANTS)}
    accuracy = {variant: np.array([run[0] for run in runs]) for variant, runs in learned.items()}
    dimension = {variant: np.array([run[1] for run in runs]) for variant, runs in learned.items()}
    before = [baselines(chosen, seed) for seed in seeds]
    accuracy |= {name: np.array([values[name] for values in before]) for name in before[0]}
    figure.compare([(f"{name}: accuracy, layer {layer + 1}" if name != "pixels" else "pixels: accuracy", None, value)
                    for name, values in accuracy.items() for layer, value in enumerate(values.mean(axis=0))] +
                   [(f"{name}: participation ratio, last layer", None, values.mean(axis=0)[-1])
                    for name, values in dimension.items()])
    figure.save(chosen, draw(accuracy, dimension), "fashion")


if __name__ == "__main__":
    main()
