"""A summary for the terminal, and exports to the formats of other programs. The file name's ending picks the format."""

import os

import h5py
import numpy as np
from scipy import io, sparse

from lpl_analysis.results import ResultError, text

AURYN_TAG = 287960000  # the neuron field of the header record of a .spk file, without version
AURYN_LAST = 2**32 - 1  # step and neuron that a record can hold
ENDINGS_OF_MATRICES = (".wmat", ".mtx")


def write_columns(path, **columns):
    """Comma-separated values under the columns' names, with as many digits as their type holds."""
    formats = ["%.9g" if column.dtype == np.float32 else "%.15g" for column in columns.values()]
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(columns) + "\n")
        for row in zip(*columns.values()):
            file.write(",".join(form % value for form, value in zip(formats, row)) + "\n")


def formats_error(path, known):
    return ResultError(f"the output's ending, '{path.suffix}', says no known format; use {', '.join(known)}")


def export_spikes(result, source, path, begin=-np.inf, end=np.inf):
    """Spikes of a source: .csv (time in s, neuron), .npz (time, neuron), .spk or .ras (Auryn). Returns their number."""
    if not begin < end:
        raise ResultError(f"spikes from {begin:g} s to {end:g} s: there is no time between them")
    time, neuron = result.spikes(source, begin, end)
    if path.suffix == ".csv":
        write_columns(path, time_s=time, neuron=neuron)
    elif path.suffix == ".npz":
        np.savez(path, time=time, neuron=neuron)
    elif path.suffix == ".spk":
        auryn_records(time, neuron, float(result.attribute_of("/", "dt"))).tofile(path)
    elif path.suffix == ".ras":
        np.savetxt(path, np.column_stack([time, neuron]), fmt="%.9f %d")
    else:
        raise formats_error(path, [".csv", ".npz", ".spk", ".ras"])
    return len(time)


def auryn_records(time, neuron, dt):
    """A .spk file's header and spikes. Raises ResultError where its 32-bit numbers cannot hold them."""
    steps = np.rint(time / dt)
    per_second = round(1 / dt)
    if per_second < 1 or abs(per_second * dt - 1) > 1e-9:
        raise ResultError(f"a .spk file counts whole steps a second; those of this run last {dt:g} s: use .csv or .npz")
    if len(steps) and steps[-1] > AURYN_LAST:
        raise ResultError(f"a .spk file holds steps up to {AURYN_LAST}, {AURYN_LAST * dt:g} s of this run; the last "
                          f"spike is at {time[-1]:.12g} s: export less with --end, or use .csv or .npz")
    records = np.empty((len(time) + 1, 2), dtype="<u4")
    records[0] = per_second, AURYN_TAG
    records[1:, 0], records[1:, 1] = steps, neuron
    return records


def export_state(result, name, path, window=None):
    """A record of state: .csv (time in s, a column per neuron), .npz (time, neuron, value) or, of one stretch without a
    gap, .h5 (a SONATA report). Returns the number of samples."""
    parts = result.report_parts(name)
    if window is not None and not 1 <= window <= len(parts):
        raise ResultError(f"{result.path}: --window is {window}; '{name}' has {len(parts)}, counted from 1")
    if path.suffix == ".h5":
        if window is None and len(parts) > 1:
            raise ResultError(f"{result.path}: '{name}' was recorded in {len(parts)} windows, and a SONATA report has "
                              "one regular time axis: choose one with --window")
        return copy_report(result, parts[(window or 1) - 1], path)
    chosen = parts if window is None else [parts[window - 1]]
    count = [min(len(part["time"]), len(part["data"])) for part in chosen]
    time = np.concatenate([part["time"][:n] for part, n in zip(chosen, count)])
    value = np.concatenate([part["data"][:n] for part, n in zip(chosen, count)])
    neuron = chosen[0]["mapping/node_ids"][:]
    if path.suffix == ".csv":
        write_columns(path, time_s=time, **{f"neuron_{i}": column for i, column in zip(neuron, value.T)})
    elif path.suffix == ".npz":
        np.savez(path, time=time, neuron=neuron, value=value)
    else:
        raise formats_error(path, [".csv", ".npz", ".h5"])
    return len(time)


def copy_report(result, part, path):
    """A SONATA file of one report."""
    population = part.attrs.get("population", os.path.basename(part.name))
    time, step = part["time"][:] * 1e3, float(part["mapping/time"][2])
    if len(time) > 1 and not np.allclose(np.diff(time), step, rtol=1e-6):
        raise ResultError(f"{result.path}: {part.name} has gaps, which a SONATA report cannot: use .csv or .npz")
    with h5py.File(path, "w") as file:
        for name in ("magic", "version"):
            file.attrs[name] = result.attribute_of("/", name)
        part.file.copy(part, file.create_group("report"), name=text(population))
        if len(time) and "record" not in part.attrs:  # version 0.1 wrote the window, not the samples
            file[f"report/{text(population)}/mapping/time"][:] = time[0], time[0] + len(time) * step, step
    return len(time)


def export_weights(result, connection, snapshot, path):
    """A weight snapshot: .csv (pre, post, value), .npz (pre, post, value, shape), .wmat or .mtx (MatrixMarket, rows are
    presynaptic, indices from 1). Returns the number of synapses."""
    weights = result.snapshot(connection, snapshot)
    if path.suffix == ".csv":
        write_columns(path, pre=weights.pre, post=weights.post, value=weights.value)
    elif path.suffix == ".npz":
        np.savez(path, pre=weights.pre, post=weights.post, value=weights.value, shape=weights.shape)
    elif path.suffix in ENDINGS_OF_MATRICES:
        write_matrix(path, weights.pre, weights.post, weights.value, weights.shape)
    else:
        raise formats_error(path, [".csv", ".npz", *ENDINGS_OF_MATRICES])
    return len(weights.value)


def write_matrix(path, pre, post, value, shape):
    """A MatrixMarket file of synapses."""
    matrix = sparse.coo_matrix((value, (pre, post)), shape=shape)
    with open(path, "wb") as file:
        # Nine digits give every float32 back.
        io.mmwrite(file, matrix, field="real", precision=9, symmetry="general")


def export_presentations(result, stimulus, path):
    """What a stimulus showed when: .csv, .npz (begin and end in s, index), or Auryn's .stim, a line (time in s, 1 or 0,
    index) wherever something begins or ends to be shown. Returns the number of presentations."""
    begin, end, index = result.presentations(stimulus)
    if path.suffix == ".csv":
        write_columns(path, begin_s=begin, end_s=end, index=index)
    elif path.suffix == ".npz":
        np.savez(path, begin=begin, end=end, index=index)
    elif path.suffix == ".stim":
        with open(path, "w", encoding="utf-8") as file:
            for first, last, which in zip(begin, end, index):
                file.write(f"{first:.12g} 1 {which}\n{last:.12g} 0 {which}\n")
    else:
        raise formats_error(path, [".csv", ".npz", ".stim"])
    return len(index)


def export_patterns(result, stimulus, path):
    """The patterns that a stimulus drew: .csv, .npz (pattern, neuron), or Auryn's .pat, a line a member and blank lines
    between patterns. Returns their number."""
    patterns = result.patterns(stimulus)
    pattern = np.repeat(np.arange(len(patterns)), [len(members) for members in patterns])
    if path.suffix == ".csv":
        write_columns(path, pattern=pattern, neuron=np.concatenate(patterns))
    elif path.suffix == ".npz":
        np.savez(path, pattern=pattern, neuron=np.concatenate(patterns))
    elif path.suffix == ".pat":
        empty = [str(number) for number, members in enumerate(patterns) if not len(members)]
        if empty:
            raise ResultError(f"{result.path}: pattern {', '.join(empty)} of '{stimulus}' has no member, for which a .pat "
                              "file has no word: use .csv or .npz, or draw patterns of a size")
        path.write_text("\n".join("".join(f"{neuron}\n" for neuron in members) for members in patterns),
                        encoding="utf-8")
    else:
        raise formats_error(path, [".csv", ".npz", ".pat"])
    return len(patterns)


def export_dataset(result, name, path):
    """Any dataset: .npy, or .csv if it has at most two dimensions. Returns its shape."""
    if not hasattr(result.at(name), "shape"):
        raise ResultError(f"{result.path}: there is no dataset {name}; `lpl.py info` lists what there is")
    data = np.asarray(result.file[name].asstr()[()] if h5py.check_string_dtype(result.file[name].dtype) else
                      result.file[name][()])
    if path.suffix == ".npy":
        np.save(path, data)
    elif path.suffix == ".csv" and data.ndim <= 2:
        np.savetxt(path, np.atleast_1d(data), delimiter=",", fmt="%.17g" if data.dtype.kind == "f" else "%s",
                   encoding="utf-8")
    else:
        raise ResultError(f"{result.path}: /{name} has {data.ndim} dimensions and goes to .npy" +
                          (" or .csv" if data.ndim <= 2 else ""))
    return data.shape


def summary(result):
    """What a file holds, as lines of text."""
    get = result.attribute
    lines = [f"{result.path}: {get('program', '?')} {get('program_version', '')}, {result.status}",
             f"  command    {get('command_line', '')}",
             f"  revision   {get('git_revision', '')}, seed {get('seed', '')}, {get('ranks', '')} rank(s)"]
    if result.note:
        lines.append(f"  status     {result.note}")
    else:
        model = f"{get('model_time'):g} s model, " if get("model_time") else ""
        lines.append(f"  time       {model}{get('wall_time', 0):.4g} s wall")
    for phase in result.phases():
        lines.append(f"  phase      {phase.name:<12} {phase.begin:g} to {phase.end:g} s")
    for source in result.sources():
        groups = result.groups(source)
        listed = "" if len(groups) == 1 else ": " + ", ".join(f"{group.name} {group.size}" for group in groups)
        spikes = f", {result.spike_count(source)} spikes" if source in result.members("spikes") else ""
        lines.append(f"  source     {source:<12} {result.size(source)} neurons{spikes}{listed}")
    for stimulus in result.members("presentations"):
        lines.append(f"  shown      {stimulus:<12} {len(result.presentations(stimulus)[2])} presentations")
    for stimulus in result.members("patterns"):
        lines.append(f"  drawn      {stimulus:<12} {len(result.patterns(stimulus))} patterns")
    for name in result.reports():
        report = result.report(name)
        lines.append(f"  state      {name:<12} {report.variable} of {len(report.neurons)} neurons, "
                     f"{np.isfinite(report.time).sum()} samples, in {len(result.report_parts(name))} window(s)")
    for connection in result.connections():
        for name in result.snapshots(connection):
            weights = result.snapshot(connection, name)
            mean = f", mean {weights.value.mean():.4g}" if len(weights.value) else ""
            lines.append(f"  weights    {connection:<12} {name:<12} {len(weights.value)} synapses{mean}, "
                         f"at {weights.time:g} s")
    for name in result.members("training"):
        lines.append(f"  training   {name:<20} {result.file[f'training/{name}'].shape}")
    for path, checksum in result.inputs():
        lines.append(f"  read       {path} ({checksum})")
    datasets = []

    def add_dataset(name, node):
        if hasattr(node, "shape"):
            unit = f", {text(node.attrs['units'])}" if "units" in node.attrs else ""
            datasets.append(f"  dataset    /{name} {node.shape} {node.dtype}{unit}")
    result.file.visititems(add_dataset)
    return "\n".join(lines + datasets)
