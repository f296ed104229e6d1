"""Mu-law companding to integer codes and back, exact for every float32 input.

The codes are defined by float64 arithmetic, with `mu = classes - 1`:
`level = (sign(x) ln(1 + mu |x|) / ln(1 + mu) + 1) / 2 * mu`. Two roundings are in use:

- `"nearest"`: `floor(level + 0.5)`; silence is code 128 of 256 (ibab, nv-wavenet);
- `"truncate"`: `floor(level)`; silence is code 127 of 256 (r9y9, nnmnkwii).

Both directions use tables made once in NumPy. So the codes do not depend on how the device rounds
its logarithm, and encoding a decoded code gives that code back.

Source: van den Oord et al., "WaveNet", arXiv:1609.03499, section 2.2.
"""

from __future__ import annotations

import functools
from typing import Literal, get_args

import numpy as np
import tensorflow as tf

from tfwavenet import checks

Rounding = Literal["nearest", "truncate"]

_MAX_CLASSES = 65536


def encode(audio: tf.Tensor, classes: int = 256, rounding: Rounding = "nearest") -> tf.Tensor:
    """Quantizes audio to mu-law codes.

    Works in eager mode, in graphs and under XLA. NaN has no code and is not detected here.

    Args:
        audio: floating [...], in [-1, 1]; values outside are clipped.
        classes: int in [2, 65536], the number of codes.
        rounding: "nearest" (silence is 128 of 256) or "truncate" (silence is 127 of 256).

    Returns:
        int32 [...], in [0, classes - 1].

    Raises:
        ValueError: if `classes` or `rounding` is out of range.
    """
    checks.whole_number("classes", classes, 2, _MAX_CLASSES)
    if rounding not in get_args(Rounding):
        raise ValueError(
            f"rounding must be one of {get_args(Rounding)}. Received: rounding={rounding!r}"
        )
    audio = tf.clip_by_value(tf.cast(audio, tf.float32), -1.0, 1.0)
    guess = _guess(audio, classes=classes, rounding=rounding)
    edges = tf.constant(_edges(classes, rounding))
    too_high = tf.cast(audio < tf.gather(edges, guess), tf.int32)
    too_low = tf.cast(audio >= tf.gather(edges, guess + 1), tf.int32)
    return guess - too_high + too_low


def decode(codes: tf.Tensor, classes: int = 256) -> tf.Tensor:
    """Expands mu-law codes to audio: code `k` becomes the expansion of `2 k / mu - 1`.

    The value is the nearest float32 that is not below the exact value, so that `encode` gives the
    code back with either rounding.

    Args:
        codes: integer [...], in [0, classes - 1]; values outside are clipped.
        classes: int in [2, 65536], the number of codes.

    Returns:
        float32 [...], in [-1, 1].

    Raises:
        ValueError: if `classes` is out of range or `codes` are not integers.
    """
    checks.whole_number("classes", classes, 2, _MAX_CLASSES)
    codes = tf.convert_to_tensor(codes)
    if not codes.dtype.is_integer:
        raise ValueError(f"codes must be integers. Received: dtype={codes.dtype.name}")
    codes = tf.clip_by_value(tf.cast(codes, tf.int32), 0, classes - 1)
    return tf.gather(tf.constant(_values(classes)), codes)


def _guess(audio: tf.Tensor, *, classes: int, rounding: Rounding) -> tf.Tensor:
    """Computes the code by float32 arithmetic: right or one off."""
    mu = float(classes - 1)
    companded = tf.sign(audio) * tf.math.log1p(mu * tf.abs(audio)) / np.float32(np.log1p(mu))
    level = (companded + 1.0) / 2.0 * mu
    if rounding == "nearest":
        level += 0.5
    return tf.clip_by_value(tf.cast(tf.floor(level), tf.int32), 0, classes - 1)


def _exact_codes(audio: np.ndarray, classes: int, rounding: Rounding) -> np.ndarray:
    """Computes the codes by their definition in float64: audio [n] in [-1, 1] to int64 [n]."""
    mu = float(classes - 1)
    audio = audio.astype(np.float64)
    companded = np.sign(audio) * np.log1p(mu * np.abs(audio)) / np.log1p(mu)
    level = (companded + 1.0) / 2.0 * mu
    return np.floor(level + 0.5 if rounding == "nearest" else level).astype(np.int64)


def _expand(companded: np.ndarray, classes: int) -> np.ndarray:
    """Inverts the companding curve: float64 [n] in [-1, 1] to float64 [n] in [-1, 1]."""
    mu = float(classes - 1)
    return np.sign(companded) * np.expm1(np.abs(companded) * np.log1p(mu)) / mu


@functools.lru_cache(maxsize=16)
def _edges(classes: int, rounding: Rounding) -> np.ndarray:
    """Computes float32 [classes + 1]: `edges[k]` is the smallest value of code k or above."""
    codes = np.arange(1, classes)
    # Bisection over all float32 in [-1, 1], numbered in ascending order.
    high = np.full(codes.shape, _ordinal(1.0))
    low = -high
    while np.any(low < high):
        middle = (low + high) // 2
        reached = _exact_codes(_from_ordinal(middle), classes, rounding) >= codes
        low, high = np.where(reached, low, middle + 1), np.where(reached, middle, high)
    return np.concatenate([[-np.inf], _from_ordinal(low), [np.inf]]).astype(np.float32)


def _ordinal(value: float) -> np.int64:
    """Counts the float32 numbers in (0, value]."""
    return np.int64(np.float32(value).view(np.int32))


def _from_ordinal(ordinal: np.ndarray) -> np.ndarray:
    """Returns float32 [n] for their signed ordinals int64 [n]."""
    magnitude = np.abs(ordinal).astype(np.int32).view(np.float32)
    return np.where(ordinal < 0, -magnitude, magnitude)


@functools.lru_cache(maxsize=16)
def _values(classes: int) -> np.ndarray:
    """Computes the audio value of every code, rounded upwards: float32 [classes]."""
    exact = _expand(2.0 * np.arange(classes) / (classes - 1) - 1.0, classes)
    value = exact.astype(np.float32)
    value = np.where(value < exact, np.nextafter(value, np.float32(2.0)), value)
    value[0], value[-1] = -1.0, 1.0
    return value
