"""Fundamental frequency of speech by normalized autocorrelation and a cheapest path.

The autocorrelation of each windowed frame is divided by the autocorrelation of the window. Its
peaks are the candidates. Dynamic programming chooses a candidate, or "unvoiced", for each frame,
with the default costs of Praat.

Source: Boersma, "Accurate short-term analysis of the fundamental frequency", IFA Proceedings 17
(1993).
"""

from __future__ import annotations

import numpy as np

_PERIODS_PER_WINDOW = 3  # of the lowest frequency
_LAG_UPSAMPLING = 4  # the autocorrelation is evaluated at quarter samples
_CANDIDATES = 10
_BLOCK_FRAMES = 256  # bounds the memory

_VOICING_THRESHOLD = 0.45
_SILENCE_THRESHOLD = 0.03
_OCTAVE_COST = 0.01
_OCTAVE_JUMP_COST = 0.35
_VOICING_CHANGE_COST = 0.14
_COST_HOP_SECONDS = 0.01  # the transition costs are for this hop


def track(
    audio: np.ndarray,
    *,
    sample_rate: int,
    floor_hz: float = 60.0,
    ceiling_hz: float = 500.0,
    hop_seconds: float = 0.01,
) -> np.ndarray:
    """Tracks the fundamental frequency of one voice, frame by frame.

    Args:
        audio: floating [samples].
        sample_rate: int > 0, in Hz.
        floor_hz: lowest frequency; the window is three periods of this frequency.
        ceiling_hz: highest frequency, above `floor_hz` and below a quarter of the sample rate.
        hop_seconds: float > 0, distance of the frames; frame i is centered on `i * hop_seconds`.

    Returns:
        float64 [frames], in Hz, 0 where unvoiced; frames = ceil(duration / hop_seconds).

    Raises:
        ValueError: if `audio` is not floating with shape [samples], is empty or holds NaN, or the
            range of frequencies is not possible at the sample rate.

    Examples:
        >>> tone = np.sin(2 * np.pi * 110 * np.arange(8000) / 8000)
        >>> round(float(track(tone, sample_rate=8000)[50]), 1)
        110.0
    """
    audio = np.asarray(audio)
    _check(audio, sample_rate, floor_hz, ceiling_hz, hop_seconds)
    frames = _frames(audio.astype(np.float64), sample_rate, floor_hz, hop_seconds)
    peak = np.max(np.abs(audio - np.mean(audio)))
    parts = [
        _candidates(block, sample_rate, floor_hz, ceiling_hz, peak)
        for block in np.array_split(frames, -(-len(frames) // _BLOCK_FRAMES))
    ]
    frequencies, strengths = (np.concatenate(part) for part in zip(*parts))
    return _cheapest_path(frequencies, strengths, hop_seconds)


def _check(
    audio: np.ndarray, sample_rate: int, floor_hz: float, ceiling_hz: float, hop_seconds: float
) -> None:
    if audio.ndim != 1 or not np.issubdtype(audio.dtype, np.floating) or not audio.size:
        raise ValueError(
            "audio must be floating with shape [samples] and hold at least one. "
            f"Received: shape={audio.shape}, dtype={audio.dtype}"
        )
    if not np.isfinite(audio).all():
        raise ValueError("audio must be finite. Received: audio with NaN or infinity")
    if not 0.0 < floor_hz < ceiling_hz < sample_rate / 4 or not hop_seconds > 0.0:
        raise ValueError(
            "expected 0 < floor_hz < ceiling_hz < sample_rate / 4 and hop_seconds > 0. Received: "
            f"{floor_hz=}, {ceiling_hz=}, {sample_rate=}, {hop_seconds=}"
        )


def _frames(audio: np.ndarray, sample_rate: int, floor_hz: float, hop_seconds: float) -> np.ndarray:
    """Cuts audio into [frames, window samples], without their means, zeros beyond the ends."""
    half = int(np.ceil(_PERIODS_PER_WINDOW * sample_rate / floor_hz / 2))
    count = int(np.ceil(len(audio) / sample_rate / hop_seconds))
    starts = np.round(np.arange(count) * hop_seconds * sample_rate).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(audio, half), 2 * half)
    frames = windows[np.minimum(starts, len(windows) - 1)]
    return frames - frames.mean(axis=1, keepdims=True)


def _candidates(
    frames: np.ndarray, sample_rate: int, floor_hz: float, ceiling_hz: float, peak: float
) -> tuple[np.ndarray, np.ndarray]:
    """Finds frequencies (Hz, 0: unvoiced) and strengths [frames, candidates + 1].

    An absent candidate has the strength -inf.
    """
    rate = sample_rate * _LAG_UPSAMPLING
    lags = np.arange(int(rate / ceiling_hz) - 1, int(np.ceil(rate / floor_hz)) + 2)
    correlation = _autocorrelation(frames, lags)
    offsets, heights = _parabolic_peaks(correlation)
    seconds = (lags[1:-1] + offsets) / rate
    strengths = heights - _OCTAVE_COST * np.log2(floor_hz * seconds)
    allowed = (heights > _VOICING_THRESHOLD / 2) & (seconds * ceiling_hz >= 1 - 1e-9)
    allowed &= seconds * floor_hz <= 1 + 1e-9
    strengths = np.where(allowed, strengths, -np.inf)
    best = np.argsort(-strengths, axis=1)[:, :_CANDIDATES]
    frequencies = np.take_along_axis(1 / seconds, best, axis=1)
    unvoiced = _unvoiced_strength(frames, peak)[:, np.newaxis]
    return (
        np.concatenate([np.zeros_like(unvoiced), frequencies], axis=1),
        np.concatenate([unvoiced, np.take_along_axis(strengths, best, axis=1)], axis=1),
    )


def _autocorrelation(frames: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Divides the autocorrelation of windowed frames by that of the window: [frames, lags]."""
    window = np.hanning(frames.shape[1] + 2)[1:-1]
    size = 1 << int(np.ceil(np.log2(1.5 * len(window))))

    def correlate(rows: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(rows, size)) ** 2
        full = np.fft.irfft(power, size * _LAG_UPSAMPLING)
        energy = full[:, :1]
        return full[:, lags] / np.where(energy > 0, energy, 1)

    ratio = correlate(frames * window) / correlate(window[np.newaxis])
    return np.where(ratio > 1, 1 / np.maximum(ratio, 1), ratio)


def _parabolic_peaks(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds maxima: offsets from the inner points of `curve`, and heights, -inf for none."""
    left, middle, right = curve[:, :-2], curve[:, 1:-1], curve[:, 2:]
    is_peak = (middle > left) & (middle >= right)
    bend = np.where(is_peak, 2 * middle - left - right, 1)
    offsets = np.where(is_peak, (right - left) / (2 * bend), 0)
    heights = np.where(is_peak, middle + (right - left) * offsets / 4, -np.inf)
    return offsets, heights


def _unvoiced_strength(frames: np.ndarray, peak: float) -> np.ndarray:
    """Computes the strength of "unvoiced" [frames], which is larger for quiet frames."""
    third = frames.shape[1] // 3
    local = np.max(np.abs(frames[:, third:-third]), axis=1)
    relative = local / peak if peak > 0 else np.zeros_like(local)
    quiet = 2 - relative / (_SILENCE_THRESHOLD / (1 + _VOICING_THRESHOLD))
    return _VOICING_THRESHOLD + np.maximum(0, quiet)


def _cheapest_path(
    frequencies: np.ndarray, strengths: np.ndarray, hop_seconds: float
) -> np.ndarray:
    """Returns the frequencies [frames] of the path with the most strength less costs."""
    scale = _COST_HOP_SECONDS / hop_seconds
    voiced = frequencies > 0
    octaves = np.log2(np.where(voiced, frequencies, 1))
    score = strengths[0]
    back = []
    for now in range(1, len(frequencies)):
        jump = np.abs(octaves[now - 1][:, np.newaxis] - octaves[now])
        change = voiced[now - 1][:, np.newaxis] != voiced[now]
        cost = np.where(change, _VOICING_CHANGE_COST, _OCTAVE_JUMP_COST * jump) * scale
        totals = score[:, np.newaxis] - cost
        back.append(np.argmax(totals, axis=0))
        score = np.max(totals, axis=0) + strengths[now]
    path = [int(np.argmax(score))]
    for pointers in reversed(back):
        path.append(int(pointers[path[-1]]))
    return frequencies[np.arange(len(frequencies)), path[::-1]]
