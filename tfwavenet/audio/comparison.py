"""Computes all metrics of a pair at once, with the labels and units that a table shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from tfwavenet.audio import metrics


class Score(NamedTuple):
    """A value, or the reason why there is no value."""

    value: float | None
    reason: str | None = None


class Metric(NamedTuple):
    """The description of a number that `compare` gives.

    Attributes:
        name: key of the metric.
        label: name for readers.
        unit: "dB", "cents", ..., or "".
        better: "lower" or "higher".
        about: the measured quantity and its range.
    """

    name: str
    label: str
    unit: str
    better: Literal["lower", "higher"]
    about: str


_PESQ = {
    "nb": Metric(
        "pesq_nb", "PESQ", "MOS", "higher", "perceived quality, 1 to 4.5, narrow band at 8 kHz"
    ),
    "wb": Metric(
        "pesq_wb", "PESQ", "MOS", "higher", "perceived quality, 1 to 4.6, wide band at 16 kHz"
    ),
}
_STOI = Metric("stoi", "STOI", "", "higher", "intelligibility, 0 to 1")
_OTHERS = (
    Metric("estoi", "ESTOI", "", "higher", "intelligibility across bands, 0 to 1"),
    Metric(
        "spectral_convergence",
        "Spectral convergence",
        "",
        "lower",
        "relative error of the STFT magnitudes at three resolutions; 0 is equal, 1 is silence",
    ),
    Metric(
        "f0_cents",
        "F0 error, median",
        "cents",
        "lower",
        "where both are voiced; 100 cents are a semitone",
    ),
    Metric(
        "f0_frame_error",
        "F0 gross errors",
        "of frames",
        "lower",
        "share of frames of other voicing or more than 20 % off in frequency",
    ),
    Metric("mcd", "Mel-cepstral distance", "dB", "lower", "mel filterbank, 13 coefficients"),
    Metric("lsd", "Log-spectral distance", "dB", "lower", "floor 80 dB below the loudest bin"),
    Metric(
        "log_magnitude",
        "Log-magnitude distance",
        "neper",
        "lower",
        "mean absolute difference of the log STFT magnitudes at three resolutions",
    ),
)


def metrics_for(sample_rate: int) -> tuple[Metric, ...]:
    """Returns the metrics that `compare` computes at a sample rate, the most telling first.

    Args:
        sample_rate: int, in Hz, which decides on the mode of PESQ.
    """
    return (_PESQ[metrics.pesq_mode(sample_rate)], _STOI, *_OTHERS)


def compare(reference: np.ndarray, estimate: np.ndarray, *, sample_rate: int) -> dict[str, Score]:
    """Computes every metric of `metrics_for`, or gives the reason why it has no value.

    Args:
        reference: floating [samples] in [-1, 1].
        estimate: floating [samples] in [-1, 1], aligned, of a length that `metrics.aligned` takes.
        sample_rate: int, in Hz, at least 4000.

    Returns:
        A `Score` for the name of every metric in `metrics_for(sample_rate)`, in that order.

    Raises:
        ValueError: if inputs are not audio, or their lengths differ too much.

    Examples:
        >>> tone = np.sin(2 * np.pi * 220 * np.arange(8000) / 8000)
        >>> compare(tone, tone, sample_rate=8000)["f0_cents"].value
        0.0
    """
    metrics.check_sample_rate(sample_rate)
    scores: dict[str, Score] = {}
    for names, measure in _measures(sample_rate).items():
        try:
            values = measure(reference, estimate)
        except metrics.UndefinedMetricError as error:
            scores |= {name: Score(None, str(error)) for name in names}
        else:
            scores |= {name: _score(value) for name, value in zip(names, values)}
    return {metric.name: scores[metric.name] for metric in metrics_for(sample_rate)}


def _score(value: float | None) -> Score:
    return Score(None, "no frame is voiced in both") if value is None else Score(value)


def _measures(sample_rate: int) -> dict[tuple[str, ...], Callable[..., tuple[Any, ...]]]:
    """Returns the functions of a pair that compute the metrics, by name."""
    rate: dict[str, Any] = {"sample_rate": sample_rate}
    return {
        (f"pesq_{metrics.pesq_mode(sample_rate)}",): lambda *pair: (metrics.pesq(*pair, **rate),),
        ("stoi",): lambda *pair: (metrics.stoi(*pair, **rate),),
        ("estoi",): lambda *pair: (metrics.stoi(*pair, extended=True, **rate),),
        ("spectral_convergence",): lambda *pair: (metrics.spectral_convergence(*pair),),
        ("f0_cents", "f0_frame_error"): lambda *pair: metrics.f0_error(*pair, **rate),
        ("mcd",): lambda *pair: (metrics.mel_cepstral_distance(*pair, **rate),),
        ("lsd",): lambda *pair: (metrics.log_spectral_distance(*pair, **rate),),
        ("log_magnitude",): lambda *pair: (metrics.log_magnitude_distance(*pair),),
    }
