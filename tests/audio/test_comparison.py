"""`compare` gives every metric a value or a reason."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tfwavenet.audio import comparison, metrics


def _tone(samples, sample_rate=8000):
    rng = np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 150 * np.arange(samples) / sample_rate)
    return 0.3 * tone + 0.01 * rng.standard_normal(samples)


@pytest.mark.parametrize(("sample_rate", "mode"), [(8000, "nb"), (15999, "nb"), (16000, "wb")])
def test_names_are_unique_and_state_the_mode_of_pesq(sample_rate, mode):
    names = [metric.name for metric in comparison.metrics_for(sample_rate)]
    assert len(set(names)) == len(names)
    assert names[0] == f"pesq_{mode}"
    scores = comparison.compare(_tone(4000), _tone(4000), sample_rate=sample_rate)
    assert list(scores) == names


def test_better_points_away_from_a_damaged_signal():
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    audio = _tone(16000)
    noise = np.random.default_rng(1).standard_normal(16000)
    damaged = audio + noise * np.where(np.arange(16000) < 6000, 0.5, 0.02)
    best = comparison.compare(audio, audio, sample_rate=8000)
    worse = comparison.compare(audio, damaged, sample_rate=8000)
    for metric in comparison.metrics_for(8000):
        sign = 1 if metric.better == "lower" else -1
        assert sign * worse[metric.name].value > sign * best[metric.name].value, metric.name


def test_values_are_those_of_the_functions():
    audio, other = _tone(8000), 0.5 * _tone(8000)
    scores = comparison.compare(audio, other, sample_rate=8000)
    error = metrics.f0_error(audio, other, sample_rate=8000)
    assert scores["f0_cents"].value == error.median_cents
    assert scores["f0_frame_error"].value == error.frame_error
    assert scores["lsd"].value == metrics.log_spectral_distance(audio, other, sample_rate=8000)
    assert scores["mcd"].value == metrics.mel_cepstral_distance(audio, other, sample_rate=8000)
    assert scores["spectral_convergence"].value == metrics.spectral_convergence(audio, other)
    assert scores["log_magnitude"].value == metrics.log_magnitude_distance(audio, other)


def test_missing_packages_leave_the_other_metrics(monkeypatch):
    monkeypatch.setitem(sys.modules, "pesq", None)
    monkeypatch.setitem(sys.modules, "pystoi", None)
    scores = comparison.compare(_tone(8000), _tone(8000), sample_rate=8000)
    missing = {name for name, score in scores.items() if score.value is None}
    assert missing == {"pesq_nb", "stoi", "estoi"}
    assert all("not installed" in scores[name].reason for name in missing)


def test_a_silent_reference_has_reasons_only():
    scores = comparison.compare(np.zeros(8000), _tone(8000), sample_rate=8000)
    assert all(score.value is None and "silent" in score.reason for score in scores.values())


def test_nothing_voiced_is_a_reason():
    noise = np.random.default_rng(0).standard_normal(8000)
    score = comparison.compare(_tone(8000), noise, sample_rate=8000)["f0_cents"]
    assert score == (None, "no frame is voiced in both")


def test_bad_pairs_are_errors():
    with pytest.raises(ValueError, match="equally long"):
        comparison.compare(_tone(8000), _tone(4000), sample_rate=8000)
    with pytest.raises(ValueError, match="sample_rate"):
        comparison.compare(_tone(8000), _tone(8000), sample_rate=100)
