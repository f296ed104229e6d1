"""Cuts silence off both ends of a recording."""

from __future__ import annotations

import librosa
import numpy as np


def trim_silence(
    audio: np.ndarray, *, top_db: float, frame_samples: int = 2048, hop_samples: int = 512
) -> np.ndarray:
    """Cuts both ends that are more than `top_db` below the loudest frame.

    This is `librosa.effects.trim`. Digital silence is returned whole.

    Args:
        audio: floating [samples].
        top_db: float > 0, in dB below the loudest frame.
        frame_samples: int > 0, length over which loudness is measured.
        hop_samples: int > 0, step between measurements; cuts fall on its multiples.

    Returns:
        floating [at most samples], a view of `audio`.

    Raises:
        ValueError: if an argument is out of range or `audio` is not one channel.
    """
    audio = np.asarray(audio)
    if audio.ndim != 1:
        raise ValueError(f"audio must have shape [samples]. Received: shape={audio.shape}")
    for name, value in (
        ("top_db", top_db),
        ("frame_samples", frame_samples),
        ("hop_samples", hop_samples),
    ):
        if not value > 0:
            raise ValueError(f"{name} must be > 0. Received: {name}={value!r}")
    if not np.any(audio):
        return audio
    trimmed, _ = librosa.effects.trim(
        audio, top_db=top_db, frame_length=frame_samples, hop_length=hop_samples
    )
    return trimmed
