"""Makes the bytes of 16-bit PCM WAV files."""

from __future__ import annotations

import struct

import numpy as np

HEADER_BYTES = 44
UNKNOWN_SIZE = 0xFFFFFFFF  # what players take for "until the end" in a header sent through a pipe
_LARGEST_DATA = 0xFFFFFFFF - HEADER_BYTES
MOST_FRAMES = _LARGEST_DATA // 2  # of one channel


def header(*, frames: int | None, sample_rate: int, channels: int) -> bytes:
    """Returns the header: 44 bytes in front of the samples.

    Args:
        frames: int >= 0, number of samples per channel that follow. If None, it is not known.
        sample_rate: int > 0, in Hz.
        channels: int > 0.

    Raises:
        ValueError: if the samples do not fit a WAV file (4 GiB), or an argument is out of range.
    """
    if sample_rate <= 0 or channels <= 0:
        raise ValueError(
            "a WAV file needs a sample rate and channels > 0. "
            f"Received: sample_rate={sample_rate!r}, channels={channels!r}"
        )
    size = 0 if frames is None else frames * channels * 2
    if size > _LARGEST_DATA:
        raise ValueError(
            f"a WAV file holds at most {_LARGEST_DATA} bytes of samples. Received: bytes={size}"
        )
    sizes = (HEADER_BYTES - 8 + size, size) if frames is not None else (UNKNOWN_SIZE, UNKNOWN_SIZE)
    riff = struct.pack("<4sI4s", b"RIFF", sizes[0], b"WAVE")
    rate = int(sample_rate)
    layout = (b"fmt ", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16)
    return riff + struct.pack("<4sIHHIIHH4sI", *layout, b"data", sizes[1])


def to_pcm(audio: np.ndarray) -> np.ndarray:
    """Rounds audio to 16-bit integers; samples read from a 16-bit file come back exactly.

    Args:
        audio: floating [samples] or [samples, channels]; 1.0 is full scale, values outside
            [-1, 1] are clipped.

    Returns:
        int16 little-endian in the shape of `audio`, `round(32768 * audio)` clipped to
        [-32768, 32767].

    Raises:
        ValueError: if the rank or dtype is another, or the audio holds NaN or infinity.
    """
    audio = np.asarray(audio)
    if audio.ndim not in (1, 2) or not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(
            "audio must be floating with shape [samples] or [samples, channels]. "
            f"Received: shape={audio.shape}, dtype={audio.dtype}"
        )
    if not np.isfinite(audio).all():
        raise ValueError("audio must be finite. Received: audio with NaN or infinity")
    scaled = np.rint(audio.astype(np.float64) * 32768.0)
    return np.clip(scaled, -32768, 32767).astype("<i2")
