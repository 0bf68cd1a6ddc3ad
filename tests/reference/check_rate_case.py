#!/usr/bin/env python3
"""Runs a recorded case of the published rate networks through lpl_rate and compares.

    check_rate_case.py CASE.h5 [--lpl-rate PATH] [--device cpu|cuda] [--ranks N] [--keep FOLDER] [--set KEY=VALUE ...]

Converts the case to a .rate description with its initial parameters (safetensors), runs it on the case's own batches,
prints one line
    CASE losses_rel=... gradients_rel=... parameters_99.9=... parameters_max=... PASS|FAIL
and exits 0 (PASS), 1 (FAIL) or 2 (misused, or no case of this layout). Losses and gradients are relative deviations
(gradients by norm of each parameter), parameters absolute ones: the 99.9th percentile of all values, and the largest.
Bounds are those of the cases' README: 1e-5, 1e-4, 2e-6 and 2e-4, or ten times the case's own noise where that is larger.
What a case has recorded and the rule does not compute is not compared; a line "skipped: ..." says so.
"""

import argparse
import contextlib
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
NO_TERM = "this rule has no such term"
UNKNOWN = ("forward_init/pooled_1", "forward_init/pooled_2", "forward_init/map_1", "forward_init/logits_1", "forward_final",
           "optimizer_final")


class Unusable(Exception):
    """What a case lacks to be one of the layout."""


class Options(dict):
    def __missing__(self, key):
        raise Unusable(f"its options (attribute config) lack {key!r}")


def needed(case, name, rows=1):
    """A dataset of at least so many rows."""
    if not isinstance(case.get(name), h5py.Dataset):
        raise Unusable(f"it has no dataset {name}")
    found = case[name]
    if found.ndim and len(found) < rows:
        raise Unusable(f"{name} has {len(found)} rows, and at least {rows} are needed")
    return found[:] if found.ndim else found[()]


def options(case):
    try:
        found = json.loads(case.attrs["config"])
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unusable("its options (attribute config) are no table in JSON")
    return Options(found)


def attribute(case, name, kind):
    if name not in case.attrs:
        raise Unusable(f"it has no attribute {name!r}")
    return kind(case.attrs[name])


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


def named(file, group):
    """All datasets below a group by their path there, which is the parameter's name; none where there is no such group."""
    found = {}
    if group in file:
        file[group].visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def steps_under(case, group, last=None, pattern=r"step_(\d+)"):
    """Steps, up to the last, for which a group has an entry of this name."""
    names = case[group].keys() if group in case else ()
    found = sorted(int(match.group(1)) for match in (re.fullmatch(pattern, name) for name in names) if match)
    return [step for step in found if last is None or step <= last]


def has_hooks(config):
    """Whether lpl_rate tells the activities at hooks as a case records them."""
    return config["class"] != "SupervisedBaseline" and not config.get("no_pooling")


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
    rates = needed(case, "lr", steps)[:steps].reshape(steps, -1)
    if not (rates == rates[:, :1]).all():
        raise Unusable("lr differs between decayed and exempt parameters, and lpl_rate has one rate")
    images = needed(case, "batches/img_1")
    if images.ndim != 5:
        raise Unusable(f"batches/img_1 has the shape {images.shape}, and batches x samples x 3 x rows x columns is allowed")
    if config.get("optimizer", "adam") == "sgd":
        optimizer = f'type = "sgd"\nmomentum = {config["momentum"]!r}\n'
    else:
        optimizer = "".join(f"{key} = {attribute(case, 'adam_' + short, float)!r}\n"
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
batch = {images.shape[1]}
epochs = {-(-steps // len(needed(case, "batches/order")))}
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
rates = {rates[:, 0].tolist()}
[data]
set = "batches"
file = "{path}"
classes = {config.get("num_classes", 10)}
[record]
losses = true
gradients = {sorted({1, *steps_under(case, "grads", steps)})}
parameters = {steps_under(case, "params", steps)}
estimates = {steps_under(case, "stale", steps)}
hooks = {[1] if has_hooks(config) else []}
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
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except OSError as error:
        print(f"{command[0]} does not run: {error.strerror}; build it, or name it with --lpl-rate", file=sys.stderr)
        sys.exit(2)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nfailed with status {done.returncode}:\n{done.stderr}")
    return h5py.File(out, "r")


def norm_ratio(ours, theirs):
    scale = np.linalg.norm(theirs)
    return float(np.linalg.norm(ours - theirs) / scale) if scale > 0 else float(np.linalg.norm(ours))


def noise_of(case, quantity, step):
    """By parameter: how far the case's own single- and double-precision runs differ; nothing where it does not say. It
    says so for some steps only: the next of these stands for a step, or the last where there is none after it."""
    steps = steps_under(case, "noise", pattern=rf"{quantity}_step_(\d+)")
    if not steps:
        return {}
    nearest = min((said for said in steps if said >= step), default=steps[-1])
    names = [name.decode() if isinstance(name, bytes) else name for name in needed(case, "param_names")]
    noise = np.nan_to_num(needed(case, f"noise/{quantity}_step_{nearest}"))
    if noise.shape != (len(names),):
        raise Unusable(f"noise/{quantity}_step_{nearest} has the shape {noise.shape}, and param_names {len(names)} names")
    return dict(zip(names, noise))


def noise_of_losses(case, coefficients, steps):
    """By loss, of each step: how far the case's own single- and double-precision runs have been apart until then,
    relative. That they meet again, or that deviations of terms cancel in the total, is chance and not agreement."""
    recorded = np.abs(needed(case, "noise/total_relative", steps)[:steps]) if "noise/total_relative" in case else np.zeros(steps)
    noise, parts = {}, np.zeros(steps)
    for term, coefficient in {"total": 0.0, **coefficients}.items():
        noise[term] = recorded
        if f"losses/{term}" in case and f"losses/{term}_float64" in case:
            single, double = (needed(case, f"losses/{term}{precision}", steps)[:steps].reshape(steps, -1)
                              for precision in ("", "_float64"))
            if single.shape != double.shape:
                raise Unusable(f"losses/{term} and losses/{term}_float64 have not the same shape")
            noise[term] = np.fmax(recorded, [relative(*step) for step in zip(double, single)])
            parts += np.abs(coefficient) * np.abs(double - single).sum(1)
    if "losses/total" in case:
        total = np.abs(needed(case, "losses/total", steps)[:steps])
        noise["total"] = np.fmax(noise["total"], parts / np.where(total == 0, 1, total))
    return {term: np.maximum.accumulate(np.nan_to_num(values)) for term, values in noise.items()}


def relative(ours, theirs):
    """The largest deviation, absolute where the right value is 0."""
    return float(np.max(np.abs(ours - theirs) / np.where(theirs == 0, 1, np.abs(theirs))))


def largest(ours, theirs):
    return float(np.max(np.abs(ours - theirs)))


class Comparison:
    def __init__(self):
        self.worst = {}
        self.failures = []
        self.skipped = []

    def add(self, what, where, value, bound):
        self.worst[what] = float(np.maximum(self.worst.get(what, 0.0), value))  # which a NaN survives
        if not value <= bound:
            self.failures.append(f"{what} of {where}: {value:.3g}, allowed {bound:.3g}")

    def compare(self, what, where, deviation, ours, theirs, bound):
        if self.comparable(what, where, ours, theirs):
            self.add(what, where, deviation(ours, theirs), bound)

    def comparable(self, what, where, ours, theirs):
        """Whether both have one shape and the recorded one is of numbers; a failure otherwise."""
        if ours is None:
            reason = "lpl_rate has none of this name"
        elif np.shape(ours) != np.shape(theirs):
            reason = f"shape {np.shape(ours)}, recorded {np.shape(theirs)}"
        elif not np.isfinite(theirs).all():
            reason = "the recorded values are not all finite"
        else:
            return True
        self.worst[what] = np.nan
        self.failures.append(f"{what} of {where}: {reason}")
        return False

    def skip(self, name, reason):
        self.skipped.append(f"{name}: {reason}")


def compare_losses(case, result, steps, noise, comparison):
    for name in case.get("losses", ()):
        term = name.removesuffix("_float64")
        if name == "cross_entropy_step_1" and "steps/cross_entropy" in result:
            comparison.compare("losses_rel", "cross-entropy, step 1", relative, result["steps/cross_entropy"][0],
                               needed(case, f"losses/{name}"), 1e-5)
        elif name != term:
            continue
        elif term not in noise:
            comparison.skip(f"losses/{name}", NO_TERM)
        else:
            theirs = needed(case, f"losses/{term}", steps)[:steps].reshape(steps, -1)
            ours = result[f"steps/{term}"][:steps].reshape(steps, -1)
            for step in range(steps):
                comparison.compare("losses_rel", f"{term}, step {step + 1}", relative, ours[step], theirs[step],
                                   max(1e-5, 10 * noise[term][step]))


def compare_gradients(noise, ours, theirs, where, comparison):
    for name, gradient in theirs.items():
        comparison.compare("gradients_rel", f"{name}, {where}", norm_ratio, ours.get(name), gradient,
                           max(1e-4, 10 * noise.get(name, 0.0)))


def noise_of_term(case, theirs, coefficient):
    """That of a term alone is not recorded. It is in the total's, where the term stands with its coefficient."""
    noise = noise_of(case, "grad_relative_l2", 1)
    if "grads/step_1" not in case or coefficient == 0:
        return noise
    total = named(case, "grads/step_1")
    scale = {name: np.linalg.norm(total[name]) / max(abs(coefficient) * np.linalg.norm(gradient), 1e-30)
             for name, gradient in theirs.items()}
    return {name: value * max(1.0, scale.get(name, 0.0)) for name, value in noise.items()}


def compare_parameters(case, ours, theirs, step, comparison):
    where = f"after step {step}"
    alike = [name for name in theirs
             if comparison.comparable("parameters_max", f"{name}, {where}", ours.get(name), theirs[name])]
    if not alike:
        return
    differences = np.concatenate([np.abs(ours[name] - theirs[name]).ravel() for name in alike])
    noise = max(noise_of(case, "param_max_abs", step).values(), default=0.0)
    comparison.add("parameters_99.9", where, float(np.quantile(differences, 0.999)), max(2e-6, 10 * noise))
    comparison.add("parameters_max", where, float(differences.max()), max(2e-4, 10 * noise))


def compare_estimates(case, result, step, noise, comparison):
    """Which are of the activities that the step's losses are of, and have no noise of their own in a case."""
    bound = max(1e-4, 10 * max(of_loss[step - 1] for of_loss in noise.values()))
    for kind in ("mean", "variance"):
        for hook, theirs in named(case, f"stale/step_{step}/{kind}").items():
            ours = named(result, f"inspection/estimates/step_{step}/{hook}")
            comparison.compare("estimates_rel", f"{kind} {hook}, step {step}", norm_ratio, ours.get(kind), theirs, bound)


def compare_hooks(case, config, result, comparison):
    for view in ("z_1", "z_2"):
        recorded = named(case, f"forward_init/{view}")
        if recorded and not has_hooks(config):
            comparison.skip(f"forward_init/{view}", "lpl_rate tells no pooled activities at hooks with this rule and network")
            continue
        ours = named(result, f"inspection/hooks/step_1/{view}")
        for hook, theirs in recorded.items():
            comparison.compare("hooks_abs", f"{view}/{hook}", largest, ours.get(hook), theirs, 1e-5)


def check(args, folder):
    comparison = Comparison()
    with h5py.File(args.case, "r") as case:
        config = options(case)
        if config["class"] not in TERMS_OF:
            raise Unusable(f"its class is {config['class']!r}; lpl_rate has {', '.join(TERMS_OF)}")
        coefficients = {term: float(config.get(f"{term}_coeff", 1.0)) for term in TERMS}
        terms = {term: coefficients[term] for term in TERMS_OF[config["class"]]}
        steps = attribute(case, "steps", int)
        initial = named(case, "params/init")
        if not initial:
            raise Unusable("it has no initial parameters (params/init)")
        write_safetensors(folder / "initial.safetensors", initial)
        noise = noise_of_losses(case, terms, steps)
        with run(args, folder, case, config, list(coefficients.values()), steps, "case") as result:
            compare_losses(case, result, steps, noise, comparison)
            for step in steps_under(case, "grads", steps):
                compare_gradients(noise_of(case, "grad_relative_l2", step),
                                  named(result, f"inspection/gradients/step_{step}"), named(case, f"grads/step_{step}"),
                                  f"step {step}", comparison)
            for step in steps_under(case, "params", steps):
                compare_parameters(case, named(result, f"inspection/parameters/step_{step}"),
                                   named(case, f"params/step_{step}"), step, comparison)
            for step in steps_under(case, "stale", steps):
                compare_estimates(case, result, step, noise, comparison)
            compare_hooks(case, config, result, comparison)
        for name in UNKNOWN:
            if name in case:
                comparison.skip(name, "lpl_rate records nothing of the kind")
        for group in ("grads", "params", "stale"):
            for step in sorted(set(steps_under(case, group)) - set(steps_under(case, group, steps))):
                comparison.skip(f"{group}/step_{step}", f"the case has {steps} steps")
        for term in case.get("grad_terms", ()):
            if term not in terms:
                comparison.skip(f"grad_terms/{term}", NO_TERM)
                continue
            single, theirs = [float(other == term) for other in TERMS], named(case, f"grad_terms/{term}")
            with run(args, folder, case, config, single, 1, f"only_{term}") as result:
                compare_gradients(noise_of_term(case, theirs, coefficients[term]),
                                  named(result, "inspection/gradients/step_1"), theirs, f"{term} alone", comparison)
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
    with contextlib.ExitStack() as stack:
        folder = args.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            comparison = check(args, folder)
        except Unusable as reason:
            parser.error(f"{args.case} is no case of this layout: {reason}")
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
