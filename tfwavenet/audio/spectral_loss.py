"""The distance of short-time spectra as a loss: differentiable, batched, in float32."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfwavenet.audio.metrics import STFT_RESOLUTIONS

# Of a squared magnitude: below it nothing is heard, and its logarithm and root are steep.
_POWER_FLOOR = 1e-7
_LEAST_SQUARES = 1e-12  # the root of a sum of squares has no gradient at 0


def spectral_loss(
    reference: tf.Tensor,
    estimate: tf.Tensor,
    *,
    resolutions: Sequence[Sequence[int]] = STFT_RESOLUTIONS,
) -> tf.Tensor:
    """Computes spectral convergence plus mean difference of log-magnitudes.

    The loss is the mean over several resolutions.

    Args:
        reference: float32 [batch, samples].
        estimate: float32 [batch, samples].
        resolutions: (FFT, hop, window) of each resolution, in samples. Signals that are shorter
            than a window are followed by silence.

    Returns:
        float32 [batch], at least 0; 0 if the magnitudes agree.

    Source: Yamamoto et al., "Parallel WaveGAN", arXiv:1910.11480, equations 3 to 6.
    """
    losses = [_distance(reference, estimate, *resolution) for resolution in resolutions]
    return tf.reduce_mean(tf.stack(losses), axis=0)


def _distance(
    reference: tf.Tensor, estimate: tf.Tensor, fft: int, hop: int, window: int
) -> tf.Tensor:
    powers = (_power(signal, fft, hop, window) for signal in (reference, estimate))
    expected, found = (tf.sqrt(power) for power in powers)
    error = _norm(expected - found) / _norm(expected)
    return error + tf.reduce_mean(tf.abs(tf.math.log(expected / found)), axis=[1, 2])


def _norm(magnitudes: tf.Tensor) -> tf.Tensor:
    return tf.sqrt(tf.reduce_sum(tf.square(magnitudes), axis=[1, 2]) + _LEAST_SQUARES)


def _power(signal: tf.Tensor, fft: int, hop: int, window: int) -> tf.Tensor:
    signal = tf.pad(signal, [[0, 0], [0, tf.maximum(0, window - tf.shape(signal)[1])]])
    spectrum = tf.signal.stft(signal, window, hop, fft)
    power = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
    return tf.maximum(power, _POWER_FLOOR)
