#!/usr/bin/env python3
"""What the field's benchmark networks cost: wall time a second of model time, nanoseconds an event and a neuron step.

    bench_networks.py [NETWORK ...] [--repeats 3] [--json OUT.json] [--lpl-sim PATH] [--core 0]

An event is a spike at one synapse; how many there are follows from the mean rate of each population and the number of
its synapses. Delivery includes Poisson drives, which are no synapses. One core, medians of several runs, in turn.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import tempfile

from bench_spiking import ROOT, core_speed, finish, read_options, run_once

from lpl_analysis.results import Result

# The phase whose spikes are recorded, and how long it and those before it last here [s].
NETWORKS = {
    "brunel_delta": {"run": 1},
    "brunel_alpha": {"run": 1},
    "cuba": {"run": 2},
    "coba_brette": {"run": 2},
    "hh_coba": {"run": 1},
    "izhikevich2003": {"run": 10},
    "microcircuit": {"settle": 0.5, "run": 1},
}
CONNECTION = re.compile(r"^connection +\S+ +(\S+) -> .* (\d+) synapses created", re.MULTILINE)


def synapses_by_source(program, arguments):
    said = subprocess.run([program, *arguments, "--check"], capture_output=True, text=True, check=True).stdout
    synapses = {}
    for source, count in CONNECTION.findall(said):
        synapses[source] = synapses.get(source, 0) + int(count)
    return synapses


def costs(path, recorded, synapses, shares):
    """Of one run: events, and seconds of wall time, of delivery an event and of update a neuron step."""
    with Result(path) as result:
        sizes = {name: int(group.attrs["size"]) for name, group in result.file["network"].items()}
        model, wall, dt = (float(result.file.attrs[name]) for name in ("model_time", "wall_time", "dt"))
        events = sum(count * len(result.file[f"spikes/{source}/timestamps"]) / sizes[source] / recorded * model
                     for source, count in synapses.items())
        steps = sum(sizes.values()) * model / dt
    return events / model, wall * shares["deliver"] / 100 / events, wall * shares["update"] / 100 / steps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"default: {' '.join(NETWORKS)}")
    options = read_options(parser, repeats=3)
    unknown = [name for name in options.networks if name not in NETWORKS]
    if unknown:
        parser.error(f"there is no network {unknown[0]}; known: {', '.join(NETWORKS)}")
    chosen = {name: NETWORKS[name] for name in options.networks or NETWORKS}
    arguments, synapses, measured, speeds = {}, {}, {name: [] for name in chosen}, []
    for name, phases in chosen.items():
        durations = [f"phase.{phase}.duration={seconds} s" for phase, seconds in phases.items()]
        arguments[name] = [str(ROOT / f"examples/{name}.sim"), *(part for text in durations for part in ("--set", text))]
        synapses[name] = synapses_by_source(options.lpl_sim, arguments[name])
    machine = ""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for _ in range(options.repeats):
            for name, phases in chosen.items():
                speeds.append(core_speed())
                factor, shares, machine = run_once(options.lpl_sim, arguments[name], 1, options.core, folder)
                found = costs(folder / "bench.h5", list(phases.values())[-1], synapses[name], shares)
                measured[name].append((factor, *found))
    print(machine)
    print(f"{'network':<16} {'synapses':>10} {'events/s':>9} {'wall s/s':>9} {'ns/event':>9} {'ns/neuron step':>14}   least to most")
    report = {"machine": machine, "networks": {}}
    for name, runs in measured.items():
        factor, events, delivery, update = (statistics.median(values) for values in zip(*runs))
        factors = [run[0] for run in runs]
        total = sum(synapses[name].values())
        print(f"{name:<16} {total:10d} {events:9.3g} {factor:9.3g} {delivery * 1e9:9.2f} {update * 1e9:14.2f}   "
              f"{min(factors):.3g} to {max(factors):.3g} s/s")
        report["networks"][name] = {"synapses": total, "events_per_second": events, "real_time_factor": factor,
                                    "factors": factors, "ns_per_event": delivery * 1e9,
                                    "ns_per_neuron_step": update * 1e9}
    finish(options, report, speeds)


if __name__ == "__main__":
    main()
