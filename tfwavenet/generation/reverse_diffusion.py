"""Reverse diffusion: from noise to audio, a compiled network call per step and chunk.

The same steps run eagerly, with a callback behind each, and inside of exported graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.checks import whole_number
from tfwavenet.diffusion import NoiseSchedule
from tfwavenet.generation.conditioning_windows import bucket, window_of
from tfwavenet.generation.protocols import NoisePredictor
from tfwavenet.generation.request import Request, check_batch_size, require_finite
from tfwavenet.generation.sampler import Sampler
from tfwavenet.layers.fusion import compiles_whole, fused_elementwise, fusible

# The conditioning of all chunks is kept from step to step if it is not larger than this.
_KEPT_CONDITIONING_BYTES = 2**31


class Layout(NamedTuple):
    """The chunks of a signal.

    Attributes:
        count: samples of a chunk, of whole frames; int or int32 [].
        parts: number of chunks; int or int32 [].
        around: samples that the network sees at each side of a chunk; int or int32 [].
    """

    count: Any
    parts: Any
    around: Any


def layout(model: NoisePredictor, samples: Any, most_samples: int, *, rounded: bool) -> Layout:
    """Divides a signal into equal chunks, so that the last one is not mostly empty.

    Args:
        model: the model.
        samples: length of the signal, int or int32 [].
        most_samples: largest size of a chunk.
        rounded: whether sizes are rounded up to one of 16 per octave, each of which is compiled
            once.
    """
    hop = 1 if model.upsampler is None else model.upsampler.hop_samples
    count = -(-samples // (-(-samples // most_samples) * hop))
    if rounded:
        count = int(bucket(count)) if isinstance(count, int) else bucket(count)
    count *= hop
    parts, margin = -(-samples // count), -(-model.network.reach // hop) * hop
    if isinstance(parts, int):
        return Layout(count, parts, margin if parts > 1 else 0)
    return Layout(count, parts, tf.where(parts > 1, margin, 0))


class ReverseDiffusion:
    """The reverse steps of a batch of utterances, in operations that graphs can hold too.

    A step is computed for all chunks before the next step begins. Every chunk has as much signal
    around it as the network looks at, so that the result does not depend on the size of chunks.

    Args:
        model: the model.
        schedule: schedule of the steps.
        layout: chunks of the signal.
        seeds: int32 [batch, 2].
        samples: int32 [batch], length of each utterance.
        temperature: float32 [], factor of all noise.
        conditioning_at: gives the conditioning of the chunk of a number, int32 [].
        reverse_step: `reverse_step` of this module for the model, possibly compiled.
        eta: 1 for ancestral, 0 for deterministic sampling, or between.
        limit: largest magnitude of the signal behind each step.
    """

    def __init__(
        self,
        model: NoisePredictor,
        schedule: NoiseSchedule,
        layout: Layout,
        *,
        seeds: tf.Tensor,
        samples: tf.Tensor,
        temperature: tf.Tensor,
        conditioning_at: Callable[[tf.Tensor], Any],
        reverse_step: Callable[..., tf.Tensor],
        eta: float = 1.0,
        limit: float = np.inf,
    ) -> None:
        self._steps = tf.constant(model.schedule.align(schedule), tf.float32)
        factors = tf.constant(schedule.update_coefficients(eta), tf.float32)
        self._temperature = temperature
        self._factors = factors * tf.stack([1.0, 1.0, temperature])
        self._layout = layout
        self._seeds = seeds
        self._samples = samples[:, tf.newaxis]
        self._conditioning_at = conditioning_at
        self._reverse_step = reverse_step
        self._limit = tf.constant(limit, tf.float32)

    @property
    def num_steps(self) -> int:
        """Number of reverse steps."""
        return self._steps.shape[0]

    def noise(self) -> tf.Tensor:
        """Returns the signal before the first step, float32 [batch, samples of all chunks]."""
        size = self._layout.count * self._layout.parts
        start = tf.constant(0, tf.int64)
        return self._temperature * noise_of(self._seeds, self.num_steps, start, size)

    def update(self, signal: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        """Returns the signal behind the reverse step of an index, which falls to 0 at the end."""
        count, parts, around = self._layout
        padded = tf.pad(signal, [[0, 0], [around, around]])
        length = count + 2 * around

        def updated_part(number: tf.Tensor) -> tf.Tensor:
            start = number * count
            position = start - around + tf.range(length)
            return self._reverse_step(
                padded[:, start : start + length],
                self._conditioning_at(number),
                mask=(position >= 0) & (position < self._samples),
                step=self._steps[index],
                factors=self._factors[index],
                seeds=self._seeds,
                stream=index,
                position=tf.cast(start, tf.int64),
                around=around,
                limit=self._limit,
            )

        outputs = tf.map_fn(
            updated_part,
            tf.range(parts),
            fn_output_signature=tf.TensorSpec([None, None], tf.float32),
            parallel_iterations=1,
        )
        outputs = tf.transpose(outputs, [1, 0, 2])
        return tf.reshape(outputs, [tf.shape(signal)[0], parts * count])


def denoise(
    model: NoisePredictor,
    request: Request,
    *,
    sampler: Sampler,
    schedule: NoiseSchedule,
    eta: float = 1.0,
    clip: bool = True,
    chunk_samples: int = 49152,
    batch_size: int | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_chunk: Callable[[list[np.ndarray]], None] | None = None,
    jit_compile: bool | None = None,
) -> list[np.ndarray]:
    """Generates the utterances of a request; see `DiffWave.generate`.

    Returns:
        float32 audio [samples] of each utterance.
    """
    whole_number("chunk_samples", chunk_samples, 1)
    check_batch_size(batch_size)
    condition, step = compiled_programs(model, compiles_whole(jit_compile))
    audio = [np.zeros([0], np.float32)] * len(request.samples)
    for group in _groups(request, batch_size):
        chosen = request.select(group)
        chunks = layout(model, int(chosen.samples.max()), chunk_samples, rounded=True)
        process = ReverseDiffusion(
            model,
            schedule,
            chunks,
            seeds=tf.stack([rng.make_seed(seed) for seed in chosen.seeds]),
            samples=tf.constant(chosen.samples, tf.int32),
            temperature=sampler.tensors(model.codec)["temperature"],
            conditioning_at=_Conditioning(model, chosen, chunks, condition),
            reverse_step=step,
            eta=eta,
            limit=model.signal_limit if clip else np.inf,
        )
        signal = process.noise()
        for index in reversed(range(process.num_steps)):
            signal = process.update(signal, tf.constant(index))
            if on_step is not None:
                on_step(process.num_steps - index, process.num_steps)
        made = {i: _to_audio(model, request, i, s) for i, s in zip(group, signal.numpy())}
        if on_chunk is not None:
            on_chunk([made.get(i, one[:0]) for i, one in enumerate(audio)])
        audio = [made.get(i, one) for i, one in enumerate(audio)]
    return audio


def _groups(request: Request, batch_size: int | None) -> list[list[int]]:
    """Returns the utterances in groups of one size and of similar lengths.

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


class _Conditioning:
    """Gives the conditioning of each chunk, which is kept from step to step where it may be."""

    def __init__(
        self, model: NoisePredictor, request: Request, chunks: Layout, condition: Any
    ) -> None:
        self._upsampler, self._chunks, self._condition = model.upsampler, chunks, condition
        self._speaker = request.speaker
        if request.mels is not None:
            frames = [len(mel) for mel in request.mels]
            rows = [np.pad(mel, [(0, max(frames) - len(mel)), (0, 0)]) for mel in request.mels]
            self._mel, self._frames = tf.constant(np.stack(rows)), tf.constant(frames)
        self._kept: dict[int, Any] = {}

    def __call__(self, number: tf.Tensor) -> Any:
        index = number.numpy().item()
        if index in self._kept:
            return self._kept[index]
        count, parts, around = self._chunks
        window = {} if self._speaker is None else {"speaker": tf.constant(self._speaker)}
        if self._upsampler is not None:
            hop = self._upsampler.hop_samples
            first, length = (index * count - around) // hop, (count + 2 * around) // hop
            window.update(window_of(self._upsampler, self._mel, self._frames, first, length))
        conditioning = self._condition(window)
        size = sum(one.shape.num_elements() * one.dtype.size for one in conditioning or ())
        if size * parts <= _KEPT_CONDITIONING_BYTES:
            self._kept[index] = conditioning
        return conditioning


def compiled_programs(model: NoisePredictor, jit_compile: bool) -> Any:
    """Returns the conditioning and the reverse step of a model, made once and kept with it."""
    name = f"_denoise_{'xla' if jit_compile else 'graph'}"
    if name not in model.__dict__:

        def condition(window: dict[str, tf.Tensor]) -> Any:
            return conditioning_of(model, window)

        def fused_step(window: tf.Tensor, conditioning: Any, **given: Any) -> tf.Tensor:
            with fused_elementwise():
                return reverse_step(model, window, conditioning, **given)

        # Past Keras' tracking: a program is no part of what is saved with a model.
        model.__dict__[name] = (
            tf.function(condition, jit_compile=jit_compile),
            tf.function(fused_step, jit_compile=jit_compile),
        )
    return model.__dict__[name]


def conditioning_of(model: NoisePredictor, window: dict[str, tf.Tensor]) -> Any:
    """Returns the conditioning of a window, as `window_of` cuts it."""
    return model.conditioning(
        mel=window.get("mel"), mask=window.get("mask"), speaker=window.get("speaker")
    )


def reverse_step(
    model: NoisePredictor,
    window: tf.Tensor,
    conditioning: Any,
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
    """Computes one reverse step of a chunk.

    Args:
        model: the model.
        window: float32 [batch, around + samples + around], the signal of the chunk and around it.
        conditioning: conditioning of the window.
        mask: bool [batch, around + samples + around], False beyond the ends of the utterances.
        step: float32 [], the diffusion step, on the scale of the schedule of training.
        factors: float32 [3], factors of the signal, the predicted noise and the new noise.
        seeds: int32 [batch, 2], one per utterance.
        stream: int32 [], number of the new noise.
        position: int64 [], position of the chunk's first sample.
        around: samples at each end of the window that are not updated.
        limit: float32 [], largest magnitude of the result.

    Returns:
        float32 [batch, samples].
    """
    # The signal's own shape where it is known: a range of that many samples is then a constant.
    batch, length = (known or tf.shape(window)[axis] for axis, known in enumerate(window.shape))
    count = length - 2 * around
    inner = slice(around, around + count)
    predicted = model.network(window, tf.fill([batch], step), conditioning, mask)
    noise = noise_of(seeds, stream, position, count)
    updated = factors[0] * window[:, inner] + factors[1] * predicted[:, inner] + factors[2] * noise
    return tf.clip_by_value(updated, -limit, limit)


_normal_stream = fusible(rng.normal_stream)


def noise_of(
    seeds: tf.Tensor, stream: Any, position: tf.Tensor, count: int | tf.Tensor
) -> tf.Tensor:
    """Returns normals [batch, count] of a stream of each utterance's seed, from a position on."""
    folded = tf.map_fn(lambda seed: rng.fold_in(seed, stream), seeds)
    return _normal_stream(folded, position, count)


def _to_audio(
    model: NoisePredictor, request: Request, utterance: int, signal: np.ndarray
) -> np.ndarray:
    """Returns the audio of one utterance for a signal of variance 1 that may be longer."""
    signal = signal[: request.samples[utterance]]
    mel = None if request.mels is None else request.mels[utterance][np.newaxis]
    with np.errstate(over="ignore", invalid="ignore"):
        signal = require_finite(signal * model.signal_level(mel).numpy().ravel())
    return signal if model.recipe is None else model.recipe.to_audio(signal, None)[0]
