#!/usr/bin/env python3
"""Every model of the catalogue, with random parameters: the same bits on any number of ranks, for any length of an
epoch, when resumed, and, for hand-written kernels, from the text that they are the fast form of."""

import random
import re
import tomllib
import unittest

from support import ROOT, InFolder, datasets, lpl_sim

MODELS = sorted(path.stem for path in (ROOT / "models").glob("*.cell"))
# Weights that make neurons fire, by unit.
WEIGHTS = {"pA": 300.0, "nS": 12.0, "mV": 2.0, "": 0.5}
# Of models that take more: short conductances, arrivals that are currents of one step.
STRONGER = {"aeif_cond_alpha": 6, "aeif_cond_exp": 6, "iaf_cond_exp": 6, "izhikevich2003": 20}
INHIBITORY = ("INH", "GABA", "GABA_dendrite")


def text_of(model):
    return tomllib.loads((ROOT / "models" / f"{model}.cell").read_text())


def default(entry):
    return entry["default"] if isinstance(entry, dict) else entry


def scaled(quantity, factor):
    """A quantity as a description has it, times a factor."""
    if not isinstance(quantity, str):
        return repr(quantity * factor)
    number, _, unit = quantity.partition(" ")
    return f'"{float(number) * factor:.6g} {unit}"'


def unit_of(text, receptor):
    entry = text["receptors"][receptor]
    if isinstance(entry, dict) and "unit" in entry:
        return entry["unit"]
    state = text["states"][entry["state"] if isinstance(entry, dict) else entry]
    state = state["initial"] if isinstance(state, dict) else state
    if not isinstance(state, str):
        return ""
    for name, parameter in text.get("parameters", {}).items():
        state = re.sub(rf"\b{name}\b", str(default(parameter)), state)
    return next((unit for unit in ("pA", "nS", "mV") if unit in state), "")


class EveryModel(InFolder):
    def network(self, model, *, seed=0, cell=""):
        """37 neurons of a model that hear Poisson inputs and each other."""
        text, chance = text_of(model), random.Random(f"{model} {seed}")
        parameters = []
        for name, entry in text.get("parameters", {}).items():
            value = default(entry)
            # Times that are counted in steps stay on the grid; others move by some percent.
            if seed and name not in ("refractory", "box_length") and float(str(value).split()[0]) != 0:
                parameters.append(f"{name} = {scaled(value, chance.uniform(0.97, 1.03))}")
        parts = ["[simulation]", 'dt = "0.1 ms"', 'min_delay = "0.8 ms"', f"seed = {seed + 1}",
                 "[[population]]", 'name = "n"', "size = 37", 'cell = "c"',
                 "[cell.c]", *([f'model = "{model}"', *parameters] if not cell else [cell]),
                 "[[stimulus]]", 'name = "input"', 'type = "poisson"', "size = 60", 'rate = "60 Hz"']
        for receptor in text["receptors"]:
            unit = unit_of(text, receptor)
            inhibitory = receptor in INHIBITORY
            weight = WEIGHTS[unit] * (0.3 if inhibitory else 1) * (-1 if inhibitory and unit == "pA" else 1)
            weight = 1 if model == "parrot" else weight * STRONGER.get(model, 1)
            written = f'"{weight:g} {unit}"' if unit else f"{weight:g}"
            for source, density in (("input", 0.5), ("n", 0.1)):
                if model == "parrot" and source == "n":
                    continue
                parts += ["[[connection]]", f'name = "{source}_{receptor}"', f'from = "{source}"', 'to = "n"',
                          f'receptor = "{receptor}"', f"density = {density}", f"weight = {written}"]
        parts += ["[[phase]]", 'name = "run"', 'duration = "120 ms"',
                  "[[record]]", 'what = "spikes"', 'of = ["n"]']
        for state in text["states"]:
            parts += ["[[record]]", 'what = "state"', f'name = "{state}"', 'of = "n"', f'variable = "{state}"',
                      'neurons = "all"', 'every = "3.7 ms"']
        return self.write(f"{model}_{seed}.sim", "\n".join(parts) + "\n")

    def result(self, description, name, *arguments, ranks=1):
        out = self.folder / f"{name}.h5"
        done = lpl_sim(description, "--out", out, "--progress", "none", "--overwrite", *arguments, ranks=ranks)
        self.assertEqual(done.returncode, 0, f"{description.read_text()}\n{done.stderr}")
        return datasets(out)

    def assert_same(self, expected, found):
        self.assertEqual(expected.keys(), found.keys())
        for name, value in expected.items():
            if not name.startswith("config/"):
                self.assertEqual(value, found[name], name)

    def for_each_model(self, check):
        for model in MODELS:
            for seed in (0, 1):
                with self.subTest(model=model, seed=seed):
                    description = self.network(model, seed=seed)
                    expected = self.result(description, "straight")
                    self.assertGreater(expected["spikes/n/timestamps"][0][0], 0, f"{model} is silent")
                    check(description, expected)

    def test_is_the_same_on_any_number_of_ranks_and_in_epochs_of_any_length(self):
        def check(description, expected):
            for ranks in (2, 5):
                self.assert_same(expected, self.result(description, f"ranks{ranks}", ranks=ranks))
            # Connections keep their delay of 0.8 ms; epochs last 0.3 ms.
            shorter = description.read_text().replace('min_delay = "0.8 ms"', 'min_delay = "0.3 ms"')
            shorter = shorter.replace("[[connection]]\n", '[[connection]]\ndelay = "0.8 ms"\n')
            self.assert_same(expected, self.result(self.write("shorter.sim", shorter), "shorter"))

        self.for_each_model(check)

    def test_goes_on_where_a_checkpoint_stopped(self):
        def check(description, expected):
            state = self.folder / "state.ckpt"
            state.unlink(missing_ok=True)
            self.result(description, "resumed", "--checkpoint", state, "--set", "phase.run.duration=52.3 ms")
            found = self.result(description, "resumed", "--resume", state, ranks=2)
            self.assert_same(expected, found)

        self.for_each_model(check)

    def test_hand_written_kernels_have_the_bits_of_their_texts(self):
        for model in MODELS:
            listed = lpl_sim("--models", model)
            self.assertEqual(listed.returncode, 0, listed.stderr)
            if "kernel" not in listed.stdout:
                continue
            for seed in (0, 1):
                with self.subTest(model=model, seed=seed):
                    description = self.network(model, seed=seed)
                    self.assertIn("kernel", lpl_sim(description, "--check").stdout)
                    expected = self.result(description, "kernel")
                    # A text with another body, though of the same meaning, is not the kernel's.
                    body = re.sub(r'^step = \[$', 'step = [\n  "let nothing = 0",', (ROOT / "models" / f"{model}.cell").read_text(), flags=re.M)
                    (self.folder / f"{model}_text.cell").write_text(body)
                    text = self.write("text.sim", description.read_text().replace(f'model = "{model}"', f'model = "{model}_text"'))
                    self.assertNotIn("kernel", lpl_sim(text, "--check").stdout)
                    self.assert_same(expected, self.result(text, "text"))


if __name__ == "__main__":
    unittest.main()
