"""The level of a signal, estimated from its mel spectrogram."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from tfwavenet.audio.features import FeatureRecipe


def signal_rms(mel: np.ndarray | tf.Tensor, recipe: FeatureRecipe) -> tf.Tensor:
    """Estimates the root mean square of the network's signal in each frame.

    The error has a standard deviation of 3 dB for speech. A mel band does not tell how its energy
    is spread inside the band.

    Args:
        mel: floating [..., frames, n_mels], as `recipe.mel` gives it.
        recipe: the recipe that the features were made with. If it scales the features' audio to a
            peak, the result is relative to that peak.

    Returns:
        float32 [..., frames], positive.

    Raises:
        ValueError: if the recipe lacks statistics that it needs.
    """
    linear = recipe.decompress(recipe.denormalize(mel))
    power = tf.pow(linear, 2.0 / recipe.power)
    return tf.sqrt(tf.linalg.matvec(power, tf.constant(_band_weights(recipe), tf.float32)))


@functools.lru_cache(maxsize=32)
def _band_weights(recipe: FeatureRecipe) -> np.ndarray:
    """Computes the share of each band's `mel ** (2 / power)` in the signal's mean square.

    A band stands for all bins that are nearest to it, also for bins that no band covers. The
    filters of the signal and of the features are taken into account bin by bin.
    """
    matrix = recipe.mel_matrix().astype(np.float64)
    angle = np.pi * np.arange(matrix.shape[1]) / (matrix.shape[1] - 1)
    gain = recipe.signal_gain**2 * _emphasis_power(recipe.pre_emphasis, angle)
    gain /= _emphasis_power(recipe.feature_pre_emphasis, angle)
    peaked = matrix / matrix.max(axis=1, keepdims=True)
    peaked[0, : np.argmax(peaked[0])] = 1.0
    peaked[-1, np.argmax(peaked[-1]) :] = 1.0
    share = peaked / peaked.sum(axis=0)
    flat = matrix.sum(axis=1) ** (2.0 / recipe.power) * np.sum(recipe.analysis_window() ** 2)
    return (share @ gain) / matrix.shape[1] / flat


def _emphasis_power(coefficient: float, angle: np.ndarray) -> np.ndarray:
    """Computes the squared magnitude of `1 - coefficient / z` on the unit circle."""
    return 1.0 + coefficient**2 - 2.0 * coefficient * np.cos(angle)
