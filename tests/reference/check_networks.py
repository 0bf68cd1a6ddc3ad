#!/usr/bin/env python3
"""Runs the field's benchmark networks (examples/) and compares rates and irregularity with published ones.

    check_networks.py [--lpl-sim PATH] [--ranks N] [--only TEXT] [--seed SEED] [--keep FOLDER]

Each network prints a line
    NETWORK POPULATION rate=... (LOW to HIGH Hz) [CV=... (LOW to HIGH)] ... PASS|FAIL
Exits 0 where all pass, else 1. CV: of inter-spike intervals, the mean over neurons with at least five spikes.
microcircuit takes minutes and 3 GiB. Ranges: the least and the largest of several seeds of other programs, and 3 % more
(5 % where there is one published value). Where the quantiles of another program are known, of rates, CVs and correlations
(spike counts in 2 ms, 250 neurons that fire), the largest distance between its distribution and ours at those quantiles
is compared with the published distance between two seeds of 900 s, and what samples of these sizes differ by in 99 of 100 cases.
"""

import argparse
import csv
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import distribution_python  # noqa: E402,F401

import h5py  # noqa: E402
import numpy as np  # noqa: E402


def seeds(low, high):
    return (low * 0.97, high * 1.03)


def published(value):
    return (value * 0.95, value * 1.05)


# By network: what is counted, from [s], by population the ranges of rates [Hz] and of CVs.
NETWORKS = {
    # NEST 3.8, two seeds, and a program of our own, five.
    "brunel_delta": (0.2, {"exc": (seeds(32.00, 32.16), seeds(0.173, 0.175)), "inh": (seeds(32.07, 32.20), seeds(0.173, 0.175))}),
    "brunel_alpha": (0.2, {"exc": (seeds(28.68, 28.97), seeds(0.184, 0.187)), "inh": (seeds(28.73, 28.94), seeds(0.184, 0.187))}),
    # Brian 2.5.1, eight seeds (brian_networks.py), and a program of our own, five.
    "cuba": (0.2, {"exc": (seeds(5.22, 6.25), seeds(0.594, 0.626)), "inh": (seeds(5.43, 5.72), seeds(0.583, 0.623))}),
    "coba_brette": (0.2, {"exc": (seeds(17.34, 21.00), seeds(1.663, 1.785)), "inh": (seeds(17.94, 20.17), seeds(1.654, 1.802))}),
    # Brian in steps of 0.02 ms, four seeds. In steps of 0.1 ms it moves V beside the gates, not after them, and fires at 37 Hz.
    "hh_coba": (0.2, {"exc": (seeds(36.74, 42.73), seeds(2.269, 2.333)), "inh": (seeds(38.33, 40.66), seeds(2.256, 2.346))}),
    # The published script in NumPy, three seeds.
    "izhikevich2003": (0.0, {"exc": (seeds(7.64, 7.70), None), "inh": (seeds(7.13, 7.42), None)}),
    # Mean rates of the model's repository, for Poisson input.
    "microcircuit": (0.5, {name: (published(rate), None) for name, rate in
                           (("L23E", 0.903), ("L23I", 2.965), ("L4E", 4.414), ("L4I", 5.876),
                            ("L5E", 7.569), ("L5I", 8.633), ("L6E", 1.105), ("L6I", 7.829))}),
}

# Plastic networks, from records of rates and weights: rates [Hz] in the first and in the last ten seconds, and of the weights of
# connections in the end the mean and the share above a bound.
PLASTIC = {
    # The published program, three seeds (its last second; weights in mV).
    "polychronisation": ({"exc": (seeds(4.4, 5.1), seeds(4.1, 4.3)), "inh": (seeds(16.0, 18.0), seeds(32.9, 34.1))},
                         (("exc_exc", "exc_inh"), "learn", 1e3, (6.54, 6.68), 9.5, (0.477, 0.489))),
}


# Networks whose distributions are known (data/networks/NAME.csv): from how many seconds, and by population the published
# distances between seeds (900 s) of rates, CVs and correlations.
DISTRIBUTIONS = {
    "microcircuit": (5.0, {"L23E": (.02, .01, .05), "L23I": (.02, .02, .04), "L4E": (.01, .01, .05), "L4I": (.01, .01, .02),
                           "L5E": (.02, .02, .06), "L5I": (.03, .03, .02), "L6E": (.02, .01, .04), "L6I": (.02, .02, .02)}),
}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_CORRELATED = 250  # neurons


def irregularity(times, neurons):
    """CV of the inter-spike intervals of each neuron with at least five spikes."""
    order = np.lexsort((times, neurons))
    times, neurons = times[order], neurons[order]
    same = neurons[1:] == neurons[:-1]
    intervals, whose = np.diff(times)[same], neurons[1:][same]
    number = np.bincount(whose)
    several = number >= 4
    mean = np.bincount(whose, intervals)[several] / number[several]
    square = np.bincount(whose, intervals**2)[several] / number[several]
    return np.sqrt(np.maximum(square - mean**2, 0)) / mean


def correlations(times, neurons, begin, end):
    """Of spike counts in 2 ms, between neurons that fire."""
    chosen = np.random.default_rng(1).permutation(np.unique(neurons))[:MOST_CORRELATED]
    place = np.full(neurons.max() + 1, -1)
    place[chosen] = np.arange(len(chosen))
    among = place[neurons] >= 0
    bins = round((end - begin) / 2e-3)
    counts = np.zeros((len(chosen), bins))
    np.add.at(counts, (place[neurons[among]], np.minimum((times[among] - begin) / 2e-3 + 1e-6, bins - 1).astype(int)), 1)
    return np.corrcoef(counts)[np.triu_indices(len(chosen), 1)]


def spikes_between(file, population, begin, end):
    """Times [s] and neurons."""
    spikes = file["spikes"][population]
    times, neurons = spikes["timestamps"][()] * 1e-3, spikes["node_ids"][()].astype(np.int64)
    counted = (times >= begin) & (times < end)
    return times[counted], neurons[counted]


def end_of(file):
    return max(float(phase.attrs["end"]) for phase in file["phases"].values())


def size_of(file, population):
    return int(file["network"][population].attrs["size"])


def statistics(file, population, begin):
    """Mean rate [Hz] and mean CV of a population from `begin` [s] on."""
    end = end_of(file)
    times, neurons = spikes_between(file, population, begin, end)
    found = irregularity(times, neurons)
    return len(times) / size_of(file, population) / (end - begin), found.mean() if len(found) else float("nan")


def distance(quantiles, values):
    """The largest difference of the distribution of values from one of these quantiles; steps of either count as met."""
    values = np.sort(values)
    below = np.searchsorted(values, quantiles, "left") / len(values)
    reached = np.searchsorted(values, quantiles, "right") / len(values)
    return np.max(np.maximum(below - QUANTILES, QUANTILES - reached).clip(0))


def judge_distributions(name, path, begin):
    """Of the first seconds, as long as the other program's run."""
    passed, (seconds, distances) = True, DISTRIBUTIONS[name]
    with open(ROOT / "tests/reference/data/networks" / f"{name}.csv") as table:
        rows = {(row["population"], row["quantity"]): row for row in csv.DictReader(table)}
    with h5py.File(path) as file:
        for population, natural in distances.items():
            times, neurons = spikes_between(file, population, begin, begin + seconds)
            size = size_of(file, population)
            words = []
            for (quantity, values, independent), known in zip(
                    (("rate_Hz", np.bincount(neurons, minlength=size) / seconds, None), ("CV", irregularity(times, neurons), None),
                     ("CC", correlations(times, neurons, begin, begin + seconds), MOST_CORRELATED)), natural):
                row = rows[population, quantity]
                samples = (independent, independent) if independent else (len(values), int(row["n"]))
                most = known + 1.63 * np.sqrt(sum(1 / n for n in samples))
                found = distance([float(row[f"q{100 * q:02.0f}"]) for q in QUANTILES], values)
                words.append(f"{quantity.removesuffix('_Hz')}={found:.3f} (to {most:.3f})")
                passed &= found <= most
            print(f"{name:<13} {population} distance", *words, flush=True)
    return passed


def run(name, arguments, folder):
    out = pathlib.Path(folder) / f"{name}.h5"
    ranks = ["mpirun", "-n", str(arguments.ranks)] if arguments.ranks > 1 else []
    seed = ["--seed", str(arguments.seed)] if arguments.seed is not None else []
    subprocess.run([*ranks, arguments.lpl_sim, ROOT / "examples" / f"{name}.sim", "--out", out, "--overwrite",
                    "--progress", "none", *seed], check=True, stdout=subprocess.DEVNULL)
    return out


def judge_plastic(name, path):
    populations, (connections, phase, scale, mean, bound, share) = PLASTIC[name]
    words, passed = [], True

    def within(what, value, low, high):
        nonlocal passed
        words.append(f"{what}={value:.3f} ({low:.3f} to {high:.3f})")
        passed &= low <= value <= high

    with h5py.File(path) as file:
        for population, (first, last) in populations.items():
            rates = file[f"rates/{population}/rate"][()]
            within(f"{population} first rate", rates[0], *first)
            within("last rate", rates[-10:].mean(), *last)
        weights = scale * np.concatenate([file[f"weights/{name}/{phase}/value"][()] for name in connections])
        within("mean weight", weights.mean(), *mean)
        within(f"share above {bound}", (weights > bound).mean(), *share)
    print(f"{name:<13}", *words, "PASS" if passed else "FAIL", flush=True)
    return passed


def judge(name, path):
    if name in PLASTIC:
        return judge_plastic(name, path)
    begin, populations = NETWORKS[name]
    words, passed = [], True
    with h5py.File(path) as file:
        for population, (rates, cvs) in populations.items():
            rate, cv = statistics(file, population, begin)
            words.append(f"{population} rate={rate:.3f} ({rates[0]:.3f} to {rates[1]:.3f} Hz)")
            passed &= rates[0] <= rate <= rates[1]
            if cvs:
                words.append(f"CV={cv:.3f} ({cvs[0]:.3f} to {cvs[1]:.3f})")
                passed &= cvs[0] <= cv <= cvs[1]
    if name in DISTRIBUTIONS:
        passed &= judge_distributions(name, path, begin)
    print(f"{name:<13}", *words, "PASS" if passed else "FAIL", flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lpl-sim", default=os.environ.get("LPL_SIM", ROOT / "build/release/bin/lpl_sim"))
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep", help="folder for the results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or scratch
        results = [judge(name, run(name, arguments, folder)) for name in (*NETWORKS, *PLASTIC) if arguments.only in name]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
