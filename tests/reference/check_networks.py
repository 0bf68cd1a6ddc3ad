#!/usr/bin/env python3
"""Runs the field's benchmark networks (examples/) and compares rates and irregularity with published ones.

    check_networks.py [--lpl-sim PATH] [--ranks N] [--only TEXT] [--seed SEED] [--keep FOLDER]

Each network prints a line
    NETWORK POPULATION rate=... (LOW to HIGH Hz) [CV=... (LOW to HIGH)] ... PASS|FAIL
Exits 0 where all pass, else 1. CV: of inter-spike intervals, the mean over neurons with at least three spikes.
microcircuit takes minutes and 3 GiB. Ranges: the least and the largest of several seeds of other programs, and 3 % more
(5 % where there is one published value).
"""

import argparse
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
    # Brian 2.5.1, eight seeds (a program of our own had fired at 5.24 to 5.37 and 5.43 to 5.50 Hz).
    "cuba": (0.2, {"exc": (seeds(5.33, 6.25), seeds(0.59, 0.63)), "inh": (seeds(5.52, 5.72), seeds(0.59, 0.63))}),
    # A program of our own, five seeds.
    "coba_brette": (0.2, {"exc": (seeds(17.34, 18.70), seeds(1.663, 1.706)), "inh": (seeds(17.94, 18.74), seeds(1.654, 1.698))}),
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


def statistics(file, population, begin):
    """Mean rate [Hz] and mean CV of a population from `begin` [s] on."""
    end = max(float(phase.attrs["end"]) for phase in file["phases"].values())
    size = int(file["network"][population].attrs["size"])
    spikes = file["spikes"][population]
    times, neurons = spikes["timestamps"][()] * 1e-3, spikes["node_ids"][()].astype(np.int64)
    counted = times >= begin
    order = np.lexsort((times[counted], neurons[counted]))
    times, neurons = times[counted][order], neurons[counted][order]
    rate = len(times) / size / (end - begin)
    same = neurons[1:] == neurons[:-1]
    intervals, whose = np.diff(times)[same], neurons[1:][same]
    number = np.bincount(whose, minlength=size)
    several = number >= 2
    if not several.any():
        return rate, float("nan")
    mean = np.bincount(whose, intervals, minlength=size)[several] / number[several]
    square = np.bincount(whose, intervals**2, minlength=size)[several] / number[several]
    return rate, float(np.mean(np.sqrt(np.maximum(square - mean**2, 0)) / mean))


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
