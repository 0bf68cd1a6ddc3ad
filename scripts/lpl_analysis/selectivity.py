"""What did a network learn about the groups of its input? A table, and a picture, of one row per phase."""

from typing import NamedTuple, Optional

import numpy as np

from lpl_analysis import measures, plots


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


def analyse(result, pathway, width=measures.BIN, last=measures.LAST):
    """A row per phase that was reached: dict of phase, rate and fastest neuron [Hz] of the target, and, where recorded,
    rates of the other populations, r2 and weights by group, correlation, dimension (participation ratio)."""
    groups = result.groups(pathway.source)
    rows = []
    for phase in result.phases_reached():
        begin, end = max(phase.begin, phase.end - last), phase.end
        seen = {source: result.spikes(source, begin, end)[1] for source in result.spike_sources()}
        if result.status != "complete" and not any(map(len, seen.values())):
            continue  # stopped before the seconds that were to be recorded
        spikes = np.bincount(seen[pathway.target], minlength=result.size(pathway.target))
        row = {"phase": phase.name, "rate": spikes.mean() / (end - begin), "fastest": spikes.max() / (end - begin)}
        row["others"] = {source: len(ids) / (end - begin) / result.size(source) for source, ids in seen.items()
                         if source not in (pathway.source, pathway.target)}
        if len(seen[pathway.source]) and end - begin >= measures.LEAST_BINS * width:
            activity, signals = counts(result, pathway, begin, end, width)
            row["r2"] = measures.decode(activity, signals)
            row["correlation"] = measures.correlation(*measures.reconstruct(activity, signals))
            row["dimension"] = measures.participation_ratio(activity)
        if pathway.connection and phase.name in result.snapshots(pathway.connection):
            row["weights"] = measures.mean_by_group(result.snapshot(pathway.connection, phase.name), groups)
        rows.append(row)
    return rows


def table(result, pathway, rows):
    """The rows as lines of text."""
    groups = [group.name for group in result.groups(pathway.source)]
    missing = [float("nan")] * len(groups)
    others = sorted({other for row in rows for other in row["others"]})
    header = f"  {'phase':<10} {pathway.target + ' Hz':>8} {'fastest':>8}"
    header += "".join(f" {other + ' Hz':>8}" for other in others) + f" {'corr':>7} {'dim':>6}"
    lines = [header + "".join(f" {'R2 ' + g:>9}" for g in groups) + "".join(f" {'w ' + g:>9}" for g in groups)]
    for row in rows:
        line = f"  {row['phase']:<10} {row['rate']:8.2f} {row['fastest']:8.1f}"
        line += "".join(f" {row['others'].get(other, float('nan')):8.2f}" for other in others)
        line += f" {row.get('correlation', float('nan')):7.3f} {row.get('dimension', float('nan')):6.2f}"
        lines.append(line + "".join(f" {value:9.3f}" for key in ("r2", "weights") for value in row.get(key, missing)))
    return "\n".join(lines)


def draw(result, pathway, rows, picture):
    """Weights over time, decoding and weights by group as a picture file."""
    figure, axes = plots.panels(1, 3, width=12, height=3.6, width_ratios=[1.5, 1, 1])
    groups = [group.name for group in result.groups(pathway.source)]
    if pathway.connection:
        plots.group_weights(axes[0], result, pathway.connection)
    plots.bars_by_group(axes[1], groups, rows, "r2", "R² on held-out 5 s", "Decoding")
    plots.bars_by_group(axes[2], groups, rows, "weights", "mean weight", "Weights")
    figure.savefig(picture, dpi=150)
