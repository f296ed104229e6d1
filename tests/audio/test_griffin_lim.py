"""Griffin-Lim: tones and sentences come back, aligned and at their level."""

from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import pytest

from tests.support import shared
from tfwavenet.audio import audio_files, griffin_lim, recipes

STATISTICS = (np.full(80, -2.0), np.full(80, 1.0))


def ready(name):
    recipe = recipes.get(name)
    return recipe.with_statistics(*STATISTICS) if recipe.normalization == "standard" else recipe


def convergence(reference, estimate, n_fft):
    a, b = (np.abs(librosa.stft(x, n_fft=n_fft)) for x in (reference, estimate))
    return np.linalg.norm(a - b) / np.linalg.norm(a)


@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
def test_a_tone_keeps_pitch_level_and_place(name):
    recipe = ready(name)
    rate = recipe.sample_rate
    time = np.arange(rate) / rate
    part = (time > 0.25) & (time < 0.75)
    audio = (0.4 * np.sin(2 * np.pi * 440 * time) * part).astype(np.float32)
    signal, mel = recipe.analyze(audio)
    reference, _ = recipe.to_audio(signal)
    found = griffin_lim.griffin_lim(mel, recipe, iterations=20)
    assert found.dtype == np.float32 and found.shape == reference.shape
    spectrum = np.abs(np.fft.rfft(found * np.hanning(len(found))))
    assert abs(np.argmax(spectrum) * rate / len(found) - 440) < 60
    envelope = [librosa.feature.rms(y=x, frame_length=1024)[0] for x in (reference, found)]
    # A recipe that scales the features to a peak after pre-emphasis does not keep the level.
    scale = np.linalg.norm(envelope[0]) / np.linalg.norm(envelope[1])
    assert recipe.feature_peak or 0.8 < scale < 1.35
    difference = np.linalg.norm(envelope[0] - scale * envelope[1])
    assert difference < 0.4 * np.linalg.norm(envelope[0])


@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
def test_bursts_of_noise_stay_in_place(name):
    recipe = ready(name)
    random = np.random.default_rng(0)
    audio = np.zeros(8000, np.float32)
    for start in (500, 3000, 4200, 6900):
        audio[start : start + 600] = random.uniform(-0.5, 0.5, 600)
    signal, mel = recipe.analyze(audio)
    reference, _ = recipe.to_audio(signal)
    found = griffin_lim.griffin_lim(mel, recipe, iterations=10)
    smooth = np.hanning(200)
    envelopes = [np.convolve(np.abs(x), smooth, "same") for x in (found, reference)]
    lag = np.argmax(np.correlate(*envelopes, "full")) - (len(found) - 1)
    assert abs(lag) < recipe.hop_samples / 2


def test_a_sentence_of_the_package():
    # The bundled recordings come with every installation.
    folder = shared.REPOSITORY / "tfwavenet" / "data" / "bundled"
    audio, _ = audio_files.read(sorted(folder.glob("*.flac"))[0], sample_rate=16000)
    recipe = recipes.get("speech_16k")
    signal, mel = recipe.analyze(audio[:32000])
    reference, _ = recipe.to_audio(signal)
    poor = griffin_lim.griffin_lim(mel, recipe, iterations=0)
    found = griffin_lim.griffin_lim(mel, recipe)
    assert convergence(reference, found, 1024) < 0.45
    assert convergence(reference, found, 1024) < 0.8 * convergence(reference, poor, 1024)
    again = recipe.mel(found).numpy()
    assert np.mean(np.abs(again - mel)) < 0.02


def test_the_seed_decides():
    recipe = recipes.get("speech_8k")
    mel = np.random.default_rng(0).uniform(0.2, 0.6, (30, 40)).astype(np.float32)
    first = griffin_lim.griffin_lim(mel, recipe, iterations=3, seed=1)
    np.testing.assert_array_equal(first, griffin_lim.griffin_lim(mel, recipe, iterations=3, seed=1))
    assert np.any(first != griffin_lim.griffin_lim(mel, recipe, iterations=3, seed=2))


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_magnitudes_explain_the_mels(power):
    recipe = dataclasses.replace(recipes.get("speech_16k"), power=power)
    magnitude = np.random.default_rng(0).uniform(0.5, 1.0, (7, 513))
    linear = magnitude**power @ recipe.mel_matrix().T.astype(np.float64)
    mel = recipe.normalize(20 * np.log10(np.maximum(linear, 1e-5)))
    found = griffin_lim.linear_magnitude(mel, recipe)
    assert found.shape == (7, 513) and found.min() >= 0.0
    np.testing.assert_allclose(found**power @ recipe.mel_matrix().T, linear, rtol=0.02)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_few_frames(frames):
    recipe = recipes.get("speech_8k")
    found = griffin_lim.griffin_lim(np.full((frames, 40), 0.5), recipe, iterations=2)
    assert found.shape == (frames * 80,) and np.isfinite(found).all()


def test_silence_gives_silence():
    recipe = recipes.get("speech_8k")
    _, mel = recipe.analyze(np.zeros(4000, np.float32))
    assert np.abs(griffin_lim.griffin_lim(mel, recipe, iterations=5)).max() < 1e-3


@pytest.mark.parametrize(
    ("mel", "message"),
    [
        (np.zeros((5, 41)), r"\[frames > 0, 40\]. Received: shape=\(5, 41\)"),
        (np.zeros((1, 5, 40)), r"shape=\(1, 5, 40\)"),
        (np.zeros((0, 40)), r"shape=\(0, 40\)"),
        (np.full((5, 40), np.nan), "mel must be finite"),
    ],
)
def test_bad_mels(mel, message):
    with pytest.raises(ValueError, match=message):
        griffin_lim.griffin_lim(mel, recipes.get("speech_8k"))


def test_negative_iterations():
    with pytest.raises(ValueError, match="Received: iterations=-1"):
        griffin_lim.griffin_lim(np.zeros((5, 40)), recipes.get("speech_8k"), iterations=-1)
