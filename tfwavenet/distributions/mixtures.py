"""Mixtures of discretized logistics and of Gaussians."""

from __future__ import annotations

import math
import numbers

import keras
import tensorflow as tf

from tfwavenet.checks import whole_number
from tfwavenet.distributions.base import (
    Distribution,
    Temperature,
    checked_temperature,
    gumbel,
    largest,
    standard_logistic,
)

# Below this bin width in units of the scale, log(1 - exp(-width)) is taken from its series, whose
# first neglected term is width**4 / 2880.
_SERIES_LIMIT = 0.1
# Scales above exp(20) are the same distribution once values are clipped to [-1, 1].
_LOG_SCALE_MAX = 20.0
# Float32 cannot place a value more exactly than this fraction of one of 65536 levels.
_LEVEL_TOLERANCE = 2.0**-7
_LOWEST_LOG_SCALE_MIN = -33.0


class _LocationScale(Distribution):
    """Mixture of location-scale families; a subclass defines density and quantile."""

    value_dtype = tf.float32
    components: int
    log_scale_min: float

    def _configure(self, components: int, log_scale_min: float) -> None:
        self.components = whole_number("components", components, 1)
        is_number = isinstance(log_scale_min, numbers.Real)
        if not is_number or not _LOWEST_LOG_SCALE_MIN <= log_scale_min <= 0.0:
            raise ValueError(
                f"log_scale_min must lie in [{_LOWEST_LOG_SCALE_MIN}, 0]. "
                f"Received: log_scale_min={log_scale_min!r}"
            )
        self.log_scale_min = float(log_scale_min)
        self.channels = 3 * self.components
        self.noise_channels = self.components + 1

    def _component_log_prob(
        self, value: tf.Tensor, means: tf.Tensor, log_scales: tf.Tensor
    ) -> tf.Tensor:
        """Returns the log-probability of value [..., 1] under each component [..., components]."""
        raise NotImplementedError(type(self).__name__)

    def _standard_quantile(self, uniform: tf.Tensor) -> tf.Tensor:
        """Computes the quantile function of the family at mean 0 and scale 1."""
        raise NotImplementedError(type(self).__name__)

    def _split(self, params: tf.Tensor) -> list[tf.Tensor]:
        """Cuts parameters into float32 logits, means and log-scales (clamped from below)."""
        parts = tf.split(tf.cast(params, tf.float32), self.channels // self.components, axis=-1)
        return [*parts[:-1], tf.maximum(parts[-1], self.log_scale_min)]

    def log_prob(self, params: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """Returns log p(value | params); `value` is floating, in [-1, 1]."""
        logits, means, log_scales = self._split(params)
        value = tf.cast(value, tf.float32)[..., tf.newaxis]
        joint = logits + self._component_log_prob(value, means, log_scales)
        return tf.reduce_logsumexp(joint, axis=-1) - tf.reduce_logsumexp(logits, axis=-1)

    def standard_noise(self, noise: tf.Tensor) -> tf.Tensor:
        """Transforms uniforms into standard noise, see `Distribution.standard_noise`.

        The first `components` uniforms choose the component (Gumbel-max). The last uniform chooses
        the value within the component.
        """
        choice, value = noise[..., : self.components], noise[..., self.components :]
        return tf.concat([gumbel(choice), self._standard_quantile(value)], axis=-1)

    def draw(
        self, params: tf.Tensor, standard: tf.Tensor, temperature: Temperature = 1.0
    ) -> tf.Tensor:
        """Returns float32 [...] in [-1, 1], see `Distribution.draw`.

        The mode is the mean of the component with the largest weight.
        """
        temperature = checked_temperature(temperature)
        logits, means, log_scales = self._split(params)
        choice = largest(logits + temperature * standard[..., : self.components])
        chosen = tf.one_hot(choice, self.components, on_value=True, off_value=False, dtype=tf.bool)
        mean, log_scale = (
            tf.reduce_sum(tf.where(chosen, part, 0.0), axis=-1) for part in (means, log_scales)
        )
        return self._scaled(mean, log_scale, standard[..., self.components], temperature)

    def _scaled(
        self, mean: tf.Tensor, log_scale: tf.Tensor, standard: tf.Tensor, temperature: tf.Tensor
    ) -> tf.Tensor:
        """Returns a standard value at the mean and scale of a component."""
        scale = temperature * tf.exp(tf.minimum(log_scale, _LOG_SCALE_MAX))
        return tf.clip_by_value(mean + scale * standard, -1.0, 1.0)


@keras.saving.register_keras_serializable("tfwavenet")
class MixtureOfLogistics(_LocationScale):
    """Mixture of logistics, discretized to equally spaced levels in [-1, 1].

    The probability of a level is the mixture's mass between the midpoints to its neighbors. The
    lowest and the highest level take the whole tail. Let b < a be the edges of this bin in units
    of the scale. The logarithm is computed as `log sigma(a) + log sigma(-b) + log(1 - exp(b - a))`,
    which loses no digits for narrow or far bins. So the probabilities sum to one.

    Args:
        components: int, at least 1.
        levels: int, at least 2; 65536 for 16-bit audio.
        log_scale_min: float in [-33, 0]; smaller log-scales are taken as this.
        edge: float in (0, 1]. If None, only the lowest and the highest level take the tails. A
            number lets every value below `-edge` or above `edge` take a tail. With 0.999 this is
            the likelihood of r9y9/wavenet_vocoder and PixelCNN++, which does not sum to one.

    Shapes: params floating [..., 3 * components], value float32 [...] in [-1, 1], noise float32
    [..., components + 1]. A value between two levels gets the mass of the bin centered on this
    value. Samples lie on the levels.

    Raises:
        ValueError: if an argument is out of its range.

    Examples:
        >>> distribution = MixtureOfLogistics(components=1, levels=3)
        >>> params = tf.zeros([3, 3])  # one logistic of mean 0 and scale 1
        >>> tf.exp(distribution.log_prob(params, [-1.0, 0.0, 1.0])).numpy().round(3).tolist()
        [0.3779999911785126, 0.24500000476837158, 0.3779999911785126]

    Source: Salimans et al., "PixelCNN++", ICLR 2017, section 2.1.
    """

    def __init__(
        self,
        components: int = 10,
        *,
        levels: int = 65536,
        log_scale_min: float = -16.0,
        edge: float | None = None,
    ) -> None:
        self._configure(components, log_scale_min)
        self.levels = whole_number("levels", levels, 2)
        if edge is not None and not 0.0 < edge <= 1.0:
            raise ValueError(f"edge must be None or lie in (0, 1]. Received: edge={edge}")
        self.edge = edge
        self.discrete = True

    @property
    def _levels_per_unit(self) -> float:
        return (self.levels - 1) / 2

    def _tails(self, value: tf.Tensor, level: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns which values extend to minus and to plus infinity."""
        if self.edge is not None:
            return value < -self.edge, value > self.edge
        return level < 0.5, level > self.levels - 1.5

    def _level(self, value: tf.Tensor) -> tf.Tensor:
        """Returns the position of value in levels, without the rounding of float32."""
        level = (value + 1.0) * self._levels_per_unit
        nearest = tf.round(level)
        snapped = tf.where(tf.abs(level - nearest) < _LEVEL_TOLERANCE, nearest, level)
        return level + tf.stop_gradient(snapped - level)

    def log_density(self, params: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """Returns the log-density without levels and ends, smoothed over the width of a level.

        Within the levels the density is the probability of a level over its width. No level takes
        a tail, so the density integrates to one over all real numbers.

        Args:
            params: floating [..., 3 * components].
            value: float32 [...], any number.

        Returns:
            float32 [...].
        """
        logits, means, log_scales = self._split(params)
        level = self._level(value[..., tf.newaxis])
        nowhere = tf.zeros_like(level, tf.bool)
        joint = logits + self._bin_log_prob(level, means, log_scales, tails=(nowhere, nowhere))
        log_prob = tf.reduce_logsumexp(joint, axis=-1) - tf.reduce_logsumexp(logits, axis=-1)
        return log_prob + math.log(self._levels_per_unit)

    def _component_log_prob(
        self, value: tf.Tensor, means: tf.Tensor, log_scales: tf.Tensor
    ) -> tf.Tensor:
        level = self._level(value)
        return self._bin_log_prob(level, means, log_scales, tails=self._tails(value, level))

    def _bin_log_prob(
        self,
        level: tf.Tensor,
        means: tf.Tensor,
        log_scales: tf.Tensor,
        *,
        tails: tuple[tf.Tensor, tf.Tensor],
    ) -> tf.Tensor:
        """Returns the log-probability of the bin around each level.

        `tails` tells which bins extend to minus and to plus infinity.
        """
        log_width = -math.log(self._levels_per_unit) - log_scales
        width = tf.exp(log_width)
        offset = level - (means + 1.0) * self._levels_per_unit
        below, above = (offset - 0.5) * width, (offset + 0.5) * width
        low, high = tails
        log_upper = tf.where(high, 0.0, -tf.nn.softplus(-above))
        log_lower = tf.where(low, 0.0, -tf.nn.softplus(below))
        inner = tf.where(tf.logical_or(low, high), 0.0, _log_1m_exp(width, log_width))
        return log_upper + log_lower + inner

    def _standard_quantile(self, uniform: tf.Tensor) -> tf.Tensor:
        return standard_logistic(uniform)

    def _scaled(
        self, mean: tf.Tensor, log_scale: tf.Tensor, standard: tf.Tensor, temperature: tf.Tensor
    ) -> tf.Tensor:
        value = super()._scaled(mean, log_scale, standard, temperature)
        level = tf.round((value + 1.0) * self._levels_per_unit)
        return tf.minimum(level / self._levels_per_unit - 1.0, 1.0)  # XLA may divide roughly


@keras.saving.register_keras_serializable("tfwavenet")
class MixtureOfGaussians(_LocationScale):
    """Mixture of Gaussians with a continuous density.

    Args:
        components: int, at least 1.
        log_scale_min: float in [-33, 0]; smaller log-scales are taken as this.

    Shapes: params floating [..., 3 * components], value float32 [...], noise float32
    [..., components + 1]. Samples are clipped to [-1, 1]; `log_prob` is the density before clipping.

    Raises:
        ValueError: if an argument is out of its range.

    Examples:
        >>> distribution = MixtureOfGaussians(components=2)
        >>> params = tf.constant([5.0, 0.0, 0.25, -0.5, -3.0, -3.0])
        >>> float(distribution.mode(params))
        0.25
    """

    def __init__(self, components: int = 10, *, log_scale_min: float = -16.0) -> None:
        self._configure(components, log_scale_min)
        self.discrete = False

    def _component_log_prob(
        self, value: tf.Tensor, means: tf.Tensor, log_scales: tf.Tensor
    ) -> tf.Tensor:
        standard = (value - means) * tf.exp(-log_scales)
        return -0.5 * tf.square(standard) - log_scales - 0.5 * math.log(2.0 * math.pi)

    def _standard_quantile(self, uniform: tf.Tensor) -> tf.Tensor:
        return math.sqrt(2.0) * tf.math.erfinv(2.0 * uniform - 1.0)


@keras.saving.register_keras_serializable("tfwavenet")
class Gaussian(MixtureOfGaussians):
    """Single Gaussian with a continuous density; parameters are `[mean | log-scale]`.

    Args:
        log_scale_min: float in [-33, 0]; smaller log-scales are taken as this.

    Shapes: params floating [..., 2], value float32 [...], noise float32 [..., 1]. Samples are clipped to [-1, 1]; `log_prob` is the density before clipping.

    Raises:
        ValueError: if `log_scale_min` is out of its range.

    Examples:
        >>> round(float(Gaussian().log_prob(tf.zeros([2]), 0.0)), 4)
        -0.9189

    Source: Ping et al., "ClariNet", ICLR 2019, section 3.1.
    """

    def __init__(self, *, log_scale_min: float = -16.0) -> None:
        super().__init__(1, log_scale_min=log_scale_min)
        self.channels, self.noise_channels = 2, 1

    def mean_and_log_scale(self, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and log-scale, float32 [...] each, of params [..., 2]."""
        mean, log_scale = (part[..., 0] for part in self._split(params))
        return mean, log_scale

    def log_prob(self, params: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        """Returns log p(value | params); `value` is floating, in [-1, 1]."""
        return self._component_log_prob(
            tf.cast(value, tf.float32), *self.mean_and_log_scale(params)
        )

    def standard_noise(self, noise: tf.Tensor) -> tf.Tensor:
        """Transforms uniforms into standard normals, see `Distribution.standard_noise`."""
        return self._standard_quantile(noise)

    def draw(
        self, params: tf.Tensor, standard: tf.Tensor, temperature: Temperature = 1.0
    ) -> tf.Tensor:
        """Returns float32 [...] in [-1, 1], see `Distribution.draw`."""
        mean, log_scale = self.mean_and_log_scale(params)
        return self._scaled(mean, log_scale, standard[..., 0], checked_temperature(temperature))


def _log_1m_exp(width: tf.Tensor, log_width: tf.Tensor) -> tf.Tensor:
    """Computes log(1 - exp(-width)) for any width > 0, even if exp(log_width) underflows."""
    series = log_width - width * (0.5 - width / 24.0)
    direct = tf.math.log(-tf.math.expm1(-tf.maximum(width, _SERIES_LIMIT)))
    return tf.where(width < _SERIES_LIMIT, series, direct)
