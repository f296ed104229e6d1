"""Conditioning and noise of a few steps, made ahead of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from tfwavenet import rng

if TYPE_CHECKING:
    from tfwavenet.generation.chunk import StepModel

# Conditioning and noise are made ahead of the steps, but only for so many rows (steps times batch)
# and steps of them: of a whole chunk they are hundreds of megabytes, written and read again at the
# speed of main memory; and the elementwise work of more rows XLA shares out to all cores, where
# programs that run side by side then wait for each other.
_BLOCK_ROWS = 128
_BLOCK_STEPS = (4, 32)


def block_steps(batch: int | None) -> int:
    """For how many steps of a batch, None where it is not known, all is made ahead."""
    least, most = _BLOCK_STEPS
    return most if batch is None else min(most, max(least, _BLOCK_ROWS // batch))


class Ahead:
    """What the steps of a chunk need beside the past, made for one block of them at a time.

    Args:
        model: the network.
        window: of the chunk, see `autoregressive.advance`.
        seeds: int32 [batch, 2].
        position: int64 [batch], of the chunk's first sample in its utterance.
        block: steps in a block.
        count: samples in the chunk.
        stop: int32 [], how many of them are generated.
    """

    def __init__(
        self,
        model: StepModel,
        window: dict[str, tf.Tensor],
        *,
        seeds: tf.Tensor,
        position: tf.Tensor,
        block: int,
        count: int,
        stop: tf.Tensor,
    ) -> None:
        self._model, self._seeds, self._position, self._block = model, seeds, position, block
        self._stop = stop
        self._speaker = model.speaker_vectors(window.get("speaker"))
        missing = [[0, 0], [0, -count % block], [0, 0]]
        self._local = [
            None if features is None else tf.pad(features, missing)
            for features in model.local_features(window.get("mel"), window.get("mask"))
        ]

    def conditioning(self, start: tf.Tensor) -> list[tf.Tensor]:
        """Each layer's [block or 1, batch, channels] from the sample `start` on, or nothing."""
        local = [None if c is None else self._part(c, start) for c in self._local]
        conditioning = self._model.projected(local, self._speaker)
        return [tf.transpose(c, [1, 0, 2]) for c in conditioning if c is not None]

    def _part(self, features: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
        size = [tf.shape(features)[0], self._block, features.shape[2]]
        return tf.slice(features, [0, start, 0], size)

    def noise(self, start: tf.Tensor) -> tf.Tensor:
        """Uniforms [block, batch, width] from the sample `start` on."""
        position = self._position + tf.cast(start, tf.int64)
        width = self._model.distribution.noise_channels
        # Always taken: what is in a branch, XLA does not share out to other cores.
        noise = tf.cond(
            start < self._stop,
            lambda: rng.uniform_stream(self._seeds, position, self._block, width),
            lambda: tf.zeros([tf.shape(self._seeds)[0], self._block, width]),
        )
        return tf.transpose(noise, [1, 0, 2])


def row_of(rows: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """`rows[index]` of [rows, batch, channels], for which XLA would make a copy with margins."""
    _, batch, channels = tf.unstack(tf.shape(rows))
    return tf.slice(rows, [index, 0, 0], [1, batch, channels])[0]
