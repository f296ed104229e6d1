"""First-order pre-emphasis `y[n] = x[n] - c x[n-1]`, and its inverse, over whole or chunked audio.

The recursions run in float64 from a carried state, so chunks give the bits of the whole.
"""

from __future__ import annotations

import numpy as np
from scipy import signal


def pre_emphasis(
    audio: np.ndarray, *, coefficient: float, state: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Raise the high frequencies: `y[n] = x[n] - coefficient * x[n-1]`, with `x[-1] = 0`.

    Args:
        audio: floating [..., samples].
        coefficient: float in [0, 1); 0 changes nothing.
        state: float64 [..., 1] returned by the call on the preceding chunk, None at the start.

    Returns:
        The filtered audio [..., samples] in the dtype of `audio`, and the state to carry on.

    Raises:
        ValueError: if `coefficient` is out of range or `audio` is not floating.
    """
    return _filter(audio, [1.0, -coefficient], [1.0, 0.0], coefficient=coefficient, state=state)


def de_emphasis(
    audio: np.ndarray, *, coefficient: float, state: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Undo `pre_emphasis`: `x[n] = y[n] + coefficient * x[n-1]`, with `x[-1] = 0`.

    Args:
        audio: floating [..., samples], a pre-emphasised signal.
        coefficient: float in [0, 1), the one that was used to emphasise.
        state: float64 [..., 1] returned by the call on the preceding chunk, None at the start.

    Returns:
        The filtered audio [..., samples] in the dtype of `audio`, and the state to carry on.

    Raises:
        ValueError: if `coefficient` is out of range or `audio` is not floating.
    """
    return _filter(audio, [1.0, 0.0], [1.0, -coefficient], coefficient=coefficient, state=state)


def _filter(
    audio: np.ndarray,
    numerator: list[float],
    denominator: list[float],
    *,
    coefficient: float,
    state: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    audio = np.asarray(audio)
    if not 0.0 <= coefficient < 1.0:
        raise ValueError(f"coefficient must be in [0, 1). Received: coefficient={coefficient!r}")
    if not np.issubdtype(audio.dtype, np.floating):
        raise ValueError(f"audio must be floating. Received: dtype={audio.dtype}")
    if state is None:
        state = np.zeros((*audio.shape[:-1], 1))
    if audio.shape[-1] == 0:
        return audio.copy(), state
    filtered, state = signal.lfilter(numerator, denominator, audio.astype(np.float64), zi=state)
    return filtered.astype(audio.dtype), state
