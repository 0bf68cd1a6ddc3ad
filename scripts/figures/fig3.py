#!/usr/bin/env python3
"""Fig. 3: what each layer of a deep network learns by LPL, with and without each term: readout accuracy and dimension.

Full: five trainings of VGG-11 on CIFAR-10 (--cifar10 FOLDER with the binary files), 800 epochs each: days without a
GPU. --quick trains a narrow network for a few steps on rendered scenes; its accuracies are means over their factors.
Published values: the published notebooks, one seed, read off plots.
"""

import figure

import pathlib

from lpl_analysis import plots
from lpl_analysis.results import Result

VARIANTS = {
    "LPL": [],
    "predictive off": ["rule.lpl.predictive.strength=0"],
    "shuffled": ["learning.positives=shuffled"],
    "decorrelation off": ["rule.lpl.decorrelation.strength=0"],
    "Hebbian off": ["rule.lpl.hebbian.strength=0"],
}
PUBLISHED_ACCURACY = {
    "LPL": [0.318, 0.492, 0.573, 0.605, 0.623, 0.616, 0.609, 0.602],
    "predictive off": [0.31, 0.42, 0.42, 0.33, 0.33, 0.25, 0.23, 0.20],
    "shuffled": [0.32, 0.44, 0.48, 0.40, 0.43, 0.41, 0.38, 0.37],
    "decorrelation off": [0.19, 0.20, 0.24, 0.24, 0.19, 0.25, 0.22, 0.21],
    "Hebbian off": [0.10] * 8,
}
PUBLISHED_DIMENSION = {"LPL": 34, "predictive off": 23, "decorrelation off": 1}  # participation ratio, last layer
QUICK = ["training.batch=32", "training.epochs=2", "optimizer.warmup_epochs=1",
         'data={set="scenes", trajectories=200, blocks_per_epoch=2, readout_blocks=2, test_blocks=1}',
         "net.vgg11.channels=[8, 8, 8, 8, 16, 16, 16, 16]", "readout={pixels=false, untrained=false, epochs=2}"]
QUICK_VARIANTS = ("LPL", "predictive off")


def learn(chosen, variant):
    """Accuracy and participation ratio by layer at the end of training."""
    settings = QUICK if chosen.quick else [f'data.folder="{chosen.cifar10.resolve()}"']
    name = f"cifar10_{variant.replace(' ', '_')}"
    with Result(figure.run(chosen, "cifar10.rate", *settings, *VARIANTS[variant], name=name)) as result:
        accuracy = result.over_epochs("readout/accuracy")[1][-1]
        dimension = result.over_epochs("metrics/participation_ratio")[1][-1]
        return accuracy.reshape(len(accuracy), -1).mean(axis=1), dimension


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
    axes[0].legend(ncol=2)
    return picture


def main():
    parser = figure.options(__doc__)
    parser.add_argument("--cifar10", type=pathlib.Path, metavar="FOLDER",
                        help="folder of data_batch_1.bin ... test_batch.bin")
    chosen = parser.parse_args()
    if not chosen.quick and not chosen.cifar10:
        parser.error("give --cifar10 FOLDER (scripts/fetch_data.sh fetches it) or --quick")
    learned = {variant: learn(chosen, variant) for variant in (QUICK_VARIANTS if chosen.quick else VARIANTS)}
    if chosen.quick:
        print("reduced runs: not comparable with the published ones")
    lines = []
    for variant, (accuracy, dimension) in learned.items():
        lines += [(f"{variant}: accuracy, layer {i + 1}", published, ours)
                  for i, (published, ours) in enumerate(zip(PUBLISHED_ACCURACY[variant], accuracy))]
        lines.append((f"{variant}: participation ratio, last layer", PUBLISHED_DIMENSION.get(variant), dimension[-1]))
    figure.compare(lines)
    figure.save(chosen, draw(learned), "fig3")


if __name__ == "__main__":
    main()
