"""Means with confidence intervals, of metrics that may have no value for some recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
from scipy import stats

from tfwavenet.audio.comparison import Score


def student_t95(number: int) -> float:
    """The factor of the standard error in a 95 % confidence interval of a mean of `number` > 1."""
    return float(stats.t.ppf(0.975, number - 1))


def mean_ci95(values: Sequence[float]) -> tuple[float, Optional[float]]:
    """Mean, and half of its 95 % confidence interval (Student's t); None for a single value.

    Args:
        values: at least one.
    """
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    deviation = float(np.std(values, ddof=1))
    return mean, student_t95(len(values)) * deviation / math.sqrt(len(values))


def ratio_ci95(totals: Sequence[float], counts: Sequence[int]) -> Optional[float]:
    """Half of the 95 % confidence interval of `sum(totals) / sum(counts)`; None below two.

    Args:
        totals: one per recording.
        counts: one per recording, the weights.

    Source: the ratio estimator of survey sampling (Cochran, "Sampling Techniques", chapter 6).
    """
    if len(totals) < 2:
        return None
    total, count = np.asarray(totals, np.float64), np.asarray(counts, np.float64)
    residuals = total - total.sum() / count.sum() * count
    deviation = math.sqrt(float(np.sum(residuals**2)) / (len(total) - 1))
    return student_t95(len(total)) * deviation / math.sqrt(len(total)) / float(count.mean())


def summary(scores: Sequence[Score]) -> dict[str, Any]:
    """What a report says of one metric of one system.

    Args:
        scores: one per recording.

    Returns:
        `mean` and `ci95` (None where there is none), `count` of values, and, where some are
        missing, `missing` and the first `reason`.
    """
    values = [score.value for score in scores if score.value is not None]
    mean, ci95 = mean_ci95(values) if values else (None, None)
    result: dict[str, Any] = {"mean": mean, "ci95": ci95, "count": len(values)}
    if len(values) < len(scores):
        result["missing"] = len(scores) - len(values)
        result["reason"] = next(score.reason for score in scores if score.value is None)
    return result


def paired_difference(ours: Sequence[Score], theirs: Sequence[Score]) -> dict[str, Any]:
    """Mean of `ours - theirs` over the recordings where both have a value.

    Args:
        ours: one per recording.
        theirs: the same recordings, in the same order.

    Returns:
        `mean`, `ci95`, `count` as in `summary`.
    """
    differences = [
        one.value - other.value
        for one, other in zip(ours, theirs)
        if one.value is not None and other.value is not None
    ]
    mean, ci95 = mean_ci95(differences) if differences else (None, None)
    return {"mean": mean, "ci95": ci95, "count": len(differences)}
