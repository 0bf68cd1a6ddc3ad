#!/usr/bin/env python3
"""Extended Data Fig. 1: the learning rule as a surface: weight change over activity z and its change dz/dt.

Of one input with constant activity, per learning rate and presynaptic activity,

    dw = (-dz/dt + lambda / (sigma2 + xi) (z - mean z)) f'(a)

with the activation f(a) = r0 tanh(a / r0) below 0 and (rmax - r0) tanh(a / (rmax - r0)) above (Rajan, Abbott &
Sompolinsky 2010). The weight change is 0 on the line z = mean z + (sigma2 + xi) / lambda dz/dt: a sliding threshold
that the variance turns. No numbers are published with this figure.
"""

import figure

import numpy as np

from lpl_analysis import plots

R0, RMAX = 2.0, 80.0
HEBBIAN, XI = 1.0, 1e-3
MEAN = 20.0
VARIANCES = [0.5, 2.0, 5.0]
MEANS = [10.0, 20.0, 40.0]
CHANGES = [-10.0, 0.0, 10.0]


def activation(a):
    span = np.where(a < 0, R0, RMAX - R0)
    return span * np.tanh(a / span)


def derivative_at(z):
    """f'(a) where f(a) = z."""
    span = np.where(z < 0, R0, RMAX - R0)
    return 1 - (z / span) ** 2


def weight_change(z, change, mean, variance):
    return (-change + HEBBIAN / (variance + XI) * (z - mean)) * derivative_at(z)


def threshold(change, mean, variance):
    """The activity at which the weight change turns from depression to potentiation."""
    return mean + (variance + XI) / HEBBIAN * change


def draw(points):
    picture, axes = plots.panels(2, 3, width=12, height=7)
    z, change = np.linspace(0, RMAX - R0, points), np.linspace(-10, 10, points)
    for axis, variance in zip(axes[0], VARIANCES):
        surface = weight_change(z[None, :], change[:, None], MEAN, variance)
        reach = abs(surface).max()
        image = axis.pcolormesh(z, change, surface, cmap="RdBu_r", vmin=-reach, vmax=reach, rasterized=True)
        axis.plot(threshold(change, MEAN, variance), change, color="black", lw=1)
        axis.set(xlim=(0, RMAX - R0), ylim=(-10, 10), xlabel="activity z", ylabel="dz/dt", title=f"σ² = {variance:g}")
        picture.colorbar(image, ax=axis, label="Δw")
    for variance in VARIANCES:
        axes[1, 0].plot(z, weight_change(z, 0.0, MEAN, variance), label=f"σ² = {variance:g}")
    for mean in MEANS:
        axes[1, 1].plot(z, weight_change(z, 0.0, mean, VARIANCES[1]), label=f"mean {mean:g}")
    for slope in CHANGES:
        axes[1, 2].plot(z, weight_change(z, slope, MEAN, VARIANCES[1]), label=f"dz/dt = {slope:g}")
    for axis, title in zip(axes[1], ("by variance", "by mean", "by change of activity")):
        axis.axhline(0, color="0.7", lw=0.8)
        axis.set(xlabel="activity z", ylabel="Δw", title=f"Weight change {title}")
        axis.legend()
    return picture


def main():
    chosen = figure.options(__doc__).parse_args()
    figure.compare([(f"threshold at dz/dt = {slope:g}, variance {variance:g}", None, threshold(slope, MEAN, variance))
                            for variance in VARIANCES for slope in CHANGES])
    figure.save(chosen, draw(81 if chosen.quick else 401), "e1")


if __name__ == "__main__":
    main()
