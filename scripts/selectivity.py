#!/usr/bin/env python3
"""What did a network learn about its input groups? A table from result files, and a picture.

    selectivity.py RESULT.h5 [MORE.h5 ...] [--picture OUT.png] [--bin 0.025] [--last 100]

For the last `--last` seconds of every recorded phase: mean rates, the rate of the fastest excitatory neuron, decoding R2 of each input group from the excitatory
spikes, input-output correlation, and mean weights by group. Analysis constants as published (Halvagal & Zenke 2023,
Fig. 5): 25 ms bins, lasso with alpha 0.1, the first 95 % train and the last 5 % test.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import distribution_python  # noqa: E402,F401

import h5py  # noqa: E402
import numpy as np  # noqa: E402

LASSO_ALPHA = 0.1
TRAINED_SHARE = 0.95
COLOURS = {"P0": "#808080", "P1": "#81226a", "P1ctl": "#c090b4", "P2": "#058585", "P2ctl": "#82c2c2"}


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def phases(result):
    """(name, begin, end) in seconds, in order of time."""
    found = [(name, group.attrs["begin"], group.attrs["end"]) for name, group in result["phases"].items()]
    return sorted(found, key=lambda phase: phase[1])


def groups_of(result, source):
    """(name, first neuron, size) of the groups of a stimulus or population."""
    group = result[f"network/{source}"]
    names = text(group.attrs["groups"]).split(",")
    return list(zip(names, group["group_first"][:].tolist(), group["group_size"][:].tolist()))


def spikes_between(result, source, begin, end):
    """Times [s] and ids of a source's recorded spikes in [begin, end)."""
    group = result[f"spikes/{source}"]
    times = group["timestamps"]
    # Sorted by time: look only at the slice that matters.
    all_times = times[:] * 1e-3
    first, last = np.searchsorted(all_times, [begin - 1e-9, end - 1e-9])
    return all_times[first:last], group["node_ids"][first:last].astype(np.int64)


def binned(times, columns, n_columns, begin, end, width):
    """Spike counts, shape (bins, n_columns)."""
    n_bins = int(round((end - begin) / width))
    rows = np.minimum(((times - begin) / width + 1e-9).astype(np.int64), n_bins - 1)
    counts = np.zeros((n_bins, n_columns))
    np.add.at(counts, (rows, columns), 1.0)
    return counts


def decode(activity, signals):
    """R2 on the test share of a lasso from activity (bins, neurons) to each signal, and the correlation of all
    test signals with their predictions by one lasso."""
    from sklearn.linear_model import Lasso
    from sklearn.metrics import r2_score

    split = int(TRAINED_SHARE * len(activity))
    scores = []
    for g in range(signals.shape[1]):
        model = Lasso(alpha=LASSO_ALPHA).fit(activity[:split], signals[:split, g])
        scores.append(r2_score(signals[split:, g], model.predict(activity[split:])))
    joint = Lasso(alpha=LASSO_ALPHA).fit(activity[:split], signals[:split])
    predicted, true = joint.predict(activity[split:]).ravel(), signals[split:].ravel()
    correlation = np.corrcoef(predicted, true)[0, 1] if predicted.std() > 0 and true.std() > 0 else float("nan")
    return scores, float(correlation)


def mean_group_weights(result, connection, snapshot, groups):
    group = result[f"weights/{connection}/{snapshot}"]
    pre, value = group["pre"][:], group["value"][:]
    means = []
    for _, first, size in groups:
        inside = (pre >= first) & (pre < first + size)
        means.append(float(value[inside].mean()) if inside.any() else float("nan"))
    return means


def analyse(path, bin_width, last, source="input", target="exc", connection="input_exc"):
    """A row per phase: dict with phase, rates, r2, correlation, weights, groups."""
    with h5py.File(path, "r") as result:
        status = text(result.attrs["status"])
        if status != "complete":
            print(f"{path}: the run is {status}; the table shows what was written", file=sys.stderr)
        groups = groups_of(result, source)
        n_target = int(result[f"network/{target}"].attrs["size"])
        edges = np.array([first for _, first, _ in groups] + [groups[-1][1] + groups[-1][2]])
        rows = []
        for name, begin, end in phases(result):
            begin = max(begin, end - last)
            times, ids = spikes_between(result, target, begin, end)
            row = {"phase": name, "groups": [g[0] for g in groups], "rate": len(times) / (end - begin) / n_target}
            row["fastest"] = np.bincount(ids, minlength=n_target).max() / (end - begin)
            if "inh" in result["spikes"]:
                inhibitory = spikes_between(result, "inh", begin, end)[0]
                row["inhibitory_rate"] = len(inhibitory) / (end - begin) / int(result["network/inh"].attrs["size"])
            input_times, input_ids = spikes_between(result, source, begin, end)
            if len(input_times) and end - begin >= 40 * bin_width:
                activity = binned(times, ids, n_target, begin, end, bin_width)
                signals = binned(input_times, np.searchsorted(edges, input_ids, side="right") - 1, len(groups), begin,
                                 end, bin_width)
                row["r2"], row["correlation"] = decode(activity, signals)
            if f"weights/{connection}/{name}" in result:
                row["weights"] = mean_group_weights(result, connection, name, groups)
            rows.append(row)
        return rows


def print_table(path, rows):
    groups = rows[0]["groups"]
    print(f"{path}")
    header = f"  {'phase':<8} {'exc Hz':>7} {'fastest':>7} {'inh Hz':>7} {'corr':>6}"
    print(header + "".join(f" {'R2 ' + g:>9}" for g in groups) + "".join(f" {'w ' + g:>9}" for g in groups))
    for row in rows:
        line = f"  {row['phase']:<8} {row['rate']:7.2f} {row['fastest']:7.1f} {row.get('inhibitory_rate', float('nan')):7.2f}"
        line += f" {row.get('correlation', float('nan')):6.3f}"
        for key in ("r2", "weights"):
            line += "".join(f" {value:9.3f}" for value in row.get(key, [float("nan")] * len(groups)))
        print(line)


def draw(path, rows, picture):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    groups = rows[0]["groups"]
    colours = [COLOURS.get(group, f"C{i}") for i, group in enumerate(groups)]
    with h5py.File(path, "r") as result:
        means = result.get("weights/input_exc/group_means")
        figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), constrained_layout=True,
                                    gridspec_kw={"width_ratios": [1.5, 1, 1]})
        if means is not None:
            time, value = means["time"][:], means["value"][:]
            for g, group in enumerate(groups):
                axes[0].plot(time, value[:, g], color=colours[g], label=group, lw=2)
            for _, begin, _ in phases(result)[1:]:
                axes[0].axvline(begin, color="0.7", lw=1, ls="--")
            axes[0].legend(frameon=False, fontsize=9)
        axes[0].set(xlabel="model time (s)", ylabel="mean input weight", title="Weights by input group")
    places = np.arange(len(groups))
    for axis, key, title, label in ((axes[1], "r2", "Decoding", "R² on held-out 5 s"),
                                    (axes[2], "weights", "Weights", "mean weight")):
        width = 0.8 / len(rows)
        for i, row in enumerate(rows):
            values = row.get(key, [np.nan] * len(groups))
            if key == "r2":
                values = np.maximum(values, -0.1)
            shift = (i - (len(rows) - 1) / 2) * width
            axis.bar(places + shift, values, width, color=colours, alpha=0.35 if i + 1 < len(rows) else 1.0,
                     edgecolor="white")
        names = [row["phase"] for row in rows]
        axis.set(xticks=places, xticklabels=groups, title=f"{title}: after {' (pale), '.join(names)}", ylabel=label)
        axis.axhline(0, color="0.3", lw=0.8)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=pathlib.Path)
    parser.add_argument("--picture", type=pathlib.Path, help="draw the first result here")
    parser.add_argument("--bin", type=float, default=0.025, help="bin width in s")
    parser.add_argument("--last", type=float, default=100.0, help="seconds at the end of each phase to analyse")
    options = parser.parse_args()
    for path in options.results:
        if not path.is_file():
            parser.error(f"there is no file {path}")
    for i, path in enumerate(options.results):
        try:
            rows = analyse(path, options.bin, options.last)
        except KeyError as error:
            sys.exit(f"{path}: has not what the table needs: {error}; record spikes of input and exc, and weights")
        print_table(path, rows)
        if i == 0 and options.picture:
            draw(path, rows, options.picture)
            print(f"picture: {options.picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
