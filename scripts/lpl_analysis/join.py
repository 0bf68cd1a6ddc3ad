"""Files that a parallel run of Auryn leaves, one of each rank, made one."""

import numpy as np
from scipy import io, sparse

from lpl_analysis.export import AURYN_TAG, ENDINGS_OF_MATRICES, formats_error, write_matrix
from lpl_analysis.results import ResultError

TAGS_OF_SPIKES = range(AURYN_TAG, AURYN_TAG + 1000)  # with the version in the last three digits


def read_records(path):
    """The header and the (step, neuron) records of a .spk file."""
    content = path.read_bytes()
    records = np.frombuffer(content[:len(content) // 8 * 8], dtype="<u4").reshape(-1, 2)
    if len(content) % 8 or not len(records) or int(records[0, 1]) not in TAGS_OF_SPIKES:
        raise ResultError(f"{path}: is no .spk file, or cut off: its {len(content)} bytes are not Auryn's header and "
                          "records of 8 bytes each")
    return records[0], records[1:]


def join_records(parts, path):
    headers, records = zip(*map(read_records, parts))
    for part, header in zip(parts, headers):
        if header[0] != headers[0][0]:
            raise ResultError(f"{part}: has {header[0]} steps a second, {parts[0]} has {headers[0][0]}; they are of "
                              "different runs")
    spikes = np.concatenate(records)
    np.concatenate([headers[:1], spikes[np.lexsort((spikes[:, 1], spikes[:, 0]))]]).astype("<u4").tofile(path)
    return f"{len(spikes)} spikes"


def read_lines(path):
    """The spikes of a .ras file as (time, neuron, line as it stands)."""
    spikes = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        words = line.partition("#")[0].split()
        try:
            if words:
                time, neuron = words
                spikes.append((float(time), int(neuron), line.strip()))
        except ValueError:
            raise ResultError(f"{path}:{number}: '{line}' is no spike; a time in s and a neuron are expected") from None
    return spikes


def join_lines(parts, path):
    spikes = sorted(spike for part in parts for spike in read_lines(part))
    path.write_text("".join(line + "\n" for *_, line in spikes), encoding="utf-8")
    return f"{len(spikes)} spikes"


def read_matrix(path):
    try:
        return sparse.coo_matrix(io.mmread(path))
    except ValueError as error:
        raise ResultError(f"{path}: is no MatrixMarket file: {error}") from error


def join_matrices(parts, path):
    """Weight matrices of the same shape, each with the synapses of its own."""
    matrices = [read_matrix(part) for part in parts]
    for part, matrix in zip(parts, matrices):
        if matrix.shape != matrices[0].shape:
            raise ResultError(f"{part}: is of {matrix.shape} neurons, {parts[0]} of {matrices[0].shape}; they are of "
                              "different connections")
    pre, post = (np.concatenate([getattr(matrix, axis) for matrix in matrices]) for axis in ("row", "col"))
    pairs, times = np.unique(np.stack([pre, post]), axis=1, return_counts=True)
    if (times > 1).any():
        pair = pairs[:, times > 1][:, 0] + 1
        raise ResultError(f"the synapse {pair[0]} {pair[1]} stands several times in these files; give each rank's once")
    value = np.concatenate([matrix.data for matrix in matrices])
    write_matrix(path, pre, post, value, matrices[0].shape)
    return f"{len(value)} synapses"


def join(parts, path):
    """Writes the files `parts` as one file of the same kind, sorted. Returns what is in it, in words."""
    ways = {".spk": join_records, ".ras": join_lines, **dict.fromkeys(ENDINGS_OF_MATRICES, join_matrices)}
    for part in parts:
        if not part.is_file():
            raise ResultError(f"there is no file {part}")
        if part.suffix != path.suffix:
            raise ResultError(f"{part}: has another ending than the output, '{path.suffix}'")
    if path.suffix not in ways:
        raise formats_error(path, list(ways))
    return ways[path.suffix](parts, path)
