"""Means and intervals against scipy and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tfwavenet.audio.comparison import Score
from tfwavenet.evaluation import statistics


@pytest.mark.parametrize("count", [2, 3, 40])
def test_mean_and_interval_are_those_of_scipy(count):
    values = np.random.default_rng(count).normal(3, 2, count)
    mean, half = statistics.mean_ci95(values.tolist())
    low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    assert mean == pytest.approx(values.mean())
    assert half == pytest.approx((high - low) / 2)


def test_one_value_has_no_interval():
    assert statistics.mean_ci95([3.0]) == (3.0, None)
    assert statistics.ratio_ci95([3.0], [2]) is None


def test_a_ratio_of_equal_weights_is_a_mean():
    values = np.random.default_rng(0).normal(3, 2, 20)
    _, half = statistics.mean_ci95(values.tolist())
    assert statistics.ratio_ci95((7 * values).tolist(), [7] * 20) == pytest.approx(half)


def test_the_interval_of_a_ratio_covers_the_truth_95_times_of_100():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        counts = rng.integers(100, 1000, 30)
        totals = rng.normal(2.0, 0.5, 30) * counts
        half = statistics.ratio_ci95(totals.tolist(), counts.tolist())
        covered += abs(totals.sum() / counts.sum() - 2.0) <= half
    assert 920 < covered < 975


def test_summary_skips_and_explains_what_is_missing():
    scores = [Score(1.0), Score(None, "too short"), Score(3.0), Score(None, "silent"), Score(9.0)]
    found = statistics.summary(scores, [0, 2])
    assert found["mean"] == 2.0
    assert (found["count"], found["missing"], found["reason"]) == (2, 2, "too short")
    assert statistics.summary([Score(None, "why")], []) == {
        "mean": None,
        "ci95": None,
        "count": 0,
        "missing": 1,
        "reason": "why",
    }
    assert "missing" not in statistics.summary([Score(1.0)], [0])


def test_common_segments_have_a_value_of_every_system_that_has_any():
    full = [Score(1.0), Score(2.0), Score(3.0)]
    partly = [Score(1.0), Score(None, "silent"), Score(3.0)]
    never = [Score(None, "absent")] * 3
    assert statistics.common_segments([full, partly, never]) == [0, 2]
    assert statistics.common_segments([full]) == [0, 1, 2]
    assert statistics.common_segments([never]) == []


def test_differences_use_the_pairs_that_are_whole():
    found = statistics.paired_difference([1.0, None, 5.0, 2.0], [2.0, 9.0, 3.0, None])
    assert found["mean"] == pytest.approx(0.5)
    assert found["count"] == 2
    assert statistics.paired_difference([None], [1.0])["mean"] is None


@pytest.mark.parametrize(
    ("differences", "is_clear"),
    [
        ([1.0, 1.1, 0.9, 1.0], False),  # too few
        ([1.0, 1.1, 0.9, 1.0, 1.05], True),
        ([-1.0, -1.1, -0.9, -1.0, -1.05], True),
        ([1.0, -1.1, 0.9, -1.0, 1.05], False),
        ([0.0] * 9, False),
    ],
)
def test_a_verdict_needs_five_pairs_and_an_interval_without_zero(differences, is_clear):
    found = statistics.paired_difference(differences, [0.0] * len(differences))
    assert statistics.is_clear(found) == is_clear
