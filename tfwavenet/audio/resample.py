"""Changes the sample rate without delay."""

from __future__ import annotations

import librosa
import numpy as np

from tfwavenet import checks


def resample(audio: np.ndarray, *, source_rate: int, target_rate: int) -> np.ndarray:
    """Resamples with the high-quality linear-phase filter of soxr.

    The lag is 0 and the length is `ceil(n * ratio)`. The result of loud input may leave [-1, 1] by
    a little; it is not clipped.

    Args:
        audio: floating [samples] or [samples, channels].
        source_rate: int > 0, in Hz.
        target_rate: int > 0, in Hz; when equal, `audio` is returned unchanged.

    Returns:
        floating [new samples] or [new samples, channels], in the dtype of `audio`.

    Raises:
        ValueError: if a rate is not a positive integer, or `audio` is not floating.
    """
    for name, rate in (("source_rate", source_rate), ("target_rate", target_rate)):
        checks.whole_number(name, rate, 1)
    audio = np.asarray(audio)
    if not np.issubdtype(audio.dtype, np.floating) or audio.ndim not in (1, 2):
        raise ValueError(
            "audio must be floating with shape [samples] or [samples, channels]. "
            f"Received: shape={audio.shape}, dtype={audio.dtype}"
        )
    if source_rate == target_rate or audio.size == 0:
        return audio
    return librosa.resample(
        audio, orig_sr=source_rate, target_sr=target_rate, res_type="soxr_hq", axis=0
    )
