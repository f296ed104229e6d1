"""One inverse autoregressive flow of a parallel student."""

from __future__ import annotations

from typing import Any, cast

import tensorflow as tf

from tfwavenet.distributions import Gaussian
from tfwavenet.models.wavenet import WaveNet

# What a flow carries from chunk to chunk: {"previous": [batch, 1], the last value it was given;
# "past": for each block [batch, its receptive field - 1, residual_channels]}
Carry = dict[str, Any]

# Of the last weights before training: shift and factor hardly depend on anything yet, so that what
# a student makes is noise of one level.
_HEAD_STDDEV = 0.01


@tf.keras.saving.register_keras_serializable("tfwavenet")
class Flow(WaveNet):
    """A WaveNet that shifts and scales each sample by what it sees of the samples before it.

    Its distribution is a `Gaussian`, whose parameters are taken for a shift and the logarithm of a
    factor. Everything else is as in `WaveNet`.

    Args:
        initial_log_scale: logarithm of the factor before training, where the shift is about 0.

    Source: Kingma et al., "Improved variational inference with inverse autoregressive flow",
    arXiv:1606.04934; van den Oord et al., "Parallel WaveNet", arXiv:1711.10433, section 3.
    """

    def __init__(self, *, initial_log_scale: float = 0.0, **kwargs: Any) -> None:
        self.initial_log_scale = initial_log_scale
        super().__init__(**kwargs)

    def _output_layer(self, **kwargs: Any) -> tf.keras.layers.Layer:
        return super()._output_layer(
            kernel_initializer=tf.keras.initializers.RandomNormal(stddev=_HEAD_STDDEV),
            bias_initializer=tf.keras.initializers.Constant([0.0, self.initial_log_scale]),
            **kwargs,
        )

    def initial_carry(self, batch_size: int | tf.Tensor) -> Carry:
        """What is carried before the first sample: as if zeros had gone before."""
        past = [
            tf.zeros(
                [batch_size, block.receptive_field - 1, self.residual_channels], self.compute_dtype
            )
            for block in self.blocks
        ]
        return {"previous": tf.zeros([batch_size, 1]), "past": past}

    def transform(
        self,
        values: tf.Tensor,
        local: tf.Tensor | None,
        speaker: tf.Tensor | None,
        carry: Carry | None = None,
        stop: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor, Carry | None]:
        """Shift and factor of each sample, of a whole sequence or of a chunk of one.

        Args:
            values: float32 [batch, samples].
            local: [batch, samples, local_channels], or None.
            speaker: [batch, speaker_channels], or None.
            carry: from `initial_carry` or the chunk before; None for a whole sequence.
            stop: int32 [], with `carry`: behind how many samples the next chunk begins.

        Returns:
            The shift and the logarithm of the factor, float32 [batch, samples] each, and what is
            carried on; None for a whole sequence.
        """
        before = tf.zeros_like(values[:, :1]) if carry is None else carry["previous"]
        extended = tf.concat([before, values], axis=1)
        past = None if carry is None else carry["past"]
        skips, given = self._run_blocks(
            extended[:, :-1], [local] * self.num_layers, speaker, past=past
        )
        transformation = cast(Gaussian, self.distribution)
        shift, log_factor = transformation.mean_and_log_scale(self._head(skips))
        if carry is None:
            return shift, log_factor, None
        following = [
            _stretch(tf.concat([before, block_inputs], axis=1), stop, before.shape[1])
            for before, block_inputs in zip(carry["past"], given[1:])
        ]
        return shift, log_factor, {"previous": _stretch(extended, stop, 1), "past": following}

    def get_config(self) -> dict[str, Any]:
        """The constructor arguments."""
        return {**super().get_config(), "initial_log_scale": self.initial_log_scale}


def _stretch(sequence: tf.Tensor, start: tf.Tensor, length: int) -> tf.Tensor:
    """`length` steps of [batch, time, ...] from `start` on; their number stays known."""
    return tf.gather(sequence, start + tf.range(length), axis=1)
