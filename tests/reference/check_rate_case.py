#!/usr/bin/env python3
"""Runs a recorded case of the published rate networks through lpl_rate and compares.

    check_rate_case.py CASE.h5 [--lpl-rate PATH] [--device cpu|cuda] [--ranks N] [--keep FOLDER] [--set KEY=VALUE ...]

Converts the case to a .rate description with its initial parameters (safetensors), runs it on the case's own batches,
prints one line
    CASE losses_rel=... gradients_rel=... parameters_99.9=... parameters_max=... PASS|FAIL
and exits 0 (PASS), 1 (FAIL) or 2 (misused). Losses and gradients are relative deviations (gradients by norm of each
parameter), parameters absolute ones: the 99.9th percentile of all values, and the largest. Bounds are those of the
cases' README: 1e-5, 1e-4, 2e-6 and 2e-4, or ten times the case's own noise where that is larger. What a case has
recorded and the rule does not compute is not compared; a line "skipped: ..." says so.
"""

import argparse
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import distribution_python  # noqa: E402,F401

import h5py  # noqa: E402
import numpy as np  # noqa: E402

TERMS = ("pull", "push", "decorr")
# Of each class of the published code, those that its rule has.
TERMS_OF = {"LPL": TERMS, "NegSampleBaseline": TERMS[:2], "SupervisedBaseline": ()}


def write_safetensors(path, tensors):
    header, offset = {}, 0
    for name, values in tensors.items():
        end = offset + values.nbytes
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for values in tensors.values():
            out.write(np.ascontiguousarray(values, np.float32).tobytes())


def named(group):
    """All datasets below a group by their path, which is the parameter's name."""
    found = {}
    group.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def steps_under(case, group, pattern=r"step_(\d+)"):
    """Steps for which a group has an entry of this name."""
    names = case[group].keys() if group in case else ()
    return sorted(int(match.group(1)) for match in (re.fullmatch(pattern, name) for name in names) if match)


def rule_of(config, coefficients):
    if config["class"] == "SupervisedBaseline":
        return 'type = "supervised"\n'
    if config["class"] == "NegSampleBaseline":
        return (f'type = "contrastive"\npredictive = {{ strength = {coefficients[0]!r} }}\n'
                f"hebbian = {{ strength = {coefficients[1]!r} }}\n")
    estimates = "stale" if config.get("stale_estimates") else "batch"
    return (f'type = "lpl"\npredictive = {{ strength = {coefficients[0]!r} }}\n'
            f"hebbian = {{ strength = {coefficients[1]!r} }}\ndecorrelation = {{ strength = {coefficients[2]!r} }}\n"
            f'rate = {{ estimates = "{estimates}" }}\n')


def description(case, path, config, coefficients, steps):
    rates = [float(rate) for rate in case["lr"][:steps, 0]]
    batch = case["batches/img_1"].shape[1]
    if config.get("optimizer", "adam") == "sgd":
        optimizer = f'type = "sgd"\nmomentum = {config["momentum"]!r}\n'
    else:
        optimizer = "".join(f"{key} = {float(case.attrs['adam_' + short])!r}\n"
                            for key, short in (("beta1", "beta1"), ("beta2", "beta2"), ("epsilon", "eps")))
    projector = ""
    if config.get("use_projector_mlp"):
        projector = f"projector_size = {config['projection_size']}\nprojector_hidden = {config['mlp_hidden_size']}\n"
    def flag(key):
        return "true" if config.get(key) else "false"
    def no(key):
        return "false" if config.get(key) else "true"
    return f"""
[training]
batch = {batch}
epochs = {-(-steps // len(case["batches/order"]))}
steps = {steps}
initial = "initial.safetensors"
[network]
net = "recorded"
biases = {no("no_biases")}
pooling = {no("no_pooling")}
{projector}
[net.recorded]
type = "convolutional"
channels = {list(config["channel_sizes"][1:])}
pools = [2, 2, 0, 2, 0, 2, 0, 2]
[learning]
rule = "recorded"
scope = "{"end_to_end" if config.get("train_end_to_end") else "layer_local"}"
positives = "{"shuffled" if config.get("shuffle_positives") else "next"}"
[optimizer]
{optimizer}
weight_decay = {float(config["weight_decay"])!r}
schedule = "listed"
rates = {rates}
[data]
set = "batches"
file = "{path}"
classes = {config.get("num_classes", 10)}
[record]
losses = true
gradients = {steps_under(case, "grads")}
parameters = {[step for step in steps_under(case, "params") if step <= steps]}
estimates = {steps_under(case, "stale")}
hooks = {[1] if config["class"] == "LPL" and not config.get("no_pooling") else []}
[rule.recorded]
{rule_of(config, coefficients)}
"""


def run(args, folder, case, config, coefficients, steps, name):
    path = folder / f"{name}.rate"
    path.write_text(description(case, args.case, config, coefficients, steps))
    out = folder / f"{name}.h5"
    command = [str(args.lpl_rate), str(path), "--out", str(out), "--progress", "none"]
    for assignment in args.set:
        command += ["--set", assignment]
    if args.device:
        command += ["--device", args.device]
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    if args.ranks > 1:
        command = ["mpirun", "--oversubscribe", "-n", str(args.ranks)] + command
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nfailed with status {done.returncode}:\n{done.stderr}")
    return h5py.File(out, "r")


def norm_ratio(ours, theirs):
    scale = np.linalg.norm(theirs)
    return float(np.linalg.norm(ours - theirs) / scale) if scale > 0 else float(np.linalg.norm(ours))


def noise_of(case, quantity, step):
    """By parameter: how far the case's own single- and double-precision runs differ; nothing where it does not say. It
    says so for some steps only: the next of these stands for a step, or the last where there is none after it."""
    steps = steps_under(case, "noise", rf"{quantity}_step_(\d+)")
    if not steps:
        return {}
    nearest = min((said for said in steps if said >= step), default=steps[-1])
    names = [name.decode() if isinstance(name, bytes) else name for name in case["param_names"][:]]
    return dict(zip(names, np.nan_to_num(case[f"noise/{quantity}_step_{nearest}"][:])))


def relative(ours, theirs):
    """The largest deviation, absolute where the right value is 0."""
    return float(np.max(np.abs(ours - theirs) / np.where(theirs == 0, 1, np.abs(theirs))))


class Comparison:
    def __init__(self):
        self.worst = {}
        self.failures = []
        self.skipped = []

    def add(self, what, where, value, bound):
        self.worst[what] = max(self.worst.get(what, 0.0), value)
        if not value <= bound:
            self.failures.append(f"{what} of {where}: {value:.3g}, allowed {bound:.3g}")


def compare_losses(case, result, steps, terms, comparison):
    noise = np.zeros(steps)
    if "noise/total_relative" in case:
        noise = np.abs(case["noise/total_relative"][:steps])
    for term in ("total",) + TERMS:
        if f"losses/{term}" not in case:
            continue
        if term != "total" and term not in terms:
            comparison.skipped.append(f"losses/{term}: this rule has no such term")
            continue
        theirs = case[f"losses/{term}"][:steps]
        ours = result[f"steps/{term}"][:steps].reshape(theirs.shape)
        double = case[f"losses/{term}_float64"][:steps] if f"losses/{term}_float64" in case else theirs
        for step in range(steps):
            own = relative(double[step], theirs[step])
            comparison.add("losses_rel", f"{term}, step {step + 1}", relative(ours[step], theirs[step]),
                           max(1e-5, 10 * max(noise[step], own)))
    if "losses/cross_entropy_step_1" in case:
        comparison.add("losses_rel", "cross-entropy, step 1",
                       relative(result["steps/cross_entropy"][0], case["losses/cross_entropy_step_1"][:]), 1e-5)


def compare_gradients(noise, ours, theirs, where, comparison):
    for name, gradient in theirs.items():
        bound = max(1e-4, 10 * noise.get(name, 0.0))
        comparison.add("gradients_rel", f"{name}, {where}", norm_ratio(ours[name], gradient), bound)


def noise_of_term(case, theirs, coefficient):
    """That of a term alone is not recorded. It is in the total's, where the term stands with its coefficient."""
    noise = noise_of(case, "grad_relative_l2", 1)
    if "grads/step_1" not in case or coefficient == 0:
        return noise
    total = named(case["grads/step_1"])
    scale = {name: np.linalg.norm(total[name]) / max(abs(coefficient) * np.linalg.norm(gradient), 1e-30)
             for name, gradient in theirs.items()}
    return {name: value * max(1.0, scale.get(name, 0.0)) for name, value in noise.items()}


def compare_parameters(case, ours, theirs, step, comparison):
    differences = np.concatenate([np.abs(ours[name] - theirs[name]).ravel() for name in theirs])
    noise = max(noise_of(case, "param_max_abs", step).values(), default=0.0)
    where = f"after step {step}"
    comparison.add("parameters_99.9", where, float(np.quantile(differences, 0.999)), max(2e-6, 10 * noise))
    comparison.add("parameters_max", where, float(differences.max()), max(2e-4, 10 * noise))


def check(args, folder):
    comparison = Comparison()
    with h5py.File(args.case, "r") as case:
        config = json.loads(case.attrs["config"])
        coefficients = [float(config.get(f"{term}_coeff", 1.0)) for term in TERMS]
        terms = TERMS_OF[config["class"]]
        steps = int(case.attrs["steps"])
        initial = named(case["params/init"])
        write_safetensors(folder / "initial.safetensors", initial)
        with run(args, folder, case, config, coefficients, steps, "case") as result:
            compare_losses(case, result, steps, terms, comparison)
            for step in steps_under(case, "grads"):
                compare_gradients(noise_of(case, "grad_relative_l2", step),
                                  named(result[f"inspection/gradients/step_{step}"]), named(case[f"grads/step_{step}"]),
                                  f"step {step}", comparison)
            for step in steps_under(case, "params"):
                if step <= steps:
                    compare_parameters(case, named(result[f"inspection/parameters/step_{step}"]),
                                       named(case[f"params/step_{step}"]), step, comparison)
            for step in steps_under(case, "stale"):
                for kind in ("mean", "variance"):
                    for hook, theirs in case[f"stale/step_{step}/{kind}"].items():
                        ours = result[f"inspection/estimates/step_{step}/{hook}/{kind}"][:]
                        comparison.add("estimates_rel", f"{kind} {hook}, step {step}", norm_ratio(ours, theirs[:]), 1e-4)
            if "inspection/hooks/step_1" in result and "forward_init/z_1" in case:
                for view in ("z_1", "z_2"):
                    for hook, theirs in case[f"forward_init/{view}"].items():
                        ours = result[f"inspection/hooks/step_1/{view}/{hook}"][:]
                        comparison.add("hooks_abs", f"{view}/{hook}", float(np.max(np.abs(ours - theirs[:]))), 1e-5)
        for index, term in enumerate(TERMS):
            if f"grad_terms/{term}" not in case:
                continue
            if term not in terms:
                comparison.skipped.append(f"grad_terms/{term}: this rule has no such term")
                continue
            single, theirs = [float(i == index) for i in range(3)], named(case[f"grad_terms/{term}"])
            with run(args, folder, case, config, single, 1, f"only_{term}") as result:
                compare_gradients(noise_of_term(case, theirs, coefficients[index]),
                                  named(result["inspection/gradients/step_1"]), theirs, f"{term} alone", comparison)
    return comparison


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=pathlib.Path)
    parser.add_argument("--lpl-rate", type=pathlib.Path,
                        default=os.environ.get("LPL_RATE", ROOT / "build" / "release" / "bin" / "lpl_rate"))
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, help="leave descriptions and results in this folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    args.case = args.case.resolve()
    try:
        with h5py.File(args.case, "r") as case:
            if "config" not in case.attrs or "batches/order" not in case:
                parser.error(f"{args.case} is no recorded training case (no batches and options); the unit tests rate_parts "
                             "check recorded metrics and schedules")
    except OSError as error:
        parser.error(str(error))
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
        comparison = check(args, args.keep)
    else:
        with tempfile.TemporaryDirectory() as folder:
            comparison = check(args, pathlib.Path(folder))
    if not comparison.worst:
        comparison.failures.append("the case has recorded nothing that this rule computes")
    verdict = "FAIL" if comparison.failures else "PASS"
    print(args.case.stem, " ".join(f"{what}={value:.3g}" for what, value in comparison.worst.items()), verdict)
    for skipped in comparison.skipped:
        print("  skipped: " + skipped)
    for failure in comparison.failures[:10]:
        print("  " + failure, file=sys.stderr)
    return 1 if comparison.failures else 0


if __name__ == "__main__":
    sys.exit(main())
