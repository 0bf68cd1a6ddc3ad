#!/usr/bin/env python3
"""Runs a recorded case of the published spiking reference through lpl_sim and compares.

    check_case.py CASE.h5 [--lpl-sim PATH] [--ranks N] [--keep FOLDER] [--set KEY=VALUE ...]

Converts the case (network and STDP layouts) to a .sim description with its input files, runs it, prints one line
    CASE spikes_within_1_step=... spike_count_ratio=... weights_max_abs=... weights_corr=... PASS|FAIL
and exits 0 (PASS), 1 (FAIL) or 2 (misused). The tolerances are those of the cases' README.
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

STEPS_PER_SECOND = 10000


def scalar(attributes, key, default=None):
    value = attributes.get(key, default)
    return value.item() if hasattr(value, "item") else value


def write_matrix(path, shape, pre, post, value):
    with open(path, "w") as out:
        out.write("%%MatrixMarket matrix coordinate real general\n")
        out.write(f"{shape[0]} {shape[1]} {len(value)}\n")
        for entry in zip(pre, post, value):
            out.write(f"{entry[0] + 1} {entry[1] + 1} {entry[2]:.9g}\n")


def write_auryn_spikes(path, step, neuron):
    records = np.empty((len(step) + 1, 2), np.uint32)
    records[0] = (STEPS_PER_SECOND, 287960000 + 83)
    records[1:, 0] = step
    records[1:, 1] = neuron
    records.tofile(path)


def write_rule(folder, attributes, delta, tau_rms=100.0):
    augmented = bool(scalar(attributes, "augment_gradient", 0))
    decay = scalar(attributes, "tau_weight_decay", 0)
    lines = [
        'type = "lpl"',
        "[predictive]", f"strength = {float(scalar(attributes, 'phi'))!r}",
        "[hebbian]", f"strength = {float(scalar(attributes, 'lambda'))!r}",
        f'tau_mean = "{scalar(attributes, "tau_mean")} s"', f'tau_variance = "{scalar(attributes, "tau_sigma2")} s"',
        "[transmitter]", f"strength = {float(delta)!r}",
        "[eligibility]",
        "[update]", f"learning_rate = {float(scalar(attributes, 'eta'))!r}",
        f"w_max = {float(scalar(attributes, 'w_max', 1.0))!r}",
        f'gradient = "{"augmented" if augmented else "plain"}"',
        f'tau_rms = "{scalar(attributes, "tau_rms", tau_rms)} s"',
    ]
    # The published driver takes a decay time above 1e5 s as "no decay".
    if decay and 0 < decay < 1e5:
        lines.append(f'weight_decay_time = "{decay} s"')
    (folder / "case.rule").write_text("\n".join(lines) + "\n")


def has_group(case, name):
    return name in case and "pre" in case[name]


def connection(case, folder, name, source, target, receptor, initial, plasticity=None):
    group = case[f"weights/{initial}"]
    shape = group.attrs["shape"]
    write_matrix(folder / f"{name}.wmat", shape, group["pre"][:], group["post"][:], group["value"][:])
    text = f'[[connection]]\nname = "{name}"\nfrom = "{source}"\nto = "{target}"\n'
    text += f'receptor = "{receptor}"\nfile = "{name}.wmat"\n'
    return text + (f'plasticity = "{plasticity}"\n' if plasticity else "")


def network_description(case, folder):
    attributes = case.attrs
    n_input, n_exc = (int(n) for n in case["weights/input_exc_initial"].attrs["shape"])
    write_rule(folder, attributes, scalar(attributes, "delta"))
    write_auryn_spikes(folder / "input.spk", case["spikes/input/step"][:], case["spikes/input/neuron"][:])
    text = f'[simulation]\ndt = "{scalar(attributes, "dt", 1e-4) * 1e3:.9g} ms"\n'
    text += f'[[stimulus]]\nname = "input"\ntype = "spikes"\nsize = {n_input}\nfile = "input.spk"\n'
    cell = "aif" if scalar(attributes, "adapt", 0) else "if"
    text += f'[[population]]\nname = "exc"\ncell = "{cell}"\nsize = {n_exc}\n'
    if "initial_membrane/exc" in case:
        np.savetxt(folder / "membrane.txt", case["initial_membrane/exc"][:].astype(np.float64), fmt="%.10g")
        text += 'initial_membrane = { file = "membrane.txt" }\n'
    inhibitory = has_group(case, "weights/exc_inh")
    if inhibitory:
        n_inh = int(case["weights/exc_inh"].attrs["shape"][1])
        text += f'[[population]]\nname = "inh"\ncell = "if"\nsize = {n_inh}\n'
    text += connection(case, folder, "input_exc", "input", "exc", "AMPA", "input_exc_initial", "case")
    recorded = ["input_exc"]
    if inhibitory:
        text += connection(case, folder, "exc_inh", "exc", "inh", "AMPA", "exc_inh")
        for initial in ("inh_exc_initial", "inh_exc"):
            if not has_group(case, f"weights/{initial}"):
                continue
            plastic = scalar(attributes, "zeta", 0) > 0 and inhibition_moves(case)
            if plastic:
                (folder / "inhibition.rule").write_text(
                    'type = "symmetric_stdp"\n'
                    f"learning_rate = {float(scalar(attributes, 'zeta'))!r}\n"
                    f'target_rate = "{scalar(attributes, "kappa")} Hz"\n'
                    f"w_max = {float(scalar(attributes, 'w_max', 1.0))!r}\n")
            text += connection(case, folder, "inh_exc", "inh", "exc", "GABA", initial, "inhibition" if plastic else None)
            recorded.append("inh_exc")
            break
        if has_group(case, "weights/inh_inh"):
            text += connection(case, folder, "inh_inh", "inh", "inh", "GABA", "inh_inh")
    prime, simtime = scalar(attributes, "prime", 0), scalar(attributes, "simtime")
    # While priming, only the LPL synapses are held; inhibitory plasticity runs.
    if prime > 0:
        learning = '["inh_exc"]' if "inhibition" in text else "false"
        text += f'[[phase]]\nname = "prime"\nduration = "{prime} s"\nplasticity = {learning}\n'
    text += f'[[phase]]\nname = "learn"\nduration = "{simtime} s"\n'
    populations = '["exc", "inh"]' if inhibitory else '["exc"]'
    text += f'[[record]]\nwhat = "spikes"\nof = {populations}\n'
    for name in recorded:
        text += f'[[record]]\nname = "weights_{name}"\nwhat = "weights"\nof = "{name}"\n'
    return text


def inhibition_moves(case):
    """Symmetric STDP or static: the same matrix at the end, or none, means static."""
    if not has_group(case, "weights/inh_exc_final") or not has_group(case, "weights/inh_exc_initial"):
        return "plastic" in str(scalar(case.attrs, "case", ""))
    initial, final = case["weights/inh_exc_initial/value"][:], case["weights/inh_exc_final/value"][:]
    return len(initial) != len(final) or bool(np.any(initial != final))


def stdp_description(case, folder):
    attributes = case.attrs
    if "weights/final" in case:
        n_input = len(case["weights/final"])
    else:
        n_input = int(case["spikes/input/neuron"][:].max()) + 1
    write_rule(folder, attributes, scalar(attributes, "delta", 0.0))
    write_auryn_spikes(folder / "input.spk", case["spikes/input/step"][:], case["spikes/input/neuron"][:])
    simtime = float(scalar(attributes, "simtime"))
    times, volts = case["voltage_clamp/time_s"][:], case["voltage_clamp/volt"][:]
    # The reference holds 0 V after the series; here a clamp ends with its series, so go on explicitly.
    if times[-1] < simtime:
        times = np.concatenate([times, [times[-1] + 1e-9, simtime + 1]])
        volts = np.concatenate([volts, [0.0, 0.0]])
    np.savetxt(folder / "clamp.txt", np.column_stack([times, volts]), fmt="%.12g")
    return f"""
[[stimulus]]
name = "input"
type = "spikes"
size = {n_input}
file = "input.spk"
[[stimulus]]
name = "clamp"
type = "clamp"
to = "post"
file = "clamp.txt"
[[population]]
name = "post"
cell = "if"
size = 1
[[connection]]
name = "input_post"
from = "input"
to = "post"
density = 1.0
weight = {float(scalar(attributes, 'w_initial'))!r}
plasticity = "case"
initial_traces = {{ mean_rate = "{float(scalar(attributes, 'initial_mean_hz'))} Hz", variance = {float(scalar(attributes, 'initial_sigma2'))!r} }}
[[phase]]
name = "pair"
duration = "{simtime} s"
[[record]]
what = "spikes"
of = ["post"]
[[record]]
what = "weights"
of = "input_post"
"""


def run(options, folder):
    command = [options.lpl_sim, "case.sim", "--out", "case.h5", "--progress", "none"]
    for assignment in options.set:
        command += ["--set", assignment]
    environment = dict(os.environ, OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_mpi_yield_when_idle="1")
    if options.ranks > 1:
        command = ["mpirun", "-n", str(options.ranks), *command]
        if os.geteuid() == 0:
            environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return h5py.File(folder / "case.h5", "r")


def fraction_within_one_step(expected, found):
    """Share of expected (step, neuron) spikes that have a found spike of the same neuron within one step."""
    if len(expected) == 0:
        return 1.0 if len(found) == 0 else 0.0
    keys = set(map(tuple, found))
    near = sum(any((step + shift, neuron) in keys for shift in (0, -1, 1)) for step, neuron in expected)
    return near / max(len(expected), len(found))


def spikes_of(result, population):
    group = result[f"spikes/{population}"]
    step = np.rint(group["timestamps"][:] * STEPS_PER_SECOND * 1e-3).astype(np.int64)
    return np.column_stack([step, group["node_ids"][:].astype(np.int64)])


def reference_spikes(case, population):
    group = case[f"spikes/{population}"]
    return np.column_stack([group["step"][:].astype(np.int64), group["neuron"][:].astype(np.int64)])


def compare_weights(expected, found):
    largest = float(np.max(np.abs(expected - found))) if len(expected) else 0.0
    if len(expected) < 2 or np.std(expected) == 0 or np.std(found) == 0:
        return largest, 1.0 if largest < 1e-6 else 0.0
    return largest, float(np.corrcoef(expected.astype(np.float64), found.astype(np.float64))[0, 1])


def ordered(group):
    order = np.lexsort([group["post"][:], group["pre"][:]])
    return group["value"][:][order]


def compare_spikes(case, result, population, horizon=None):
    """Share of spikes within one step (before `horizon`, if given) and ratio of all counts; absent recordings pass."""
    if f"spikes/{population}" not in case:
        return 1.0, 1.0
    expected, found = reference_spikes(case, population), spikes_of(result, population)
    ratio = len(found) / len(expected) if len(expected) else float(len(found) == 0)
    if horizon is not None:
        expected, found = expected[expected[:, 0] < horizon], found[found[:, 0] < horizon]
    return fraction_within_one_step(expected, found), ratio


def judge_network(case, result):
    recurrent = has_group(case, "weights/exc_inh")
    within, ratio = compare_spikes(case, result, "exc", 5 * STEPS_PER_SECOND if recurrent else None)
    largest, correlation = 0.0, 1.0
    for name in ("input_exc", "inh_exc"):
        if has_group(case, f"weights/{name}_final") and f"weights/{name}/learn" in result:
            difference, corr = compare_weights(ordered(case[f"weights/{name}_final"]), ordered(result[f"weights/{name}/learn"]))
            correlation = min(correlation, corr)
            largest = max(largest, difference)
    # The README bounds the weights of the feedforward cases; of the recurrent ones, which are chaotic, correlations.
    if recurrent:
        passed = within >= 0.95 and abs(ratio - 1) <= 0.01 and correlation >= 0.999
    elif scalar(case.attrs, "augment_gradient", 0):
        passed = within >= 0.98 and largest <= 0.05 and correlation >= 0.999
    else:
        passed = within >= 0.98 and largest <= 5e-3
    return within, ratio, largest, correlation, passed


def judge_stdp(case, result):
    within, ratio = compare_spikes(case, result, "post")
    largest, correlation = 0.0, 1.0
    if "weights/final" in case:
        largest, correlation = compare_weights(case["weights/final"][:], ordered(result["weights/input_post/pair"]))
    return within, ratio, largest, correlation, largest <= 1e-3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", type=pathlib.Path)
    parser.add_argument("--lpl-sim", default=str(ROOT / "build/release/bin/lpl_sim"))
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, help="keep the description, its inputs and the result here")
    parser.add_argument("--set", action="append", default=[], help="passed on to lpl_sim")
    options = parser.parse_args()
    options.lpl_sim = os.path.abspath(options.lpl_sim)
    if not os.access(options.lpl_sim, os.X_OK):
        parser.error(f"{options.lpl_sim} is not a program; build it or give --lpl-sim")
    if not options.case.is_file():
        parser.error(f"there is no case {options.case}")
    with tempfile.TemporaryDirectory() as scratch, h5py.File(options.case, "r") as case:
        folder = options.keep or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        stdp = "voltage_clamp" in case
        text = stdp_description(case, folder) if stdp else network_description(case, folder)
        (folder / "case.sim").write_text("[simulation]\n" + text if stdp else text)
        with run(options, folder) as result:
            within, ratio, largest, correlation, passed = (judge_stdp if stdp else judge_network)(case, result)
    print(f"{options.case.stem} spikes_within_1_step={within:.5f} spike_count_ratio={ratio:.5f} "
          f"weights_max_abs={largest:.3g} weights_corr={correlation:.7f} {'PASS' if passed else 'FAIL'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
