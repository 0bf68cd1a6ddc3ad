#!/usr/bin/env python3
"""Fig. 6: LPL as spike-timing-dependent plasticity: the window for several variances, and its change with the rate.

A hundred inputs fire around each of a hundred spikes of one clamped neuron. The published values were recorded from the
published code.
"""

import figure

import numpy as np

from lpl_analysis import plots
from lpl_analysis.results import Result

VARIANCES = [0.0, 0.01, 0.1, 1.0, 100.0]
RATES = [0.1, 1, 5, 10, 20, 30, 40, 50]  # [Hz]
MEANS = [0, 20, 50]  # [Hz] that the neuron is taken to have fired at before; published: 20
PUBLISHED_EXTREMA = {0.1: (0.417, -0.258), 1.0: (0.108, -0.061)}  # peak and trough by variance, mean 10 Hz
PUBLISHED_BY_RATE = {10: (0.116, -0.420), 50: (0.314, 0.294)}  # at INTERVALS by rate [Hz], mean 20 Hz
FIRST = 0.1  # [s] of the first pairing
HOLD = 0.010  # [s] from the begin of the clamped course to the spike
LONGEST = 200.0  # [s] that the published protocol lasts: low rates have fewer pairings
INTERVALS = {"before": 0.010, "after": -0.010}  # [s] by which an input leads


def relative_change(path):
    """Lead of each input over the neuron's spike [s], from its own spikes, and its weight's relative change."""
    with Result(path) as result:
        connection = "input_post"
        before, after = (result.snapshot(connection, name) for name in ("initial", "pair"))
        times, ids = result.spikes("input")
        _, first_spikes = np.unique(ids, return_index=True)
        change = np.full(len(before.value), np.nan)  # relative to nothing where a weight was 0
        np.divide(after.value, before.value, out=change, where=before.value != 0)
        return FIRST - times[first_spikes], change - 1


def window(chosen, variance):
    traces = f'connection.input_post.initial_traces={{mean_rate="10 Hz", variance={variance}}}'
    return relative_change(figure.run(chosen, "stdp_window.sim", traces, name=f"stdp_window_{variance:g}"))


def pairing(chosen, rate, mean):
    """A pairing protocol at `rate`: the clamped course fills the period, the spike HOLD after its begin."""
    period = round(1 / rate, 4)  # in whole steps
    pairings = min(100, int((LONGEST - FIRST) / period + 1e-9))
    end = FIRST - HOLD + pairings * period
    settings = [
        f'stimulus.input.rate="{1 / period:.12g} Hz"', f"stimulus.input.pairings={pairings}",
        f'stimulus.clamp.times=["0 ms", "9.8 ms", "9.9 ms", "10 ms", "10.1 ms", "{period * 1e3:.12g} ms"]',
        f"stimulus.clamp.repeats={pairings}", f'stimulus.clamp.every="{period * 1e3:.12g} ms"',
        f'stimulus.hold.start="{end:.12g} s"', f'phase.pair.duration="{end + 0.91:.12g} s"',
        f'connection.input_post.initial_traces={{mean_rate="{mean} Hz", variance=0.1}}',
    ]
    return relative_change(figure.run(chosen, "stdp_rate.sim", *settings, name=f"stdp_rate_{rate:g}_{mean}"))


def draw(windows, over_rate):
    picture, axes = plots.panels(1, 2, width=10, height=3.8)
    for i, (variance, (lead, change)) in enumerate(windows.items()):
        axes[0].plot(lead * 1e3, change, color=plots.layer_colours(len(windows))[i], label=f"σ² = {variance:g}")
        if variance in PUBLISHED_EXTREMA:
            places = lead[[np.argmax(change), np.argmin(change)]] * 1e3
            axes[0].plot(places, PUBLISHED_EXTREMA[variance], "D", color="black", ms=4,
                         label="published" if variance == 0.1 else None)
    axes[0].set(xlabel="t(post) - t(pre) (ms)", ylabel="relative weight change", title="Window, pairing at 10 Hz",
                ylim=(-0.65, 1.6))
    for mean, changes in over_rate.items():
        for (name, interval), style in zip(INTERVALS.items(), ("-", "--")):
            axes[1].plot(list(changes), [change[name] for change in changes.values()], style, marker=".",
                         color=f"C{MEANS.index(mean)}", label=f"mean {mean} Hz, {interval * 1e3:+.0f} ms")
    for rate, published in PUBLISHED_BY_RATE.items():
        axes[1].plot([rate, rate], published, "D", color="black", ms=4)
    axes[1].set(xlabel="pairing rate (Hz)", ylabel="relative weight change", title="Rate dependence")
    for axis in axes:
        axis.axhline(0, color="0.7", lw=0.8)
    axes[0].legend(ncol=3, loc="upper left")
    axes[1].legend()
    return picture


def comparison(windows, over_rate):
    lines = []
    for variance, (_, change) in windows.items():
        published = PUBLISHED_EXTREMA.get(variance, (None, None))
        lines += [(f"window, variance {variance:g}: {name}", known, pick(change))
                  for name, known, pick in zip(("peak", "trough"), published, (np.max, np.min))]
    for mean, by_rate in over_rate.items():
        for rate, changes in by_rate.items():
            published = PUBLISHED_BY_RATE.get(rate, (None, None)) if mean == 20 else (None, None)
            lines += [(f"{rate:g} Hz, mean {mean} Hz, {interval * 1e3:+.0f} ms", known, changes[name])
                      for (name, interval), known in zip(INTERVALS.items(), published)]
    return lines


def main():
    chosen = figure.options(__doc__).parse_args()
    rates, means = (RATES[3::2], MEANS[1:2]) if chosen.quick else (RATES, MEANS)
    windows = {variance: window(chosen, variance) for variance in VARIANCES}
    over_rate = {}
    for mean in means:
        over_rate[mean] = {}
        for rate in rates:
            lead, change = pairing(chosen, rate, mean)
            over_rate[mean][rate] = {name: float(change[np.argmin(abs(lead - interval))])
                                     for name, interval in INTERVALS.items()}
    figure.compare(comparison(windows, over_rate))
    figure.save(chosen, draw(windows, over_rate), "fig6")


if __name__ == "__main__":
    main()
