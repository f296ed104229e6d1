"""Codecs: how a signal becomes the values that a network predicts, and back.

A codec is a value: immutable, and derived from the distribution and the recipe of a model.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Protocol

import tensorflow as tf

from tfwavenet.audio import mulaw
from tfwavenet.text import UNKNOWN, TextRecipe


class Codec(Protocol):
    """The interface of the codecs.

    Attributes:
        num_codes: number of codes, or None where values are amplitudes.
        dtype: dtype of the values.
        signal_dtype: dtype of the signal, which batches hold as `"audio"` and `generate` returns.

    Shapes: signals and values have the same shape, [batch, samples] or any other.
    """

    @property
    def num_codes(self) -> int | None:
        """Number of codes, or None where values are amplitudes."""

    @property
    def dtype(self) -> tf.DType:
        """Dtype of the values."""

    @property
    def signal_dtype(self) -> tf.DType:
        """Dtype of the signal."""

    def encode(self, signal: tf.Tensor) -> tf.Tensor:
        """Converts a signal [...] to values [...]."""

    def decode(self, values: tf.Tensor) -> tf.Tensor:
        """Converts values [...] to a signal [...]."""

    def initial_values(self, batch_size: int | tf.Tensor) -> tf.Tensor:
        """Returns the values [batch_size] that precede the first one."""

    def restrict(self, params: tf.Tensor) -> tf.Tensor:
        """Returns parameters [..., channels] under which only valid codes are drawn."""


@dataclasses.dataclass(frozen=True)
class Linear:
    """Values are the samples of the signal, float32 in [-1, 1].

    Examples:
        >>> Linear().encode(tf.constant([0.5])).numpy()
        array([0.5], dtype=float32)
    """

    num_codes: ClassVar[int | None] = None
    dtype: ClassVar[tf.DType] = tf.float32
    signal_dtype: ClassVar[tf.DType] = tf.float32

    def encode(self, signal: tf.Tensor) -> tf.Tensor:
        """Returns the signal."""
        return tf.convert_to_tensor(signal)

    def decode(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the values."""
        return values

    def initial_values(self, batch_size: int | tf.Tensor) -> tf.Tensor:
        """Returns silence, float32 [batch_size]."""
        return tf.zeros([batch_size])

    def restrict(self, params: tf.Tensor) -> tf.Tensor:
        """Returns the parameters: every value is valid."""
        return params


@dataclasses.dataclass(frozen=True)
class MuLaw:
    """Values are mu-law codes, int32 in [0, num_codes).

    Args:
        num_codes: int in [2, 65536]. Defaults to 256.
        rounding: "nearest" or "truncate", see `audio.mulaw`. Defaults to "nearest".

    Examples:
        >>> MuLaw().encode(tf.constant([0.0, 1.0])).numpy()
        array([128, 255], dtype=int32)
    """

    num_codes: int = 256
    rounding: mulaw.Rounding = "nearest"

    dtype: ClassVar[tf.DType] = tf.int32
    signal_dtype: ClassVar[tf.DType] = tf.float32

    def encode(self, signal: tf.Tensor) -> tf.Tensor:
        """Converts samples in [-1, 1] to codes; codes stay as they are."""
        signal = tf.convert_to_tensor(signal)
        if signal.dtype.is_integer:
            return signal
        return mulaw.encode(signal, self.num_codes, rounding=self.rounding)

    def decode(self, values: tf.Tensor) -> tf.Tensor:
        """Converts codes to samples, float32 in [-1, 1]."""
        return mulaw.decode(values, self.num_codes)

    def initial_values(self, batch_size: int | tf.Tensor) -> tf.Tensor:
        """Returns the code of silence, int32 [batch_size]."""
        return self.encode(tf.zeros([batch_size]))

    def restrict(self, params: tf.Tensor) -> tf.Tensor:
        """Returns the parameters: every code is valid."""
        return params


@dataclasses.dataclass(frozen=True)
class Characters:
    """Values are the codes of characters, int32, and so is the signal.

    Args:
        recipe: says which character has which code.

    Shapes: signals and values are [batch, characters].
    """

    recipe: TextRecipe

    dtype: ClassVar[tf.DType] = tf.int32
    signal_dtype: ClassVar[tf.DType] = tf.int32

    @property
    def num_codes(self) -> int:
        """Number of codes, the one of unknown characters included."""
        return self.recipe.classes

    def encode(self, signal: tf.Tensor) -> tf.Tensor:
        """Returns the codes.

        Raises:
            ValueError: If the signal is audio.
        """
        signal = tf.convert_to_tensor(signal)
        if not signal.dtype.is_integer:
            raise ValueError(f"Expected the codes of a text. Received: dtype={signal.dtype.name}")
        return signal

    def decode(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the codes; `TextRecipe.decode` makes a string of codes."""
        return values

    def initial_values(self, batch_size: int | tf.Tensor) -> tf.Tensor:
        """Returns the code of an unknown character, int32 [batch_size]."""
        return tf.fill([batch_size], tf.constant(UNKNOWN, tf.int32))

    def restrict(self, params: tf.Tensor) -> tf.Tensor:
        """Returns parameters under which only codes of known characters are drawn."""
        return tf.where(self.recipe.is_drawn(), params, params.dtype.min)


def get(distribution: Any, recipe: Any) -> Codec:
    """Returns the codec of a network that predicts a distribution.

    Args:
        distribution: a `distributions.Distribution`.
        recipe: a `FeatureRecipe`, a `TextRecipe`, or None.

    Raises:
        ValueError: If a text recipe meets a distribution of other values than its codes.
    """
    if isinstance(recipe, TextRecipe):
        if not distribution.value_dtype.is_integer or distribution.channels != recipe.classes:
            raise ValueError(
                f"Expected a Categorical distribution with the {recipe.classes} classes of "
                f"the text recipe. Received: distribution={distribution!r}"
            )
        return Characters(recipe)
    if distribution.value_dtype.is_integer:
        rounding: mulaw.Rounding = "nearest" if recipe is None else recipe.mulaw_rounding
        return MuLaw(distribution.channels, rounding)
    return Linear()
