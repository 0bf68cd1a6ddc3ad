"""Pictures of one part of a result each, drawn onto given axes; shared by reports and figures."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from lpl_analysis import measures, shown  # noqa: E402
from lpl_analysis.output import MAKER  # noqa: E402
from lpl_analysis.results import with_gaps  # noqa: E402

# The published colours of the five input groups; others take the cycle's.
GROUP_COLOURS = {"P0": "#808080", "P1": "#81226a", "P1ctl": "#c090b4", "P2": "#058585", "P2ctl": "#82c2c2"}
RASTER_SPIKES = 40000
FEW = 12

plt.rcParams.update({"font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False,
                     "legend.frameon": False, "legend.fontsize": 8, "svg.hashsalt": "lpl"})


def panels(rows, columns, width, height, **grid):
    """A figure and its axes."""
    return plt.subplots(rows, columns, figsize=(width, height), constrained_layout=True, gridspec_kw=grid)


def plain(name):
    """A name as matplotlib shows it unchanged: '$' begins no formula, and '_' does not hide it from legends."""
    shown_name = str(name).replace("$", r"\$")
    return f" {shown_name}" if shown_name.startswith("_") else shown_name


def metadata(path):
    """What marks a picture file as this program's, by its format."""
    return {".png": {"Software": MAKER}, ".svg": {"Creator": MAKER}}.get(path.suffix)


def mark_undefined(axis, places):
    """Says at places along the x axis that there is no number."""
    for place in places:
        axis.annotate(shown.UNDEFINED, (place, 0.15), xycoords=("data", "axes fraction"), rotation=90, ha="center",
                      va="bottom", fontsize=7, color="0.4")


def group_colours(groups):
    return [GROUP_COLOURS.get(group, f"C{i % 10}") for i, group in enumerate(groups)]


def layer_colours(count):
    return plt.get_cmap("viridis")(np.linspace(0, 0.9, count))


def raster(axis, result, begin, end):
    """Spikes of all recorded sources in [begin, end), stacked, input groups in their colours."""
    base, ticks, thinnest = 0, [], 1
    total = sum(result.size(source) for source in result.spike_sources())
    mark = {"marker": "|", "ls": "", "ms": min(max(150 / max(total, 1), 1.2), 8), "mew": 0.5, "rasterized": True}
    for source in result.spike_sources():
        times, ids = result.spikes(source, begin, end)
        groups = result.groups(source)
        colours = group_colours([group.name for group in groups]) if len(groups) > 1 else ["black"]
        # More marks than this only blacken the picture.
        step = max(1, len(times) // RASTER_SPIKES)
        thinnest = max(thinnest, step)
        for group, colour in zip(groups, colours):
            inside = (ids >= group.first) & (ids < group.first + group.size)
            axis.plot(times[inside][::step], base + ids[inside][::step] + 0.5, color=colour, **mark)
            name = source if len(groups) == 1 else f"{source} {group.name}"
            ticks.append((base + group.first + group.size / 2, plain(name)))
        base += result.size(source)
        axis.axhline(base, color="0.8", lw=0.5)
    axis.set(xlim=(begin, end), ylim=(0, max(total, 1)), xlabel="time (s)",
             title="Spikes" if thinnest == 1 else f"Spikes, one of {thinnest} shown")
    axis.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
    axis.ticklabel_format(axis="x", useOffset=False)


def rates(axis, result, sources=None, label="{source}"):
    for source in result.members("rates") if sources is None else sources:
        begin, end, rate = result.bins(source)
        # A curve ends where recording paused.
        gaps = np.flatnonzero(begin[1:] > end[:-1] + 1e-9) + 1
        axis.plot(np.insert(begin, gaps, np.nan), np.insert(rate, gaps, np.nan), lw=1,
                  label=plain(label.format(source=source, run=result.name)))
    phase_borders(axis, result)
    axis.set(xlabel="time (s)", ylabel="rate (Hz)", title="Population rates")
    axis.set_ylim(bottom=0, auto=True)
    axis.legend()


def phase_borders(axis, result):
    for phase in result.phases_reached()[1:]:
        axis.axvline(phase.begin, color="0.7", lw=1, ls="--")


def group_weights(axis, result, connection):
    """Mean weights by input group over time; `connection` may be None."""
    recorded = result.group_means(connection) if connection else None
    if recorded is None:
        axis.set(title="Weights by input group: not recorded", xticks=[], yticks=[])
        return
    time, value, groups = recorded
    if len(time) > 1:
        time, value = with_gaps(time, value, np.diff(time).min())
    for g, colour in enumerate(group_colours(groups)):
        axis.plot(time, value[:, g], color=colour, label=plain(groups[g]), lw=1.5)
    phase_borders(axis, result)
    axis.set(xlabel="time (s)", ylabel="mean weight", title=plain(f"Weights of {connection} by input group"))
    axis.legend()


def weight_histogram(axis, result, connection):
    """All weights of a connection at its snapshots."""
    taken = result.snapshots(connection)
    values = {name: result.snapshot(connection, name).value for name in taken}
    top = max((value.max(initial=0) for value in values.values()), default=0) or 1
    bins = np.linspace(min(0, *(value.min(initial=0) for value in values.values())), top, 41)
    for i, (name, value) in enumerate(values.items()):
        axis.hist(value, bins=bins, histtype="step", lw=1.5, color=layer_colours(len(values))[i], label=plain(name))
    axis.set(xlabel="weight", ylabel="synapses", title=plain(f"Weights of {connection}"), yscale="log")
    axis.legend()


def bars_by_group(axis, groups, rows, key, label, title):
    """A bar per group and phase, earlier phases pale."""
    rows = [row for row in rows if key in row]
    width = 0.8 / max(len(rows), 1)
    for i, row in enumerate(rows):
        # Far below zero a decoder is just useless.
        values = np.maximum(row[key], -0.1) if key == "r2" else row[key]
        shift = (i - (len(rows) - 1) / 2) * width
        axis.bar(np.arange(len(groups)) + shift, values, width, color=group_colours(groups),
                 alpha=0.35 if i + 1 < len(rows) else 1.0, edgecolor="white")
        mark_undefined(axis, np.flatnonzero(~np.isfinite(values)) + shift)
    pale = plain(" (pale), ".join(row["phase"] for row in rows))
    axis.set(title=f"{title}: after {pale}" if rows else f"{title}: not recorded", xlim=(-0.6, len(groups) - 0.4),
             ylabel=f"{label} (cut at -0.1)" if key == "r2" else label)
    if key == "r2":
        axis.set_ylim(-0.12, 1)
    axis.set_xticks(range(len(groups)), [plain(group) for group in groups])
    axis.axhline(0, color="0.3", lw=0.8)


def reconstruction(axis, signals, predicted, groups):
    """Spike counts of input groups [bin, group] and what a decoder makes of them, stacked."""
    offset = 1.1 * max(signals.max(initial=0), 1)
    time = np.arange(len(signals)) * measures.BIN
    for g, colour in enumerate(group_colours(groups)):
        base = (len(groups) - 1 - g) * offset
        axis.plot(time, base + signals[:, g], color="0.8", lw=0.8)
        axis.plot(time, base + predicted[:, g], color=colour, lw=1.2)
    axis.set_yticks([(len(groups) - 1 - g) * offset for g in range(len(groups))], [plain(group) for group in groups])
    axis.set(xlabel="held-out time (s)", title="Input (grey) and its reconstruction")


def report_traces(axis, result, name):
    report = result.report(name)
    for i in range(min(len(report.neurons), FEW)):
        axis.plot(report.time, report.data[:, i], lw=0.8, label=f"neuron {report.neurons[i]}")
    unit = "" if report.unit == "1" else f" ({report.unit})"
    shown_of = f" ({FEW} of {len(report.neurons)} neurons)" if len(report.neurons) > FEW else ""
    axis.set(xlabel="time (s)", ylabel=plain(report.variable + unit), title=plain(name + shown_of))
    if len(report.neurons) <= FEW:
        axis.legend()


def undefined_share(values):
    """What to add to an axis on which some values are missing because they are not numbers."""
    count = int(np.sum(~np.isfinite(values)))
    return f" ({count} of {np.size(values)} values undefined)" if count else ""


def by_layer_over_epochs(axis, result, path, title, label):
    """A curve per layer of a dataset [epoch, layer]."""
    epochs, values = result.over_epochs(path)
    layers = result.layers(path, values.shape[1])
    marker = "o" if len(epochs) < FEW else None
    for i, colour in enumerate(layer_colours(len(layers))):
        axis.plot(epochs, values[:, i], color=colour, lw=1.2, marker=marker, ms=3, label=plain(layers[i]))
    axis.set(xlabel=f"epoch{undefined_share(values)}", ylabel=label, title=title)
    axis.legend(ncol=2, title="layer", title_fontsize=8)


def over_epochs(axis, result, path, title, label):
    epochs, values = result.over_epochs(path)
    axis.plot(epochs, values, lw=1.2, color="black", marker="o" if len(epochs) < FEW else None, ms=3)
    axis.set(xlabel=f"epoch{undefined_share(values)}", ylabel=label, title=title)


def last_by_layer(axis, results, path, title, label, column=None):
    """The last recorded value over layers, a curve per run; `column` picks a label column."""
    for result in results:
        found = result.over_epochs(path)
        if found is None:
            continue
        value = found[1][-1] if column is None else found[1][-1][:, column]
        layers = result.layers(path, len(value))
        axis.plot(range(len(value)), value, "o-", lw=1.2, ms=4, label=plain(result.name))
        mark_undefined(axis, np.flatnonzero(~np.isfinite(value)))
        axis.set_xticks(range(len(value)), [plain(layer) for layer in layers])
    axis.set(xlabel="layer", ylabel=label, title=title)
    if len(results) > 1:
        axis.legend()


def histogram_by_layer(axis, counts, edges, layer, title):
    """Histograms within and across classes; counts: name -> [bin]."""
    for name, values in counts.items():
        if values.sum():
            axis.stairs(values / values.sum(), edges, label=name, lw=1.5)
        else:
            axis.plot([], [], label=f"{name}: no pairs")
    axis.set(xlabel="cosine", ylabel="share of pairs", title=plain(f"{title}, layer {layer}"))
    axis.legend()
