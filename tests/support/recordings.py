"""Small recordings and a small feature recipe for tests of the data path."""

from __future__ import annotations

import pathlib

import numpy as np

from tfwavenet.audio import audio_files
from tfwavenet.audio.features import FeatureRecipe

# Constant padding: a clip of any length has frames; 40 samples per frame keep tensors tiny.
RECIPE = FeatureRecipe(
    sample_rate=8000,
    n_fft=128,
    win_samples=128,
    hop_samples=40,
    n_mels=8,
    framing="same",
    pad_mode="constant",
    compression="db",
    normalization="range",
)


def noise(samples: int, *, seed: int = 0, level: float = 0.5) -> np.ndarray:
    """float32 [samples], uniform in [-level, level]."""
    return np.random.default_rng(seed).uniform(-level, level, samples).astype(np.float32)


def write_corpus(
    root: pathlib.Path,
    *,
    speakers: tuple[str, ...] = ("ann", "bob"),
    each: int = 6,
    samples: int = 400,
    sample_rate: int = 8000,
) -> pathlib.Path:
    """Writes `each` noise recordings per speaker, of `samples` to `samples + each - 1` samples."""
    for number, speaker in enumerate(speakers):
        for index in range(each):
            audio = noise(samples + index, seed=100 * number + index)
            audio_files.write(root / speaker / f"{index:02d}.wav", audio, sample_rate)
    return root
