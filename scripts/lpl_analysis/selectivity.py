"""What did a network learn about the groups of its input? A table, and a picture, of one row per phase."""

from typing import NamedTuple, Optional

import numpy as np

from lpl_analysis import measures, plots
from lpl_analysis.shown import number


class Pathway(NamedTuple):
    source: str  # its groups are decoded
    target: str  # the population that is read
    connection: Optional[str]  # the recorded weights between them


def find_pathway(result):
    """The recorded source with the most groups, the largest other recorded source, and the weights whose shape fits;
    None where no source has several groups."""
    recorded = result.spike_sources()
    if len(recorded) < 2 or len(result.groups(recorded[0])) < 2:
        return None
    source, target = recorded[0], max(recorded[1:], key=result.size)
    shape = (result.size(source), result.size(target))
    fitting = [connection for connection in result.connections()
               if any(result.snapshot(connection, name).shape == shape for name in result.snapshots(connection)[:1])]
    return Pathway(source, target, fitting[0] if fitting else None)


def counts(result, pathway, begin, end, width=measures.BIN):
    """Spike counts [bin, neuron] of the target and [bin, group] of the input."""
    groups = result.groups(pathway.source)
    times, ids = result.spikes(pathway.target, begin, end)
    activity = measures.count_spikes(times, ids, result.size(pathway.target), begin, end, width)
    times, ids = result.spikes(pathway.source, begin, end)
    signals = measures.count_spikes(times, measures.group_of(ids, groups), len(groups), begin, end, width)
    return activity, signals


def analysed(result, pathway, phase, last):
    """Begin and end [s] of the last recorded seconds of a phase, or None."""
    span = (max(phase.begin, phase.end - last), phase.end)
    for source in (pathway.source, pathway.target):
        span = span and result.recorded(source, *span)
    return span


def analyse(result, pathway, width=measures.BIN, last=measures.LAST):
    """A row per phase that was reached and recorded: dict of phase, begin and end [s] of what was analysed, rate and
    fastest neuron [Hz] of the target, others: rates of the other populations, notes: why numbers are undefined or
    missing; and, where recorded, r2 and weights by group, correlation, dimension (participation ratio)."""
    groups = result.groups(pathway.source)
    rows = []
    for phase in result.phases_reached():
        span = analysed(result, pathway, phase, last)
        if span is None:
            continue
        begin, end = span
        seen = {source: result.spikes(source, begin, end)[1] for source in result.spike_sources()
                if result.recorded(source, begin, end) == span}
        if result.status != "complete" and not any(map(len, seen.values())):
            continue  # stopped before the seconds that were to be recorded
        spikes = np.bincount(seen[pathway.target], minlength=result.size(pathway.target))
        row = {"phase": phase.name, "begin": begin, "end": end, "rate": spikes.mean() / (end - begin),
               "fastest": spikes.max() / (end - begin), "notes": []}
        row["others"] = {source: len(ids) / (end - begin) / result.size(source) for source, ids in seen.items()
                         if source not in (pathway.source, pathway.target)}
        add_decoding(row, result, pathway, width)
        if pathway.connection and phase.name in result.snapshots(pathway.connection):
            row["weights"] = measures.mean_by_group(result.snapshot(pathway.connection, phase.name), groups)
            row["notes"] += [f"weight of {group.name}: it has no synapses"
                             for group, weight in zip(groups, row["weights"]) if np.isnan(weight)]
        rows.append(row)
    return rows


def add_decoding(row, result, pathway, width):
    seconds = measures.LEAST_BINS * width
    if row["end"] - row["begin"] < seconds:
        row["notes"].append(f"no decoding: {row['end'] - row['begin']:g} s were recorded, it takes {seconds:g}")
        return
    activity, signals = counts(result, pathway, row["begin"], row["end"], width)
    row["r2"] = measures.decode(activity, signals)
    reconstructed = measures.reconstruct(activity, signals)
    row["correlation"] = measures.correlation(*reconstructed)
    row["dimension"] = measures.participation_ratio(activity)
    names = [group.name for group in result.groups(pathway.source)]
    reasons = [(f"R2 of {name}", why) for name, why in zip(names, measures.undecodable(activity, signals))]
    reasons.append(("correlation", measures.unrelated(*reconstructed)))
    if np.isnan(row["dimension"]):
        reasons.append(("dimension", "the activity does not vary"))
    row["notes"] += [f"{what}: {why}" for what, why in reasons if why]


def notes(rows):
    """What is undefined or missing in which phase, and why, as lines of text."""
    return [f"after {row['phase']}, {note}" for row in rows for note in row["notes"]]


def table(result, pathway, rows):
    """The rows as lines of text."""
    groups = [group.name for group in result.groups(pathway.source)]
    missing = [None] * len(groups)
    others = sorted({other for row in rows for other in row["others"]})
    header = [pathway.target + " Hz", "fastest", *[other + " Hz" for other in others], "corr", "dim"]
    header += [f"{what} {group}" for what in ("R2", "w") for group in groups]
    width = max(9, *map(len, header))
    lines = [f"  {'phase':<10}" + "".join(f" {title:>{width}}" for title in header)]
    for row in rows:
        cells = [number(row["rate"], 2), number(row["fastest"], 1)]
        cells += [number(row["others"].get(other), 2) for other in others]
        cells += [number(row.get("correlation")), number(row.get("dimension"), 2)]
        cells += [number(value) for key in ("r2", "weights") for value in row.get(key, missing)]
        lines.append(f"  {row['phase']:<10}" + "".join(f" {cell:>{width}}" for cell in cells))
    lines += [f"  {note}" for note in notes(rows)]
    return "\n".join(lines if rows else lines + ["  nothing of both was recorded in what the run has reached"])


def draw(result, pathway, rows, picture):
    """Weights over time, decoding and weights by group as a picture file."""
    figure, axes = plots.panels(1, 3, width=12, height=3.6, width_ratios=[1.5, 1, 1])
    groups = [group.name for group in result.groups(pathway.source)]
    plots.group_weights(axes[0], result, pathway.connection)
    plots.bars_by_group(axes[1], groups, rows, "r2", "R² on held-out seconds", "Decoding")
    plots.bars_by_group(axes[2], groups, rows, "weights", "mean weight", "Weights")
    if result.note:
        figure.suptitle(result.note)
    figure.savefig(picture, dpi=150, metadata=plots.metadata(picture))
