"""The level that mels tell of, against that of the signals they were made from."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support import shared
from tfwavenet.audio import audio_files, level, recipes

STATISTICS = (np.full(80, -2.0), np.full(80, 1.0))
# Of a recipe that scales the features' audio to a peak, features do not tell the level.
LEVELLED = sorted(name for name, recipe in recipes.RECIPES.items() if recipe.feature_peak is None)


def ready(name):
    recipe = recipes.get(name)
    return recipe.with_statistics(*STATISTICS) if recipe.normalization == "standard" else recipe


def decibels(ratio):
    return 20 * np.log10(ratio)


@pytest.mark.parametrize("name", LEVELLED)
@pytest.mark.parametrize("amplitude", [0.2, 0.01])
def test_the_level_of_noise_is_found(name, amplitude):
    recipe = ready(name)
    audio = amplitude * np.random.default_rng(0).normal(size=2 * recipe.sample_rate)
    if recipe.peak is not None:
        audio = np.append(audio, 0.99)  # which would otherwise be that of the noise
    signal, mel = recipe.analyze(np.clip(audio, -1, 1))
    found = level.signal_rms(mel[10:-20], recipe).numpy()
    assert found.dtype == np.float32 and found.shape == (len(mel) - 30,)
    true = np.std(signal[10 * recipe.hop_samples : -20 * recipe.hop_samples])
    assert -2 < decibels(np.sqrt(np.mean(found**2)) / true) < 0.5


def test_the_level_of_speech_is_followed():
    recipe = recipes.get("speech_8k")
    path = sorted(shared.corpus("arctic").glob("*.wav"))[0]
    audio, _ = audio_files.read(path, sample_rate=recipe.sample_rate)
    signal, mel = recipe.analyze(audio)
    found = level.signal_rms(mel, recipe).numpy()
    window = np.hanning(recipe.win_samples)
    power = np.convolve(signal**2, window / window.sum(), "same")
    true = np.sqrt(power[:: recipe.hop_samples])
    loud = true > 0.05 * true.max()
    difference = decibels(found[loud] / true[loud])
    assert abs(np.mean(difference)) < 1.5
    assert np.std(difference) < 3


def test_the_level_grows_with_the_signal():
    recipe = recipes.get("lmnt")
    audio = 0.05 * np.random.default_rng(0).normal(size=recipe.sample_rate).astype(np.float32)
    once, twice = (
        level.signal_rms(recipe.analyze(gain * audio)[1], recipe).numpy() for gain in (1, 2)
    )
    assert np.median(twice / once) == pytest.approx(2, rel=0.02)


def test_statistics_that_are_missing_are_named():
    with pytest.raises(ValueError, match="normalizes by the training set's statistics"):
        level.signal_rms(np.zeros([3, 80], np.float32), recipes.get("r9y9"))
