#!/usr/bin/env python3
"""Speed of lpl_sim on the three benchmark networks: a table and, with --json, a file.

    bench_spiking.py [--repeats 5] [--only TEXT] [--json OUT.json] [--lpl-sim PATH] [--core 0]

  recurrent     Fig. 5 (examples/invariance_full.sim), spikes, rates and weights recorded, one core; 500 inputs -> 100 E, 25 I
  feedforward   5000 inputs -> 1000 E, 0.5 million plastic synapses, one core
  static        the same without plasticity and recording, and with short-term plasticity; delays: the same by synapse
  pair, triplet the feedforward network with rules that are texts, and bytes a plastic synapse; inhibitory: plastic
                inhibition as a text and hand-written
  neurons       1,024 to 100,000 aif neurons with an input each, by the hand-written kernel and by the text
  coba          examples/coba.sim, no recording, set-up excluded, one core and two ranks

The figures are medians of several runs, taken in turn; ratios are those of neighbouring runs. A small loop beside each run tells how fast the core was
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
connection = [{ name = "input_exc", from = "input", to = "exc", density = 0.1, weight = 0.03MORE }]
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
    "triplet": (["triplet.sim"], 1, "us/step", None),
    "inhibitory, text": (["inhibitory.sim"], 1, "us/step", None),
    "inhibitory, written": (["written.sim"], 1, "us/step", None),
    **{f"neurons {size}, {form}": ([f"{form}{size}.sim"], 1, "us/step", None) for size in SIZES for form in ("kernel", "text")},
    "static": (["static.sim"], 1, "us/step", None),
    "static, markram": (["static_markram.sim"], 1, "us/step", None),
    "static, tsodyks": (["static_tsodyks.sim"], 1, "us/step", None),
    "static, tsodyks2": (["static_tsodyks2.sim"], 1, "us/step", None),
    "delays": (["delays.sim"], 1, "us/step", None),
    "delays, markram": (["delays_markram.sim"], 1, "us/step", None),
    "delays, tsodyks": (["delays_tsodyks.sim"], 1, "us/step", None),
    "delays, tsodyks2": (["delays_tsodyks2.sim"], 1, "us/step", None),
    "coba": ([str(ROOT / "examples/coba.sim")], 1, "s/s", 0.035),
    "coba, 2 ranks": ([str(ROOT / "examples/coba.sim")], 2, "s/s", 0.02),
}
FORMS = ["markram", "tsodyks", "tsodyks2"]
# A benchmark, another one, whether of delivery alone, goal
RATIOS = [("triplet", "pair", False, 1.5),
          ("inhibitory, text", "inhibitory, written", False, None),
          *((f"neurons {size}, text", f"neurons {size}, kernel", False, 2.2) for size in SIZES),
          *[(f"{kind}, {form}", kind, delivery, 1.2 if delivery else None)
            for kind in ("static", "delays") for form in FORMS for delivery in (False, True)]]
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


def write_networks(folder):
    for name, text in (("feedforward", FEEDFORWARD), ("pair", PAIR), ("triplet", TRIPLET), ("inhibitory", TEXT),
                       ("written", HAND_WRITTEN)):
        (folder / f"{name}.sim").write_text(text)
    aif = (ROOT / "models/aif.cell").read_text()
    (folder / "other.cell").write_text(aif.replace("step = [", 'step = [\n  "let nothing = 0",', 1))
    for size in SIZES:
        neurons = NEURONS.replace("SIZE", str(size)).replace("DURATION", str(100000 // size))
        for name, cell in (("kernel", "aif"), ("text", "other")):
            (folder / f"{name}{size}.sim").write_text(neurons.replace("CELL", cell))
    for name, delay in (("static", ""), ("delays", ', delay = { uniform = ["0.5 ms", "3 ms"] }')):
        (folder / f"{name}.sim").write_text(STATIC.replace("MORE", delay))
        for form in FORMS:
            short_term = f'{delay}, short_term = {{ model = "{form}", U = 0.2 }}'
            (folder / f"{name}_{form}.sim").write_text(STATIC.replace("MORE", short_term))
    text = (ROOT / "examples/invariance_full.sim").read_text()
    (folder / "all_spikes.sim").write_text(text.replace('last = "100 s"', "", 1))


def bytes_a_synapse(program, folder):
    """What a synapse more of pair STDP adds to the memory."""
    synapses, memory = [], []
    for density in (0.1, 0.5):
        command = [program, "pair.sim", "--check", "--set", f"connection.input_exc.density={density}"]
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
        synapses.append(int(re.search(r"(\d+) synapses created", said)[1]))
        memory.append(float(re.search(r"^memory +([\d.]+) MiB", said, re.MULTILINE)[1]) * 2**20)
    return (memory[1] - memory[0]) / (synapses[1] - synapses[0])


def row(name, values, goal, unit, more=""):
    median = statistics.median(values)
    print(f"{name:<36} {median:8.4f} {min(values):8.4f} {max(values):8.4f} {goal or '':>7}  {unit:<8} {more}".rstrip())
    return {"unit": unit, "median": median, "values": values, "goal": goal}


def read_options(parser, repeats):
    """What benchmarks of lpl_sim have in common, beside the parser's own."""
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--json", type=output.replaceable)
    parser.add_argument("--lpl-sim", default=str(ROOT / "build/release/bin/lpl_sim"))
    parser.add_argument("--core", type=int, default=0, help="core of the one-core runs")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}; at least 1")
    return options


def finish(options, report, speeds):
    print(f"core speed during the runs: {min(speeds) / max(speeds):.0%} to 100 % of the fastest seen")
    if options.json:
        output.write_json(options.json, report)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="benchmarks whose name has this text")
    options = read_options(parser, repeats=5)
    benchmarks = {name: what for name, what in BENCHMARKS.items() if options.only in name}
    measured, delivery = {name: [] for name in benchmarks}, {name: [] for name in benchmarks}
    speeds, shares, machine = [], {}, ""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        write_networks(folder)
        for _ in range(options.repeats):
            for name, (arguments, ranks, unit, _) in benchmarks.items():
                speeds.append(core_speed())
                factor, shares[name], machine = run_once(options.lpl_sim, arguments, ranks, options.core, folder)
                measured[name].append(factor * (100 if unit == "us/step" else 1))  # a step is 0.1 ms
                delivery[name].append(factor * shares[name]["deliver"])
        plastic_bytes = bytes_a_synapse(options.lpl_sim, folder) if "pair" in benchmarks else None
    print(machine)
    print(f"{'benchmark':<36} {'median':>8} {'least':>8} {'most':>8} {'goal':>7}  unit     shares of time (%)")
    report = {"machine": machine, "relative_core_speed": {"least": min(speeds), "most": max(speeds)}, "benchmarks": {}}
    for name, values in measured.items():
        _, ranks, unit, goal = BENCHMARKS[name]
        listed = ", ".join(f"{activity} {share:.0f}" for activity, share in shares[name].items())
        report["benchmarks"][name] = {**row(name, values, goal, unit, listed), "ranks": ranks,
                                      "shares_percent": shares[name]}
    report["ratios"] = {}
    for name, other, of_delivery, goal in RATIOS:
        if name in measured and other in measured:
            times = delivery if of_delivery else measured
            title = f"{name} / {other}{': delivery' if of_delivery else ''}"
            report["ratios"][title] = row(title, [a / b for a, b in zip(times[name], times[other])], goal, "times")
    if plastic_bytes:
        report["bytes_a_plastic_synapse"] = plastic_bytes
        print(f"{'pair, memory':<36} {plastic_bytes:8.1f} {'':>25}  bytes a plastic synapse")
    finish(options, report, speeds)


if __name__ == "__main__":
    main()
