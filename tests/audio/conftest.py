"""Signals to test audio functions on."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def voice():
    """Makes float32 [samples] that resemble speech: silence, a voiced glide, a hiss, silence.

    Deterministic, peak below 0.8, with quiet edges that a 40 dB trim removes.
    """

    def make(sample_rate: int = 22050, seconds: float = 1.0, seed: int = 0) -> np.ndarray:
        random = np.random.default_rng(seed)
        time = np.arange(int(sample_rate * seconds)) / sample_rate
        pitch_hz = 110.0 + 60.0 * time / seconds
        phase = 2.0 * np.pi * np.cumsum(pitch_hz) / sample_rate
        harmonics = sum(np.sin(k * phase) / k for k in range(1, 20) if k * 170 < sample_rate / 2)
        hiss = 0.1 * random.normal(size=time.size)
        part = time / seconds
        audio = np.where(part < 0.6, 0.3 * harmonics, hiss)
        audio *= (part > 0.15) & (part < 0.85)
        return (audio + 1e-5 * random.normal(size=time.size)).astype(np.float32)

    return make
