#!/usr/bin/env python3
"""Fig. 3: what each layer of a deep network learns by LPL, with and without each term: readout accuracy and dimension.

Full: five trainings of a narrow VGG-11 on the built-in scenes, about 20 min on two cores; accuracies are means over the
six factors. --cifar10 FOLDER (with the binary files) takes the published network and data, 800 epochs each: days without
a GPU. Published values: the published notebooks, CIFAR-10, one seed, read off plots.
"""

import figure

import pathlib

import scenes

from lpl_analysis import plots

VARIANTS = ("LPL", "predictive off", "shuffled", "decorrelation off", "Hebbian off")
PUBLISHED_ACCURACY = {
    "LPL": [0.318, 0.492, 0.573, 0.605, 0.623, 0.616, 0.609, 0.602],
    "predictive off": [0.31, 0.42, 0.42, 0.33, 0.33, 0.25, 0.23, 0.20],
    "shuffled": [0.32, 0.44, 0.48, 0.40, 0.43, 0.41, 0.38, 0.37],
    "decorrelation off": [0.19, 0.20, 0.24, 0.24, 0.19, 0.25, 0.22, 0.21],
    "Hebbian off": [0.10] * 8,
}
PUBLISHED_DIMENSION = {"LPL": 34, "predictive off": 23, "decorrelation off": 1}  # participation ratio, last layer
QUICK_VARIANTS = ("LPL", "predictive off")


def learn(chosen, variant):
    """Accuracy and participation ratio by layer at the end of training."""
    if chosen.cifar10 and not chosen.quick:
        trained = figure.run(chosen, "cifar10.rate", f'data.folder="{chosen.cifar10.resolve()}"',
                             *scenes.VARIANTS[variant], name=f"cifar10_{variant.replace(' ', '_')}")
    else:
        trained = scenes.train(chosen, variant)
    return figure.learned(trained)


def draw(learned):
    picture, axes = plots.panels(1, 2, width=10, height=4)
    for i, (variant, values) in enumerate(learned.items()):
        for axis, value in zip(axes, values):
            axis.plot(range(1, len(value) + 1), value, "o-", ms=4, color=f"C{i}", label=variant)
        published = PUBLISHED_ACCURACY[variant]
        axes[0].plot(range(1, len(published) + 1), published, "D:", ms=4, lw=0.8, mfc="none", color=f"C{i}",
                     label="published" if i == 0 else None)
        if variant in PUBLISHED_DIMENSION:
            axes[1].plot(len(published), PUBLISHED_DIMENSION[variant], "D", ms=5, mfc="none", color=f"C{i}")
    axes[0].set(xlabel="layer", ylabel="accuracy", title="Linear readout")
    axes[1].set(xlabel="layer", ylabel="participation ratio", title="Dimension")
    axes[0].set_ylim(0, 0.9)
    axes[0].legend(ncol=3, loc="upper center")
    return picture


def main():
    parser = figure.options(__doc__)
    parser.add_argument("--cifar10", type=pathlib.Path, metavar="FOLDER",
                        help="folder of data_batch_1.bin ... test_batch.bin")
    chosen = parser.parse_args()
    learned = {variant: learn(chosen, variant) for variant in (QUICK_VARIANTS if chosen.quick else VARIANTS)}
    if chosen.quick or not chosen.cifar10:
        print("scenes, not CIFAR-10, and shorter training: compare orders, not numbers")
    lines = []
    for variant, (accuracy, dimension) in learned.items():
        lines += [(f"{variant}: accuracy, layer {i + 1}", published, ours)
                  for i, (published, ours) in enumerate(zip(PUBLISHED_ACCURACY[variant], accuracy))]
        lines.append((f"{variant}: participation ratio, last layer", PUBLISHED_DIMENSION.get(variant), dimension[-1]))
    figure.compare(lines)
    figure.save(chosen, draw(learned), "fig3")


if __name__ == "__main__":
    main()
