"""Distances between a recording and a synthetic version of it, on NumPy audio.

All functions take `reference` and `estimate`, floating [samples] in [-1, 1] and aligned in time.
If their lengths differ by up to a tenth, both are cut to the shorter; a larger difference is an
error. `comparison.compare` computes all metrics that have a value.

Not all metrics rank vocoders well. A log-spectral distance counts differences in parts that are
nearly silent. Therefore the two such distances of this module have a floor relative to the peak of
the recording. PESQ, ESTOI, spectral convergence and the two F0 errors rank vocoders well.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import fft as scipy_fft

from tfwavenet import checks
from tfwavenet.audio import pitch, resample, spectrogram

# FFT, hop and window in samples: Yamamoto et al., arXiv:1910.11480, table 1.
STFT_RESOLUTIONS = ((512, 50, 240), (1024, 120, 600), (2048, 240, 1200))
MAX_LENGTH_DIFFERENCE = 0.1  # of the longer
MIN_SAMPLE_RATE = 4000
GROSS_F0_RATIO = 0.2
PESQ_PIECE_SECONDS = 20.0  # P.862.3 advises 8 to 30 s; the code overruns its buffers at minutes

_MCD_FILTERS = 40
_MCD_COEFFICIENTS = 13
_LOG_FLOOR = 1e-7  # of a magnitude, for the log-magnitude distance


class UndefinedMetricError(ValueError):
    """Reports that a metric has no value: silence, too little audio, or a missing package."""


def aligned(reference: np.ndarray, estimate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Checks a pair and cuts both to the shorter.

    Args:
        reference: floating [samples].
        estimate: floating [samples], as long to within a tenth of the longer.

    Returns:
        float64 [samples] each.

    Raises:
        ValueError: if one is not floating with one axis, is empty, or holds NaN or infinity, or
            the lengths differ by more than a tenth.
        UndefinedMetricError: if `reference` is silent.
    """
    pair = {"reference": np.asarray(reference), "estimate": np.asarray(estimate)}
    for name, audio in pair.items():
        if audio.ndim != 1 or not np.issubdtype(audio.dtype, np.floating) or not audio.size:
            raise ValueError(
                f"{name} must be floating with shape [samples] and hold at least one. "
                f"Received: shape={audio.shape}, dtype={audio.dtype}"
            )
        if not np.isfinite(audio).all():
            raise ValueError(f"{name} must be finite. Received: audio with NaN or infinity")
    shorter, longer = sorted(audio.size for audio in pair.values())
    if longer - shorter > MAX_LENGTH_DIFFERENCE * longer:
        raise ValueError(
            "reference and estimate must be equally long to within a tenth. "
            f"Received: samples={pair['reference'].size} and {pair['estimate'].size}"
        )
    if not pair["reference"].any():
        raise UndefinedMetricError("the reference is silent")
    cut_reference, cut_estimate = (audio[:shorter].astype(np.float64) for audio in pair.values())
    return cut_reference, cut_estimate


def check_sample_rate(sample_rate: int) -> None:
    """Raises ValueError for a sample rate that is not an integer of at least 4000 Hz."""
    checks.whole_number("sample_rate", sample_rate, MIN_SAMPLE_RATE)


class F0Error(NamedTuple):
    """The result of `f0_error`.

    Attributes:
        median_cents: median absolute deviation where both are voiced. If None, no frame is
            voiced in both.
        frame_error: share in [0, 1] of all frames whose voicing differs or whose frequency is
            off by more than 20 %.
    """

    median_cents: float | None
    frame_error: float


def spectral_convergence(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Computes the spectral convergence: `|| |X| - |Y| || / || |X| ||`, Frobenius norms.

    The result is the mean over `STFT_RESOLUTIONS`.

    Args:
        reference: floating [samples], at least 1200 samples.
        estimate: floating [samples].

    Returns:
        A float without a unit, at least 0; 0 if the magnitudes agree, 1 for silence.

    Raises:
        UndefinedMetricError: if the reference is silent or too short.
        ValueError: if inputs are not audio, or their lengths differ too much.

    Source: Arik et al., arXiv:1808.06719, eq. 2; resolutions of Yamamoto et al., arXiv:1910.11480.
    """
    pairs = _resolutions(reference, estimate)
    return float(np.mean([np.linalg.norm(x - y) / np.linalg.norm(x) for x, y in pairs]))


def log_magnitude_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Computes the mean of `| ln |X| - ln |Y| |` over bins, frames and `STFT_RESOLUTIONS`.

    Smaller magnitudes are taken as 1e-7.

    Args:
        reference: floating [samples], at least 1200 samples.
        estimate: floating [samples].

    Returns:
        A float in nepers (1 neper = 8.69 dB), at least 0.

    Raises:
        UndefinedMetricError: if the reference is silent or too short.
        ValueError: if inputs are not audio, or their lengths differ too much.

    Source: Arik et al., arXiv:1808.06719, eq. 3.
    """
    pairs = [np.log(np.maximum(pair, _LOG_FLOOR)) for pair in _resolutions(reference, estimate)]
    return float(np.mean([np.mean(np.abs(x - y)) for x, y in pairs]))


def log_spectral_distance(
    reference: np.ndarray,
    estimate: np.ndarray,
    *,
    sample_rate: int,
    dynamic_range_db: float = 80.0,
) -> float:
    """Computes the log-spectral distance: the root mean square over bins, in dB.

    The result is the mean over frames. Frames are Hann windows of 64 ms, at a hop of 16 ms.

    Args:
        reference: floating [samples], at least one window long.
        estimate: floating [samples].
        sample_rate: int, in Hz, at least 4000.
        dynamic_range_db: range below the largest magnitude of the reference; smaller magnitudes
            are taken as its lower end.

    Returns:
        A float in dB, in [0, dynamic_range_db] for estimates that are not louder.

    Raises:
        UndefinedMetricError: if the reference is silent or too short.
        ValueError: if inputs are not audio, or their lengths differ too much.

    Source: Gray and Markel, "Distance measures for speech processing", IEEE Trans. ASSP 24 (1976).
    """
    x, y = _short_time(reference, estimate, sample_rate, window_seconds=0.064)
    difference_db = _floored_db(x, x, dynamic_range_db) - _floored_db(y, x, dynamic_range_db)
    return float(np.mean(np.sqrt(np.mean(difference_db**2, axis=1))))


def mel_cepstral_distance(
    reference: np.ndarray,
    estimate: np.ndarray,
    *,
    sample_rate: int,
    dynamic_range_db: float = 60.0,
) -> float:
    """Computes the mel-cepstral distance, frame by frame without warping.

    The distance of a frame is `10 / ln 10 * sqrt(2 * sum_k (c_k - c'_k)^2)` with k = 1..13. The
    log magnitude in band m of 40 Slaney mel bands is `c_0 + sum_k c_k cos(pi k (m + 1/2) / 40)`.
    Frames are Hann windows of 32 ms, at a hop of 8 ms. So the distance is the root mean square
    difference of the smoothed spectra in dB, apart from their level. Values of other front ends
    differ by up to 30 times.

    Args:
        reference: floating [samples], at least one window long.
        estimate: floating [samples].
        sample_rate: int, in Hz, at least 4000.
        dynamic_range_db: range below the loudest band of the reference; quieter bands are taken
            as its lower end.

    Returns:
        A float in dB, at least 0.

    Raises:
        UndefinedMetricError: if the reference is silent or too short.
        ValueError: if inputs are not audio, or their lengths differ too much.

    Source: Kubichek, "Mel-cepstral distance measure for objective speech quality assessment",
    IEEE PACRIM (1993).
    """
    spectra = _short_time(reference, estimate, sample_rate, window_seconds=0.032)
    matrix = spectrogram.mel_matrix(
        sample_rate=sample_rate,
        n_fft=2 * (spectra[0].shape[1] - 1),
        n_mels=_MCD_FILTERS,
        fmin_hz=0.0,
        fmax_hz=sample_rate / 2,
        scale="slaney",
        norm="slaney",
    )
    x, y = (spectrum @ matrix.T for spectrum in spectra)
    difference_db = _floored_db(x, x, dynamic_range_db) - _floored_db(y, x, dynamic_range_db)
    cepstra_db = scipy_fft.dct(difference_db, axis=1) / _MCD_FILTERS  # 20 / ln 10 * (c - c')
    squares = cepstra_db[:, 1 : _MCD_COEFFICIENTS + 1] ** 2
    return float(np.mean(np.sqrt(squares.sum(axis=1) / 2)))


def f0_error(reference: np.ndarray, estimate: np.ndarray, *, sample_rate: int) -> F0Error:
    """Computes the error of the fundamental frequency, tracked by `pitch.track` every 10 ms.

    Args:
        reference: floating [samples].
        estimate: floating [samples].
        sample_rate: int, in Hz, at least 4000.

    Returns:
        The median error in cents (1200 to the octave) and the share of wrong frames.

    Raises:
        UndefinedMetricError: if the reference is silent.
        ValueError: if inputs are not audio, or their lengths differ too much.

    Source: Chu and Alwan, "Reducing F0 frame error of F0 tracking algorithms
    under noisy conditions", ICASSP (2009).
    """
    reference, estimate = aligned(reference, estimate)
    check_sample_rate(sample_rate)
    x, y = (pitch.track(audio, sample_rate=sample_rate) for audio in (reference, estimate))
    both = (x > 0) & (y > 0)
    cents = 1200 * np.abs(np.log2(y[both] / x[both]))
    gross = np.count_nonzero(np.abs(y[both] / x[both] - 1) > GROSS_F0_RATIO)
    wrong = gross + np.count_nonzero((x > 0) != (y > 0))
    return F0Error(float(np.median(cents)) if cents.size else None, wrong / len(x))


def pesq_mode(sample_rate: int) -> Literal["nb", "wb"]:
    """Returns "wb" (wide band, at 16 kHz) from 16 kHz on and "nb" (narrow, at 8 kHz) below."""
    return "wb" if sample_rate >= 16000 else "nb"


def pesq(reference: np.ndarray, estimate: np.ndarray, *, sample_rate: int) -> float:
    """Computes the perceptual evaluation of speech quality with the `pesq` package.

    The audio is resampled to the rate of `pesq_mode`. Audio of more than 20 s is measured in equal
    pieces, whose mean is returned.

    Args:
        reference: floating [samples], at least a quarter of a second.
        estimate: floating [samples].
        sample_rate: int, in Hz, at least 8000.

    Returns:
        A mean opinion score in [1.02, 4.55] (narrow band) or [1.04, 4.64] (wide band); higher is
        better.

    Raises:
        UndefinedMetricError: if `pesq` is not installed, the rate is below 8 kHz, or `pesq` finds
            no speech to compare.
        ValueError: if inputs are not audio, or their lengths differ too much.

    Source: ITU-T P.862, P.862.1, P.862.2 (wide band), P.862.3 (lengths).
    """
    reference, estimate = aligned(reference, estimate)
    check_sample_rate(sample_rate)
    package = _optional("pesq")
    if sample_rate < 8000:
        raise UndefinedMetricError(f"PESQ needs at least 8 kHz. Received: {sample_rate=}")
    mode = pesq_mode(sample_rate)
    rate = 16000 if mode == "wb" else 8000
    pair = [
        resample.resample(audio, source_rate=sample_rate, target_rate=rate)
        for audio in (reference, estimate)
    ]
    pieces = int(np.ceil(len(pair[0]) / (PESQ_PIECE_SECONDS * rate)))
    scores, reason = [], ""
    for x, y in zip(*(np.array_split(audio, pieces) for audio in pair)):
        try:
            scores.append(package.pesq(rate, x, y, mode))
        except (package.PesqError, ValueError) as error:  # of one piece, such as a pause
            reason = _text(error)
    if not scores or not np.all(np.isfinite(scores)):
        raise UndefinedMetricError(f"PESQ has no value: {reason or 'not a number'}")
    return float(np.mean(scores))


def stoi(
    reference: np.ndarray, estimate: np.ndarray, *, sample_rate: int, extended: bool = False
) -> float:
    """Computes the short-time objective intelligibility with the `pystoi` package.

    Args:
        reference: floating [samples], of which at least about 0.4 s are not silent.
        estimate: floating [samples].
        sample_rate: int, in Hz; the package resamples to 10 kHz.
        extended: whether to compute the extended form, ESTOI, which also finds errors across bands.

    Returns:
        A float up to 1 for equal signals; about 0 for unrelated signals.

    Raises:
        UndefinedMetricError: if `pystoi` is not installed or the audio is too short.
        ValueError: if inputs are not audio, or their lengths differ too much.

    Source: Taal et al., IEEE Trans. ASLP 19 (2011); Jensen and Taal, IEEE Trans. ASLP 24 (2016).
    """
    reference, estimate = aligned(reference, estimate)
    check_sample_rate(sample_rate)
    package = _optional("pystoi")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # the package returns 1e-5 with one
        try:
            value = float(package.stoi(reference, estimate, sample_rate, extended=extended))
        except (RuntimeWarning, ValueError) as error:
            raise UndefinedMetricError("STOI needs about 0.4 s that are not silent") from error
    return value


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UndefinedMetricError(
            f"the package {name!r} is not installed: pip install 'tfwavenet[evaluate]'"
        ) from error


def _text(error: Exception) -> str:
    """Returns the message of an exception of the `pesq` package, whose messages are bytes."""
    said = error.args[0] if error.args else ""
    return said.decode() if isinstance(said, bytes) else str(said) or type(error).__name__


def _resolutions(
    reference: np.ndarray, estimate: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Yields the magnitudes of both at every resolution of `STFT_RESOLUTIONS`."""
    reference, estimate = aligned(reference, estimate)
    _check_length(reference, max(win for _, _, win in STFT_RESOLUTIONS))
    return [
        (
            _magnitudes(reference, n_fft=n_fft, hop=hop, win=win),
            _magnitudes(estimate, n_fft=n_fft, hop=hop, win=win),
        )
        for n_fft, hop, win in STFT_RESOLUTIONS
    ]


def _short_time(
    reference: np.ndarray, estimate: np.ndarray, sample_rate: int, *, window_seconds: float
) -> tuple[np.ndarray, np.ndarray]:
    """Computes the magnitudes of both with a window of this duration, at a quarter as hop."""
    reference, estimate = aligned(reference, estimate)
    check_sample_rate(sample_rate)
    win = round(window_seconds * sample_rate)
    _check_length(reference, win)
    sizes = {"n_fft": 1 << (win - 1).bit_length(), "hop": win // 4, "win": win}
    return _magnitudes(reference, **sizes), _magnitudes(estimate, **sizes)


def _check_length(audio: np.ndarray, least: int) -> None:
    if len(audio) < least:
        raise UndefinedMetricError(
            f"at least {least} samples are needed. Received: samples={len(audio)}"
        )


def _magnitudes(audio: np.ndarray, *, n_fft: int, hop: int, win: int) -> np.ndarray:
    """Computes STFT magnitudes [frames, n_fft // 2 + 1] of centered frames, zeros outside."""
    window = spectrogram.window_samples("hann", win_samples=win, hop_samples=hop)
    left = (n_fft - win) // 2
    padded = np.pad(audio, (win // 2 + left, win // 2 + n_fft - win - left))
    size = {"n_fft": n_fft, "hop_samples": hop}
    return spectrogram.magnitude(padded[np.newaxis], window=window, **size)[0].numpy()


def _floored_db(magnitudes: np.ndarray, reference: np.ndarray, range_db: float) -> np.ndarray:
    """Converts magnitudes to dB, at least `range_db` below the largest of `reference`."""
    return 20 * np.log10(np.maximum(magnitudes, reference.max() * 10 ** (-range_db / 20)))
