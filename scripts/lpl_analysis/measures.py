"""The numbers that the figures rest on. Constants as published (Halvagal & Zenke 2023, Fig. 5).

What is not defined for the data that are there is NaN, never a number; undecodable() and unrelated() say why.
"""

import numpy as np

BIN = 0.025  # [s]
LAST = 100.0  # [s] at the end of a phase that are analysed
LASSO_ALPHA = 0.1
TRAINED_SHARE = 0.95
LEAST_BINS = 40


def count_spikes(times, columns, n_columns, begin, end, width=BIN):
    """Spikes per bin and column, shape [bin, column], of spikes in the whole bins of [begin, end)."""
    n_bins = int((end - begin) / width + 1e-6)
    rows = np.floor((times - begin) / width + 1e-6).astype(np.int64)
    inside = (rows >= 0) & (rows < n_bins)
    counts = np.zeros((n_bins, n_columns))
    np.add.at(counts, (rows[inside], columns[inside]), 1.0)
    return counts


def split(values):
    """The training and the test share of rows, in order of time."""
    border = int(TRAINED_SHARE * len(values))
    return values[:border], values[border:]


def varies(values):
    """Whether a column varies, by column."""
    return np.ptp(values, axis=0) > 0 if len(values) else np.zeros(np.shape(values)[1:], bool)


def undecodable(activity, signals):
    """Why the decoding of each signal is undefined, "" where it is defined."""
    (trained, _), (known, true) = split(activity), split(signals)
    if not varies(trained).any():
        return ["the activity does not vary"] * signals.shape[1]
    return ["" if both else "the input does not vary" for both in varies(known) & varies(true)]


def decode(activity, signals):
    """R2 [signal], on the test share, of a lasso from activity [bin, neuron] to each signal [bin, signal]; NaN where
    undecodable() gives a reason."""
    from sklearn.linear_model import Lasso
    from sklearn.metrics import r2_score

    (trained, tested), (known, true) = split(activity), split(signals)
    return [float("nan") if reason else
            float(r2_score(true[:, g], Lasso(alpha=LASSO_ALPHA).fit(trained, known[:, g]).predict(tested)))
            for g, reason in enumerate(undecodable(activity, signals))]


def reconstruct(activity, signals):
    """True and predicted test signals [bin, signal] of one lasso from activity to all signals."""
    from sklearn.linear_model import Lasso

    (trained, tested), (known, true) = split(activity), split(signals)
    predicted = np.tile(known.mean(axis=0), (len(tested), 1))
    fitted = varies(known) & varies(trained).any()
    if fitted.any():
        found = Lasso(alpha=LASSO_ALPHA).fit(trained, known[:, fitted]).predict(tested)
        predicted[:, fitted] = np.reshape(found, (len(tested), -1))
    return true, predicted


def unrelated(true, predicted):
    """Why the correlation of two signals [bin] or sets of them [bin, signal] is undefined, "" where it is defined.
    Signals that are all constant differ in their means only: that is no relation over time."""
    if not varies(true).any():
        return "the input does not vary"
    return "" if varies(predicted).any() else "the prediction does not vary"


def correlation(true, predicted):
    """Pearson correlation over all entries; NaN where unrelated() gives a reason."""
    if unrelated(true, predicted):
        return float("nan")
    return float(np.corrcoef(np.ravel(predicted), np.ravel(true))[0, 1])


def participation_ratio(activity):
    """(sum of eigenvalues)^2 / (sum of their squares) of the covariance of activity [sample, unit]; NaN if all is
    constant."""
    centred = activity - activity.mean(axis=0)
    # The sums of eigenvalues are traces: no decomposition is needed. The smaller Gram matrix has the same ones.
    gram = centred.T @ centred if centred.shape[1] <= centred.shape[0] else centred @ centred.T
    squares = np.sum(gram * gram)
    return float(np.trace(gram) ** 2 / squares) if squares > 0 else float("nan")


def group_of(ids, groups):
    """The index of the group of each id."""
    return np.searchsorted([group.first for group in groups], ids, side="right") - 1


def mean_by_group(snapshot, groups):
    """Mean weight by presynaptic group; NaN for a group without synapses."""
    index = group_of(snapshot.pre, groups)
    counts = np.bincount(index, minlength=len(groups))
    sums = np.bincount(index, snapshot.value.astype(np.float64), minlength=len(groups))
    return [float(total / count) if count else float("nan") for total, count in zip(sums, counts)]


def class_selectivity(z, in_class):
    """How well activity z [sample] tells a class from the rest: the distance of their means over the range of z, 0 to 1
    (Halvagal & Zenke 2023, Fig. 2); NaN where z is constant or all are of one class."""
    spread = z.max() - z.min()
    if not spread > 0 or in_class.all() or not in_class.any():
        return float("nan")
    return float(abs(z[in_class].mean() - z[~in_class].mean()) / spread)


def by_preference(first, second, prefers_first):
    """Responses to the preferred and to the other object of each pair, from those to its first and its second; the
    arrays broadcast. Object selectivity is the mean of their difference. What is preferred must be told from other
    responses than those that are judged, or noise alone is selective."""
    return np.where(prefers_first, first, second), np.where(prefers_first, second, first)
