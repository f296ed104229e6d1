"""Resampling: no lag, the right length, the right spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from tfwavenet.audio import resample

RATES = [(22050, 16000), (16000, 22050), (48000, 8000), (8000, 48000), (44100, 16000)]


@pytest.mark.parametrize(("source", "target"), RATES)
def test_an_impulse_stays_where_it_is(source, target):
    audio = np.zeros(source)
    audio[source // 2] = 1.0
    found = resample.resample(audio, source_rate=source, target_rate=target)
    assert abs(np.argmax(np.abs(found)) - target / 2) <= 1
    lags = np.arange(-5, 6)
    weights = [found[target // 2 + lag] for lag in lags]
    assert abs(np.dot(lags, np.square(weights)) / np.sum(np.square(weights))) < 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("source", "target"), RATES)
def test_a_tone_keeps_phase_level_and_length(source, target, dtype):
    def tone(rate):
        return np.sin(2 * np.pi * 1000 * np.arange(rate + 7) / rate).astype(dtype)

    found = resample.resample(tone(source), source_rate=source, target_rate=target)
    assert found.dtype == dtype and len(found) == int(np.ceil((source + 7) * target / source))
    middle = slice(target // 4, target // 2)
    np.testing.assert_allclose(found[middle], tone(target)[middle], atol=1e-3)


def test_what_the_target_cannot_hold_is_removed():
    high = np.sin(2 * np.pi * 6000 * np.arange(16000) / 16000)
    found = resample.resample(high, source_rate=16000, target_rate=8000)
    assert np.abs(found[1000:-1000]).max() < 1e-3


def test_channels_are_apart():
    audio = np.random.default_rng(0).normal(size=(1000, 2))
    both = resample.resample(audio, source_rate=16000, target_rate=8000)
    assert both.shape == (500, 2)
    for channel in range(2):
        alone = resample.resample(audio[:, channel], source_rate=16000, target_rate=8000)
        np.testing.assert_allclose(both[:, channel], alone, atol=1e-12)


def test_equal_rates_change_nothing():
    audio = np.random.default_rng(0).normal(size=100)
    assert resample.resample(audio, source_rate=8000, target_rate=8000) is audio


@pytest.mark.parametrize("rate", [0, -8000, 8000.5, "8k"])
def test_rates_out_of_range(rate):
    with pytest.raises(ValueError, match="target_rate must be an integer of at least 1. Received"):
        resample.resample(np.zeros(10), source_rate=8000, target_rate=rate)


def test_integers_are_rejected():
    with pytest.raises(ValueError, match="dtype=int16"):
        resample.resample(np.zeros(10, np.int16), source_rate=8000, target_rate=16000)
