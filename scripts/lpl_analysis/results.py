"""Reading result files (docs/formats.md): finished ones, interrupted ones, and files that a run is still writing."""

import bisect
import pathlib
import time
from typing import NamedTuple

import h5py
import numpy as np

MAGIC = 0x0A7A
OPENING_ATTEMPTS = 5
ENDS = {
    "complete": "",
    "running": "This run was still going on, or was killed",
    "interrupted": "This run was interrupted",
    "failed": "This run failed",
    "stopped": "This run left a limit",
}


class ResultError(Exception):
    """A file or a part of it that is not there or not what it should be; the text says which and what to do."""


class Phase(NamedTuple):
    name: str
    begin: float  # [s]
    end: float  # [s]


class Group(NamedTuple):
    """A named range of a source's neurons."""

    name: str
    first: int
    size: int


class Report(NamedTuple):
    """A recorded state variable. Where it was not recorded throughout, a row of NaN stands in each gap."""

    time: np.ndarray  # [s]
    data: np.ndarray  # [time, neuron]
    neurons: np.ndarray
    unit: str
    variable: str


class Snapshot(NamedTuple):
    """The weights of a connection at one time, one entry per synapse."""

    pre: np.ndarray
    post: np.ndarray
    value: np.ndarray
    shape: tuple  # (presynaptic, postsynaptic) neurons
    time: float  # [s]


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def names(value):
    """The names in an attribute: an array of texts, or one text with commas."""
    if isinstance(value, (bytes, str)):
        return text(value).split(",")
    return [text(name) for name in value]


def with_gaps(time, values, step):
    """Times and values with a NaN wherever more than a step lies between two of them, so that curves end there."""
    gaps = np.flatnonzero(np.diff(time) > 1.5 * step) + 1
    return np.insert(time, gaps, np.nan), np.insert(np.asarray(values, float), gaps, np.nan, axis=0)


def open_hdf5(path):
    """Opens a result file for reading. Of a file that is being written it reads one moment into memory, so that nothing
    moves while it is looked at. Raises ResultError."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise ResultError(f"there is no file {path}")
    for attempt in range(OPENING_ATTEMPTS):
        try:
            file = h5py.File(path, "r")
            if text(file.attrs.get("status", "")) == "running":
                file.close()
                file = h5py.File(path, "r", driver="core", backing_store=False)
            break
        except OSError as error:
            # A writer may have been in the middle of a flush.
            if attempt + 1 == OPENING_ATTEMPTS:
                raise ResultError(f"{path}: cannot be read as HDF5: {error}; is it a result file?") from error
            time.sleep(0.2)
    if file.attrs.get("magic") != MAGIC:
        file.close()
        raise ResultError(f"{path}: is HDF5, but no result file of lpl_sim or lpl_rate (its magic number is missing)")
    return file


class Result:
    """A result file, open for reading. Use it as a context manager. Everything but the root is optional."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.file = open_hdf5(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    @property
    def name(self):
        return self.path.stem

    @property
    def status(self):
        return text(self.file.attrs.get("status", "unknown"))

    @property
    def note(self):
        """What to say about a run that has not come to its end, or ""."""
        how = ENDS.get(self.status, f"This run's status is '{self.status}'")
        reason = f" ({self.attribute('reason')})" if "reason" in self.file.attrs else ""
        return f"{how}{reason}: the file holds what had been written." if how else ""

    @property
    def description(self):
        """The resolved description; running it again reproduces the file."""
        return text(self.file["config/description"][()]) if "config/description" in self.file else ""

    def at(self, path):
        """The group or dataset at a path. Raises ResultError where there is none."""
        if path not in self.file:
            raise ResultError(f"{self.path}: there is no /{path.strip('/')}; `lpl.py info` lists what there is")
        return self.file[path]

    def attribute_of(self, path, name):
        """An attribute of the object at a path. Raises ResultError where it is missing."""
        attributes = self.at(path).attrs
        if name not in attributes:
            raise ResultError(f"{self.path}: /{path.strip('/')} has no attribute '{name}'; lpl_sim writes one")
        return attributes[name]

    def inputs(self):
        """The files that the run read, with their checksums (CRC-64/XZ); none where the file does not say."""
        listed = [text(self.file[path][()]).split("\n") if path in self.file else []
                  for path in ("config/inputs/path", "config/inputs/checksum")]
        return [(path, checksum) for path, checksum in zip(*listed) if path]

    def attribute(self, name, default=None):
        value = self.file.attrs.get(name, default)
        return text(value) if isinstance(value, bytes) else value

    def members(self, path):
        """The names inside a group, or none where the file has no such group."""
        return list(self.file[path]) if isinstance(self.file.get(path), h5py.Group) else []

    # ---- spiking networks

    def phases(self):
        """All planned phases in order of time."""
        found = []
        for name in self.members("phases"):
            begin, end = (float(self.attribute_of(f"phases/{name}", border)) for border in ("begin", "end"))
            found.append(Phase(name, begin, end))
        return sorted(found, key=lambda phase: phase.begin)

    def reached(self):
        """Model time [s] up to which the file holds data."""
        if self.status in ("complete", "stopped"):
            return float(self.attribute_of("/", "model_time"))
        times = [self.last_spike() or 0.0]
        for source in self.members("rates"):
            times.extend(self.bins(source)[1][-1:])
        for connection in self.connections():
            times.extend(self.snapshot(connection, name).time for name in self.snapshots(connection))
        return float(max(times))

    def phases_reached(self):
        """The phases that have begun; the last one ends where the data end."""
        reached = self.reached()
        return [phase._replace(end=min(phase.end, reached)) for phase in self.phases() if phase.begin < reached]

    def sources(self):
        """Stimuli and populations of a spiking network."""
        return [name for name in self.members("network") if "size" in self.file[f"network/{name}"].attrs]

    def size(self, source):
        return int(self.attribute_of(f"network/{source}", "size"))

    def groups(self, source):
        path = f"network/{source}"
        first, size = (self.at(f"{path}/group_{what}")[:].tolist() for what in ("first", "size"))
        return [Group(*entry) for entry in zip(self.names_near(path, "groups", len(first), "group "), first, size)]

    def spike_sources(self):
        """Sources with recorded spikes, those with the most groups first."""
        recorded = [source for source in self.sources() if source in self.members("spikes")]
        return sorted(recorded, key=lambda source: (-len(self.groups(source)), source))

    def spikes(self, source, begin=-np.inf, end=np.inf):
        """Times [s] and ids of a source's recorded spikes in [begin, end)."""
        if source not in self.members("spikes"):
            raise ResultError(f"{self.path}: no spikes of '{source}' were recorded; there are those of "
                              f"{', '.join(self.members('spikes')) or 'nothing'}")
        group, count = self.at(f"spikes/{source}"), self.spike_count(source)
        unit = text(group["timestamps"].attrs.get("units", "ms"))
        if unit != "ms":
            raise ResultError(f"{self.path}: /spikes/{source}/timestamps is in '{unit}'; lpl_sim writes ms")
        # Sorted by time: the search reads a few entries of what may be a very long dataset.
        first, last = (bisect.bisect_left(group["timestamps"], border * 1e3 - 1e-6, 0, count)
                       for border in (begin, end))
        return group["timestamps"][first:last] * 1e-3, group["node_ids"][first:last].astype(np.int64)

    def spike_count(self, source):
        return min(len(self.at(f"spikes/{source}/{what}")) for what in ("timestamps", "node_ids"))

    def recorded(self, source, begin, end):
        """The part (begin, end) [s] of a span in which a source's spikes were recorded, the latest one; None where they
        were not."""
        windows = np.reshape(self.at(f"spikes/{source}").attrs.get("recorded", [-np.inf, np.inf]), (-1, 2))
        parts = [(max(begin, float(first)), min(end, float(last))) for first, last in windows]
        return max(((first, last) for first, last in parts if first < last), default=None)

    def last_spike(self):
        """Time [s] of the last recorded spike of any source, or None."""
        last = [self.file[f"spikes/{source}/timestamps"][self.spike_count(source) - 1] * 1e-3
                for source in self.members("spikes") if self.spike_count(source)]
        return float(max(last)) if last else None

    def rates(self, source):
        """Times [s], begin of each bin, and population rates [Hz]."""
        begin, _, rate = self.bins(source)
        return begin, rate

    def bins(self, source):
        """Begin and end [s] and population rate [Hz] of each bin."""
        path = f"rates/{source}"
        begin, rate = self.at(f"{path}/time")[:], self.at(f"{path}/rate")[:]
        # Files of version 0.1 have no ends.
        end = self.file[f"{path}/end"][:] if f"{path}/end" in self.file else begin + self.attribute_of(path, "bin")
        count = min(map(len, (begin, end, rate)))
        return begin[:count], end[:count], rate[:count]

    def presentations(self, stimulus):
        """Begin and end [s] and index of what a stimulus showed."""
        if stimulus not in self.members("presentations"):
            raise ResultError(f"{self.path}: '{stimulus}' is no stimulus that shows something; there are "
                              f"{', '.join(self.members('presentations')) or 'none'}")
        begin, end, index = (self.at(f"presentations/{stimulus}/{what}")[:] for what in ("begin", "end", "index"))
        count = min(map(len, (begin, end, index)))
        return begin[:count], end[:count], index[:count]

    def patterns(self, stimulus):
        """The members of each pattern that a stimulus drew."""
        if stimulus not in self.members("patterns"):
            raise ResultError(f"{self.path}: '{stimulus}' is no stimulus that drew patterns; there are "
                              f"{', '.join(self.members('patterns')) or 'none'}. Given ones are in their file, or in "
                              "/config/description")
        size = self.at(f"patterns/{stimulus}/size")[:]
        return np.split(self.at(f"patterns/{stimulus}/neuron")[:], np.cumsum(size, dtype=np.int64)[:-1])

    def connections(self):
        return self.members("weights")

    def snapshots(self, connection):
        """Names of a connection's weight snapshots in order of time."""
        group = self.file[f"weights/{connection}"]
        found = [name for name in group if "shape" in group[name].attrs]
        return sorted(found, key=lambda name: float(group[name].attrs["time"]))

    def snapshot(self, connection, name):
        if connection not in self.connections():
            raise ResultError(f"{self.path}: no weights of '{connection}' were recorded; there are those of "
                              f"{', '.join(self.connections()) or 'nothing'}")
        if name not in self.snapshots(connection):
            raise ResultError(f"{self.path}: '{connection}' has no snapshot '{name}'; there are "
                              f"{', '.join(self.snapshots(connection)) or 'none'}")
        group = self.file[f"weights/{connection}/{name}"]
        pre, post, value = (self.at(f"{group.name}/{what}")[:] for what in ("pre", "post", "value"))
        return Snapshot(pre, post, value, tuple(group.attrs["shape"].tolist()),
                        float(self.attribute_of(group.name, "time")))

    def group_means(self, connection):
        """Times [s], mean weights [time, group] and the groups' names as recorded, or None."""
        group = self.file[f"weights/{connection}"]
        for name in group:
            if "groups" in group[name].attrs:
                count = min(len(group[name]["time"]), len(group[name]["value"]))
                value = group[name]["value"][:count]
                return group[name]["time"][:count], value, self.names_near(f"weights/{connection}/{name}", "groups",
                                                                           value.shape[1], "group ")
        return None

    def weight_columns(self, connection, name):
        """Times [s], values [time, ...] and, by dimension, the names of columns of a record about weights:
        group_weights, weight_statistics or pattern_weights."""
        group = self.at(f"weights/{connection}/{name}")
        columns = {key: names(group.attrs[key]) for key in ("groups", "statistics", "pre_patterns", "post_patterns")
                   if key in group.attrs}
        if not columns:
            raise ResultError(f"{self.path}: /weights/{connection}/{name} has no columns; it is a snapshot or a record of synapses")
        count = min(len(group["time"]), len(group["value"]))
        return group["time"][:count], group["value"][:count], columns

    def pattern_rates(self, source, name):
        """Begin and end [s] and rates [Hz, by pattern] of each bin, and the patterns' names."""
        return self.rate_columns(f"pattern_rates/{source}/{name}", "patterns")

    def bursts(self, source):
        """Begin and end [s] and rates [Hz] of each bin, and what they are of: events, and those of them that are bursts."""
        return self.rate_columns(f"bursts/{source}", "kinds")

    def rate_columns(self, path, key):
        begin, end, rate = (self.at(f"{path}/{what}") for what in ("time", "end", "rate"))
        count = min(map(len, (begin, end, rate)))
        return begin[:count], end[:count], rate[:count], names(self.attribute_of(path, key))

    def reports(self):
        """Names of the records of state."""
        return list(dict.fromkeys(text(self.file[f"report/{group}"].attrs.get("record", group))
                                  for group in self.members("report")))

    def report_parts(self, name):
        """The groups of a record of state in order of time: one for each stretch without a gap."""
        # Files of version 0.1 name the group by the record.
        found = [self.at(f"report/{group}") for group in self.members("report")
                 if text(self.file[f"report/{group}"].attrs.get("record", group)) == name]
        if not found:
            raise ResultError(f"{self.path}: no state '{name}' was recorded; there are "
                              f"{', '.join(self.reports()) or 'none'}")
        return sorted(found, key=lambda group: float(self.at(f"{group.name}/mapping/time")[0]))

    def report(self, name):
        """A record of state, all stretches one after the other."""
        times, values, step = [], [], 0.0
        for group in self.report_parts(name):
            count = min(len(self.at(f"{group.name}/{what}")) for what in ("time", "data"))
            times.append(group["time"][:count])
            values.append(group["data"][:count])
            step = float(group["mapping/time"][2]) * 1e-3
        data = group["data"]
        return Report(*with_gaps(np.concatenate(times), np.concatenate(values), step), group["mapping/node_ids"][:],
                      text(data.attrs.get("units", "")), text(data.attrs.get("variable", name)))

    # ---- trained networks

    def parameters(self):
        """The network's parameters under PyTorch's names."""
        return {name: self.file[f"network/{name}"][:] for name in self.members("network")
                if isinstance(self.file[f"network/{name}"], h5py.Dataset)}

    def over_epochs(self, path):
        """Epochs [n] and values [n, ...] of a dataset whose group has an `epoch`, or None where it is missing."""
        group, _, dataset = path.partition("/")
        if dataset not in self.file.get(group, {}) or "epoch" not in self.file[group]:
            return None
        epochs, values = self.file[f"{group}/epoch"], self.file[path]
        count = min(len(epochs), len(values))
        return (epochs[:count], values[:count]) if count else None

    def attribute_near(self, path, name):
        """An attribute of a dataset or, failing that, of its group; None where neither has it."""
        own = self.at(path).attrs.get(name)
        return own if own is not None else self.file[path].parent.attrs.get(name)

    def names_near(self, path, attribute, count, default):
        """`count` names from an attribute, or numbered ones."""
        found = self.attribute_near(path, attribute)
        listed = names(found) if found is not None else []
        return listed if len(listed) == count else [f"{default}{i + 1}" for i in range(count)]

    def layers(self, path, count):
        """The names of the `count` layers of a dataset."""
        return self.names_near(path, "layers", count, "")
