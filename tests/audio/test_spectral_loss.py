"""The spectral loss against SciPy's short-time spectra."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import signal

from tfwavenet.audio.spectral_loss import spectral_loss


def magnitudes(audio, fft, hop, window):
    frames = np.lib.stride_tricks.sliding_window_view(audio, window)[::hop]
    hann = signal.get_window("hann", window)
    return np.sqrt(np.maximum(np.abs(np.fft.rfft(frames * hann, fft)) ** 2, 1e-7))


def pair(samples=3000):
    generator = np.random.default_rng(0)
    return generator.uniform(-0.5, 0.5, (2, 2, samples)).astype(np.float32)


@pytest.mark.parametrize("resolutions", [((256, 50, 200),), ((512, 60, 240), (128, 32, 128))])
def test_is_convergence_plus_log_distance(resolutions):
    reference, estimate = pair()
    expected = []
    for one, other in zip(reference, estimate):
        distances = []
        for resolution in resolutions:
            x, y = magnitudes(one, *resolution), magnitudes(other, *resolution)
            error = np.linalg.norm(x - y) / np.linalg.norm(x)
            distances.append(error + np.mean(np.abs(np.log(x) - np.log(y))))
        expected.append(np.mean(distances))
    actual = spectral_loss(tf.constant(reference), tf.constant(estimate), resolutions=resolutions)
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


def test_does_not_hear_the_sign_and_is_nothing_for_equal_signals():
    reference = pair()[0]
    loss = spectral_loss(tf.constant(reference), tf.constant(-reference))
    np.testing.assert_allclose(loss, 0, atol=1e-5)


@pytest.mark.parametrize("loudness", [0.0, 0.1])
def test_gradient_is_finite_for_silence(loudness):
    estimate = tf.constant(loudness * pair()[0])
    with tf.GradientTape() as tape:
        tape.watch(estimate)
        loss = spectral_loss(tf.zeros_like(estimate), estimate)
    assert np.all(np.isfinite(tape.gradient(loss, estimate)))


def test_signals_shorter_than_a_window_are_followed_by_silence():
    reference, estimate = pair(100)
    longer = [tf.constant(np.pad(one, ((0, 0), (0, 156)))) for one in (reference, estimate)]
    short = spectral_loss(
        tf.constant(reference), tf.constant(estimate), resolutions=((256, 64, 256),)
    )
    np.testing.assert_allclose(short, spectral_loss(*longer, resolutions=((256, 64, 256),)))
