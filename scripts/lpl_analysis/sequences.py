"""How factors move along sequences of frames, as rows of /activity hold them."""

import numpy as np


def transitions(levels, block):
    """How often a level of a factor is followed by another [from, to], in `levels` [frame] of blocks of so many frames that
    follow each other; between blocks frames are missing."""
    count = levels.max() + 1
    found = np.zeros((count, count), int)
    together = (np.arange(1, len(levels)) % block) != 0
    np.add.at(found, (levels[:-1][together], levels[1:][together]), 1)
    return found


def moving(factors, block, length):
    """The first of `length` frames of a block through which one and the same factor [frame, factor] moves all the time; 0
    where there are none."""
    changed = np.diff(factors, axis=0) != 0
    single = np.where(changed.sum(axis=1) == 1, changed.argmax(axis=1), -1)
    for first in range(len(factors) - length + 1):
        steps = single[first:first + length - 1]
        if first % block + length <= block and steps[0] >= 0 and (steps == steps[0]).all():
            return first
    return 0


def ring(counts):
    """The levels in the order in which sequences go round them, by how often they follow each other [from, to]: after each
    the one that lies beside it most often of those that are left. It begins with level 0; its direction means nothing."""
    beside = counts + counts.T
    order = [0]
    while len(order) < len(counts):
        left = [level for level in range(len(counts)) if level not in order]
        order.append(max(left, key=lambda level: beside[order[-1], level]))
    return np.array(order)


def distances(count):
    """Between any two places of a ring [place, place]."""
    apart = abs(np.subtract.outer(np.arange(count), np.arange(count)))
    return np.minimum(apart, count - apart)
