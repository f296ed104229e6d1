"""The waveform half of a feature recipe: recording, prepared audio, network signal, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf
from scipy import signal as scipy_signal

from tfwavenet.audio import emphasis, trim
from tfwavenet.audio.audio_files import LARGEST_SAMPLE

if TYPE_CHECKING:
    from tfwavenet.audio.features import FeatureRecipe

Overflow = Literal["clip", "error"]

_HIGH_PASS_TAPS = 255
_MOST_CHANNELS = 8


def prepare(audio: np.ndarray, *, recipe: FeatureRecipe) -> np.ndarray:
    """Trims, scales to a peak, high-passes and multiplies by the gain, as a recipe says.

    Signal and features are both made from the result.

    Args:
        audio: floating [samples], at the recipe's sample rate.
        recipe: selects the steps.

    Returns:
        float64 [at most samples], so that no rounding shows in the quiet bins of the features.

    Raises:
        ValueError: if the rank or dtype is another, there are no samples, the audio holds NaN or
            infinity, or it is silent and cannot be scaled to a peak.
    """
    audio = _checked(audio).astype(np.float64)
    audio = _trimmed(audio, recipe)
    if recipe.peak is not None:
        audio = _scaled_to_peak(audio, recipe.peak)
    if recipe.high_pass_hz is not None:
        audio = high_pass(audio, cutoff_hz=recipe.high_pass_hz, sample_rate=recipe.sample_rate)
    return audio * recipe.gain


def to_signal(prepared: np.ndarray, *, recipe: FeatureRecipe) -> np.ndarray:
    """Turns prepared audio into the signal that the network sees.

    Args:
        prepared: float [samples], from `prepare`.
        recipe: gives `signal_gain`, `pre_emphasis` and `overflow`.

    Returns:
        float32 [samples] in [-1, 1].

    Raises:
        ValueError: if the signal leaves [-1, 1] and the recipe's `overflow` is "error".
    """
    scaled = np.asarray(prepared, np.float64) * recipe.signal_gain
    signal, _ = emphasis.pre_emphasis(scaled, coefficient=recipe.pre_emphasis)
    loudest = float(np.max(np.abs(signal), initial=0.0))
    if loudest > 1.0 and recipe.overflow == "error":
        raise ValueError(
            "the signal after gain and pre-emphasis must be in [-1, 1] for this recipe. "
            f"Received: peak={loudest:.4f}"
        )
    return np.clip(signal, -1.0, 1.0).astype(np.float32)


def from_signal(
    signal: np.ndarray, *, recipe: FeatureRecipe, state: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Undoes `to_signal` and the gain of `prepare`, chunk by chunk.

    Args:
        signal: floating [..., samples].
        recipe: the recipe that the signal was made with.
        state: from the call on the preceding chunk. If None, this is the first chunk.

    Returns:
        The audio, float32 [..., samples], clipped to [-1, 1], and the state for the next chunk,
        which is not clipped.
    """
    signal = np.asarray(signal, np.float64)
    audio, state = emphasis.de_emphasis(signal, coefficient=recipe.pre_emphasis, state=state)
    audio = audio / (recipe.signal_gain * recipe.gain)
    return np.clip(audio, -1.0, 1.0).astype(np.float32), state


def from_signal_graph(
    signal: tf.Tensor, *, recipe: FeatureRecipe, state: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes `from_signal` in TensorFlow, for graphs.

    Args:
        signal: float32 [batch, samples].
        recipe: the recipe that the signal was made with.
        state: float64 [batch], zeros at the start.

    Returns:
        The audio, float32 [batch, samples] in [-1, 1], and the state for the next chunk.
    """
    audio, state = emphasis.de_emphasis_graph(
        tf.cast(signal, tf.float64), coefficient=recipe.pre_emphasis, state=state
    )
    audio = tf.clip_by_value(audio / (recipe.signal_gain * recipe.gain), -1.0, 1.0)
    return tf.cast(audio, tf.float32), state


def prepare_graph(audio: tf.Tensor, *, recipe: FeatureRecipe) -> tf.Tensor:
    """Computes `prepare` in TensorFlow, except the trimming: a batch keeps one length.

    Args:
        audio: float32 [batch, samples], finite, at the recipe's sample rate. Zeros stay zeros,
            also where the recipe scales to a peak.
        recipe: selects the steps.

    Returns:
        float64 [batch, samples].
    """
    audio = tf.cast(audio, tf.float64)
    if recipe.peak is not None:
        loudest = tf.reduce_max(tf.abs(audio), axis=1, keepdims=True)
        audio *= tf.math.divide_no_nan(tf.constant(recipe.peak, audio.dtype), loudest)
    if recipe.high_pass_hz is not None:
        taps = _high_pass_taps(recipe.high_pass_hz, recipe.sample_rate)
        # What TensorFlow calls a convolution is a correlation.
        kernel = tf.constant(taps[::-1, np.newaxis, np.newaxis], tf.float64)
        padded = tf.pad(audio, [[0, 0], [len(taps) - 1, 0]])[..., tf.newaxis]
        audio = tf.nn.conv1d(padded, kernel, 1, "VALID")[..., 0]
    return audio * recipe.gain


def to_signal_graph(prepared: tf.Tensor, *, recipe: FeatureRecipe) -> tf.Tensor:
    """Computes `to_signal` in TensorFlow, except the range check: values are always clipped.

    Args:
        prepared: float64 [batch, samples], from `prepare_graph`.
        recipe: gives `signal_gain` and `pre_emphasis`.

    Returns:
        float32 [batch, samples] in [-1, 1].
    """
    scaled = prepared * recipe.signal_gain
    signal = emphasis.pre_emphasis_graph(scaled, coefficient=recipe.pre_emphasis)
    return tf.cast(tf.clip_by_value(signal, -1.0, 1.0), tf.float32)


def high_pass(audio: np.ndarray, *, cutoff_hz: float, sample_rate: int) -> np.ndarray:
    """Applies a causal FIR high-pass filter of 255 taps, whose delay is 127 samples.

    Args:
        audio: floating [..., samples].
        cutoff_hz: float > 0, below half the sample rate.
        sample_rate: int > 0, in Hz; its half is rounded down.

    Returns:
        float64 [..., samples].

    Source: r9y9/wavenet_vocoder, `audio.py`.
    """
    taps = _high_pass_taps(cutoff_hz, sample_rate)
    return scipy_signal.lfilter(taps, 1.0, np.asarray(audio, np.float64))


def _high_pass_taps(cutoff_hz: float, sample_rate: int) -> np.ndarray:
    return scipy_signal.firwin(_HIGH_PASS_TAPS, cutoff_hz / (sample_rate // 2), pass_zero=False)


def check_audio(audio: np.ndarray) -> None:
    """Checks the values of audio [samples] or [batch, samples], and for channels behind.

    Raises:
        ValueError: if the audio holds NaN, infinity, or samples far above full scale, or looks like
            [samples, channels].
    """
    if audio.ndim == 2 and audio.shape[1] <= _MOST_CHANNELS < audio.shape[0]:
        raise ValueError(
            "audio must have the shape [samples] or [batch, samples]; average the channels first. "
            f"Received: shape={audio.shape}, which looks like [samples, channels]"
        )
    if not np.isfinite(audio).all():
        raise ValueError("audio must be finite. Received: audio with NaN or infinity")
    peak = float(np.max(np.abs(audio), initial=0.0))
    if peak > LARGEST_SAMPLE:
        raise ValueError(
            "audio must be in [-1, 1]; divide 16-bit samples by 32768. "
            f"Received: samples up to {peak:.6g}"
        )


def _checked(audio: np.ndarray) -> np.ndarray:
    audio = np.asarray(audio)
    if audio.ndim != 1 or not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(
            "audio must be floating with shape [samples]. "
            f"Received: shape={audio.shape}, dtype={audio.dtype}"
        )
    if audio.size == 0:
        raise ValueError("audio must hold at least one sample. Received: samples=0")
    check_audio(audio)
    return audio


def _trimmed(audio: np.ndarray, recipe: FeatureRecipe) -> np.ndarray:
    if recipe.trim_top_db is None:
        return audio
    coefficient = recipe.trim_pre_emphasis
    emphasized, _ = emphasis.pre_emphasis(audio, coefficient=coefficient)
    trimmed = trim.trim_silence(
        emphasized,
        top_db=recipe.trim_top_db,
        frame_samples=recipe.trim_frame_samples,
        hop_samples=recipe.trim_hop_samples,
    )
    return emphasis.de_emphasis(trimmed, coefficient=coefficient)[0]


def _scaled_to_peak(audio: np.ndarray, peak: float) -> np.ndarray:
    loudest = float(np.max(np.abs(audio)))
    if loudest == 0.0:
        raise ValueError(f"silent audio cannot be scaled to a peak of {peak}. Received: peak=0.0")
    return audio * (peak / loudest)
