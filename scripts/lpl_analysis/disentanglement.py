"""How far single units of a layer stand for single factors of a scene: the metric of Kim & Mnih (ICML 2018), with the
constants of Halvagal & Zenke 2023, Extended Data Fig. 5."""

from typing import NamedTuple

import numpy as np

EXAMPLES = 10  # votes for each value of each factor, and as many tests


class Disentanglement(NamedTuple):
    score: float  # part of the tests whose factor is told from the steadiest unit; NaN where no unit varies
    strict: float  # the same, where a factor may use no more units than it has values
    votes: np.ndarray  # [unit, factor], over the number of the factor's values


def steadiest_units(activity, factors, images, generator):
    """One (factor, unit) pair for each draw of `images` that share a value of one factor: the unit that varies least
    among them, measured by its variance over all images. Units that never vary are left out."""
    deviation = activity.std(axis=0)
    active = np.flatnonzero(deviation > 0)
    scaled = activity[:, active] / deviation[active]
    pairs = []
    for factor in range(factors.shape[1]):
        for value in np.unique(factors[:, factor]):
            alike = np.flatnonzero(factors[:, factor] == value)
            for _ in range(EXAMPLES):
                chosen = generator.choice(alike, min(images, len(alike)), replace=False)
                pairs.append((factor, active[np.argmin(scaled[chosen].var(axis=0))]))
    return pairs


def share_right(pairs, votes):
    """A unit without votes tells no factor."""
    return float(np.mean([votes[unit].any() and np.argmax(votes[unit]) == factor for factor, unit in pairs]))


def disentanglement(activity, factors, images=500, seed=1):
    """Of activity [image, unit] for images with factors [image, factor] (integers). Each draw takes `images` that agree
    in one factor, fewer where there are not as many."""
    generator = np.random.default_rng(seed)
    votes = np.zeros((activity.shape[1], factors.shape[1]))
    if not (activity.std(axis=0) > 0).any():
        return Disentanglement(float("nan"), float("nan"), votes)
    for factor, unit in steadiest_units(activity, factors, images, generator):
        votes[unit, factor] += 1
    values = np.array([len(np.unique(column)) for column in factors.T])
    votes /= values
    strict = np.zeros_like(votes)
    for factor in range(len(values)):
        best = np.argsort(votes[:, factor])[-values[factor]:]
        strict[best, factor] = votes[best, factor] > 0
    tests = steadiest_units(activity, factors, images, generator)
    return Disentanglement(share_right(tests, votes), share_right(tests, strict), votes)


def dissimilarity(activity, column):
    """One minus the correlation of the mean activities for every two values of a factor [value, value]; NaN for a value
    whose mean is that of all."""
    means = np.array([activity[column == value].mean(axis=0) for value in np.unique(column)])
    centred = means - means.mean(axis=0)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, norm, out=np.full_like(centred, np.nan), where=norm > 0)
    return 1 - unit @ unit.T
