#!/usr/bin/env python3
"""Fig. 4: swapped exposures break the position invariance of single units (after Li & DiCarlo, Science 2008).

Objects stand on a canvas of 13 x 1 places, at the top, in the middle or at the bottom. A new dense layer on a frozen
encoder learns by LPL that an object stays the same when it moves. Then objects are shown that move from the middle to
the ends: at one end, the swap position, an object turns into another one; at the other end, the non-swap position, it
stays. What units prefer is what they answer more to in the middle, before; object selectivity is by how much.

The encoder is lpl_rate's, bias-free, so empty places cause nothing and a canvas causes what its image causes, at its
place (published, the whole canvas is seen: receptive fields then reach past an image's border, but never another used
place). The dense layer learns here: an exposure has its losses over three positions at once, for which descriptions
have no form; they are lpl_rate's (docs/numerics.md), which a test compares.

Full: a training of 3 min on the built-in scenes, whose test frames are the objects; --stl10 FOLDER takes the
published network and training: weeks without a GPU. Published values: the monkey's neurons, as the notebook has them;
the published model is drawn there, without numbers.
"""

import figure

import pathlib
import types

import numpy as np

import scenes

from lpl_analysis import measures, plots
from lpl_analysis.results import Result

TOP, MIDDLE, BOTTOM = range(3)  # the places 0, 6 and 12, the only ones that are used
PLACES = 13
PAIRS = 8  # of objects in each set: swapped at the top, swapped at the bottom, never exposed
REPEATS = 3  # layers, and objects
STEPS = 7420  # that learn invariance: 10 epochs of STL-10's images
EXPOSURES, PUBLISHED_EXPOSURES, EVERY = 2000, 400, 10

DECORRELATION = 10.0  # strength beside a predictive and a Hebbian term of 1, as published
EPSILON = 1e-4
WEIGHT_DECAY = 1.5e-6

# Of the monkey after so many exposures: selectivity (spikes/s) at the swap and the non-swap position and for objects that
# were not exposed, and normalised responses to preferred and to other objects at the swap position.
MONKEY_EXPOSURES = [0, 100, 200, 300, 400]
MONKEY = {"swap": [10.78, 8.85, 8.36, 6.33, 6.11], "non-swap": [9.26, 8.29, 8.52, 9.08, 8.41],
          "not exposed": [4.15, 4.94, 3.00, 4.21, 3.76]}
MONKEY_PREFERRED, MONKEY_OTHER = [1.259, 1.181, 1.164, 1.089, 1.048], [0.628, 0.673, 0.704, 0.728, 0.732]
TITLES = {"swap": "Swap position", "non-swap": "Non-swap position", "not exposed": "Objects not exposed"}


def features(chosen):
    """What single images cause at the encoder's last layer [image, feature]."""
    if chosen.stl10 and not chosen.quick:
        trained = figure.run(chosen, "stl10.rate", f'data.folder="{chosen.stl10.resolve()}"', "network.biases=false",
                             name="stl10_no_biases")
        path = figure.activity(chosen, trained)
    else:
        path = scenes.activity(chosen, "no biases", 600 if chosen.quick else 10000)
    with Result(path) as result:
        return figure.layers_of(result.file["activity"])[-1].astype(np.float32)


def respond(weights, images, positions):
    """The responses [image, unit] of a layer with weights [position, feature, unit] to images [image, feature]."""
    z = np.empty((len(images), weights.shape[2]), images.dtype)
    for position, into in enumerate(weights):
        z[positions == position] = images[positions == position] @ into
    return z


def to_weights(gradient, images, positions):
    """The gradient by weights, of one by responses [image, unit]."""
    return np.stack([images[positions == p].T @ gradient[positions == p] for p in (TOP, MIDDLE, BOTTOM)])


def lpl(z, earlier, later, hold_earlier=False):
    """The losses pull, push and decorrelation of responses z [sample, unit], and the gradient of their weighted sum by z.
    Pull is between the samples `earlier` and `later`, no sample twice in `later`; the others are over all samples."""
    samples, units = z.shape
    centred = z - z.mean(axis=0)
    covariance = centred.T @ centred / (samples - 1)
    variance = covariance.diagonal() + EPSILON
    np.fill_diagonal(covariance, 0)
    entries = units**2 - units
    change = z[later] - z[earlier]
    losses = (change**2).mean(), -np.log(variance).mean(), (covariance**2).sum() / entries

    gradient = (4 * DECORRELATION / entries * centred @ covariance - 2 / units * centred / variance) / (samples - 1)
    pull = 2 / change.size * change
    gradient[later] += pull
    if not hold_earlier:
        np.subtract.at(gradient, earlier, pull)
    return losses, gradient


def learn_invariance(images, random, steps, batch=128, rate=1e-3):
    """The weights [position, feature, unit] of a layer that has seen images at two random positions each (Adam)."""
    inputs = images.shape[1]
    weights = (random.uniform(-1, 1, (3, inputs, inputs)) / np.sqrt(PLACES * inputs)).astype(images.dtype)
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    first = np.arange(batch)
    for step in range(1, steps + 1):
        shown = np.tile(images[random.integers(len(images), size=batch)], (2, 1))
        positions = random.integers(3, size=2 * batch)
        by_response = lpl(respond(weights, shown, positions), first, batch + first)[1]
        gradient = to_weights(by_response, shown, positions) + WEIGHT_DECAY * weights
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient**2 - square)
        weights -= rate * mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return weights


def expose(weights, objects, exposures, rate=2e-2):
    """The responses [record, set, member, pair, position, unit] to objects [set, member, pair, feature], before and after
    every EVERY exposures to the first two sets, each a gradient step from what all their pairs show."""
    images = objects.reshape(-1, objects.shape[-1]).repeat(3, axis=0)
    positions = np.tile((TOP, MIDDLE, BOTTOM), len(images) // 3)
    shape = (*objects.shape[:-1], 3, -1)
    exposed = len(images) // 3 * 2
    sample = np.arange(exposed).reshape(2, *shape[1:4])
    earlier = np.stack([sample[..., MIDDLE]] * 2)
    stays = np.stack([sample[0, ..., BOTTOM], sample[1, ..., TOP]])
    turns = np.stack([sample[0, ..., TOP], sample[1, ..., BOTTOM]])[:, ::-1]  # into the other member of the pair
    later = np.stack([stays, turns])
    weights, responses = weights.copy(), []
    for exposure in range(exposures + 1):
        z = respond(weights, images, positions)
        if exposure % EVERY == 0:
            responses.append(z.reshape(shape))
        gradient = lpl(z[:exposed], earlier.ravel(), later.ravel(), hold_earlier=True)[1]
        weights -= rate * (to_weights(gradient, images[:exposed], positions[:exposed]) + WEIGHT_DECAY * weights)
    return np.stack(responses)


def judge(responses):
    """By record: selectivity at the swap, at the non-swap and at the middle position and of objects not exposed; at the
    swap position the responses to preferred and to other objects, and the part of units and pairs that prefer the other.
    """
    first, second = responses[:, :, 0], responses[:, :, 1]  # [record, set, pair, position, unit]
    prefers_first = (first > second)[0, :, :, MIDDLE, None]
    preferred, other = measures.by_preference(first, second, prefers_first)

    def at(values, *places):
        """The mean of values at pairs of a set and a position."""
        sets, positions = zip(*places)
        return values[:, sets, :, positions].mean(axis=(0, 2, 3))

    swap = (0, TOP), (1, BOTTOM)
    distance = preferred - other
    selectivity = {"swap": at(distance, *swap), "non-swap": at(distance, (0, BOTTOM), (1, TOP)),
                   "middle": at(distance, (0, MIDDLE), (1, MIDDLE)),
                   "not exposed": at(distance, (2, TOP), (2, MIDDLE), (2, BOTTOM))}
    return types.SimpleNamespace(selectivity=selectivity, preferred=at(preferred, *swap), other=at(other, *swap),
                                 reversed=at(distance < 0, *swap))


def repeat(images, seed, steps, exposures):
    """What comes of a layer that learns from three quarters of the images, and of objects drawn from the rest."""
    random = np.random.default_rng(seed)
    seen, unseen = np.split(images, [len(images) * 3 // 4])
    weights = learn_invariance(seen, random, steps)
    return judge(expose(weights, random.choice(unseen, (3, 2, PAIRS), replace=False), exposures))


def of_the_first(values):
    return np.asarray(values) / values[0]


def from_middle(preferred, other):
    """Responses to preferred and other objects [2, record]: how far from the middle between them at first, of their
    distance at first."""
    both = np.array([preferred, other])
    return (both - both[:, 0].mean()) / (both[0, 0] - both[1, 0])


def draw_band(axis, repeats, colour, label):
    """The mean of repeats [repeat, record], and the standard deviation among them."""
    middle, spread = np.mean(repeats, axis=0), np.std(repeats, axis=0)
    exposures = EVERY * np.arange(len(middle))
    axis.plot(exposures, middle, color=colour, label=label)
    axis.fill_between(exposures, middle - spread, middle + spread, color=colour, alpha=0.2, lw=0)


def draw(judged):
    picture, ((*positions,), (responses, longer, turned)) = plots.panels(2, 3, width=11, height=6)
    monkey = {"ls": "none", "marker": "D", "ms": 5, "mfc": "none"}
    for i, (axis, (name, values)) in enumerate(zip(positions, MONKEY.items())):
        changes = [of_the_first(one.selectivity[name]) for one in judged]
        draw_band(axis, changes, f"C{i}", "model")
        draw_band(longer, changes, f"C{i}", TITLES[name].lower())
        axis.plot(MONKEY_EXPOSURES, of_the_first(values), color=f"C{i}", label="monkey", **monkey)
        axis.set(title=TITLES[name])
        axis.legend(loc="lower left")
    for i, (what, values) in enumerate(zip(("preferred", "other"), from_middle(MONKEY_PREFERRED, MONKEY_OTHER))):
        draw_band(responses, [from_middle(one.preferred, one.other)[i] for one in judged], f"C{i}", f"{what} object")
        responses.plot(MONKEY_EXPOSURES, values, color=f"C{i}", **monkey)
    draw_band(turned, [one.reversed for one in judged], "C0", None)
    for axis in (*positions, responses):
        axis.set(xlim=(-10, PUBLISHED_EXPOSURES + 10))
    for axis in (*positions, longer):
        axis.set(ylim=(0, 1.4))
        axis.axhline(1, color="0.4", lw=0.8, ls=":")
    for axis in (responses, longer, turned):
        axis.set(xlabel="exposures")
    for axis in (positions[0], longer):
        axis.set(ylabel="object selectivity, of the first")
    responses.set(ylabel="response, of the first distance", title="Responses, swap position")
    longer.set(title="Longer than published")
    turned.set(ylabel="part of units and pairs", title="Preference reversed, swap position")
    turned.set_ylim(bottom=0)
    responses.legend(loc="center right")
    longer.legend(loc="lower left")
    return picture


def main():
    parser = figure.options(__doc__)
    parser.add_argument("--stl10", type=pathlib.Path, metavar="FOLDER", help="folder of unlabeled_X.bin ... test_y.bin")
    chosen = parser.parse_args()
    images = features(chosen)
    steps, exposures, repeats = (500, PUBLISHED_EXPOSURES, 1) if chosen.quick else (STEPS, EXPOSURES, REPEATS)
    judged = [repeat(images, seed, steps, exposures) for seed in range(1, repeats + 1)]

    def mean(value):
        return np.mean([value(one) for one in judged])

    rows = [(f"before: selectivity at the {name} position, of that in the middle", None,
             mean(lambda one: one.selectivity[name][0] / one.selectivity["middle"][0])) for name in ("swap", "non-swap")]
    for exposure in sorted({PUBLISHED_EXPOSURES, exposures}):
        record, known = exposure // EVERY, exposure == PUBLISHED_EXPOSURES
        for name, title in TITLES.items():
            published = of_the_first(MONKEY[name])[-1] if known else None
            rows.append((f"after {exposure}: selectivity, {title.lower()}", published,
                         mean(lambda one: of_the_first(one.selectivity[name])[record])))
        rows.append((f"after {exposure}: part reversed, swap position", None, mean(lambda one: one.reversed[record])))
    figure.compare(rows)
    figure.save(chosen, draw(judged), "fig4")


if __name__ == "__main__":
    main()
