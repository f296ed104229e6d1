"""First-order pre-emphasis `y[n] = x[n] - c x[n-1]` and its inverse, over whole or chunked audio.

The recursions run in float64 from a carried state, so chunks give the bits of the whole.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from scipy import signal

_NEGLIGIBLE = 1e-18  # against 1, in float64


def pre_emphasis(
    audio: np.ndarray, *, coefficient: float, state: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Raises the high frequencies: `y[n] = x[n] - coefficient * x[n-1]`, with `x[-1] = 0`.

    Args:
        audio: floating [..., samples].
        coefficient: float in [0, 1); 0 changes nothing.
        state: float64 [..., 1] from the call on the preceding chunk. If None, this is the first.

    Returns:
        The filtered audio [..., samples] in the dtype of `audio`, and the state for the next chunk.

    Raises:
        ValueError: if `coefficient` is out of range or `audio` is not floating.
    """
    return _filter(audio, [1.0, -coefficient], [1.0, 0.0], coefficient=coefficient, state=state)


def de_emphasis(
    audio: np.ndarray, *, coefficient: float, state: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Undoes `pre_emphasis`: `x[n] = y[n] + coefficient * x[n-1]`, with `x[-1] = 0`.

    Args:
        audio: floating [..., samples], a pre-emphasized signal.
        coefficient: float in [0, 1), as in the pre-emphasis.
        state: float64 [..., 1] from the call on the preceding chunk. If None, this is the first.

    Returns:
        The filtered audio [..., samples] in the dtype of `audio`, and the state for the next chunk.

    Raises:
        ValueError: if `coefficient` is out of range or `audio` is not floating.
    """
    return _filter(audio, [1.0, 0.0], [1.0, -coefficient], coefficient=coefficient, state=state)


def pre_emphasis_graph(audio: tf.Tensor, *, coefficient: float) -> tf.Tensor:
    """Computes `pre_emphasis` of whole audio in TensorFlow.

    Args:
        audio: floating [batch, samples].
        coefficient: float in [0, 1); 0 changes nothing.

    Returns:
        The filtered audio [batch, samples] in the dtype of `audio`.
    """
    if not coefficient:
        return audio
    return audio - coefficient * tf.pad(audio, [[0, 0], [1, 0]])[:, :-1]


def de_emphasis_graph(
    audio: tf.Tensor, *, coefficient: float, state: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes `de_emphasis` in TensorFlow, equal up to the rounding of float64.

    `1 / (1 - c z)` is the product of `1 + (c z) ** (2 ** i)` over all i. Each factor is one
    shifted sum, and a dozen factors reach back further than float64 can tell.

    Args:
        audio: float64 [batch, samples], a pre-emphasized signal.
        coefficient: float in [0, 1), as in the pre-emphasis.
        state: float64 [batch] from the call on the preceding chunk, zeros at the start.

    Returns:
        The filtered audio, float64 [batch, samples], and the state for the next chunk.
    """
    if not coefficient:
        return audio, state
    audio = tf.concat([state[:, tf.newaxis], audio], axis=1)
    lag, weight = 1, coefficient
    while weight > _NEGLIGIBLE:
        audio += weight * tf.pad(audio, [[0, 0], [lag, 0]])[:, :-lag]
        lag, weight = 2 * lag, weight * weight
    return audio[:, 1:], audio[:, -1]


def _filter(
    audio: np.ndarray,
    numerator: list[float],
    denominator: list[float],
    *,
    coefficient: float,
    state: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    audio = np.asarray(audio)
    if not 0.0 <= coefficient < 1.0:
        raise ValueError(f"coefficient must be in [0, 1). Received: coefficient={coefficient!r}")
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(f"audio must be floating. Received: dtype={audio.dtype}")
    if state is None:
        state = np.zeros((*audio.shape[:-1], 1))
    if audio.shape[-1] == 0:
        return audio.copy(), state
    filtered, state = signal.lfilter(numerator, denominator, audio.astype(np.float64), zi=state)
    return filtered.astype(audio.dtype), state
