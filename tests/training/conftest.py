"""A tiny corpus, prepared once, and the config of a network that trains on it in a second."""

from __future__ import annotations

import numpy as np
import pytest

from tfwavenet.audio import audio_files

RECIPE = {
    "sample_rate": 4000,
    "n_fft": 128,
    "win_samples": 128,
    "hop_samples": 16,
    "n_mels": 8,
    "framing": "same",
    "pad_mode": "constant",
    "normalization": "standard",
}
SAMPLES = 1600


def write_corpus(folder, *, speakers=("high", "low"), files_per_speaker=8):
    """Short tones with a little noise, one pitch per speaker, in one folder per speaker."""
    generator = np.random.default_rng(0)
    time = np.arange(SAMPLES) / RECIPE["sample_rate"]
    for number, speaker in enumerate(speakers):
        for index in range(files_per_speaker):
            tone = 0.4 * np.sin(2 * np.pi * (150 + 250 * number + 10 * index) * time)
            audio = tone + generator.normal(0, 0.01, SAMPLES)
            path = folder / speaker / f"{index}.wav"
            audio_files.write(path, audio.astype(np.float32), RECIPE["sample_rate"])
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The folder of the tiny corpus."""
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def make_config(corpus):
    """A function that gives the tiny config with parts of `training` and `data` changed."""

    def make(*, model=None, data=None, **training):
        return {
            "recipe": dict(RECIPE),
            "model": {
                "num_layers": 2,
                "dilation_cycle": 2,
                "residual_channels": 4,
                "gate_channels": 8,
                "skip_channels": 4,
                "distribution": {"class_name": "Gaussian", "config": {}},
                "upsampler": {
                    "class_name": "StretchUpsampler",
                    "config": {"scales": [4, 4], "padding_frames": 1, "input_context": True},
                },
                "speaker_channels": 2,
                **(model or {}),
            },
            "data": {
                "corpus": "folder",
                "root": str(corpus),
                "validation": 0.25,
                "batch_size": 2,
                "crop_frames": 8,
                **(data or {}),
            },
            "training": {
                "steps": 4,
                "steps_per_epoch": 2,
                "learning_rate": 1e-2,
                "ema_decay": 0.9,
                "validation_batches": 2,
                "sample_epochs": 0,
                "sample_seconds": 0.04,
                **training,
            },
        }

    return make
