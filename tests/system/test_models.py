#!/usr/bin/env python3
"""Every model of the catalogue, with random parameters: the same bits on any number of ranks, for any length of an
epoch, when resumed, and, for hand-written kernels, from the text that they are the fast form of."""

import pathlib
import random
import re
import sys
import tomllib
import unittest

from support import LPL_SIM, ROOT, InFolder, datasets, h5py, lpl_sim

sys.path.insert(0, str(ROOT / "scripts"))
import models_page  # noqa: E402

# The program with the kernel of docs/extending.md, which is built with the tests.
WITH_KERNEL = pathlib.Path(LPL_SIM).with_name("lpl_sim_with_kernel")
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
            # Connections keep their delay of 0.8 ms; another one, which carries nothing, lets epochs last 0.3 ms.
            text = description.read_text().replace('min_delay = "0.8 ms"\n', "")
            last = text.rindex("[[connection]]")
            copied = text[last:text.index("[[phase]]")]
            silent = re.sub(r'name = ".*"', 'name = "silent"\ndelay = "0.3 ms"', re.sub(r"density = .*", "density = 0", copied))
            silent = re.sub(r'from = ".*"', 'from = "n"', silent)
            shorter = text.replace("[[phase]]", silent + "[[phase]]", 1)
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


class Values(InFolder):
    """What follows from the texts of models that are the user's own."""

    def result(self, parts, name="own"):
        description = self.write(f"{name}.sim", parts)
        done = lpl_sim(description, "--out", self.folder / f"{name}.h5", "--progress", "none", "--overwrite")
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.folder / f"{name}.h5"

    def test_weights_are_recorded_in_their_own_unit(self):
        with h5py.File(self.result("""
                simulation = {}
                [[population]]
                name = "p"
                size = 40
                cell = "c"
                [cell.c]
                model = "iaf_psc_exp"
                [[stimulus]]
                name = "input"
                type = "poisson"
                [[stimulus.group]]
                name = "first"
                size = 10
                rate = "10 Hz"
                [[stimulus.group]]
                name = "rest"
                size = 30
                rate = "10 Hz"
                [[connection]]
                name = "w"
                from = "input"
                to = "p"
                receptor = "EXC"
                density = 0.5
                weight = "0.75 pA"
                [[phase]]
                name = "run"
                duration = "10 ms"
                [[record]]
                what = "group_weights"
                name = "means"
                of = "w"
                every = "1 ms"
                [[record]]
                what = "weights"
                of = "w"
                """)) as result:
            means = result["weights/w/means/value"]
            self.assertEqual(means.attrs["units"], b"A")
            self.assertEqual(means[()].shape[1], 2)
            for mean in means[()].flat:
                self.assertAlmostEqual(mean / 0.75e-12, 1, delta=1e-6)
            self.assertEqual(result["weights/w/initial/value"].attrs["units"], b"A")

    def test_initial_values_may_be_drawn(self):
        with h5py.File(self.result("""
                simulation = {}
                [[population]]
                name = "p"
                size = 2000
                cell = "c"
                [cell.c]
                model = "equations"
                [cell.c.states]
                V = "-65 mV"
                n = "poisson(3)"
                u = "uniform()"
                z = "2 + normal()"
                k = "i / N"
                [cell.c.spike]
                when = "V > 0 mV"
                [[phase]]
                name = "run"
                duration = "1 ms"
                """ + "".join(f"""
                [[record]]
                what = "state"
                name = "{state}"
                of = "p"
                variable = "{state}"
                neurons = "all"
                every = "1 ms"
                """ for state in "nuzk"))) as result:
            n, u, z, k = (result[f"report/{group}/data"][0] for group in ("p", "p.u", "p.z", "p.k"))
        self.assertEqual(set(n - n.astype(int)), {0.0})
        for values, mean, variance in ((n, 3, 3), (u, 0.5, 1 / 12), (z, 2, 1), (k, 0.5, 1 / 12)):
            self.assertAlmostEqual(values.mean(), mean, delta=5 * (variance / 2000) ** 0.5)
            self.assertAlmostEqual(values.var(), variance, delta=0.2 * variance)


class Pages(InFolder):
    def test_the_page_of_models_is_what_the_program_says(self):
        self.assertEqual((ROOT / "docs/models.md").read_text(), models_page.page(LPL_SIM),
                         "run scripts/models_page.py LPL_SIM")

    def test_a_misspelt_model_is_refused_with_the_nearest(self):
        done = lpl_sim("--models", "adx")
        self.assertEqual(done.returncode, 2)
        self.assertIn("did you mean 'adex'?", done.stderr)

    def test_every_rule_is_listed_printed_and_explained(self):
        explained = (ROOT / "docs/rules.md").read_text()
        listed = lpl_sim("--rules").stdout
        texts = [path for path in (ROOT / "models").glob("*.rule") if 'type = "traces"' in path.read_text()]
        self.assertGreater(len(texts), 20)
        for path in texts:
            with self.subTest(path.stem):
                self.assertIn(f"\n  {path.stem} ", listed)
                self.assertIn(f"`{path.stem}`", explained)
                page = lpl_sim("--rules", path.stem)
                self.assertEqual(page.returncode, 0, page.stderr)
                for name in tomllib.loads(path.read_text()).get("parameters", {}):
                    self.assertIn(f"\n  {name} ", page.stdout)
        self.assertIn("did you mean 'clopath'?", lpl_sim("--rules", "clopth").stderr)
        for own in ("lpl", "symmetric_stdp"):
            self.assertIn(f"\n  {own} ", listed)
            self.assertIn(f"'{own}' is a rule of the program's own and no text", lpl_sim("--rules", own).stderr)

    def test_models_are_printed_wherever_the_option_stands(self):
        for arguments in (("--seed", "1", "--models"), ("--seed", "1", "--models", "adex"), ("adex", "--models")):
            done = lpl_sim(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("adex", done.stdout)

    def run_text(self, cell, folder_name):
        self.write(f"{folder_name}.cell", cell)
        return self.write("own.sim", f"""
            simulation = {{}}
            [[population]]
            name = "p"
            cell = "{folder_name}"
            size = 20
            [[stimulus]]
            name = "input"
            type = "poisson"
            size = 50
            rate = "100 Hz"
            [[connection]]
            name = "c"
            from = "input"
            to = "p"
            density = 0.5
            weight = "60 pA"
            [[phase]]
            name = "run"
            duration = "1 s"
            [[record]]
            what = "spikes"
            of = ["p"]
            """)

    def test_the_text_of_the_guide_runs_as_it_is_written(self):
        guide = (ROOT / "docs/extending.md").read_text()
        text = re.search(r"```toml\n(.*?)```", guide, re.DOTALL)[1]
        self.assertLessEqual(len(text.splitlines()), 17)
        done = lpl_sim(self.run_text(text, "leaky"), "--out", self.folder / "own.h5", "--progress", "none")
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.folder / "own.h5") as result:
            self.assertGreater(len(result["spikes/p/timestamps"]), 100)
            self.assertIn("[model.leaky]", result["config/description"][()].decode())

    @unittest.skipUnless(WITH_KERNEL.is_file(), f"there is no {WITH_KERNEL}")
    def test_the_kernel_of_the_guide_has_the_bits_of_its_text(self):
        guide = (ROOT / "docs/extending.md").read_text()
        text = re.search(r"```toml\n(# models/membrane.cell\n.*?)```", guide, re.DOTALL)[1]
        description = self.run_text(text, "membrane")
        description.write_text(description.read_text().replace("60 pA", "2 mV") +
                               '[[record]]\nwhat = "state"\nof = "p"\nvariable = "V"\nneurons = "all"\nevery = "1 ms"\n')
        results = []
        for program, has_kernel in ((LPL_SIM, False), (WITH_KERNEL, True)):
            self.assertEqual("by its kernel" in lpl_sim(description, "--check", program=program).stdout, has_kernel)
            out = self.folder / "own.h5"
            done = lpl_sim(description, "--out", out, "--progress", "none", "--overwrite", program=program)
            self.assertEqual(done.returncode, 0, done.stderr)
            results.append(datasets(out))
        self.assertGreater(results[0]["spikes/p/timestamps"][0][0], 100)
        self.assertEqual(*results)

    def test_mistakes_in_a_text_have_a_place(self):
        text = re.search(r"```toml\n(.*?)```", (ROOT / "docs/extending.md").read_text(), re.DOTALL)[1]
        for change, place, message in (
                (('V = "(-65 mV - V)', 'U = "(-65 mV - V)'), "leaky.cell:13:", "there is no state"),
                (("I_syn / C", "I_sin / C"), "leaky.cell:13:", "did you mean 'I_syn'?"),
                (("I_syn / C", "I_syn * C"), "leaky.cell:13:", "the two cannot be added"),
                (('unit = "pA"', 'unit = "pAmp"'), "leaky.cell:11:", "no unit"),
                (("/ tau_membrane +", "/ tau_membrane + expp(1) +"), "leaky.cell:13:", "exp")):
            with self.subTest(change=change):
                self.assertIn(change[0], text)
                done = lpl_sim(self.run_text(text.replace(*change), "leaky"), "--check")
                self.assertEqual(done.returncode, 2)
                self.assertIn(place, done.stderr)
                self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
