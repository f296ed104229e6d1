"""The interface of output distributions, and functions that their implementations share."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Union

import tensorflow as tf

from tfwavenet.checks import nearest_name

Temperature = Union[float, tf.Tensor]


class Distribution:
    """The interface of distributions for models and generation loops.

    Shapes: params floating [..., channels], value [...], noise float32 [..., noise_channels].

    Attributes:
        channels: int, network outputs per sample.
        noise_channels: int, uniforms that `sample` consumes per sample.
        discrete: bool, whether `log_prob` is a probability (which may be given in bits per sample)
            or a density (whose logarithm may be positive).
        value_dtype: `tf.int32` (codes) or `tf.float32` (amplitudes in [-1, 1]).
    """

    channels: int
    noise_channels: int
    discrete: bool
    value_dtype: tf.DType

    def log_prob(self, params: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """Returns log p(value | params) in nats.

        Args:
            params: floating [..., channels].
            value: `value_dtype` [...].

        Returns:
            float32 [...].
        """
        raise NotImplementedError(f"{type(self).__name__} does not define log_prob.")

    def sample(
        self, params: tf.Tensor, noise: tf.Tensor, temperature: Temperature = 1.0
    ) -> tf.Tensor:
        """Turns uniforms into a value, deterministically.

        Args:
            params: floating [..., channels].
            noise: float32 [..., noise_channels], in the open interval (0, 1).
            temperature: scalar, at least 0, which divides the logits and multiplies the scales. 1
                is the distribution itself, 0 gives the mode.

        Returns:
            `value_dtype` [...].

        Raises:
            ValueError: if `temperature` is a negative number.
        """
        return self.draw(params, self.standard_noise(noise), temperature)

    def standard_noise(self, noise: tf.Tensor) -> tf.Tensor:
        """Transforms uniforms into standard noise, which `draw` takes.

        This step needs no parameters, so a generation loop computes it for many steps at once.

        Args:
            noise: float32 [..., noise_channels], in the open interval (0, 1).

        Returns:
            float32 [..., noise_channels].
        """
        raise NotImplementedError(f"{type(self).__name__} does not define standard_noise.")

    def draw(
        self, params: tf.Tensor, standard: tf.Tensor, temperature: Temperature = 1.0
    ) -> tf.Tensor:
        """Turns standard noise into a value, deterministically.

        Args:
            params: floating [..., channels].
            standard: float32 [..., noise_channels], from `standard_noise`.
            temperature: scalar, at least 0.

        Returns:
            `value_dtype` [...].

        Raises:
            ValueError: if `temperature` is a negative number.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define draw.")

    def mode(self, params: tf.Tensor) -> tf.Tensor:
        """Returns what `sample` gives at temperature 0.

        Args:
            params: floating [..., channels].

        Returns:
            `value_dtype` [...].
        """
        shape = tf.concat([tf.shape(params)[:-1], [self.noise_channels]], axis=0)
        return self.sample(params, tf.fill(shape, 0.5), temperature=0.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as JSON values."""
        return {name: getattr(self, name) for name in _arguments(type(self))}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Distribution:
        """Builds the distribution from `get_config()`.

        Args:
            config: constructor arguments; absent arguments take their defaults.

        Raises:
            ValueError: if a key is not an argument of the constructor; the message names the
                nearest.
        """
        known = _arguments(cls)
        for name in config:
            if name not in known:
                raise ValueError(
                    f"{cls.__name__} has no argument {name!r}{nearest_name(name, known)}, expected "
                    f"some of {known}. Received: config={dict(config)}"
                )
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((type(self), tuple(self.get_config().items())))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def _arguments(cls: type[Distribution]) -> list[str]:
    return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]


def checked_temperature(temperature: Temperature) -> tf.Tensor:
    """Returns the temperature as a float32 scalar; a plain number is checked."""
    if not tf.is_tensor(temperature) and not temperature >= 0.0:
        raise ValueError(f"temperature must be at least 0. Received: temperature={temperature}")
    return tf.cast(temperature, tf.float32)


def standard_logistic(uniform: tf.Tensor) -> tf.Tensor:
    """Turns uniforms in (0, 1) into logistic values of mean 0 and scale 1."""
    return tf.math.log(uniform) - tf.math.log1p(-uniform)


def gumbel(noise: tf.Tensor) -> tf.Tensor:
    """Turns uniforms into Gumbel noise; the largest of logits plus noise draws a category."""
    return -tf.math.log(-tf.math.log(noise))


def largest(logits: tf.Tensor) -> tf.Tensor:
    """Returns the index, int32 [...], of the largest of [..., n]."""
    return tf.argmax(logits, axis=-1, output_type=tf.int32)
