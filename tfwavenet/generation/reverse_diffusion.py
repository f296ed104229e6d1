"""Reverse diffusion: from noise to audio, a compiled network call per step and chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.diffusion import NoiseSchedule
from tfwavenet.generation.conditioning_windows import Windows, bucket
from tfwavenet.generation.request import (
    Request,
    check_batch_size,
    check_temperature,
    whole_number,
)
from tfwavenet.layers.fusion import compiles_whole, fused_elementwise, fusible

# The conditioning of all chunks is kept from step to step if it is not larger than this.
_KEPT_CONDITIONING_BYTES = 2**31


class NoisePredictor(Protocol):
    """What reverse diffusion needs of a model; `models.DiffWave` documents the methods."""

    schedule: NoiseSchedule
    upsampler: Any
    recipe: Any
    reach: int
    signal_limit: float

    def signal_level(self, mel: Any) -> tf.Tensor:
        """What generated signals are multiplied with, [batch, samples] or []."""

    def conditioning(self, mel: Any, mask: Any, speaker: Any) -> list[Any]:
        """Each block's conditioning of a window, [batch, samples or 1, channels] or None."""

    def predict_noise(self, audio: Any, step: Any, conditioning: Any, mask: Any) -> tf.Tensor:
        """The noise in `audio` [batch, samples]."""


def denoise(
    model: NoisePredictor,
    request: Request,
    *,
    schedule: NoiseSchedule,
    eta: float = 1.0,
    temperature: float = 1.0,
    clip: bool = True,
    chunk_samples: int = 49152,
    batch_size: int | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_chunk: Callable[[list[np.ndarray]], None] | None = None,
    jit_compile: bool | None = None,
) -> list[np.ndarray]:
    """Generates the utterances of a request; see `DiffWave.generate`.

    Every chunk is computed with as much signal around it as the network looks at, step by step
    for all chunks, so that the result does not depend on their size.

    Returns:
        float32 audio [samples] of each utterance.
    """
    check_temperature(temperature)
    whole_number("chunk_samples", chunk_samples, least=1)
    check_batch_size(batch_size)
    steps = model.schedule.align(schedule)
    factors = schedule.update_coefficients(eta)
    factors[:, 2] *= temperature
    limit = model.signal_limit if clip else np.inf
    audio = [np.zeros([0], np.float32)] * len(request.samples)
    for group in _groups(request, batch_size):
        chunks = _Chunks(model, request.select(group), chunk_samples, compiles_whole(jit_compile))
        signal = temperature * chunks.noise(len(steps))
        for done, index in enumerate(reversed(range(len(steps))), start=1):
            signal = chunks.update(signal, steps[index], factors[index], index, limit)
            if on_step is not None:
                on_step(done, len(steps))
        made = {i: _to_audio(model, request, i, s) for i, s in zip(group, signal)}
        if on_chunk is not None:
            on_chunk([made.get(i, one[:0]) for i, one in enumerate(audio)])
        audio = [made.get(i, one) for i, one in enumerate(audio)]
    return audio


def _groups(request: Request, batch_size: int | None) -> list[list[int]]:
    """The utterances in groups of one size and of similar lengths.

    The last group is filled up with its longest utterance again, so that shapes repeat.
    """
    number = len(request.samples)
    if batch_size is None or batch_size >= number:
        return [list(range(number))]
    order = sorted(range(number), key=lambda i: request.samples[i])
    width = -(-number // -(-number // batch_size))
    groups = [order[first : first + width] for first in range(0, number, width)]
    groups[-1] += order[-1:] * (width - len(groups[-1]))
    return groups


class _Chunks:
    """The chunks of a request: their conditioning, and the reverse step of all of them."""

    def __init__(
        self, model: NoisePredictor, request: Request, chunk_samples: int, jit_compile: bool
    ) -> None:
        self._request = request
        self._windows = Windows(model, request)
        hop = self._windows.hop_samples
        total = int(request.samples.max())
        if total <= chunk_samples:
            self._count = bucket(-(-total // hop)) * hop
            self._around = 0
        else:
            # In equal parts, so that the last one is not mostly empty.
            parts = -(-total // chunk_samples)
            self._count = bucket(-(-total // (parts * hop))) * hop
            self._around = -(-model.reach // hop) * hop
        self._starts = range(0, total, self._count)
        self._condition, self._denoise = compiled_programs(model, jit_compile)
        self._seeds = tf.stack([rng.make_seed(seed) for seed in request.seeds])
        self._kept: dict[int, Any] = {}

    def noise(self, stream: int) -> np.ndarray:
        """Standard normals [batch, samples], those of one stream of each utterance's seed."""
        parts = [
            noise_of(self._seeds, stream, tf.constant(start, tf.int64), self._count)
            for start in self._starts
        ]
        return np.concatenate([part.numpy() for part in parts], axis=1)

    def update(
        self, signal: np.ndarray, step: float, factors: np.ndarray, index: int, limit: float
    ) -> np.ndarray:
        """One reverse step of the whole signal [batch, samples]."""
        around = self._around
        padded = np.pad(signal, ((0, 0), (around, around)))
        outputs = []
        for start in self._starts:
            window = padded[:, start : start + self._count + 2 * around]
            position = np.arange(start - around, start + self._count + around)
            inside = (position >= 0) & (position < self._request.samples[:, np.newaxis])
            outputs.append(
                self._denoise(
                    tf.constant(window),
                    self._conditioning(start),
                    mask=tf.constant(inside),
                    step=tf.constant(step, tf.float32),
                    factors=tf.constant(factors, tf.float32),
                    seeds=self._seeds,
                    stream=tf.constant(index),
                    position=tf.constant(start, tf.int64),
                    around=around,
                    limit=tf.constant(limit, tf.float32),
                ).numpy()
            )
        return np.concatenate(outputs, axis=1)

    def _conditioning(self, start: int) -> list[Any]:
        if start in self._kept:
            return self._kept[start]
        window = self._windows.window(start - self._around, self._count + 2 * self._around)
        conditioning = self._condition(window)
        size = sum(c.shape.num_elements() * c.dtype.size for c in conditioning if c is not None)
        if size * len(self._starts) <= _KEPT_CONDITIONING_BYTES:
            self._kept[start] = conditioning
        return conditioning


def compiled_programs(model: NoisePredictor, jit_compile: bool) -> Any:
    """The conditioning and the reverse step of a model, made once and kept with the model."""
    name = f"_denoise_{'xla' if jit_compile else 'graph'}"
    if name not in model.__dict__:

        def condition(window: dict[str, tf.Tensor]) -> list[Any]:
            return conditioning_of(model, window)

        def fused_step(window: tf.Tensor, conditioning: list[Any], **given: Any) -> tf.Tensor:
            with fused_elementwise():
                return reverse_step(model, window, conditioning, **given)

        # Past Keras' tracking: a program is no part of what is saved with a model.
        model.__dict__[name] = (
            tf.function(condition, jit_compile=jit_compile),
            tf.function(fused_step, jit_compile=jit_compile),
        )
    return model.__dict__[name]


def conditioning_of(model: NoisePredictor, window: dict[str, tf.Tensor]) -> list[Any]:
    """The conditioning of a window, as `Windows` cuts it."""
    return model.conditioning(
        mel=window.get("mel"), mask=window.get("mask"), speaker=window.get("speaker")
    )


def reverse_step(
    model: NoisePredictor,
    window: tf.Tensor,
    conditioning: list[Any],
    *,
    mask: tf.Tensor,
    step: tf.Tensor,
    factors: tf.Tensor,
    seeds: tf.Tensor,
    stream: tf.Tensor,
    position: tf.Tensor,
    around: int | tf.Tensor,
    limit: tf.Tensor,
) -> tf.Tensor:
    """One reverse step of a chunk.

    Args:
        model: the network.
        window: float32 [batch, around + samples + around], the signal of the chunk and around it.
        conditioning: of that window.
        mask: bool, of its shape: False beyond the ends of the utterances.
        step: float32 [], the diffusion step, on the scale of the schedule of training.
        factors: float32 [3], of signal, predicted noise and new noise.
        seeds: int32 [batch, 2], one per utterance.
        stream: int32 [], number of the new noise.
        position: int64 [], of the chunk's first sample.
        around: samples at each end of the window that are not updated.
        limit: float32 [], largest magnitude of what is returned.

    Returns:
        float32 [batch, samples].
    """
    # The signal's own shape where it is known: a range of that many samples is then a constant.
    batch, length = (known or tf.shape(window)[axis] for axis, known in enumerate(window.shape))
    count = length - 2 * around
    inner = slice(around, around + count)
    predicted = model.predict_noise(window, tf.fill([batch], step), conditioning, mask=mask)
    noise = noise_of(seeds, stream, position, count)
    updated = factors[0] * window[:, inner] + factors[1] * predicted[:, inner] + factors[2] * noise
    return tf.clip_by_value(updated, -limit, limit)


_normal_stream = fusible(rng.normal_stream)


def noise_of(
    seeds: tf.Tensor, stream: Any, position: tf.Tensor, count: int | tf.Tensor
) -> tf.Tensor:
    """Normals [batch, count] of a stream of each utterance's seed, from a position on."""
    folded = tf.map_fn(lambda seed: rng.fold_in(seed, stream), seeds)
    return _normal_stream(folded, position, count)


def _to_audio(
    model: NoisePredictor, request: Request, utterance: int, signal: np.ndarray
) -> np.ndarray:
    """The audio of one utterance, of a signal of variance 1 that may be longer."""
    signal = signal[: request.samples[utterance]]
    mel = None if request.mels is None else request.mels[utterance][np.newaxis]
    signal = signal * model.signal_level(mel).numpy().ravel()
    return signal if model.recipe is None else model.recipe.to_audio(signal, None)[0]
