"""Makes the inputs of a chunk's steps beside the past: conditioning and noise, block by block."""

from __future__ import annotations

import tensorflow as tf

from tfwavenet import rng
from tfwavenet.generation.protocols import StepModel

# Conditioning and noise are made before the steps, for at most this many rows (steps times batch)
# and steps. For a whole chunk they would take hundreds of megabytes, written and read again at
# the speed of main memory. Elementwise work on more rows is shared out to all cores by XLA, where
# programs that run side by side then wait for each other.
_BLOCK_ROWS = 128
_BLOCK_STEPS = (4, 32)


def block_steps(batch: int | None) -> int:
    """Returns the number of steps in a block; `batch` is None where it is not known."""
    least, most = _BLOCK_STEPS
    return most if batch is None else min(most, max(least, _BLOCK_ROWS // batch))


class StepInputs:
    """Makes conditioning and noise for one block of steps at a time.

    Args:
        model: the model.
        window: conditioning window of the chunk, see `chunk.advance`.
        seeds: int32 [batch, 2].
        position: int64 [batch], position of the chunk's first sample in its utterance.
        block: steps in a block.
        count: samples in the chunk.
        stop: int32 [], number of samples to generate.
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
        local = model.local_features(window.get("mel"), window.get("mask"))
        missing = [[0, 0], [0, -count % block], [0, 0]]
        self._local = None if local is None else tf.pad(local, missing)

    def conditioning(self, start: tf.Tensor) -> list[tf.Tensor] | None:
        """Returns each block's [steps or 1, batch, channels] from sample `start` on, or None."""
        local = None
        if self._local is not None:
            size = [tf.shape(self._local)[0], self._block, self._local.shape[2]]
            local = tf.slice(self._local, [0, start, 0], size)
        conditioning = self._model.network.conditioning(local, self._speaker)
        if conditioning is None:
            return None
        return [tf.transpose(one, [1, 0, 2]) for one in conditioning]

    def noise(self, start: tf.Tensor) -> tf.Tensor:
        """Returns uniforms [steps, batch, width] from sample `start` on."""
        position = self._position + tf.cast(start, tf.int64)
        width = self._model.distribution.noise_channels
        # The first branch is always taken. XLA does not share out a branch to other cores.
        noise = tf.cond(
            start < self._stop,
            lambda: rng.uniform_stream(self._seeds, position, self._block, width),
            lambda: tf.zeros([tf.shape(self._seeds)[0], self._block, width]),
        )
        return tf.transpose(noise, [1, 0, 2])


def row_of(rows: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Returns `rows[index]` of [rows, batch, channels].

    For `rows[index]` itself XLA would make a copy with margins.
    """
    _, batch, channels = tf.unstack(tf.shape(rows))
    return tf.slice(rows, [index, 0, 0], [1, batch, channels])[0]
