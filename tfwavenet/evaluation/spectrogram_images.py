"""Draws spectrograms for the page."""

from __future__ import annotations

import io

import numpy as np
from matplotlib import colormaps, image

from tfwavenet.audio import spectrogram

RANGE_DB = 80.0
_WINDOW_SECONDS = 0.025
_MAX_COLUMNS = 900
_ROWS = 160
_JPEG_QUALITY = 85


def levels_db(audio: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Computes a spectrogram for a picture.

    The Hann windows last 25 ms. The hop is 5 ms; for long audio it gives about 900 columns.

    Args:
        audio: floating [samples].
        sample_rate: int > 0, in Hz.

    Returns:
        float64 [160, columns] in dB relative to a sine of amplitude 1; the highest frequency,
        half the sample rate, is in row 0.
    """
    win = round(_WINDOW_SECONDS * sample_rate)
    hop = max(win // 5, -(-len(audio) // _MAX_COLUMNS))
    window = spectrogram.window_samples("hann", win_samples=win, hop_samples=hop)
    padded = np.pad(np.asarray(audio, np.float64), win // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, win)[::hop]
    n_fft = max(2 * _ROWS, 1 << (win - 1).bit_length())
    amplitudes = np.abs(np.fft.rfft(frames * window, n_fft)) * 2 / window.sum()
    edges = np.linspace(0, amplitudes.shape[1], _ROWS + 1).round().astype(int)
    rows = np.maximum.reduceat(amplitudes.T, edges[:-1], axis=0)
    return 20 * np.log10(np.maximum(rows[::-1], 1e-10))


def spectrogram_jpeg(audio: np.ndarray, *, sample_rate: int, top_db: float) -> bytes:
    """Draws a spectrogram as a JPEG picture, 160 pixels high and up to 900 wide, time from left.

    Args:
        audio: floating [samples].
        sample_rate: int > 0, in Hz.
        top_db: level of the brightest color; the darkest is `RANGE_DB` below it. Pictures can be
            compared if they have the same `top_db`.

    Returns:
        The bytes of the file.
    """
    levels = (levels_db(audio, sample_rate=sample_rate) - top_db) / RANGE_DB + 1
    colors = colormaps["magma"](np.clip(levels, 0, 1), bytes=True)[..., :3]
    file = io.BytesIO()
    image.imsave(
        file,
        np.ascontiguousarray(colors),
        format="jpg",
        pil_kwargs={"quality": _JPEG_QUALITY, "subsampling": 0},
    )
    return file.getvalue()
