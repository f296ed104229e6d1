"""Small networks of every kind that can be exported, requests for them, and what they answer."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.support import tiny_models
from tests.support.clips import voice
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.export.signatures import Limits, signatures_of
from tfwavenet.layers import StretchUpsampler, TransposedUpsampler
from tfwavenet.models import DiffWave, ParallelWaveNet, WaveNet

SAMPLE_RATE, HOP, MELS, CHUNK = 4000, 16, 8, 48
LIMITS = Limits(samples=4000, batch=4)
WAVENET = {"num_layers": 4, "dilation_cycle": 3, "residual_channels": 6, "gate_channels": 8}
DIFFWAVE = {"num_layers": 3, "dilation_cycle": 3, "residual_channels": 6, "step_channels": 8}
SCHEDULE = {"steps": 20, "first": 1e-3, "last": 0.3}
# All that a recipe can do to a waveform is done.
RECIPE = FeatureRecipe(
    sample_rate=SAMPLE_RATE,
    n_fft=128,
    win_samples=128,
    hop_samples=HOP,
    n_mels=MELS,
    framing="same",
    pre_emphasis=0.85,
    peak=0.9,
    high_pass_hz=70.0,
    gain=0.8,
    signal_gain=0.7,
)
# How much larger audio may be than the signal that it is made of, before it is clipped: 12 times.
AMPLIFIED = 1 / ((1 - RECIPE.pre_emphasis) * RECIPE.signal_gain * RECIPE.gain)


def _wavenet(**options: Any) -> WaveNet:
    return WaveNet(**WAVENET, skip_channels=7, kernel_size=2, **options)


def _diffwave(**options: Any) -> DiffWave:
    return DiffWave(**DIFFWAVE, schedule=SCHEDULE, inference_schedule=[0.02, 0.1, 0.3], **options)


def _stretch() -> StretchUpsampler:
    return StretchUpsampler((4, 4), padding_frames=1, input_context=True)


KINDS = {
    "vocoder": lambda: _wavenet(
        distribution="MixtureOfLogistics",
        upsampler=_stretch(),
        recipe=RECIPE,
        num_speakers=4,
        speaker_channels=3,
    ),
    "codes": lambda: _wavenet(
        distribution={"class_name": "Categorical", "config": {"classes": 16}}
    ),
    "vectors": lambda: _wavenet(
        distribution="Gaussian",
        upsampler=TransposedUpsampler((16,), overlap=2),
        local_channels=MELS,
        speaker_channels=3,
    ),
    "student": lambda: ParallelWaveNet(
        flow_layers=(2, 3),
        dilation_cycle=2,
        residual_channels=6,
        gate_channels=8,
        skip_channels=7,
        upsampler=_stretch(),
        recipe=RECIPE,
        num_speakers=4,
        speaker_channels=3,
    ),
    "diffwave": lambda: _diffwave(
        prior="energy", upsampler=_stretch(), recipe=RECIPE, num_speakers=4, speaker_channels=3
    ),
    "noise": lambda: _diffwave(prior=0.5),
}
STREAMED = ("vocoder", "codes", "vectors", "student")


@functools.cache
def network(kind: str) -> Any:
    """A built network of a few hundred weights, the same at each call."""
    keras.utils.set_random_seed(1)
    model = KINDS[kind]()
    model.build()
    tiny_models.stir(model, 0.2)
    return model


@functools.cache
def signatures(kind: str) -> Any:
    """Its signatures, not compiled by XLA, in chunks of a few frames."""
    return signatures_of(network(kind), chunk_samples=CHUNK, limits=LIMITS, jit_compile=False)


def call(kind: str, name: str, **inputs: Any) -> dict[str, np.ndarray]:
    """What a signature returns."""
    signature = signatures(kind)[name]
    outputs = signature.function(*typed(signature, inputs).values())
    return {key: value.numpy() for key, value in outputs.items()}


def typed(signature: Any, inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Values as tensors of the signature's types, in its order."""
    return {f.name: tf.constant(inputs[f.name], f.dtype) for f in signature.inputs}


def conditions(kind: str, batch: int = 2) -> dict[str, Any]:
    """The inputs that all signatures which begin an utterance take."""
    model = network(kind)
    given: dict[str, Any] = {"temperature": 0.9, "seed": list(range(5, 5 + batch))}
    if model.codec.num_codes:
        given["top_p"] = 0.8
    if model.speaker_channels and model.num_speakers:
        given["speaker"] = [2, 1, 3, 0][:batch]
    elif model.speaker_channels:
        given["speaker"] = np.linspace(-1, 1, 3 * batch, dtype=np.float32).reshape(batch, 3)
    return given


def mel(frames: int, batch: int = 2) -> np.ndarray:
    """Features float32 [batch, frames, MELS]."""
    return np.random.default_rng(frames).standard_normal((batch, frames, MELS), np.float32)


def source(kind: str, frames: int, batch: int = 2) -> dict[str, Any]:
    """What sets the length of an utterance."""
    if network(kind).upsampler is None:
        return {"samples": frames * HOP}
    return {"mel": mel(frames, batch)}


def begun(kind: str) -> bytes:
    """The state of two streams before their first sample; nothing for a network without streams."""
    if kind not in STREAMED:
        return b""
    return call(kind, "stream_start", **conditions(kind))["state_bytes"]


def recordings(samples: int, batch: int = 2) -> np.ndarray:
    """Voices float32 [batch, samples]."""
    seconds = samples / SAMPLE_RATE
    pitches = [120.0 + 40 * row for row in range(batch)]
    rows = [voice(seconds, sample_rate=SAMPLE_RATE, f0_hz=f0) for f0 in pitches]
    return np.stack(rows)[:, :samples]


def generated(kind: str, given: dict[str, Any]) -> np.ndarray:
    """What the model's own `generate` makes of a request: the oracle."""
    given = dict(given)
    if network(kind).num_speakers is None and "speaker" in given:
        given["speaker"] = np.asarray(given["speaker"], np.float32)
    return np.asarray(network(kind).generate(**given, jit_compile=False))


def assert_same_audio(one: Any, other: Any) -> None:
    """Asserts equality up to rounding, which the recipe's de-emphasis and gains make larger."""
    overshoots = np.max(np.abs(other), initial=0.0) >= 1.0
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * AMPLIFIED if overshoots else 2e-5)
