#!/usr/bin/env python3
"""The analysis measures what it says."""

import unittest

import support  # noqa: F401  (finds the scripts)

import numpy as np
from scipy import stats

from lpl_analysis import measures, sequences
from lpl_analysis.disentanglement import disentanglement, dissimilarity, steadiest_units
from lpl_analysis.results import Group, Snapshot


class Measures(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(1)

    def scenes(self, images=4000):
        """Factors of 2, 3 and 5 values [image, factor]."""
        return np.random.default_rng(1).integers(0, [2, 3, 5], (images, 3))

    def test_sequences_tell_the_order_of_levels_on_a_ring(self):
        """Blocks of eight frames, most of which go round a ring of ten by one or two places; the rest is drawn anew."""
        order = self.random.permutation(10)
        place = self.random.integers(10)
        places = []
        for frame in range(4000):
            place = (place + self.random.choice([-1, 1, -2, 2], p=[0.45, 0.45, 0.05, 0.05])) % 10
            if self.random.random() < 0.2:
                place = self.random.integers(10)
            places.append(place)
        levels = order[np.array(places)]
        counts = sequences.transitions(levels, 8)
        expected = np.zeros((10, 10))
        for i in range(4000 - 1):
            if i % 8 < 7:
                expected[levels[i], levels[i + 1]] += 1
        np.testing.assert_array_equal(counts, expected)
        found = sequences.ring(counts)
        true = np.roll(order, -np.flatnonzero(order == 0)[0])
        self.assertIn(list(found), [list(true), [0, *true[:0:-1]]])
        np.testing.assert_array_equal(sequences.distances(5)[0], [0, 1, 2, 2, 1])

    def test_a_sequence_in_which_one_factor_moves(self):
        factors = np.zeros((20, 2), int)
        factors[2:, 0] = 1  # one step of the first
        factors[9:, 1] = np.arange(11)  # many of the second
        self.assertEqual(sequences.moving(factors, 10, 4), 10)  # from 8 on they would span two blocks
        self.assertEqual(sequences.moving(factors, 20, 4), 9)
        self.assertEqual(sequences.moving(factors[:8], 20, 4), 0)

    def test_disentanglement_of_units_that_stand_for_one_factor(self):
        factors = self.scenes()
        one_each = factors[:, [2, 0, 1]] * 10.0
        found = disentanglement(one_each, factors, images=50)
        self.assertEqual((found.score, found.strict), (1, 1))
        # A unit a factor: each gets all its votes, ten for each value.
        np.testing.assert_allclose(found.votes, np.array([[0, 0, 10], [10, 0, 0], [0, 10, 0]]))

    def test_disentanglement_of_noise_is_chance(self):
        factors = self.scenes()
        noise = np.random.default_rng(2).normal(size=(len(factors), 50))
        # Two of ten draws are of the first factor, three of the second, five of the third.
        self.assertLess(disentanglement(noise, factors, images=200).score, 0.6)

    def test_disentanglement_of_rotated_units(self):
        factors = self.scenes()
        rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
        centred = (factors - factors.mean(axis=0)) / factors.std(axis=0)
        self.assertLess(disentanglement(centred @ rotation, factors, images=200).strict, 1)

    def test_disentanglement_leaves_out_silent_units(self):
        factors = self.scenes()
        silent = np.zeros((len(factors), 2))
        found = disentanglement(np.hstack([silent, factors * 1.0]), factors, images=50)
        self.assertEqual(found.score, 1)
        self.assertEqual(found.votes[:2].sum(), 0)
        self.assertTrue(np.isnan(disentanglement(silent, factors)[:2]).all())

    def test_the_steadiest_unit_against_a_loop(self):
        factors = self.scenes(300)
        activity = np.random.default_rng(4).normal(size=(300, 7)) * factors[:, :1]
        pairs = steadiest_units(activity, factors, 20, np.random.default_rng(5))
        generator, expected = np.random.default_rng(5), []
        for factor in range(3):
            for value in sorted(set(factors[:, factor])):
                alike = [i for i in range(300) if factors[i, factor] == value]
                for _ in range(10):
                    chosen = generator.choice(alike, 20, replace=False)
                    spread = [np.var([activity[i, u] for i in chosen]) / np.var(activity[:, u]) for u in range(7)]
                    expected.append((factor, spread.index(min(spread))))
        self.assertEqual(pairs, expected)

    def test_dissimilarity_of_opposite_and_equal_values(self):
        activity = np.array([[1.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
        found = dissimilarity(activity, np.array([0, 0, 1, 2, 3]))
        means = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
        np.testing.assert_allclose(found, 1 - means @ means.T, atol=1e-12)

    def test_participation_ratio_is_that_of_the_eigenvalues(self):
        for shape in ((200, 7), (7, 200)):
            activity = self.random.normal(size=shape) * np.arange(1, shape[1] + 1)
            centred = activity - activity.mean(axis=0)
            eigenvalues = np.linalg.eigvalsh(centred @ centred.T)  # of all samples, as published
            expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
            self.assertAlmostEqual(measures.participation_ratio(activity), expected, places=9)

    def test_participation_ratio_counts_equal_directions(self):
        square = np.array([[1, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]], float)
        self.assertAlmostEqual(measures.participation_ratio(square), 2)
        self.assertAlmostEqual(measures.participation_ratio(square[:, :1]), 1)
        self.assertTrue(np.isnan(measures.participation_ratio(np.ones((4, 3)))))

    def test_spikes_are_counted_in_half_open_bins(self):
        begin, end, width = 10.0, 12.0, 0.025
        steps = np.sort(self.random.integers(100000, 120000, 5000))
        times, ids = steps * 1e-4, self.random.integers(0, 6, 5000)
        expected = np.zeros((80, 6))
        for step, neuron in zip(steps, ids):
            expected[(step - 100000) // 250, neuron] += 1
        np.testing.assert_array_equal(measures.count_spikes(times, ids, 6, begin, end, width), expected)

    def test_decoding_is_a_lasso_on_the_first_95_percent(self):
        # One neuron: the lasso has a closed form, cov shrunk by alpha over var.
        activity = self.random.poisson(3, size=(4000, 1)).astype(float)
        signal = 2 * activity[:, 0] + self.random.normal(size=4000)
        x, y = activity[:3800, 0], signal[:3800]
        slope = (np.cov(x, y, bias=True)[0, 1] - 0.1) / x.var()
        predicted = y.mean() + slope * (activity[3800:, 0] - x.mean())
        true = signal[3800:]
        expected = 1 - ((true - predicted) ** 2).sum() / ((true - true.mean()) ** 2).sum()
        self.assertAlmostEqual(measures.decode(activity, signal[:, None])[0], expected, places=6)
        known, back = measures.reconstruct(activity, signal[:, None])
        np.testing.assert_array_equal(known[:, 0], true)
        np.testing.assert_allclose(np.ravel(back), predicted, rtol=1e-6)

    def test_noise_is_not_decoded(self):
        scores = measures.decode(self.random.poisson(1, (4000, 5)).astype(float), self.random.normal(size=(4000, 3)))
        self.assertLess(max(scores), 0.02)

    def test_correlation_is_pearsons(self):
        a, b = self.random.normal(size=(2, 50, 3))
        self.assertAlmostEqual(measures.correlation(a, b), stats.pearsonr(a.ravel(), b.ravel())[0])
        self.assertTrue(np.isnan(measures.correlation(a, np.zeros_like(b))))

    def test_selectivity_is_the_distance_of_means_over_the_range(self):
        z, second = np.array([0.0, 1.0, 3.0, 4.0]), np.array([False, False, True, True])
        self.assertEqual(measures.class_selectivity(z, second), 0.75)
        self.assertEqual(measures.class_selectivity(z, np.array([True, False, False, True])), 0.0)
        self.assertTrue(np.isnan(measures.class_selectivity(np.ones(4), second)))

    def test_responses_by_preference(self):
        first, second = np.array([[1.0, 5], [2, 3]]), np.array([[4.0, 2], [0, 3]])  # [pair, unit]
        preferred, other = measures.by_preference(first, second, np.array([[False, True], [True, False]]))
        np.testing.assert_array_equal(preferred, [[4, 5], [2, 3]])
        np.testing.assert_array_equal(other, [[1, 2], [0, 3]])

    def test_undefined_is_no_number(self):
        activity, signals = self.random.poisson(2, (400, 3)).astype(float), self.random.poisson(2, (400, 2)).astype(float)
        half_dead = np.column_stack([signals[:, 0], np.full(400, 7.0)])
        self.assertTrue(np.isfinite(measures.decode(activity, signals)).all())
        self.assertEqual([np.isnan(r2) for r2 in measures.decode(activity, half_dead)], [False, True])
        self.assertEqual(measures.undecodable(activity, half_dead), ["", "the input does not vary"])
        silent = np.zeros((400, 3))
        self.assertTrue(np.isnan(measures.decode(silent, signals)).all())
        self.assertEqual(measures.undecodable(silent, signals), ["the activity does not vary"] * 2)
        # Two groups of different rates: a prediction of the means alone is related to nothing in time.
        unequal = signals * [1, 10]
        self.assertTrue(np.isnan(measures.correlation(*measures.reconstruct(silent, unequal))))
        self.assertEqual(measures.unrelated(*measures.reconstruct(silent, unequal)), "the prediction does not vary")
        self.assertTrue(np.isnan(measures.class_selectivity(np.arange(4.0), np.ones(4, bool))))
        self.assertTrue(np.isnan(dissimilarity(np.ones((4, 2)), np.array([0, 0, 1, 1]))).all())

    def test_spikes_after_the_last_whole_bin_are_left_out(self):
        counts = measures.count_spikes(np.array([0.0, 0.049, 0.055]), np.zeros(3, int), 1, 0.0, 0.06)
        np.testing.assert_array_equal(counts, [[1], [1]])

    def test_mean_weight_by_group(self):
        groups = [Group("a", 0, 3), Group("b", 3, 2), Group("none", 5, 1)]
        pre, value = np.array([0, 4, 2, 3, 2], "u4"), np.array([1, 2, 3, 4, 5], "f4")
        means = measures.mean_by_group(Snapshot(pre, pre, value, (6, 6), 0.0), groups)
        self.assertEqual(means[:2], [3.0, 3.0])
        self.assertTrue(np.isnan(means[2]))


if __name__ == "__main__":
    unittest.main()
