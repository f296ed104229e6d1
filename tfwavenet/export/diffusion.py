"""Reverse diffusion as one graph, of any length and batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tfwavenet.audio import signal_chain
from tfwavenet.generation import reverse_diffusion
from tfwavenet.generation.conditioning_windows import window_of


class _Utterances(NamedTuple):
    """What is to be generated, and its chunks; see `Denoiser.generate`.

    Attributes:
        seeds: int32 [batch, 2].
        samples: int32 [], of each.
        count: int32 [], samples of a chunk, of whole frames.
        parts: int32 [], number of chunks.
        around: int32 [], samples that the network sees at each side of a chunk.
    """

    seeds: tf.Tensor
    samples: tf.Tensor
    count: tf.Tensor
    parts: tf.Tensor
    around: tf.Tensor


class Denoiser:
    """What `generation.denoise` computes, as graph operations.

    Long audio is made in equal chunks, each with as much signal around it as the network looks
    at, step by step for all chunks. The conditioning of audio that is one chunk is computed once.

    Args:
        model: the network; its inference schedule is used, or that of training.
        chunk_samples: the largest chunk.
        jit_compile: whether XLA compiles the network. Lengths are then rounded up to one of 8 to
            16 sizes per octave, of which each is compiled once.
    """

    def __init__(self, model: Any, *, chunk_samples: int, jit_compile: bool) -> None:
        self._model = model
        self._limit = chunk_samples
        self._rounded = jit_compile
        self._hop = 1 if model.upsampler is None else model.upsampler.hop_samples
        schedule = model.inference_schedule or model.schedule
        self._steps = tf.constant(model.schedule.align(schedule), tf.float32)
        self._factors = tf.constant(schedule.update_coefficients(), tf.float32)

        def condition(window: Any) -> Any:
            return reverse_diffusion.conditioning_of(model, window)

        def reverse_step(window: Any, conditioning: Any, **given: Any) -> Any:
            return reverse_diffusion.reverse_step(model, window, conditioning, **given)

        self._condition, self._reverse_step = condition, reverse_step
        if jit_compile:
            self._condition = tf.function(condition, jit_compile=True)
            self._reverse_step = tf.function(reverse_step, jit_compile=True)

    def generate(
        self,
        seeds: tf.Tensor,
        temperature: tf.Tensor,
        *,
        speaker: tf.Tensor | None = None,
        mel: tf.Tensor | None = None,
        samples: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Makes audio out of noise.

        Args:
            seeds: int32 [batch, 2].
            temperature: float32 [].
            speaker: [batch] or [batch, channels]; None for a network without.
            mel: float32 [batch, frames, channels]; None for a network without features.
            samples: int32 [], length for a network without features.

        Returns:
            float32 [batch, samples].
        """
        utterances = self._utterances(seeds, samples if mel is None else tf.shape(mel)[1])
        conditioning_at = self._conditioning(utterances, mel, speaker)
        number = self._steps.shape[0]
        size = utterances.count * utterances.parts
        start = tf.constant(0, tf.int64)
        signal = temperature * reverse_diffusion.noise_of(seeds, number, start, size)
        factors = self._factors * tf.stack([1.0, 1.0, temperature])

        def step(index: tf.Tensor, signal: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            given = {"step": self._steps[index], "factors": factors[index], "stream": index}
            return index - 1, self._updated(signal, utterances, conditioning_at, given)

        loop = (tf.constant(number - 1), signal)
        _, signal = tf.while_loop(lambda index, _: index >= 0, step, loop)
        signal = signal[:, : utterances.samples] * self._model.signal_level(mel)
        return self._decoded(signal)

    def _utterances(self, seeds: tf.Tensor, frames: tf.Tensor) -> _Utterances:
        """Chunks of equal size, so that the last one is not mostly empty."""
        hop, samples = self._hop, frames * self._hop
        parts = -(-samples // self._limit)
        count = -(-samples // (parts * hop))
        count = _bucket(count) if self._rounded else count
        around = tf.where(parts == 1, 0, -(-self._model.reach // hop) * hop)
        return _Utterances(seeds, samples, count * hop, parts, around)

    def _conditioning(
        self, utterances: _Utterances, mel: tf.Tensor | None, speaker: tf.Tensor | None
    ) -> Callable[[tf.Tensor], Any]:
        """A function that gives the conditioning of the chunk that begins at a sample."""
        hop, (_, samples, count, parts, around) = self._hop, utterances

        def compute(first: tf.Tensor, length: tf.Tensor) -> Any:
            window = {} if speaker is None else {"speaker": speaker}
            if mel is not None:
                layer, ends = self._model.upsampler, (first // hop, length // hop)
                window.update(window_of(layer, mel, samples // hop, *ends))
            return self._condition(window)

        # That of the only chunk; where there are several, a frame of it, for the shape.
        kept = compute(tf.constant(0), tf.where(parts == 1, count, hop))
        if mel is None:
            return lambda start: kept
        return lambda start: tf.cond(
            parts == 1, lambda: kept, lambda: compute(start - around, count + 2 * around)
        )

    def _updated(
        self,
        signal: tf.Tensor,
        utterances: _Utterances,
        conditioning_at: Callable[[tf.Tensor], Any],
        given: dict[str, tf.Tensor],
    ) -> tf.Tensor:
        """The whole signal [batch, samples] after one reverse step."""
        seeds, samples, count, parts, around = utterances
        padded = tf.pad(signal, [[0, 0], [around, around]])
        batch, length = tf.shape(signal)[0], count + 2 * around

        def chunk(part: tf.Tensor, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            start = part * count
            position = start - around + tf.range(length)
            inside = (position >= 0) & (position < samples)
            output = self._reverse_step(
                padded[:, start : start + length],
                conditioning_at(start),
                mask=tf.tile(inside[tf.newaxis], [batch, 1]),
                seeds=seeds,
                position=tf.cast(start, tf.int64),
                around=around,
                limit=tf.constant(self._model.signal_limit),
                **given,
            )
            return part + 1, tf.tensor_scatter_nd_update(outputs, [[part]], output[tf.newaxis])

        outputs = tf.zeros([parts, batch, count])
        loop = (tf.constant(0), outputs)
        _, outputs = tf.while_loop(lambda part, _: part < parts, chunk, loop)
        return tf.reshape(tf.transpose(outputs, [1, 0, 2]), [batch, parts * count])

    def _decoded(self, signal: tf.Tensor) -> tf.Tensor:
        """What the network made, in the recording's domain."""
        if self._model.recipe is None:
            return signal
        memory = tf.zeros([tf.shape(signal)[0]], tf.float64)
        return signal_chain.from_signal_graph(signal, recipe=self._model.recipe, state=memory)[0]


def _bucket(frames: tf.Tensor) -> tf.Tensor:
    """`frames`, rounded up to a multiple of a power of two that is 1/8 to 1/16 of it."""
    octave = tf.math.log(tf.cast(frames, tf.float64)) / tf.cast(tf.math.log(2.0), tf.float64)
    unit = tf.bitwise.left_shift(1, tf.maximum(0, tf.cast(octave, tf.int32) - 4))
    return -(-frames // unit) * unit
