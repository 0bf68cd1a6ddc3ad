"""Writes a file as lpl_rate does, with numbers that tests know."""

import h5py
import numpy as np

LAYERS = [f"block{i}" for i in range(8)]


def write_training_file(path, epochs=6, status="complete", supervised=False, columns=(), only_training=False):
    """Losses halve from epoch to epoch; accuracy rises with layer. `columns`: names of label columns, if several."""
    layers = np.arange(1, len(LAYERS) + 1)
    fall = 0.5 ** np.arange(epochs)
    with h5py.File(path, "w") as file:
        file.attrs.update({"magic": np.uint32(0x0A7A), "version": np.array([0, 1], "u4"), "status": status,
                           "program": "lpl_rate", "program_version": "0.2.0", "git_revision": "abc", "seed": 1,
                           "ranks": 1, "command_line": "lpl_rate test.rate", "wall_time": 12.5, "model_time": 0.0})
        file["config/description"] = "[training]\nepochs = 6\n"
        training = file.create_group("training")
        training.attrs["layers"] = ",".join(LAYERS)
        training["epoch"] = np.arange(epochs)
        training["learning_rate"] = 1e-3 * fall
        training["total"] = 8 * fall
        training["images_per_second"] = np.full(epochs, 1000.0)
        for name in ["cross_entropy"] if supervised else ["pull", "push", "decorr"]:
            training[name] = np.outer(fall, layers)
        file["network/blocks.0.weight"] = np.zeros((4, 3, 3, 3), "f4")
        if only_training:
            return
        taken = np.arange(0, epochs, 2)
        readout, metrics = file.create_group("readout"), file.create_group("metrics")
        for group in (readout, metrics):
            group.attrs["layers"] = ",".join(LAYERS)
            group["epoch"] = taken
        accuracy = np.tile(0.1 * layers, (len(taken), 1))
        shape = (len(taken), len(LAYERS), len(columns)) if columns else accuracy.shape
        readout["accuracy"] = np.broadcast_to(accuracy[..., None] if columns else accuracy, shape)
        readout["accuracy"].attrs["chance"] = np.full(max(len(columns), 1), 0.1)
        readout["accuracy"].attrs["labels"] = ",".join(columns or ["class"])
        readout["baselines/pixels"] = np.full(max(len(columns), 1), 0.3)
        readout["baselines/random"] = np.full(shape[1:], 0.2)
        for name in ("participation_ratio", "cosine_within", "cosine_across", "mean_activity", "class_dimension",
                     "class_radius", "class_correlation"):
            metrics[name] = np.tile(1.0 * layers, (len(taken), 1))
        for name in ("within", "across"):
            metrics[f"cosine_histogram/{name}"] = np.ones((len(taken), len(LAYERS), 20), "u8")
        metrics["cosine_histogram"].attrs["edges"] = np.linspace(-1, 1, 21)
