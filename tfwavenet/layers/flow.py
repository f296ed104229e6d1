"""One inverse autoregressive flow of a parallel student."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfwavenet.layers.wavenet_stack import WaveNetStack

# The values that a flow passes from chunk to chunk: under "previous" the last input value,
# [batch, 1], and under "past" the last inputs of each block, [batch, receptive_field - 1,
# residual_channels].
Carry = dict[str, Any]

# Before training, shift and factor hardly depend on the inputs: a student outputs noise of one
# level.
_OUTPUT_STDDEV = 0.01


@keras.saving.register_keras_serializable("tfwavenet")
class Flow(WaveNetStack):
    """Computes the shift and the scale of each sample from the samples before that sample.

    Args:
        log_scale_min: float, smallest logarithm of the factor. Defaults to -7.
        initial_log_scale: float, logarithm of the factor before training, when the shift is about
            0. Defaults to 0.
        **kwargs: further arguments of `WaveNetStack`, except the three that concern its outputs.

    Call arguments:
        inputs: float32 [batch, time]. The other arguments are as in `WaveNetStack`.

    Returns:
        float32 [batch, time, 2]; `transform` splits these outputs into shift and factor.

    Examples:
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
            output_kernel_initializer=keras.initializers.RandomNormal(stddev=_OUTPUT_STDDEV),
            output_bias_initializer=keras.initializers.Constant([0.0, initial_log_scale]),
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
            local_inputs: float [batch, samples, local_channels]. If None, there is no local
                conditioning.
            global_inputs: float [batch, global_channels]. If None, there is no global
                conditioning.

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
        """Returns the carry before the first sample, with a past of zeros."""
        past = [
            tf.zeros(
                [batch_size, block.receptive_field - 1, self.residual_channels], self.compute_dtype
            )
            for block in self.blocks
        ]
        return {"previous": tf.zeros([batch_size, 1]), "past": past}

    def merged_carry(self, rows: tf.Tensor, carry: Carry, other: Carry) -> Carry:
        """Returns `carry` where `rows` bool [batch] is True, and `other` where it is False."""

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
            carry: the result of `initial_carry` or of the previous chunk.
            stop: int32 [], the sample of this chunk at which the next chunk begins.
            local_inputs: float [batch, samples, local_channels]. If None, there is no local
                conditioning.
            global_inputs: float [batch, global_channels]. If None, there is no global
                conditioning.

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
    """Returns the `length` steps of [batch, time, ...] from `start`, with a static length."""
    return tf.gather(sequence, start + tf.range(length), axis=1)
