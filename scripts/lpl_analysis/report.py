"""One self-contained page about one run, or about several side by side: no file or network beside it is needed."""

import difflib
import html
import io
import re

import numpy as np

from lpl_analysis import measures, plots, selectivity
from lpl_analysis.output import MAKER
from lpl_analysis.shown import number

RASTER = 5.0  # [s] of the raster
LOSSES = {"pull": "Pull (predictive)", "push": "Push (Hebbian)", "decorr": "Decorrelation",
          "cross_entropy": "Cross-entropy"}
METRICS = {"participation_ratio": "Participation ratio", "mean_activity": "Mean activity",
           "cosine_within": "Cosine within classes", "cosine_across": "Cosine across classes",
           "class_dimension": "Dimension of classes", "class_radius": "Radius of classes",
           "class_correlation": "Correlation of class centres", "cosine_push": "Squared cosine of pairs",
           "uniformity": "Uniformity", "kl_to_standard_gaussian": "KL to N(0, 1)",
           "sliced_wasserstein": "Sliced Wasserstein to N(0, 1)"}
STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #222; background: #fafafa; margin: 0 auto;
       max-width: 1240px; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd; }
h1, h2 { overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr)); gap: 1rem; }
figure { margin: 0; padding: .5rem; background: white; border: 1px solid #e4e4e4; border-radius: 6px; }
figure.wide { grid-column: 1 / -1; overflow-x: auto; }
figure svg { display: block; width: 100%; height: auto; }
figure.wide svg { min-width: 640px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; background: white; margin: .8rem 0; }
td, th { padding: .25rem .7rem; border: 1px solid #e4e4e4; text-align: right; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; }
.note { background: #fff4d6; border: 1px solid #ecd28b; border-radius: 6px; padding: .5rem .8rem; }
pre { background: white; border: 1px solid #e4e4e4; border-radius: 6px; padding: .8rem; overflow-x: auto;
      font-size: 12px; }
summary { cursor: pointer; margin: .8rem 0; }
"""


# ---- HTML


def inline_svg(figure, alt):
    """A picture as an <svg> element that scales with the page; closes the figure."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", dpi=150)
    plots.plt.close(figure)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Several pictures share the page: keep only the names that something refers to; those depend on the content.
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: match.group(0) if match.group(1) in used else "", svg)
    head, body = svg.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{html.escape(alt, quote=True)}">{body}'


def card(draw, *arguments, wide=False):
    """A picture drawn by draw(axis, *arguments)."""
    figure, axis = plots.panels(1, 1, width=10.4 if wide else 5, height=3.8 if wide else 3.1)
    draw(axis, *arguments)
    title = axis.get_title().replace(r"\$", "$").strip()
    return f'<figure{" class=wide" if wide else ""}>{inline_svg(figure, title)}</figure>'


def cards(pictures):
    return f'<div class="cards">{"".join(pictures)}</div>' if pictures else ""


def table(header, rows):
    def line(tag, cells):
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
    body = "".join(line("td", row) for row in rows)
    return f'<div class="scroll"><table>{line("th", header)}{body}</table></div>'


def details(title, text):
    return f"<details><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>" if text else ""


# ---- facts


def facts(results):
    """A row per run."""
    def seconds(result, name):
        value = float(result.attribute(name, np.nan))
        return f"{value:,.6g}" if value > 0 else ""
    header = ["run", "status", "program", "revision", "seed", "ranks", "model time (s)", "wall time (s)",
              "wall / model"]
    return table(header, [[result.name, result.status,
                           f"{result.attribute('program', '')} {result.attribute('program_version', '')}",
                           *[result.attribute(name, "") for name in ("git_revision", "seed", "ranks")],
                           *[seconds(result, name) for name in ("model_time", "wall_time", "real_time_factor")]]
                          for result in results])


def notes(result):
    return f'<p class="note">{html.escape(f"{result.name}: {result.note}")}</p>' if result.note else ""


# ---- spiking networks


def selectivity_table(groups, columns):
    """The rows of `selectivity.analyse` as columns under their titles."""
    rows = [row for _, row in columns]
    others = sorted({other for row in rows for other in row["others"]})
    lines = [["rate (Hz)", *[number(row["rate"], 2) for row in rows]],
             ["fastest neuron (Hz)", *[number(row["fastest"], 1) for row in rows]]]
    lines += [[f"rate of {other} (Hz)", *[number(row["others"].get(other), 2) for row in rows]] for other in others]
    lines += [["input-output correlation", *[number(row.get("correlation")) for row in rows]],
              ["participation ratio", *[number(row.get("dimension"), 2) for row in rows]]]
    for key, name in (("r2", "R² of"), ("weights", "mean weight from")):
        lines += [[f"{name} {group}", *[number(row[key][g] if key in row else None) for row in rows]]
                  for g, group in enumerate(groups)]
    reasons = [f"{title}, {note}" for title, row in columns for note in row["notes"]]
    return table(["", *[title for title, _ in columns]], lines) + "".join(f"<p>{html.escape(text)}.</p>"
                                                                           for text in reasons)


def reconstruction_card(result, pathway):
    """The held-out seconds of the last phase, or nothing where too little was recorded."""
    for phase in reversed(result.phases_reached()):
        span = selectivity.analysed(result, pathway, phase, measures.LAST)
        if span is None:
            continue
        activity, signals = selectivity.counts(result, pathway, *span)
        if len(signals) >= measures.LEAST_BINS and measures.varies(signals).any() and measures.varies(activity).any():
            true, predicted = measures.reconstruct(activity, signals)
            groups = [group.name for group in result.groups(pathway.source)]
            return [card(plots.reconstruction, true, predicted, groups)]
    return []


def spiking_section(result):
    parts, pictures = [], []
    end = result.last_spike()
    if end is not None:
        pictures.append(card(plots.raster, result, max(0.0, end - RASTER), end, wide=True))
    elif result.members("phases"):
        parts.append("<p>No spikes are in this file.</p>")
    if result.members("rates"):
        pictures.append(card(plots.rates, result))
    pathway = selectivity.find_pathway(result)
    if pathway:
        rows = selectivity.analyse(result, pathway)
        groups = [group.name for group in result.groups(pathway.source)]
        if rows:
            parts.append(selectivity_table(groups, [(f"{pathway.target} after {row['phase']}", row) for row in rows]))
        if any("r2" in row for row in rows):
            pictures.append(card(plots.bars_by_group, groups, rows, "r2", "R² on held-out seconds", "Decoding"))
            pictures.extend(reconstruction_card(result, pathway))
        if any("weights" in row for row in rows):
            pictures.append(card(plots.bars_by_group, groups, rows, "weights", "mean weight", "Weights"))
    for connection in result.connections():
        if result.group_means(connection):
            pictures.append(card(plots.group_weights, result, connection))
        if result.snapshots(connection):
            pictures.append(card(plots.weight_histogram, result, connection))
    pictures.extend(card(plots.report_traces, result, name) for name in result.reports())
    return "".join(parts) + cards(pictures)


# ---- trained networks


def label_columns(result):
    """(column, name, chance) of the readout's accuracies; column None where there is only one."""
    found = result.over_epochs("readout/accuracy")
    if found is None:
        return []
    chance = result.attribute_near("readout/accuracy", "chance")
    chance = np.atleast_1d(np.nan if chance is None else chance).astype(float)
    if found[1].ndim == 2:
        return [(None, "", chance[0])]
    columns = found[1].shape[2]
    labels = result.names_near("readout/accuracy", "labels", columns, "label ")
    return list(zip(range(columns), labels, np.broadcast_to(chance, columns)))


def draw_readout(axis, results, column, name, chance):
    plots.last_by_layer(axis, results, "readout/accuracy", f"Readout accuracy {name}".strip(), "accuracy", column)
    if len(results) == 1:
        baselines = results[0].file.get("readout/baselines", {})
        shape = results[0].file["readout/accuracy"].shape[1:]
        for i, baseline in enumerate(baselines):
            values = np.broadcast_to(baselines[baseline][()], shape)
            values = values if column is None else values[:, column]
            axis.plot(range(shape[0]), values, "--", lw=1, color=f"C{i + 1}", label=plots.plain(baseline))
    if np.isfinite(chance):
        axis.axhline(chance, color="0.6", lw=1, ls=":", label="chance")
    if axis.get_legend_handles_labels()[1]:
        axis.legend()


def similarity_cards(result):
    """The last histograms of cosines within and across classes, of the first and the last layer."""
    group = "metrics/cosine_histogram"
    last = {name: result.file[f"{group}/{name}"][-1] for name in result.members(group)
            if len(result.file[f"{group}/{name}"])}
    if not last:
        return []
    edges = result.attribute_of(group, "edges")
    count = len(next(iter(last.values())))
    layers = result.layers(group, count)
    return [card(plots.histogram_by_layer, {name: value[i] for name, value in last.items()}, edges, layers[i],
                 "Similarity") for i in sorted({0, count - 1})]


def training_section(result):
    pictures = []
    for name, title in (("total", "Total loss"), ("learning_rate", "Learning rate"),
                        ("images_per_second", "Images per second")):
        if result.over_epochs(f"training/{name}"):
            pictures.append(card(plots.over_epochs, result, f"training/{name}", title, title.lower()))
    for name, title in LOSSES.items():
        if result.over_epochs(f"training/{name}"):
            pictures.append(card(plots.by_layer_over_epochs, result, f"training/{name}", title, "loss"))
    for column, name, chance in label_columns(result):
        pictures.append(card(draw_readout, [result], column, name, chance))
    for name, title in METRICS.items():
        found = result.over_epochs(f"metrics/{name}")
        if found:
            pictures.append(card(plots.last_by_layer, [result], f"metrics/{name}",
                                 f"{title}, epoch {found[0][-1]}", title.lower()))
    dimensions = result.over_epochs("metrics/participation_ratio")
    if dimensions and len(dimensions[0]) > 1:
        pictures.append(card(plots.by_layer_over_epochs, result, "metrics/participation_ratio",
                             "Dimension over training", "participation ratio"))
    return cards(pictures + similarity_cards(result))


# ---- several runs


def configuration_differences(results):
    first = results[0]
    parts = []
    for other in results[1:]:
        lines = difflib.unified_diff(first.description.splitlines(), other.description.splitlines(), first.name,
                                     other.name, lineterm="", n=1)
        parts.append(details(f"Configuration: {first.name} → {other.name}", "\n".join(lines) or "the same"))
    return "".join(parts)


def draw_rate(axis, results, source):
    for result in results:
        if source in result.members("rates"):
            plots.rates(axis, result, [source], "{run}")
    axis.set_title(plots.plain(f"Rate of {source}"))


def draw_total_loss(axis, results):
    for result in results:
        axis.plot(*result.over_epochs("training/total"), lw=1.2, label=plots.plain(result.name))
    axis.set(xlabel="epoch", ylabel="loss", title="Total loss")
    axis.legend()


def comparison_section(results):
    pictures, parts = [], []
    rated = {source for result in results for source in result.members("rates")}
    pictures.extend(card(draw_rate, results, source) for source in sorted(rated))
    columns, groups = [], None
    for result in results:
        pathway = selectivity.find_pathway(result)
        rows = selectivity.analyse(result, pathway) if pathway else []
        own = [group.name for group in result.groups(pathway.source)] if pathway else None
        groups = groups or own
        if rows and own == groups:
            columns.append((f"{result.name}, {rows[-1]['phase']}", rows[-1]))
    if columns:
        parts.append(selectivity_table(groups, columns))
    trained = [result for result in results if result.over_epochs("training/total")]
    if trained:
        pictures.append(card(draw_total_loss, trained))
    columns = next(filter(None, map(label_columns, results)), [])
    labels = [name for _, name, _ in columns]
    alike = [result for result in results if [name for _, name, _ in label_columns(result)] == labels]
    pictures.extend(card(draw_readout, alike, *column) for column in columns)
    for name, title in METRICS.items():
        measured = [result for result in results if result.over_epochs(f"metrics/{name}")]
        if measured:
            pictures.append(card(plots.last_by_layer, measured, f"metrics/{name}", title, title.lower()))
    return "<h2>Comparison</h2>" + "".join(parts) + configuration_differences(results) + cards(pictures)


def page(results):
    """The report of open results as HTML."""
    title = "Report: " + ", ".join(result.name for result in results)
    parts = [f"<h1>{html.escape(title)}</h1>", facts(results), *map(notes, results)]
    if len(results) > 1:
        parts.append(comparison_section(results))
    for result in results:
        parts.append(f"<h2>{html.escape(result.name)}</h2>")
        parts.append(f"<p><code>{html.escape(str(result.attribute('command_line', '')))}</code></p>")
        parts.extend([spiking_section(result), training_section(result), details("Configuration", result.description)])
    return ("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            f'<meta name="generator" content="{MAKER}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n")
