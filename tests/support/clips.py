"""Small recordings and a small network to evaluate, without any corpus."""

from __future__ import annotations

import dataclasses
from typing import Optional

import numpy as np

from tfwavenet.audio import recipes
from tfwavenet.layers import StretchUpsampler
from tfwavenet.models import DiffWave, ParallelWaveNet, WaveNet


@dataclasses.dataclass
class FakeClip:
    """What `evaluation` needs of an utterance."""

    name: str
    signal: np.ndarray
    mel: Optional[np.ndarray] = None
    speaker: Optional[int] = None
    text: Optional[str] = None


def voice(seconds, *, sample_rate=8000, f0_hz=150.0, seed=0):
    """A vowel with vibrato and a little noise: float32 [samples]."""
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * f0_hz * time + 0.3 * np.sin(2 * np.pi * 5 * time)
    tone = sum(np.cos(k * phase) / k for k in range(1, 8))
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.1 * tone + 0.002 * noise).astype(np.float32)


def clip(name, seconds, *, recipe="speech_8k", speaker=None, **options):
    """A clip of `voice`, analysed by the recipe."""
    signal, mel = recipes.get(recipe).analyze(voice(seconds, **options))
    return FakeClip(name, signal, mel, speaker)


def network(distribution="Categorical", *, conditional=True, recipe="speech_8k", **options):
    """A built WaveNet of a few hundred weights."""
    recipe = recipes.get(recipe)
    hop = recipe.hop_samples
    upsampler = StretchUpsampler(scales=[8, hop // 8]) if conditional else None
    arguments = {
        "num_layers": 2,
        "dilation_cycle": 2,
        "residual_channels": 4,
        "gate_channels": 4,
        "skip_channels": 4,
        **options,
    }
    model = WaveNet(distribution=distribution, recipe=recipe, upsampler=upsampler, **arguments)
    model.build()
    return model


def diffusion_network(*, conditional=True, recipe="speech_8k", **options):
    """A built DiffWave of a few hundred weights and ten steps."""
    recipe = recipes.get(recipe)
    upsampler = StretchUpsampler(scales=[8, recipe.hop_samples // 8]) if conditional else None
    arguments = {
        "num_layers": 2,
        "dilation_cycle": 2,
        "residual_channels": 4,
        "step_channels": 8,
        "schedule": {"steps": 10, "first": 0.01, "last": 0.4},
        **options,
    }
    model = DiffWave(recipe=recipe, upsampler=upsampler, **arguments)
    model.build()
    return model


def student_network():
    """A built student of a few hundred weights, without a teacher."""
    upsampler = {"class_name": "StretchUpsampler", "config": {"scales": [8, 10]}}
    channels = {"residual_channels": 4, "gate_channels": 4, "skip_channels": 4}
    model = ParallelWaveNet(flow_layers=(2, 2), recipe="speech_8k", upsampler=upsampler, **channels)
    model.build()
    return model
