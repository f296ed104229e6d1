"""Draws pictures of mel features."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_INCHES_WIDE = 9.0
_INCHES_PER_ROW = 2.2


def mel_figure(mels: Mapping[str, np.ndarray], *, frame_seconds: float) -> Figure:
    """Draws mel features below each other, with one scale of time and color.

    Args:
        mels: title -> float [frames, n_mels], at least one.
        frame_seconds: duration of a frame, > 0.

    Returns:
        A figure with an Agg canvas; no global state of matplotlib is touched.
    """
    figure = Figure(figsize=(_INCHES_WIDE, _INCHES_PER_ROW * len(mels)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(mels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    low = min(float(np.min(mel)) for mel in mels.values())
    high = max(float(np.max(mel)) for mel in mels.values())
    for axes, (title, mel) in zip(rows, mels.items()):
        image = axes.imshow(
            np.asarray(mel).T,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            vmin=low,
            vmax=high,
            extent=(0.0, len(mel) * frame_seconds, 0.0, mel.shape[1]),
        )
        axes.set_title(title, fontsize="small")
        axes.set_ylabel("mel bin")
    rows[-1].set_xlabel("seconds")
    figure.colorbar(image, ax=list(rows))
    return figure


def to_png(figure: Figure) -> bytes:
    """Returns a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    return buffer.getvalue()
