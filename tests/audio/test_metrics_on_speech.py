"""Metrics on real speech: published figures are met, and good systems rank before bad ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.support import shared
from tfwavenet.audio import audio_files, comparison, griffin_lim, metrics, mulaw
from tfwavenet.audio.features import FeatureRecipe

pytestmark = pytest.mark.slow

RECIPE = FeatureRecipe(pad_mode="constant")


def _quantised(audio):
    return mulaw.decode(mulaw.encode(audio, 256, rounding="nearest"), 256).numpy()


def _griffin_lim(audio, sample_rate):
    recipe = dataclasses.replace(RECIPE, sample_rate=sample_rate)
    return griffin_lim.griffin_lim(recipe.mel(audio).numpy(), recipe)[: len(audio)]


@pytest.fixture(scope="module")
def means():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    table = {"mulaw": [], "griffin_lim": []}
    for path in sorted(shared.corpus("arctic").glob("*.wav")):
        audio, rate = audio_files.read(path)
        pairs = {"mulaw": _quantised(audio), "griffin_lim": _griffin_lim(audio, rate)}
        for system, estimate in pairs.items():
            audio_cut = audio[: len(estimate)]
            scores = comparison.compare(audio_cut, estimate, sample_rate=rate)
            row = {name: score.value for name, score in scores.items()}
            row["lsd_unlimited"] = metrics.log_spectral_distance(
                audio_cut, estimate, sample_rate=rate, dynamic_range_db=200
            )
            table[system].append(row)
    return {
        system: {name: np.mean([row[name] for row in rows]) for name in rows[0]}
        for system, rows in table.items()
    }


# Means over eight sentences of the same corpora, measured with other programs; here over four.
@pytest.mark.parametrize(
    ("system", "metric", "expected", "tolerance"),
    [
        ("mulaw", "spectral_convergence", 0.010, 0.005),
        ("mulaw", "lsd_unlimited", 7.46, 2.0),
        ("mulaw", "pesq_wb", 3.89, 0.4),
        ("mulaw", "stoi", 0.999, 0.002),
        ("mulaw", "f0_cents", 0.2, 0.2),
        ("griffin_lim", "spectral_convergence", 0.345, 0.07),
        ("griffin_lim", "lsd_unlimited", 7.38, 2.0),
        ("griffin_lim", "pesq_wb", 2.61, 0.4),
        ("griffin_lim", "stoi", 0.949, 0.02),
    ],
)
def test_known_figures_are_met(means, system, metric, expected, tolerance):
    assert means[system][metric] == pytest.approx(expected, abs=tolerance)


def test_a_nearly_transparent_system_ranks_before_griffin_lim(means):
    for metric in comparison.metrics_for(16000):
        sign = 1 if metric.better == "lower" else -1
        ours, theirs = (means[name][metric.name] for name in ("mulaw", "griffin_lim"))
        assert sign * ours < sign * theirs, metric.name
    # Without its floor the log-spectral distance cannot tell them apart.
    ratio = means["mulaw"]["lsd_unlimited"] / means["griffin_lim"]["lsd_unlimited"]
    assert ratio == pytest.approx(1, abs=0.4)


def test_griffin_lim_is_ten_cents_off(means):
    assert 3 < means["griffin_lim"]["f0_cents"] < 30
