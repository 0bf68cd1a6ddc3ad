#!/usr/bin/env python3
"""How lpl_sim scales: measures where cores exist, fits a model, predicts where they do not.

    bench_scaling.py [--cores 1,2] [--neurons 4000,8000,16000] [--exchange directed] [--seconds 1] [--predict 16,256,4096] [--json OUT.json]

The network is examples/coba.sim at other sizes, 80 synapses a neuron as published, no recording. Strong scaling: one size on
more ranks; weak scaling: a size that grows with the ranks. The time of an epoch (one exchange) is split into

  computing   the slowest rank's; the model is fixed + per_neuron * (neurons / ranks) + per_spike * (spikes that a rank
              gets), least squares over all runs, no coefficient below 0
  exchanging  of the rank that waits least: what the exchange itself takes
  waiting     the rest: ranks that are ready wait for the slowest

Predictions add, for several nodes, what cannot be measured here and is assumed, for both ways that spikes travel, by the formulas by
which lpl_sim chooses one: --latency of a message between nodes and --message of the processor at either end, log2(ranks) of which
one after the other make an all-gather, one a pair of ranks a directed exchange; --bandwidth; and --unpack, the time to take
one count from a message. With targets at random a rank hears a share 1 - exp(-synapses / ranks) of all neurons.
"""

import argparse
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import distribution_python  # noqa: E402,F401

import numpy as np  # noqa: E402
from scipy.optimize import nnls  # noqa: E402

from lpl_analysis import output  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
EPOCH = 0.8e-3  # [s] model time, the minimum delay
STEPS = 8
SYNAPSES = 80  # of each neuron
POPULATIONS = 2
LEAST_BYTES = 256  # of a message that is gathered
SIGNALS = 16  # exchanges between two of signals, where they do not travel with spikes


def arguments_for(neurons, seconds):
    settings = {"population.exc.size": neurons * 4 // 5, "population.inh.size": neurons // 5, "phase.run.duration": f"{seconds} s"}
    for connection in ("exc_exc", "exc_inh", "inh_exc", "inh_inh"):
        settings[f"connection.{connection}.density"] = SYNAPSES / neurons
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def measure(program, neurons, ranks, seconds, repeats, form):
    """Seconds per epoch; of each figure the least of several runs, for what else the machine does only adds."""
    environment = dict(os.environ)
    if os.geteuid() == 0:
        environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    launcher = ["mpirun", "--bind-to", "core", "-n", str(ranks)] if ranks > 1 else []
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(repeats):
            command = [*launcher, program, str(ROOT / "examples/coba.sim"), "--out", f"{scratch}/r.h5", "--progress", "none", "--exchange", form, *arguments_for(neurons, seconds)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
            text = done.stdout
            least, most, exchange, _ = map(float, re.search(r"by rank +computing ([\d.]+) to ([\d.]+) s, exchanging and waiting ([\d.]+) to ([\d.]+)", text).groups())
            wall = float(re.search(r"time +([\d.]+) s wall", text)[1])
            epochs = seconds / EPOCH
            run = {"neurons": neurons, "ranks": ranks, "wall": wall / epochs, "computing": most / epochs, "exchanging": exchange / epochs if ranks > 1 else 0.0,
                   "spikes": int(re.search(r"spikes +(\d+)", text)[1]) / epochs, "imbalance": most / least if least > 0 else math.nan}
            received = re.search(r"receives ([\d.e+]+) bytes", text)
            run["received"] = float(received[1]) if received else 0.0
            found.append(run)
    best = {key: min(run[key] for run in found) for key in found[0]}
    best["waiting"] = max(0.0, best["wall"] - best["computing"] - best["exchanging"])
    return best


def fit(runs):
    """fixed [s], per_neuron [s], per_spike [s], and the relative error of the fit (root mean square)."""
    design = np.array([[1.0, run["neurons"] / run["ranks"], run["spikes"]] for run in runs])
    measured = np.array([run["computing"] for run in runs])
    coefficients, _ = nnls(design / measured[:, None], np.ones(len(runs)))  # relative errors count alike
    error = float(np.sqrt(np.mean((design @ coefficients / measured - 1) ** 2)))
    return [float(value) for value in coefficients], error


def predict(neurons, ranks, model, rate, exchange, options):
    """Seconds per epoch, computing and exchanging, by the way that spikes travel."""
    fixed, per_neuron, per_spike = model
    spikes = neurons * rate * EPOCH
    counts = POPULATIONS * STEPS
    step = options.latency + 2 * options.message

    message = max(LEAST_BYTES, 4 * (1 + counts + spikes / ranks))
    gathering = math.log2(ranks) * step + message * (ranks - 1) / options.bandwidth if ranks > options.cores_per_node else exchange
    gathering += options.unpack * counts * ranks

    heard = spikes * -math.expm1(-SYNAPSES / ranks)
    partners = ranks - 1
    occupied = -counts * math.expm1(-heard / partners / counts)  # counts of a message that are not 0
    directed = (options.latency + partners * (2 * options.message + 2 * occupied * options.unpack) + math.log2(ranks) * step / SIGNALS
                + 4 * (partners * (1 + 2 * occupied) + heard) / options.bandwidth)

    local = fixed + per_neuron * neurons / ranks
    return {"all-gather": (local + per_spike * spikes, gathering), "directed": (local + per_spike * heard, directed)}


def numbers(text):
    return [int(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__[__doc__.index("The network"):],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=numbers, default=[n for n in (1, 2, 4, 8, 16, 32, 64) if n <= os.cpu_count()], help="numbers of ranks to measure")
    parser.add_argument("--neurons", type=numbers, default=[4000, 8000, 16000])
    parser.add_argument("--seconds", type=float, default=5.0, help="model time of a run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--exchange", choices=("auto", "all-gather", "directed"), default="auto", help="how spikes travel in what is measured")
    parser.add_argument("--predict", type=numbers, default=[16, 256, 4096], help="numbers of ranks to predict")
    parser.add_argument("--cores-per-node", type=int, default=64)
    parser.add_argument("--latency", type=float, default=2e-6)
    parser.add_argument("--bandwidth", type=float, default=1e10)
    parser.add_argument("--message", type=float, default=0.5e-6)
    parser.add_argument("--unpack", type=float, default=1e-9)
    parser.add_argument("--lpl-sim", default=str(ROOT / "build/release/bin/lpl_sim"))
    parser.add_argument("--json", type=output.replaceable)
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}; at least 1")
    if max(options.cores) < 2:
        parser.error("--cores: an exchange takes 2 ranks; without it nothing can be predicted")
    if len(options.neurons) * len(options.cores) < 3:
        parser.error("--neurons, --cores: the model has three coefficients; measure three runs or more")

    runs = [measure(options.lpl_sim, neurons, ranks, options.seconds, options.repeats, options.exchange) for neurons in options.neurons for ranks in options.cores]
    print("measured, microseconds per epoch of 0.8 ms model time")
    print(f"{'neurons':>9} {'ranks':>6} {'wall':>9} {'computing':>10} {'exchanging':>11} {'waiting':>8} {'imbalance':>10} {'bytes':>8}")
    for run in runs:
        print(f"{run['neurons']:>9} {run['ranks']:>6} {run['wall'] * 1e6:9.2f} {run['computing'] * 1e6:10.2f} {run['exchanging'] * 1e6:11.2f} "
              f"{run['waiting'] * 1e6:8.2f} {run['imbalance']:10.2f} {run['received']:8.0f}")
    model, error = fit(runs)
    rate = float(np.mean([run["spikes"] / run["neurons"] / EPOCH for run in runs]))
    exchange = float(np.median([run["exchanging"] for run in runs if run["ranks"] > 1]))
    print(f"model: computing = {model[0] * 1e6:.3g} us + {model[1] * 1e9:.3g} ns * neurons / ranks + {model[2] * 1e9:.3g} ns * spikes that a rank gets "
          f"(error {error:.0%}); exchanging on one node {exchange * 1e6:.2g} us; {rate:.1f} Hz")

    print(f"\nextrapolated; assumed: {options.latency * 1e6:g} us and {options.bandwidth / 1e9:g} GB/s between nodes of {options.cores_per_node} cores, "
          f"{options.message * 1e6:g} us of the processor per message at either end, {options.unpack * 1e9:g} ns per count unpacked")
    print(f"{'':<8} {'neurons':>10} {'ranks':>6} {'':<10} {'computing':>10} {'exchanging':>11}  real-time factor")
    predictions = []
    for kind in ("strong", "weak"):
        for ranks in options.predict:
            neurons = 100_000 if kind == "strong" else 4000 * ranks
            for form, (computing, exchanging) in predict(neurons, ranks, model, rate, exchange, options).items():
                predictions.append({"kind": kind, "neurons": neurons, "ranks": ranks, "exchange": form, "computing": computing, "exchanging": exchanging})
                print(f"{kind:<8} {neurons:>10} {ranks:>6} {form:<10} {computing * 1e6:10.2f} {exchanging * 1e6:11.2f}  {(computing + exchanging) / EPOCH:.3g}")
    if options.json:
        output.write_json(options.json, {"runs": runs, "model": model, "error": error, "rate": rate, "predictions": predictions})
    return 0


if __name__ == "__main__":
    sys.exit(main())
