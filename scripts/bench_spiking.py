#!/usr/bin/env python3
"""Speed of lpl_sim on the three benchmark networks: a table and, with --json, a file.

    bench_spiking.py [--repeats 5] [--only TEXT] [--json OUT.json] [--lpl-sim PATH] [--core 0]

  recurrent     Fig. 5 (examples/invariance_full.sim), spikes, rates and weights recorded, one core; 500 inputs -> 100 E, 25 I
  feedforward   5000 inputs -> 1000 E, 0.5 million plastic synapses, one core
  static        the same without plasticity and recording, and with short-term plasticity: the ratio, of all and of delivery
  pair, triplet the feedforward network with rules that are texts; inhibitory: plastic inhibition as a text and hand-written
  neurons       1,024 to 100,000 aif neurons with an input each, by the hand-written kernel and by the text
  coba          examples/coba.sim, no recording, set-up excluded, one core and two ranks

The figures are medians of several runs, taken in turn. A small loop beside each run tells how fast the core was
meanwhile; shared machines vary by half.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import distribution_python  # noqa: E402,F401

from lpl_analysis import output  # noqa: E402

FEEDFORWARD = """
simulation = { seed = 1 }
stimulus = [{ name = "input", type = "poisson", size = 5000, rate = "5 Hz" }]
population = [{ name = "exc", cell = "if", size = 1000, initial_membrane = { mean = "-60 mV", deviation = "10 mV" } }]
connection = [{ name = "input_exc", from = "input", to = "exc", density = 0.1, weight = 0.03, plasticity = "lpl" }]
phase = [{ name = "learn", duration = "60 s" }]
record = [{ what = "spikes", of = ["exc"] }, { what = "rates", of = ["exc"], every = "1 s" }, { what = "weights", of = "input_exc" }]
"""
STATIC = """
simulation = { seed = 1 }
stimulus = [{ name = "input", type = "poisson", size = 5000, rate = "5 Hz" }]
population = [{ name = "exc", cell = "if", size = 1000, initial_membrane = { mean = "-60 mV", deviation = "10 mV" } }]
connection = [{ name = "input_exc", from = "input", to = "exc", density = 0.1, weight = 0.03SHORT_TERM }]
phase = [{ name = "run", duration = "60 s" }]
"""
# Excitatory synapses with a rule that is a text; the inputs stay as weak as they are.
RULE = FEEDFORWARD.replace('"lpl"', '"rule"').replace('"60 s"', '"20 s"')
PAIR = RULE + '[rule.rule]\ntype = "pair_stdp"\nA_plus = 1e-4\nA_minus = 1e-4\n'
TRIPLET = RULE + '[rule.rule]\ntype = "triplet"\neta = 1e-2\n'
# Plastic inhibition of driven neurons, which it holds at 5 Hz.
INHIBITORY = """
simulation = { seed = 1 }
stimulus = [{ name = "input", type = "poisson", size = 5000, rate = "5 Hz" }, { name = "drive", type = "poisson_drive", to = "exc", receptor = "AMPA", rate = "2 kHz", weight = 0.05 }]
population = [{ name = "exc", cell = "if", size = 1000, initial_membrane = { mean = "-60 mV", deviation = "10 mV" } }]
connection = [{ name = "input_exc", from = "input", to = "exc", receptor = "GABA", density = 0.1, weight = 0.003, plasticity = "rule" }]
phase = [{ name = "learn", duration = "20 s" }]
"""
TEXT = INHIBITORY + '[rule.rule]\ntype = "vogels"\neta = 1e-5\nw_max = 1\n'
HAND_WRITTEN = INHIBITORY + '[rule.rule]\ntype = "symmetric_stdp"\nlearning_rate = 1e-5\ntarget_rate = "5 Hz"\ntau = "20 ms"\n'
# Neurons alone: a hand-written kernel, and the register machine on its text (a line that does nothing makes it another one).
NEURONS = """
simulation = { seed = 1 }
population = [{ name = "exc", cell = "CELL", size = SIZE, initial_membrane = { mean = "-60 mV", deviation = "10 mV" } }]
stimulus = [{ name = "input", type = "poisson", size = SIZE, rate = "1 Hz" }]
connection = [{ from = "input", to = "exc", one_to_one = true, weight = 0.5 }]
phase = [{ name = "run", duration = "DURATION s" }]
"""
SIZES = (1024, 20000, 100000)
RECORDED = ["--set", "phase.prime.duration=10 s", "--set", "phase.learn.duration=600 s"]
# name: arguments, ranks, unit, goal
BENCHMARKS = {
    "recurrent": ([str(ROOT / "examples/invariance_full.sim"), *RECORDED], 1, "us/step", 0.25),
    "recurrent, all spikes": (["all_spikes.sim", *RECORDED], 1, "us/step", 0.25),
    "feedforward": (["feedforward.sim"], 1, "us/step", 4.0),
    "pair": (["pair.sim"], 1, "us/step", 12.0),
    "triplet": (["triplet.sim"], 1, "us/step", 18.0),
    "inhibitory, text": (["inhibitory.sim"], 1, "us/step", None),
    "inhibitory, written": (["written.sim"], 1, "us/step", None),
    **{f"neurons {size}, {form}": ([f"{form}{size}.sim"], 1, "us/step", None) for size in SIZES for form in ("kernel", "text")},
    "static": (["static.sim"], 1, "us/step", None),
    "static, short-term": (["short_term.sim"], 1, "us/step", None),
    "coba": ([str(ROOT / "examples/coba.sim")], 1, "s/s", 0.035),
    "coba, 2 ranks": ([str(ROOT / "examples/coba.sim")], 2, "s/s", 0.02),
}
ACTIVITIES = re.compile(r"(\w+) ([\d.]+) %")


def core_speed():
    """Turns of a small loop per microsecond, to compare cores and moments by."""
    start = time.perf_counter()
    total = 0
    for i in range(2_000_000):
        total += i
    return 2.0 / (time.perf_counter() - start)


def run_once(program, arguments, ranks, core, folder):
    command = [program, *arguments, "--out", str(folder / "bench.h5"), "--overwrite", "--progress", "none"]
    environment = dict(os.environ)
    if ranks > 1:
        command = ["mpirun", "-n", str(ranks), *command]
        if os.geteuid() == 0:
            environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    elif core is not None:
        command = ["taskset", "-c", str(core), *command]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    factor = float(lines["time"].rsplit(" ", 1)[1])
    shares = {name: float(value) for name, value in ACTIVITIES.findall(lines["shares"].split(None, 1)[1])}
    return factor, shares, lines["ranks"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="benchmarks whose name has this text")
    parser.add_argument("--json", type=output.replaceable)
    parser.add_argument("--lpl-sim", default=str(ROOT / "build/release/bin/lpl_sim"))
    parser.add_argument("--core", type=int, default=0, help="core of the one-core runs")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}; at least 1")
    benchmarks = {name: what for name, what in BENCHMARKS.items() if options.only in name}
    measured, delivery = {name: [] for name in benchmarks}, {name: [] for name in benchmarks}
    speeds, shares, machine = [], {}, ""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for name, text in (("feedforward", FEEDFORWARD), ("pair", PAIR), ("triplet", TRIPLET), ("inhibitory", TEXT),
                           ("written", HAND_WRITTEN)):
            (folder / f"{name}.sim").write_text(text)
        aif = (ROOT / "models/aif.cell").read_text()
        (folder / "other.cell").write_text(aif.replace("step = [", 'step = [\n  "let nothing = 0",', 1))
        for size in SIZES:
            neurons = NEURONS.replace("SIZE", str(size)).replace("DURATION", str(100000 // size))
            for name, cell in (("kernel", "aif"), ("text", "other")):
                (folder / f"{name}{size}.sim").write_text(neurons.replace("CELL", cell))
        (folder / "static.sim").write_text(STATIC.replace("SHORT_TERM", ""))
        (folder / "short_term.sim").write_text(STATIC.replace("SHORT_TERM", ", short_term = { U = 0.2 }"))
        text = (ROOT / "examples/invariance_full.sim").read_text()
        (folder / "all_spikes.sim").write_text(text.replace('last = "100 s"', "", 1))
        for _ in range(options.repeats):
            for name, (arguments, ranks, unit, _) in benchmarks.items():
                speeds.append(core_speed())
                factor, shares[name], machine = run_once(options.lpl_sim, arguments, ranks, options.core, folder)
                measured[name].append(factor * (100 if unit == "us/step" else 1))  # a step is 0.1 ms
                delivery[name].append(factor * shares[name]["deliver"])
    print(machine)
    print(f"{'benchmark':<22} {'median':>8} {'least':>8} {'most':>8} {'goal':>7}  unit     shares of time (%)")
    report = {"machine": machine, "relative_core_speed": {"least": min(speeds), "most": max(speeds)}, "benchmarks": {}}
    for name, values in measured.items():
        _, ranks, unit, goal = BENCHMARKS[name]
        median = statistics.median(values)
        listed = ", ".join(f"{activity} {share:.0f}" for activity, share in shares[name].items())
        print(f"{name:<22} {median:8.4f} {min(values):8.4f} {max(values):8.4f} {goal or '':>7}  {unit:<8} {listed}")
        report["benchmarks"][name] = {"unit": unit, "median": median, "values": values, "goal": goal, "ranks": ranks,
                                      "shares_percent": shares[name]}
    print(f"core speed during the runs: {min(speeds) / max(speeds):.0%} to 100 % of the fastest seen")
    for name, other in (("triplet", "pair"), ("inhibitory, text", "inhibitory, written"),
                        *((f"neurons {size}, text", f"neurons {size}, kernel") for size in SIZES)):
        if name in measured and other in measured:
            ratio = statistics.median(a / b for a, b in zip(measured[name], measured[other]))
            print(f"{name}: {ratio:.3f} times {other}")
            report[f"{name} / {other}"] = ratio
    if "static" in measured and "static, short-term" in measured:
        report["short_term_ratio"] = print_short_term(measured, delivery)
    if options.json:
        output.write_json(options.json, report)
    return 0


def print_short_term(measured, delivery):
    ratios = {what: statistics.median(with_ / without for with_, without in zip(times["static, short-term"], times["static"]))
              for what, times in (("all", measured), ("delivery", delivery))}
    print(f"static with short-term plasticity: {ratios['all']:.3f} times without, delivery {ratios['delivery']:.3f} times (goal 1.2)")
    return ratios


if __name__ == "__main__":
    sys.exit(main())
