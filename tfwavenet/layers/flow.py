"""One inverse autoregressive flow of a parallel student."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfwavenet.layers.wavenet_stack import WaveNetStack

# What a flow carries from chunk to chunk: {"previous": [batch, 1], the last value that it was given;
# "past": for each block [batch, its receptive field - 1, residual_channels]}
Carry = dict[str, Any]

# At first, shift and factor hardly depend on anything: a student begins as noise of one level.
_OUTPUT_STDDEV = 0.01


@tf.keras.saving.register_keras_serializable("tfwavenet")
class Flow(WaveNetStack):
    """Shifts and scales each sample by what a stack computes from the samples before that sample.

    Args:
        log_scale_min: float, least logarithm of the factor. Defaults to -7.
        initial_log_scale: float, logarithm of the factor before training, when the shift is about
            0. Defaults to 0.
        **kwargs: sizes and conditions of the stack, as `WaveNetStack` takes them.

    Call arguments:
        inputs: float32 [batch, time], as `WaveNetStack` takes them.

    Returns:
        float32 [batch, time, 2]; `transform` makes shift and factor of these outputs.

    Example:
        >>> flow = Flow(num_layers=2)
        >>> shift, log_factor = flow.transform(tf.zeros([1, 10]))

    Source: Kingma et al., "Improved variational inference with inverse autoregressive flow",
    arXiv:1606.04934; van den Oord et al., "Parallel WaveNet", arXiv:1711.10433, section 3.
    """

    def __init__(
        self, *, log_scale_min: float = -7.0, initial_log_scale: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(
            2,
            output_kernel_initializer=tf.keras.initializers.RandomNormal(stddev=_OUTPUT_STDDEV),
            output_bias_initializer=tf.keras.initializers.Constant([0.0, initial_log_scale]),
            **kwargs,
        )
        self.log_scale_min = log_scale_min
        self.initial_log_scale = initial_log_scale

    def transform(
        self,
        inputs: tf.Tensor,
        local_inputs: tf.Tensor | None = None,
        global_inputs: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes the transformation of a whole sequence.

        Args:
            inputs: float32 [batch, samples].
            local_inputs: [batch, samples, local_channels], or None.
            global_inputs: [batch, global_channels], or None.

        Returns:
            The shift and the logarithm of the factor of each sample, float32 [batch, samples]
            each.
        """
        previous = tf.concat([tf.zeros_like(inputs[:, :1]), inputs[:, :-1]], axis=1)
        return self._split(self(previous, local_inputs, global_inputs))

    def _split(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shift, log_factor = tf.unstack(tf.cast(outputs, tf.float32), axis=-1)
        return shift, tf.maximum(log_factor, self.log_scale_min)

    def initial_carry(self, batch_size: int | tf.Tensor) -> Carry:
        """Returns the carry before the first sample, as if zeros had gone before."""
        past = [
            tf.zeros(
                [batch_size, block.receptive_field - 1, self.residual_channels], self.compute_dtype
            )
            for block in self.blocks
        ]
        return {"previous": tf.zeros([batch_size, 1]), "past": past}

    def merged_carry(self, rows: tf.Tensor, carry: Carry, other: Carry) -> Carry:
        """Returns `carry` for the rows bool [batch] that are True, `other` for the others."""

        def merge(one: tf.Tensor, kept: tf.Tensor) -> tf.Tensor:
            return tf.where(tf.reshape(rows, [-1, *[1] * (one.shape.rank - 1)]), one, kept)

        return tf.nest.map_structure(merge, carry, other)

    def advance(
        self,
        inputs: tf.Tensor,
        carry: Carry,
        stop: tf.Tensor,
        local_inputs: tf.Tensor | None = None,
        global_inputs: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor, Carry]:
        """Computes shift and factor of a chunk of a sequence.

        Args:
            inputs: float32 [batch, samples].
            carry: from `initial_carry` or the chunk before.
            stop: int32 [], the sample of this chunk at which the next chunk begins.
            local_inputs: [batch, samples, local_channels], or None.
            global_inputs: [batch, global_channels], or None.

        Returns:
            The shift and the logarithm of the factor, float32 [batch, samples] each, and the
            carry of the next chunk.
        """
        extended = tf.concat([carry["previous"], inputs], axis=1)
        outputs, given = self.trace(
            extended[:, :-1], local_inputs, global_inputs, past_inputs=carry["past"]
        )
        past = [
            _stretch(tf.concat([before, block_inputs], axis=1), stop, before.shape[1])
            for before, block_inputs in zip(carry["past"], given[1:])
        ]
        return *self._split(outputs), {"previous": _stretch(extended, stop, 1), "past": past}

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        config = super().get_config()
        for name in ("output_channels", "output_kernel_initializer", "output_bias_initializer"):
            config.pop(name)
        return {
            **config,
            "log_scale_min": self.log_scale_min,
            "initial_log_scale": self.initial_log_scale,
        }


def _stretch(sequence: tf.Tensor, start: tf.Tensor, length: int) -> tf.Tensor:
    """Returns `length` steps of [batch, time, ...] from `start` on, with a known length."""
    return tf.gather(sequence, start + tf.range(length), axis=1)
