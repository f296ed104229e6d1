"""From a recording to the network's signal and back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy import signal as scipy_signal

from tfwavenet.audio import recipes, signal_chain

RECIPE = recipes.get({"base": "speech_8k", "gain": 0.9})


def noise(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape).astype(np.float32)


def test_signal_is_the_difference_equation():
    audio = noise(400)
    delayed = np.concatenate([[0.0], audio[:-1]])
    expected = 0.9 * 0.54 * (audio - 0.85 * delayed)
    np.testing.assert_allclose(RECIPE.condition_audio(audio), expected, atol=1e-6)


def test_the_gain_of_the_speech_recipes_cannot_overflow():
    worst = np.tile([1.0, -1.0], 200)
    signal = recipes.get("speech_8k").condition_audio(worst)
    assert 0.99 < np.abs(signal).max() < 1.0


@pytest.mark.parametrize("cuts", [(1,), (0, 1, 5), (80, 160, 240), (399,)])
def test_to_audio_in_chunks_is_to_audio_of_the_whole(cuts):
    signal = noise(2, 400)
    whole, final = RECIPE.to_audio(signal)
    state, parts = None, []
    for chunk in np.split(signal, cuts, axis=-1):
        part, state = RECIPE.to_audio(chunk, state)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), whole)
    np.testing.assert_array_equal(state, final)


def test_to_audio_undoes_condition_audio():
    audio = noise(4000)
    restored, _ = RECIPE.to_audio(RECIPE.condition_audio(audio))
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored, audio, atol=3e-6)


def test_overflow():
    loud = dataclasses.replace(RECIPE, signal_gain=2.0, pre_emphasis=0.0, gain=1.0)
    assert np.abs(loud.condition_audio(noise(100))).max() == 1.0
    strict = dataclasses.replace(loud, overflow="error")
    with pytest.raises(ValueError, match=r"must be in \[-1, 1\] for this recipe. Received: peak=1"):
        strict.condition_audio(noise(100))
    assert len(strict.condition_audio(0.4 * noise(100))) == 100


def test_peak_and_silence():
    recipe = dataclasses.replace(RECIPE, peak=0.5, gain=1.0)
    assert np.abs(recipe.prepare_audio(noise(100))).max() == pytest.approx(0.5)
    with pytest.raises(ValueError, match=r"silent audio cannot be scaled to a peak of 0.5"):
        recipe.prepare_audio(np.zeros(100, np.float32))


def test_high_pass_removes_a_constant_and_keeps_the_voice():
    filtered = signal_chain.high_pass(np.ones(2000), cutoff_hz=70.0, sample_rate=8000)
    assert abs(filtered[-1]) < 0.01
    tone = np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
    filtered = signal_chain.high_pass(tone, cutoff_hz=70.0, sample_rate=8000)
    np.testing.assert_allclose(filtered[1127:], tone[1000:-127], atol=0.01)


def test_high_pass_is_the_fir_filter():
    audio = noise(1000).astype(np.float64)
    taps = scipy_signal.firwin(255, 70 / (22050 // 2), pass_zero=False)
    expected = np.convolve(audio, taps)[:1000]
    found = signal_chain.high_pass(audio, cutoff_hz=70.0, sample_rate=22050)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((2, 100), np.float32), r"shape=\(2, 100\)"),
        (np.zeros(100, np.int16), "dtype=int16"),
        (np.zeros(0, np.float32), "samples=0"),
        (np.array([0.0, np.nan]), "must be finite"),
        (np.array([0.0, -np.inf]), "must be finite"),
        (np.array([0.0, -32768.0]), "16-bit samples"),
    ],
)
def test_bad_audio(audio, message):
    with pytest.raises(ValueError, match=message):
        RECIPE.analyze(audio)


@pytest.mark.parametrize("changes", [{}, {"peak": 0.9}, {"high_pass_hz": 70.0}, {"gain": 2.0}])
def test_the_graph_prepares_as_numpy_does(changes):
    recipe = dataclasses.replace(RECIPE, **changes)
    audio = noise(3, 1000)
    expected = [recipe.prepare_audio(row) for row in audio]
    prepared = signal_chain.prepare_graph(tf.constant(audio), recipe=recipe)
    np.testing.assert_allclose(prepared, expected, rtol=0, atol=1e-12)


def test_the_graph_gives_the_audio_that_numpy_gives():
    signal = noise(2, 1000)
    audio, _ = signal_chain.from_signal_graph(
        tf.constant(signal), recipe=RECIPE, state=tf.zeros([2], tf.float64)
    )
    np.testing.assert_allclose(audio, RECIPE.to_audio(signal)[0], rtol=1e-6, atol=1e-7)


def test_audio_stays_within_full_scale_and_chunks_agree():
    recipe = recipes.get("speech_8k")
    signal = np.random.default_rng(0).uniform(-1, 1, 500).astype(np.float32)
    signal[200:300] = 0.9
    whole, _ = recipe.to_audio(signal)
    assert np.abs(whole).max() == 1.0
    state, parts = None, []
    for chunk in np.split(signal, [210, 270]):
        part, state = recipe.to_audio(chunk, state)
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    zeros = tf.zeros([1], tf.float64)
    graph, _ = signal_chain.from_signal_graph(signal[np.newaxis], recipe=recipe, state=zeros)
    np.testing.assert_allclose(graph[0], whole, rtol=1e-5, atol=1e-6)
