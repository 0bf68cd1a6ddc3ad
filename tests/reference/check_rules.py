#!/usr/bin/env python3
"""Runs the tables of plasticity through lpl_sim and compares.

    check_rules.py FOLDER [--lpl-sim PATH] [--ranks N] [--only TEXT] [--keep FOLDER]

FOLDER holds the tables (auryn_stp.csv, nest_tables.csv; tests/reference/data/rules has a part of them; what is not there
is skipped aloud). Every case prints a line
    CASE deviation=... of the tolerance PASS|FAIL
Exits 0 where all pass, else 1, or 2 (misused).
"""

import argparse
import collections
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from check_models import ROOT, Simulator, rows_of  # noqa: E402

import numpy as np  # noqa: E402

# Shows what arrives in a step, and nothing else.
ARRIVED = 'model = "equations"\nstep = ["arrived = 0"]\n[states]\narrived = 0\n[receptors]\nSYN = "arrived"\n'


def spikes_file(steps):
    return "".join(f"{step * 1e-4:.9f} 0\n" for step in steps)


def recorded(population, variable):
    return (f'\n[[record]]\nwhat = "state"\nname = "{variable}"\nof = "{population}"\nvariable = "{variable}"\nneurons = "all"\n'
            'every = "0.1 ms"\n')


class Judge:
    def __init__(self, simulator, only):
        self.simulator, self.only, self.failed = simulator, only, 0

    def wants(self, name):
        return not self.only or self.only in name

    def judge(self, name, found, wanted, tolerance):
        """Numbers by name of place, each within `tolerance` of those that are wanted."""
        deviations = {place: abs(found[place] - value) / tolerance for place, value in wanted.items()}
        worst = max(deviations, key=lambda place: np.nan_to_num(deviations[place], nan=np.inf))
        passes = bool(deviations[worst] <= 1)
        self.failed += not passes
        print(f"{name:<24} deviation={deviations[worst]:.3g} of the tolerance {tolerance:g} (at {worst}: {found[worst]:.9g}, "
              f"wanted {wanted[worst]:.9g}; {len(wanted)} values) {'PASS' if passes else 'FAIL'}", flush=True)


def auryn_stp(folder, judge):
    """One source, weight 0.2, delay 8 steps; what arrives in each step."""
    if not judge.wants("auryn_stp"):
        return
    table = collections.defaultdict(list)
    for row in rows_of(folder, "auryn_stp.csv"):
        table[row["kind"]].append(row)
    text = ('simulation = {}\n[[stimulus]]\nname = "source"\ntype = "spikes"\nsize = 1\nfile = "source.ras"\n'
            '[[population]]\nname = "target"\ncell = "arrived"\nsize = 1\n'
            '[[connection]]\nfrom = "source"\nto = "target"\nall_to_all = true\nweight = 0.2\ndelay = "0.8 ms"\n'
            'short_term = { model = "markram", U = 0.2, tau_rec = "200 ms", tau_fac = "600 ms" }\n'
            '[[phase]]\nname = "run"\nduration = "2 s"\n' + recorded("target", "arrived"))
    files = {"source.ras": spikes_file(int(row["step"]) for row in table["source_spike"]), "arrived.cell": ARRIVED}
    arrived = judge.simulator.run("auryn_stp", text, files).states["arrived"][:, 0]
    # Steps that the table does not list are silent.
    wanted = {step: 0.0 for step in np.flatnonzero(arrived)}
    wanted.update({int(row["step"]): float(row["value"]) for row in table["transmitted_weight"]})
    judge.judge("auryn_stp", arrived, wanted, 1e-7)


# Membrane, synaptic current, weight, first spike and interval (in ms), and the synapse.
TSODYKS = {
    "tsodyks_depressing": ("40", "3 ms", "250 pA", 98.0, 50.0, 'U = 0.5, tau_rec = "800 ms", tau_fac = "0 ms", tau_psc = "3 ms"'),
    "tsodyks_facilitating": ("60", "1.5 ms", "1540 pA", 98.1, 50.1, 'U = 0.03, tau_rec = "130 ms", tau_fac = "530 ms", tau_psc = "1.5 ms"'),
}


def nest_tsodyks(folder, judge):
    """A generator, a parrot 1 ms and a neuron 0.1 ms later. NEST's label of a step is that of its end."""
    tables = collections.defaultdict(dict)
    for row in rows_of(folder, "nest_tables.csv"):
        if row["case"] in TSODYKS:
            tables[row["case"]][int(round(float(row["time_ms"]) * 10)) - 1] = float(row["value"])
    for name, wanted in tables.items():
        if not judge.wants(name):
            continue
        membrane, tau, weight, first, interval, synapse = TSODYKS[name]
        text = ('simulation = {}\n[[stimulus]]\nname = "generator"\ntype = "spikes"\nsize = 1\nfile = "generator.ras"\n'
                '[[population]]\nname = "parrot"\ncell = "parrot"\nsize = 1\n'
                '[[population]]\nname = "target"\ncell = "target"\nsize = 1\nprecision = "float64"\n'
                f'[cell.target]\nmodel = "iaf_psc_exp"\ntau_membrane = "{membrane} ms"\nC = "{membrane} pF"\nE_leak = "0 mV"\n'
                f'V_reset = "0 mV"\nthreshold = "15 mV"\ntau_exc = "{tau}"\ntau_inh = "{tau}"\n'
                '[[connection]]\nfrom = "generator"\nto = "parrot"\nall_to_all = true\nweight = 1\ndelay = "1 ms"\n'
                f'[[connection]]\nfrom = "parrot"\nto = "target"\nall_to_all = true\nweight = "{weight}"\ndelay = "0.1 ms"\n'
                f'short_term = {{ model = "tsodyks", {synapse} }}\n'
                '[[phase]]\nname = "run"\nduration = "1.2 s"\n' + recorded("target", "V"))
        generator = [int(round((first + n * interval) * 10)) - 1 for n in range(20)]
        V = judge.simulator.run(name, text, {"generator.ras": spikes_file(generator)}).states["V"][:, 0] * 1e3
        judge.judge(name, V, wanted, 1e-5)


GROUPS = ((auryn_stp, ("auryn_stp.csv",)), (nest_tsodyks, ("nest_tables.csv",)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--lpl-sim", default=os.environ.get("LPL_SIM", str(ROOT / "build/release/bin/lpl_sim")))
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--only", help="cases whose name has this text")
    parser.add_argument("--keep", help="folder that keeps descriptions and results")
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    judge = Judge(Simulator(os.path.abspath(options.lpl_sim), options.ranks, options.keep), options.only)
    for group, files in GROUPS:
        missing = [file for file in files if not (options.folder / file).is_file()]
        if missing:
            print(f"{group.__name__}: skipped, {options.folder} has no {', '.join(missing)}")
            continue
        group(options.folder, judge)
    return 1 if judge.failed else 0


if __name__ == "__main__":
    sys.exit(main())
