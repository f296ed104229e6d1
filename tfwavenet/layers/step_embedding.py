"""The embedding of diffusion steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import keras
import numpy as np
import tensorflow as tf

from tfwavenet.checks import positive_integers

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments

FrequencyOrder = Literal["ascending", "descending", "one_based"]

# Frequencies 10 ** (4 * i / 63) as the published network computed them, as bits of float32. Most
# differ from the correctly rounded value in the last place; multiplied by steps up to 50, the
# difference is visible.
_ASCENDING_BITS = """
3f800000 3f94266f 3fab78ec 3fc6774d 3fe5b589 4004ef6f 4019dcc3 40321574
404e1e48 406e90e6 408a0f96 409fcb79 40b8f33f 40d610c9 40f7c3af 410f6253
4125f4bf 414014d1 415e51be 4180a8a2 4194e99d 41ac5ad4 41c77cc5 41e6e429
42059e92 421aa777 42330011 424f2dd3 426fcb30 428ac578 42a09dfd 42b9e6e7
42d72ad0 42f90a1b 43101f3b 4326cf62 434111e0 435f76a3 43815222 4395adcc
43ad3de5 43c88395 43e81459 44064e9b 441b7337 4433ebe4 44503ec5 4471071b
448b7c4b 44a17198 44badbd1 44d84645 44fa5230 4510dd18 4527ab23 45421038
45609d06 4581fc80 459672fb 45ae221f 45c98bbc 45e94616 4606ff8a 461c4000
"""


def frequencies(order: FrequencyOrder) -> np.ndarray:
    """Returns the frequencies of an order, float32 [64], in radians per step."""
    if order == "ascending":
        bits = np.array([int(word, 16) for word in _ASCENDING_BITS.split()], np.uint32)
        return bits.view(np.float32)
    # The exponents are rounded to float32 as the published networks round them.
    index = np.arange(64, dtype=np.float32)
    if order == "descending":
        return np.exp(np.float64(index * np.float32(-np.log(10000) / 63))).astype(np.float32)
    return np.power(10.0, np.float64(index * np.float32(1 / 63) * np.float32(4))).astype(np.float32)


@keras.saving.register_keras_serializable("tfwavenet")
class DiffusionStepEmbedding(keras.layers.Layer):
    """Embeds diffusion steps as sines and cosines that pass through two dense layers.

    The sines and cosines of a fractional step are interpolated between the two neighboring steps.

    Args:
        steps: int > 0, number of diffusion steps.
        channels: int > 0, outputs of each dense layer. Defaults to 512.
        order: order of the frequencies. "ascending" means from 1 to 10 000, and "descending" from 1
            to 1/10 000. "one_based" is ascending with steps counted from 1. Defaults to
            "ascending".

    Call arguments:
        inputs: int or float [batch], steps in 0 .. steps - 1.

    Returns:
        [batch, channels] of the compute dtype.

    Raises:
        ValueError: If `steps` or `channels` is not positive, or `order` is unknown.

    Examples:
        >>> DiffusionStepEmbedding(50)(tf.constant([3.5])).shape
        TensorShape([1, 512])

    Source: Kong et al., "DiffWave", arXiv:2009.09761, section 3.1, for ascending frequencies.
    philsyn/DiffWave-Vocoder has descending frequencies, as "Attention Is All You Need".
    revsic/tf-diffwave counts steps from 1.
    """

    def __init__(
        self,
        steps: int,
        channels: int = 512,
        *,
        order: FrequencyOrder = "ascending",
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        super().__init__(**kwargs)
        positive_integers(steps=steps, channels=channels)
        if order not in get_args(FrequencyOrder):
            raise ValueError(
                f"`order` must be one of {get_args(FrequencyOrder)}. Received: order={order!r}"
            )
        self.steps = steps
        self.channels = channels
        self.order = order
        self.dense = [
            keras.layers.Dense(channels, activation="swish", dtype=self.dtype_policy)
            for _ in range(2)
        ]

    def build(self, input_shape: Any) -> None:
        """Creates the table of sines and cosines and the weights of the dense layers."""
        steps = np.arange(self.steps, dtype=np.float32) + np.float32(self.order == "one_based")
        angles = steps[:, np.newaxis] * frequencies(self.order)
        exact = angles.astype(np.float64)
        self._table = np.concatenate([np.sin(exact), np.cos(exact)], axis=1).astype(np.float32)
        self.dense[0].build([None, self._table.shape[1]])
        self.dense[1].build([None, self.channels])
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Looks up and interpolates the sines and cosines, and applies the dense layers."""
        position = tf.cast(inputs, tf.float32)
        below = tf.floor(position)
        fraction = (position - below)[:, tf.newaxis]
        table = tf.constant(self._table)
        rows = tf.gather(table, tf.cast(below, tf.int32))
        next_rows = tf.gather(table, tf.cast(tf.math.ceil(position), tf.int32))
        x = rows + (next_rows - rows) * fraction
        for layer in self.dense:
            x = layer(x)
        return x

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        config = {"steps": self.steps, "channels": self.channels, "order": self.order}
        return {**super().get_config(), **config}
