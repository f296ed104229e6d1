"""Magnitude and mel spectrograms in TensorFlow, batched, computed in float64.

The mel matrix is that of librosa; `tf.signal.linear_to_mel_weight_matrix` is another filterbank.
Double precision keeps quiet bins beside loud bins right to the last float32 digit.
"""

from __future__ import annotations

import functools
import warnings
from typing import Literal

import librosa
import numpy as np
import tensorflow as tf

Window = Literal["hann", "lws"]
Framing = Literal["center", "exact", "same", "whole", "full"]
PadMode = Literal["reflect", "constant"]
MelScale = Literal["slaney", "htk"]
MelNorm = Literal["slaney", "none"]


@functools.lru_cache(maxsize=32)
def window_samples(name: Window, *, win_samples: int, hop_samples: int) -> np.ndarray:
    """Returns the analysis window, float64 [win_samples].

    Args:
        name: "hann", the periodic Hann window of librosa, torchaudio and tf.signal, or "lws", the
            default window of the `lws` package. The latter is the square root of a Hann window
            sampled between the integers, times `sqrt(2 hop / win)`: its squares overlap to one.
        win_samples: int > 0, length of the window.
        hop_samples: int > 0, used by "lws" only.
    """
    n = np.arange(win_samples)
    if name == "hann":
        return 0.5 - 0.5 * np.cos(2.0 * np.pi * n / win_samples)
    half_offset = 0.5 - 0.5 * np.cos(np.pi * (2 * n + 1) / win_samples)
    return np.sqrt(half_offset * 2.0 * hop_samples / win_samples)


@functools.lru_cache(maxsize=32)
def mel_matrix(
    *,
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    fmin_hz: float,
    fmax_hz: float,
    scale: MelScale,
    norm: MelNorm,
) -> np.ndarray:
    """Returns the mel filterbank of librosa, float32 [n_mels, n_fft // 2 + 1], read-only.

    Args:
        sample_rate: int > 0, in Hz.
        n_fft: int > 0, even.
        n_mels: int > 0.
        fmin_hz: float >= 0, lower end of the first filter.
        fmax_hz: float > fmin_hz, upper end of the last filter.
        scale: "slaney" (linear below 1 kHz) or "htk" (2595 log10(1 + f / 700)).
        norm: "slaney" (area one) or "none" (peak one).
    """
    with warnings.catch_warnings():
        # Whoever needs every filter checks for empty ones and says so better.
        warnings.filterwarnings("ignore", message="Empty filters")
        matrix = librosa.filters.mel(
            sr=sample_rate,
            n_fft=n_fft,
            n_mels=n_mels,
            fmin=fmin_hz,
            fmax=fmax_hz,
            htk=scale == "htk",
            norm="slaney" if norm == "slaney" else None,
        )
    matrix.setflags(write=False)
    return matrix


def padding(framing: Framing, *, n_fft: int, hop_samples: int) -> tuple[int, int]:
    """Returns how many samples are put before and after audio that is cut into frames.

    Args:
        framing: where frame `m` lies (T is the number of samples):
            "center": centered on sample `m * hop`, `T // hop + 1` frames (librosa `center=True`);
            "exact": likewise, but without the last frame if hop divides T: `(T - 1) // hop + 1`;
            "same": centered on the middle of the block of samples `m * hop ... (m + 1) * hop - 1`;
            "whole": likewise, but without an incomplete last block: `T // hop` frames (HiFi-GAN);
            "full": from `n_fft - hop` samples before the audio to its end, so that every sample
            lies in `n_fft / hop` frames (lws `perfectrec`).
        n_fft: int > 0, samples per frame.
        hop_samples: int > 0, samples between frames.

    Returns:
        (left, right); "same" and "full" also complete the last hop, see `extend`.
    """
    if framing == "center":
        return n_fft // 2, n_fft // 2
    if framing == "exact":
        return n_fft // 2, n_fft - n_fft // 2 - 1
    if framing in ("same", "whole"):
        left = (n_fft - hop_samples) // 2
        return left, n_fft - hop_samples - left
    return n_fft - hop_samples, n_fft - hop_samples


def least_samples(framing: Framing, pad_mode: PadMode, *, n_fft: int, hop_samples: int) -> int:
    """Returns the shortest audio that `extend` can pad: reflection needs more than it adds."""
    sides = padding(framing, n_fft=n_fft, hop_samples=hop_samples)
    least = hop_samples if framing == "whole" else 1
    return max(least, 1 + max(sides)) if pad_mode == "reflect" else least


def frame_count(samples: int, *, framing: Framing, n_fft: int, hop_samples: int) -> int:
    """Returns the number of frames of `samples` samples of audio.

    Args:
        samples: int > 0.
        framing: see `padding`.
        n_fft: int > 0, samples per frame.
        hop_samples: int > 0, samples between frames.
    """
    if framing in ("same", "full"):
        samples = -(-samples // hop_samples) * hop_samples
    left, right = padding(framing, n_fft=n_fft, hop_samples=hop_samples)
    return (samples + left + right - n_fft) // hop_samples + 1


def extend(
    audio: tf.Tensor, *, framing: Framing, pad_mode: PadMode, n_fft: int, hop_samples: int
) -> tf.Tensor:
    """Pads audio at both ends as `padding` says.

    Args:
        audio: float [batch, samples]; "reflect" needs more samples than are put at either side.
        framing: see `padding`; "same" and "full" first append zeros up to a whole hop.
        pad_mode: "reflect" (without repeating the edge) or "constant" (zeros).
        n_fft: int > 0, samples per frame.
        hop_samples: int > 0, samples between frames.

    Returns:
        float [batch, padded].
    """
    if framing in ("same", "full"):
        missing = tf.math.floormod(-tf.shape(audio)[1], hop_samples)
        audio = tf.pad(audio, [[0, 0], [0, missing]])
    sides = padding(framing, n_fft=n_fft, hop_samples=hop_samples)
    return tf.pad(audio, [[0, 0], sides], mode=pad_mode.upper())


def magnitude(
    padded: tf.Tensor,
    *,
    window: np.ndarray,
    n_fft: int,
    hop_samples: int,
    power_offset: float = 0.0,
) -> tf.Tensor:
    """Computes the magnitude of the STFT.

    Args:
        padded: float64 [batch, samples], already extended at both ends.
        window: float64 [n <= n_fft], centered in a frame of `n_fft` samples as librosa does.
        n_fft: int > 0, samples per frame and length of the transform.
        hop_samples: int > 0, samples between frames.
        power_offset: float >= 0, added to the squared magnitude before its root is taken.

    Returns:
        float64 [batch, frames, n_fft // 2 + 1].
    """
    left = (n_fft - len(window)) // 2
    window = np.pad(window, (left, n_fft - len(window) - left))
    frames = tf.signal.frame(padded, n_fft, hop_samples)
    linear = tf.abs(tf.signal.rfft(frames * tf.constant(window, padded.dtype)))
    return tf.sqrt(linear**2 + power_offset) if power_offset else linear
