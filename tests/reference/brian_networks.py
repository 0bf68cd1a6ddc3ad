#!/usr/bin/env python3
"""The networks of Brette et al. (2007) in Brian 2 (Debian: python3-brian): what check_networks.py compares cuba, coba_brette and hh_coba with.

    brian_networks.py [--seeds N] [--only TEXT] [--step MS]

Prints rate and CV of each population, counted as check_networks.py does. Delays are 0.1 ms, as in examples/.
"""

import argparse
import warnings

from check_networks import irregularity  # first: it finds the distribution's packages
import numpy as np

warnings.filterwarnings("ignore")
import brian2 as b  # noqa: E402
from brian2 import mV, ms, nS, pF  # noqa: E402

SYNAPSES = "dge/dt = -ge / (5*ms) : {unit}\ndgi/dt = -gi / (10*ms) : {unit}"


def cuba():
    equations = "dv/dt = (ge + gi - (v + 49*mV)) / (20*ms) : volt (unless refractory)\n" + SYNAPSES.format(unit="volt")
    neurons = b.NeuronGroup(4000, equations, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms, method="exact")
    neurons.v = "-60*mV + rand() * 10*mV"
    return neurons, "ge += 1.62*mV", "gi -= 9*mV"


def coba_brette():
    equations = ("dv/dt = (10*nS*(-60*mV - v) - ge*v + gi*(-80*mV - v)) / (200*pF) : volt (unless refractory)\n"
                 + SYNAPSES.format(unit="siemens"))
    neurons = b.NeuronGroup(4000, equations, threshold="v > -50*mV", reset="v = -60*mV", refractory=5 * ms,
                            method="exponential_euler")
    return begin(neurons)


def hh_coba():
    equations = """
        dv/dt = (20000*nS * m**3*h * (50*mV - v) + 6000*nS * n**4 * (-90*mV - v) + 10*nS*(-60*mV - v) - ge*v + gi*(-80*mV - v))
                / (200*pF) : volt
        dm/dt = (1.28/exprel((13 - u)/4) * (1 - m) - 1.4/exprel((u - 40)/5) * m) / ms : 1
        dh/dt = (0.128*exp((17 - u)/18) * (1 - h) - 4/(1 + exp((40 - u)/5)) * h) / ms : 1
        dn/dt = (0.16/exprel((15 - u)/5) * (1 - n) - 0.5*exp((10 - u)/40) * n) / ms : 1
        u = (v + 63*mV) / mV : 1
        """ + SYNAPSES.format(unit="siemens")
    neurons = b.NeuronGroup(4000, equations, threshold="v > -20*mV", refractory=3 * ms, method="exponential_euler")
    neurons.h = 1
    return begin(neurons)


def begin(neurons):
    neurons.v = "(-65 + 5*randn())*mV"
    neurons.ge = "(40 + 15*randn())*nS"
    neurons.gi = "(200 + 120*randn())*nS"
    return neurons, "ge += 6*nS", "gi += 67*nS"


NETWORKS = (cuba, coba_brette, hh_coba)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--only", default="")
    parser.add_argument("--step", type=float, default=0.1, help="in ms")
    arguments = parser.parse_args()
    for seed in range(1, arguments.seeds + 1):
        for network in NETWORKS:
            if arguments.only not in network.__name__:
                continue
            b.start_scope()
            b.seed(seed)
            b.defaultclock.dt = arguments.step * ms
            neurons, excite, inhibit = network()
            exc = b.Synapses(neurons[:3200], neurons, on_pre=excite)
            inh = b.Synapses(neurons[3200:], neurons, on_pre=inhibit)
            for synapses in (exc, inh):
                synapses.connect(p=0.02)
                synapses.delay = 0.1 * ms
            spikes = b.SpikeMonitor(neurons)
            b.Network(neurons, exc, inh, spikes).run(2000 * ms)
            times, ids = np.array(spikes.t / b.second), np.array(spikes.i)
            words = [f"{network.__name__:<12} seed {seed}"]
            for name, first, end in (("exc", 0, 3200), ("inh", 3200, 4000)):
                counted = (times >= 0.2) & (ids >= first) & (ids < end)
                rate = counted.sum() / (end - first) / 1.8
                words.append(f"{name} rate={rate:.2f} CV={irregularity(times[counted], ids[counted] - first).mean():.3f}")
            print(*words, flush=True)


if __name__ == "__main__":
    main()
