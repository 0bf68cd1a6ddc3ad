"""The narrow network that watches the built-in scenes; Fig. 3, Fig. 4 and E5 look at its trainings."""

import figure

FULL = ["readout.pixels=false", "readout.untrained=false", "training.epochs=40", "optimizer.learning_rate=1e-3",
        "optimizer.warmup_epochs=2"]
QUICK = ["training.batch=32", "training.epochs=2", "optimizer.warmup_epochs=1",
         "data={set='scenes', trajectories=200, blocks_per_epoch=2, readout_blocks=2, test_blocks=1}",
         "net.vgg11.channels=[8, 8, 8, 8, 16, 16, 16, 16]", "readout={pixels=false, untrained=false, epochs=2}"]
FRAMES_A_BLOCK = {"full": 128, "quick": 32}

VARIANTS = {
    "LPL": [],
    "predictive off": ["rule.lpl.predictive.strength=0"],
    "shuffled": ["learning.positives=shuffled"],
    "decorrelation off": ["rule.lpl.decorrelation.strength=0"],
    "Hebbian off": ["rule.lpl.hebbian.strength=0"],
    "no biases": ["network.biases=false"],
    "random": ["training.steps=1", "optimizer.learning_rate=0", "optimizer.final_rate=0"],
}


def train(chosen, variant):
    """The result file of a variant."""
    return figure.run(chosen, "shapes.rate", *(QUICK if chosen.quick else FULL), *VARIANTS[variant],
                      name=f"scenes_{variant.replace(' ', '_')}")


def activity(chosen, variant, images):
    """The file of the activity that at least so many test frames cause."""
    frames = FRAMES_A_BLOCK["quick" if chosen.quick else "full"]
    return figure.activity(chosen, train(chosen, variant), 1 + images // frames)
