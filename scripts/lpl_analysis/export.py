"""A summary for the terminal, and exports to the formats of other programs. The file name's ending picks the format."""

import numpy as np
from scipy import io, sparse

from lpl_analysis.results import ResultError

AURYN_TAG = 287960000  # the neuron field of the header record of a .spk file, without version


def write_columns(path, **columns):
    """Comma-separated values under the columns' names, with as many digits as their type holds."""
    formats = ["%.9g" if column.dtype == np.float32 else "%.12g" for column in columns.values()]
    with open(path, "w") as file:
        file.write(",".join(columns) + "\n")
        for row in zip(*columns.values()):
            file.write(",".join(form % value for form, value in zip(formats, row)) + "\n")


def formats_error(path, known):
    return ResultError(f"{path}: the ending says no known format; use {', '.join(known)}")


def export_spikes(result, source, path, begin=-np.inf, end=np.inf):
    """Spikes of a source: .csv (time in s, neuron), .npz (time, neuron), .spk (Auryn). Returns their number."""
    time, neuron = result.spikes(source, begin, end)
    if path.suffix == ".csv":
        write_columns(path, time_s=time, neuron=neuron)
    elif path.suffix == ".npz":
        np.savez(path, time=time, neuron=neuron)
    elif path.suffix == ".spk":
        dt = float(result.attribute("dt"))
        records = np.empty((len(time) + 1, 2), dtype="<u4")
        records[0] = round(1 / dt), AURYN_TAG
        records[1:, 0], records[1:, 1] = np.rint(time / dt), neuron
        records.tofile(path)
    else:
        raise formats_error(path, [".csv", ".npz", ".spk"])
    return len(time)


def export_weights(result, connection, snapshot, path):
    """A weight snapshot: .csv (pre, post, value), .npz (pre, post, value, shape), .wmat or .mtx (MatrixMarket, rows are
    presynaptic, indices from 1). Returns the number of synapses."""
    weights = result.snapshot(connection, snapshot)
    if path.suffix == ".csv":
        write_columns(path, pre=weights.pre, post=weights.post, value=weights.value)
    elif path.suffix == ".npz":
        np.savez(path, pre=weights.pre, post=weights.post, value=weights.value, shape=weights.shape)
    elif path.suffix in (".wmat", ".mtx"):
        matrix = sparse.coo_matrix((weights.value, (weights.pre, weights.post)), shape=weights.shape)
        with open(path, "wb") as file:
            # Nine digits give every float32 back.
            io.mmwrite(file, matrix, field="real", precision=9, symmetry="general")
    else:
        raise formats_error(path, [".csv", ".npz", ".wmat", ".mtx"])
    return len(weights.value)


def export_dataset(result, name, path):
    """Any dataset: .npy, or .csv if it has at most two dimensions. Returns its shape."""
    if name not in result.file or not hasattr(result.file[name], "shape"):
        raise ResultError(f"{result.path}: there is no dataset {name}; `lpl.py info` lists what there is")
    data = np.asarray(result.file[name][()])
    if path.suffix == ".npy":
        np.save(path, data)
    elif path.suffix == ".csv" and data.ndim <= 2:
        np.savetxt(path, np.atleast_1d(data), delimiter=",", fmt="%.17g" if data.dtype.kind == "f" else "%s")
    else:
        raise ResultError(f"{path}: a dataset of {data.ndim} dimensions goes to .npy" +
                          (" or .csv" if data.ndim <= 2 else ""))
    return data.shape


def summary(result):
    """What a file holds, as lines of text."""
    get = result.attribute
    lines = [f"{result.path}: {get('program', '?')} {get('program_version', '')}, {result.status}",
             f"  command    {get('command_line', '')}",
             f"  revision   {get('git_revision', '')}, seed {get('seed', '')}, {get('ranks', '')} rank(s)"]
    if result.status == "complete":
        model = f"{get('model_time'):g} s model, " if get("model_time") else ""
        lines.append(f"  time       {model}{get('wall_time', 0):.4g} s wall")
    for phase in result.phases():
        lines.append(f"  phase      {phase.name:<12} {phase.begin:g} to {phase.end:g} s")
    for source in result.sources():
        groups = result.groups(source)
        listed = "" if len(groups) == 1 else ": " + ", ".join(f"{group.name} {group.size}" for group in groups)
        spikes = f", {result.spike_count(source)} spikes" if source in result.members("spikes") else ""
        lines.append(f"  source     {source:<12} {result.size(source)} neurons{spikes}{listed}")
    for connection in result.connections():
        for name in result.snapshots(connection):
            weights = result.snapshot(connection, name)
            mean = f"mean {weights.value.mean():.4g}" if len(weights.value) else "none"
            lines.append(f"  weights    {connection:<12} {name:<12} {len(weights.value)} synapses, {mean}")
    for name in result.members("training"):
        lines.append(f"  training   {name:<20} {result.file[f'training/{name}'].shape}")
    datasets = []
    result.file.visititems(lambda name, node: datasets.append(f"  dataset    /{name} {node.shape} {node.dtype}")
                           if hasattr(node, "shape") else None)
    return "\n".join(lines + datasets)
