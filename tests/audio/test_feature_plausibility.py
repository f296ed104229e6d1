"""Features of another recipe are told from the recipe's own, and real sound never is."""

from __future__ import annotations

import numpy as np
import pytest

from tfwavenet.audio import recipes
from tfwavenet.audio.feature_plausibility import implausible


def _fitted(name, voice):
    recipe = recipes.get(name)
    if recipe.normalization != "standard":
        return recipe
    mel = recipe.compressed_mel(recipe.prepare_audio(voice(recipe.sample_rate))).numpy()
    return recipe.with_statistics(mel.mean(axis=0), mel.std(axis=0))


def _sounds(recipe, voice):
    """Yields sounds at the limits: loud and soft speech, tones, noise, a burst, near silence."""
    rate, rng = recipe.sample_rate, np.random.default_rng(0)
    speech = voice(rate)
    loud = (speech / np.abs(speech).max()).astype(np.float32)
    time = np.arange(rate) / rate
    yield loud
    yield 0.01 * loud
    yield np.sin(2 * np.pi * 440 * time).astype(np.float32)
    yield np.sin(2 * np.pi * 60 * time).astype(np.float32)
    yield np.sign(np.sin(2 * np.pi * 100 * time)).astype(np.float32)
    yield rng.uniform(-1, 1, rate).astype(np.float32)
    burst = np.zeros(rate, np.float32)
    burst[rate // 2 : rate // 2 + rate // 10] = rng.uniform(-1, 1, rate // 10)
    yield burst
    yield 1e-4 * rng.standard_normal(rate).astype(np.float32)


@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large:UserWarning")
def test_features_of_the_recipe_pass(name, voice):
    recipe = _fitted(name, voice)
    for sound in _sounds(recipe, voice):
        mel = recipe.mel(recipe.prepare_audio(sound)).numpy()
        assert implausible(mel, recipe) is None
        assert implausible(mel[:3], recipe) is None


OTHERS = {
    "far below": lambda shape, rng: rng.normal(-6.0, 3.0, shape) - 8.0,
    "decibels": lambda shape, rng: rng.uniform(-100.0, 0.0, shape),
    "16-bit magnitudes": lambda shape, rng: rng.uniform(0.0, 3e4, shape),
    "far above": lambda shape, rng: rng.uniform(10.0, 14.0, shape),
}


@pytest.mark.parametrize("name", ["speech_16k", "tacotron2", "hifigan", "r9y9", "lmnt", "codejin"])
@pytest.mark.parametrize("other", sorted(OTHERS))
def test_features_of_another_recipe_are_found(name, other, voice):
    recipe = _fitted(name, voice)
    mel = OTHERS[other]((50, recipe.n_mels), np.random.default_rng(0)).astype(np.float32)
    found = implausible(mel, recipe)
    assert found is not None and "expected" in found


@pytest.mark.parametrize(
    ("given", "model"),
    [
        ("speech_22k", "tacotron2"),  # 0 to 1 is no natural logarithm of a spectrogram
        ("lmnt", "hifigan"),
        ("tacotron2", "lmnt"),
        ("tacotron2", "speech_22k"),
        ("parallel_wavegan", "speech_22k"),
        ("tacotron2", "parallel_wavegan"),
    ],
)
def test_speech_of_one_recipe_given_to_another(given, model, voice):
    mel = _fitted(given, voice).analyze(voice(22050))[1]
    assert implausible(mel, _fitted(model, voice)) is not None


def test_uniform_features_of_other_ranges_are_found():
    rng = np.random.default_rng(0)
    for name, low, high in (("nv_wavenet", 0, 1), ("philsyn", 0, 1), ("revsic", -4, 4)):
        mel = rng.uniform(low, high, (50, 80)).astype(np.float32)
        assert implausible(mel, recipes.get(name)) is not None


def test_a_mel_around_minus_six_is_found_by_standardized_recipes(voice):
    recipe = _fitted("parallel_wavegan", voice)
    mel = np.random.default_rng(0).normal(-6.0, 3.0, (80, 80)).astype(np.float32)
    assert "a mean of -6" in implausible(mel, recipe)
