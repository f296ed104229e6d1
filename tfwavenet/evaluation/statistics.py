"""Computes means with confidence intervals, of metrics that may lack values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
from scipy import stats

from tfwavenet.audio.comparison import Score

# Least number of pairs of values for a comparison of two systems.
FEWEST_PAIRS = 5


def student_t95(number: int) -> float:
    """Returns Student's factor of the standard error in a 95 % confidence interval of a mean.

    Args:
        number: int > 1, number of values.
    """
    return float(stats.t.ppf(0.975, number - 1))


def mean_ci95(values: Sequence[float]) -> tuple[float, Optional[float]]:
    """Computes the mean, and half of its 95 % confidence interval (Student's t).

    Args:
        values: at least one value. If there is only one, the interval is None.
    """
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    deviation = float(np.std(values, ddof=1))
    return mean, student_t95(len(values)) * deviation / math.sqrt(len(values))


def ratio_ci95(totals: Sequence[float], counts: Sequence[int]) -> Optional[float]:
    """Computes half of the 95 % confidence interval of `sum(totals) / sum(counts)`.

    Args:
        totals: one per utterance. If there are fewer than two, the interval is None.
        counts: one per utterance, the weights.

    Source: the ratio estimator of survey sampling (Cochran, "Sampling Techniques", chapter 6).
    """
    if len(totals) < 2:
        return None
    total, count = np.asarray(totals, np.float64), np.asarray(counts, np.float64)
    residuals = total - total.sum() / count.sum() * count
    deviation = math.sqrt(float(np.sum(residuals**2)) / (len(total) - 1))
    return student_t95(len(total)) * deviation / math.sqrt(len(total)) / float(count.mean())


def summary(scores: Sequence[Score], common: Sequence[int]) -> dict[str, Any]:
    """Summarizes one metric of one system for a report.

    Args:
        scores: one per segment.
        common: indices of the segments over which the mean is taken.

    Returns:
        `mean` and `ci95` (None if they are not defined) and `count` of values in the mean. If
        segments have no value, also their number `missing` and the first `reason`.
    """
    values = [scores[index].value for index in common]
    found = [value for value in values if value is not None]
    mean, ci95 = mean_ci95(found) if found else (None, None)
    result: dict[str, Any] = {"mean": mean, "ci95": ci95, "count": len(found)}
    reasons = [score.reason for score in scores if score.value is None]
    if reasons:
        result.update(missing=len(reasons), reason=reasons[0])
    return result


def common_segments(systems: Sequence[Sequence[Score]]) -> list[int]:
    """Returns the indices of the segments for which all systems have a value.

    Args:
        systems: scores of one metric for every system, one per segment. A system without any
            value is left out of account.
    """
    measured = [scores for scores in systems if any(score.value is not None for score in scores)]
    rows = list(zip(*measured))
    return [index for index, row in enumerate(rows) if all(one.value is not None for one in row)]


def paired_difference(
    ours: Sequence[Optional[float]], theirs: Sequence[Optional[float]]
) -> dict[str, Any]:
    """Computes the mean of `ours - theirs` over the segments where both have a value.

    Args:
        ours: one per segment.
        theirs: values of the same segments, in the same order.

    Returns:
        `mean`, `ci95`, `count` as in `summary`.
    """
    differences = [
        one - other for one, other in zip(ours, theirs) if one is not None and other is not None
    ]
    mean, ci95 = mean_ci95(differences) if differences else (None, None)
    return {"mean": mean, "ci95": ci95, "count": len(differences)}


def is_clear(difference: Mapping[str, Any]) -> bool:
    """Tells whether a difference rests on enough pairs, and its 95 % interval excludes zero.

    Args:
        difference: from `paired_difference`.
    """
    if difference["count"] < FEWEST_PAIRS:
        return False
    return abs(difference["mean"]) > difference["ci95"]
