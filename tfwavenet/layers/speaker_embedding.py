"""Speaker vectors from speaker numbers."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfwavenet.checks import positive_integers


@keras.saving.register_keras_serializable("tfwavenet")
class SpeakerEmbedding(keras.layers.Embedding):
    """Looks up a learned vector per speaker.

    Vectors that are given in place of speaker numbers are returned as they are.

    Args:
        num_speakers: int > 0, number of speakers.
        channels: int > 0, size of a speaker vector.

    Call arguments:
        inputs: int [batch], speaker numbers in 0 .. num_speakers - 1. Alternatively float
            [batch, channels], vectors from another source, such as a speaker encoder.

    Returns:
        [batch, channels] of the compute dtype.

    Raises:
        ValueError: If `num_speakers` or `channels` is not positive, or a speaker number is out of
            range in an eager call.
        tf.errors.InvalidArgumentError: If a speaker number is out of range in a graph, as in `fit`.
            Programs that XLA compiles do not check the range.

    Examples:
        >>> SpeakerEmbedding(6, 16)(tf.constant([0, 5])).shape
        TensorShape([2, 16])
    """

    def __init__(self, num_speakers: int, channels: int, **kwargs: Any) -> None:
        positive_integers(num_speakers=num_speakers, channels=channels)
        super().__init__(num_speakers, channels, **kwargs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Looks up the vectors of speaker numbers, or returns given vectors."""
        inputs = tf.convert_to_tensor(inputs)
        if inputs.dtype.is_floating:
            return tf.cast(inputs, self.compute_dtype)
        return super().call(self._in_range(inputs))

    def _in_range(self, numbers: tf.Tensor) -> tf.Tensor:
        """Returns the speaker numbers; in a graph their computation waits for the range check."""
        fits = tf.reduce_all((numbers >= 0) & (numbers < self.input_dim))
        sentence = f"Expected speaker numbers in 0 .. {self.input_dim - 1}. Received: speaker="
        if tf.executing_eagerly():
            if not bool(fits):
                raise ValueError(f"{sentence}{numbers.numpy().tolist()}")
            return numbers
        # The sentence is not formatted: XLA drops assertions, but not the formatting of messages.
        check = tf.debugging.Assert(fits, [sentence, numbers], summarize=-1)
        with tf.control_dependencies([check]):
            return tf.identity(numbers)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        config = keras.layers.Layer.get_config(self)
        config.pop("batch_input_shape", None)
        return {**config, "num_speakers": self.input_dim, "channels": self.output_dim}
