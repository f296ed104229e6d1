"""Defines learning-rate schedules that Keras lacks, and finds schedules by name.

Keras' `ExponentialDecay` has no floor. Its `CosineDecay` warms up one step later than ours, which
gives the first update a rate above 0. Keras has no inverse square root.

Every schedule takes the step as an integer tensor, 0 at the first update, and returns a float32
scalar.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, Union

import keras
import tensorflow as tf

from tfwavenet.checks import nearest_name

LearningRate = Union[float, keras.optimizers.schedules.LearningRateSchedule]


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Gives a schedule its serialization: every argument is an attribute of that name."""

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as JSON values."""
        return {name: getattr(self, name) for name in _arguments(type(self))}


@keras.saving.register_keras_serializable("tfwavenet")
class FlooredExponentialDecay(_Schedule):
    """Decays exponentially, as Keras' `ExponentialDecay`, and stops at a floor.

    rate(step) = max(floor, initial * decay_rate ** (step / decay_steps))

    Args:
        initial: float > 0, learning rate at step 0.
        decay_steps: int >= 1, steps over which the rate is multiplied by `decay_rate`.
        decay_rate: float in (0, 1].
        floor: float in [0, initial], lowest learning rate.
        staircase: whether the exponent is rounded down to a whole number, so that the rate falls
            in steps (r9y9/wavenet_vocoder: halved every 200 000 steps).

    Raises:
        ValueError: If an argument is out of its range.

    Examples:
        >>> schedule = FlooredExponentialDecay(1e-3, decay_steps=100, decay_rate=0.1, floor=1e-5)
        >>> [f"{float(schedule(step)):.0e}" for step in (0, 100, 1000)]
        ['1e-03', '1e-04', '1e-05']
    """

    def __init__(
        self,
        initial: float = 1e-3,
        *,
        decay_steps: int = 200_000,
        decay_rate: float = 0.5,
        floor: float = 0.0,
        staircase: bool = False,
    ) -> None:
        _require(initial > 0, "initial must be above 0", initial=initial)
        _require(decay_steps >= 1, "decay_steps must be at least 1", decay_steps=decay_steps)
        _require(0 < decay_rate <= 1, "decay_rate must lie in (0, 1]", decay_rate=decay_rate)
        _require(0 <= floor <= initial, "floor must lie in [0, initial]", floor=floor)
        self.initial = initial
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.floor = floor
        self.staircase = staircase
        self._decay = keras.optimizers.schedules.ExponentialDecay(
            initial, decay_steps, decay_rate, staircase
        )

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the learning rate at `step`."""
        return tf.maximum(self._decay(step), self.floor)


@keras.saving.register_keras_serializable("tfwavenet")
class Noam(_Schedule):
    """Warms up linearly, then decays with the inverse square root of the step.

    rate(step) = peak * min((step + 1) / warmup_steps, sqrt(warmup_steps / (step + 1)))

    Args:
        peak: float > 0, highest learning rate, reached at step `warmup_steps - 1`.
        warmup_steps: int >= 1.

    Raises:
        ValueError: If an argument is out of its range.

    Examples:
        >>> schedule = Noam(1e-3, warmup_steps=4)
        >>> [round(float(schedule(step)), 5) for step in (0, 3, 15)]
        [0.00025, 0.001, 0.0005]

    Source: Vaswani et al., "Attention is all you need", 2017, section 5.3, scaled to its peak.
    """

    def __init__(self, peak: float = 1e-3, *, warmup_steps: int = 4000) -> None:
        _require(peak > 0, "peak must be above 0", peak=peak)
        _require(warmup_steps >= 1, "warmup_steps must be at least 1", warmup_steps=warmup_steps)
        self.peak = peak
        self.warmup_steps = warmup_steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the learning rate at `step`."""
        relative = (tf.cast(step, tf.float32) + 1.0) / float(self.warmup_steps)
        return self.peak * tf.minimum(relative, tf.math.rsqrt(relative))


@keras.saving.register_keras_serializable("tfwavenet")
class CosineWithWarmup(_Schedule):
    """Warms up linearly, then follows half a cosine down to a floor, where it stays.

    Args:
        peak: float > 0, learning rate at the end of the warm-up.
        total_steps: int > warmup_steps, step from which on the rate is `floor`.
        warmup_steps: int >= 0; step `s` of the warm-up has the rate
            `peak * (s + 1) / warmup_steps`.
        floor: float in [0, peak].

    Raises:
        ValueError: If an argument is out of its range.

    Examples:
        >>> schedule = CosineWithWarmup(1e-3, total_steps=110, warmup_steps=10)
        >>> [round(float(schedule(step)), 6) for step in (0, 9, 60, 110)]
        [0.0001, 0.001, 0.0005, 0.0]

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5, without restarts.
    """

    def __init__(
        self,
        peak: float = 1e-3,
        *,
        total_steps: int,
        warmup_steps: int = 0,
        floor: float = 0.0,
    ) -> None:
        _require(peak > 0, "peak must be above 0", peak=peak)
        _require(warmup_steps >= 0, "warmup_steps must be at least 0", warmup_steps=warmup_steps)
        _require(
            total_steps > warmup_steps,
            f"total_steps must be above warmup_steps={warmup_steps}",
            total_steps=total_steps,
        )
        _require(0 <= floor <= peak, "floor must lie in [0, peak]", floor=floor)
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.floor = floor

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the learning rate at `step`."""
        step = tf.cast(step, tf.float32)
        warmup = self.peak * (step + 1.0) / float(max(self.warmup_steps, 1))
        length = float(self.total_steps - self.warmup_steps)
        progress = tf.clip_by_value((step - self.warmup_steps) / length, 0.0, 1.0)
        cosine = 0.5 * (1.0 + tf.cos(math.pi * progress))
        decayed = self.floor + (self.peak - self.floor) * cosine
        return tf.where(step < self.warmup_steps, warmup, decayed)


def _known() -> dict[str, type[Any]]:
    """Returns the schedules that a config can name, of Keras and of this module."""
    of_keras = vars(keras.optimizers.schedules).items()
    ours = (CosineWithWarmup, FlooredExponentialDecay, Noam)
    return {
        **{
            name: cls
            for name, cls in of_keras
            if inspect.isclass(cls) and name != "LearningRateSchedule"
        },
        **{cls.__name__: cls for cls in ours},
    }


def get(identifier: Union[LearningRate, Mapping[str, Any]]) -> LearningRate:
    """Returns the learning rate that an identifier stands for, as a Keras optimizer takes it.

    Args:
        identifier: a constant > 0; a Keras schedule; or a mapping {"class_name": ..., "config":
            {...}} with the name of a schedule of `keras.optimizers.schedules` or of this module.

    Raises:
        ValueError: If the identifier, the class name, a key or a value is not valid.

    Examples:
        >>> get({"class_name": "Noam", "config": {"warmup_steps": 100}}).peak
        0.001
        >>> keras = {"initial_learning_rate": 1e-3, "decay_steps": 1000}
        >>> float(get({"class_name": "CosineDecay", "config": keras})(1000))
        0.0
    """
    if isinstance(identifier, keras.optimizers.schedules.LearningRateSchedule):
        return identifier
    if isinstance(identifier, (int, float)) and not isinstance(identifier, bool):
        _require(identifier > 0, "a constant learning rate must be above 0", rate=identifier)
        return float(identifier)
    if not isinstance(identifier, Mapping) or set(identifier) - {"config"} != {"class_name"}:
        raise ValueError(
            "learning_rate must be a number, a schedule, or a mapping with the keys 'class_name' "
            f"and 'config'. Received: learning_rate={identifier!r}"
        )
    config = identifier.get("config") or {}
    if not isinstance(config, Mapping):
        raise ValueError(f"learning_rate's config must be a mapping. Received: config={config!r}")
    return _build(identifier["class_name"], dict(config))


def _build(name: str, config: dict[str, Any]) -> keras.optimizers.schedules.LearningRateSchedule:
    """Constructs a schedule by name, and computes its first rate, or raises ValueError."""
    classes = _known()
    if name not in classes:
        raise ValueError(
            f"learning-rate schedule {name!r} is unknown{nearest_name(name, classes)}, expected "
            f"one of {sorted(classes)}. Received: class_name={name!r}"
        )
    known = _arguments(classes[name])
    for key in config:
        if key not in known:
            raise ValueError(
                f"{name} has no argument {key!r}{nearest_name(key, known)}, expected some of "
                f"{known}. Received: config={config}"
            )
    lacking = [key for key in _arguments(classes[name], required=True) if key not in config]
    if lacking:
        raise ValueError(f"{name} lacks the arguments {lacking}. Received: config={config}")
    try:
        schedule = classes[name](**config)
        schedule(tf.constant(0, tf.int64))  # Keras' own look at some arguments only here
    except (TypeError, tf.errors.OpError) as error:
        raise ValueError(f"{name} must get numbers ({error}). Received: config={config}") from error
    return schedule


def _arguments(cls: type[Any], *, required: bool = False) -> list[str]:
    """Returns the names of the constructor's arguments; if `required`, only those without default."""
    parameters = inspect.signature(cls).parameters.values()
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty or not required
    ]


def _require(condition: bool, expectation: str, **received: float) -> None:
    """Raises ValueError with what was expected and received unless the condition holds."""
    if not condition:
        ((name, value),) = received.items()
        raise ValueError(f"{expectation}. Received: {name}={value}")
