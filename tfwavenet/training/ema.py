"""Keeps an exponential moving average of a model's weights, beside the weights themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Optional

import keras
import tensorflow as tf

from tfwavenet import keras_versions


class ExponentialMovingAverage(tf.Module):
    """Averages the trainable weights of a model over the updates.

    Update number n (from 1) computes

        average <- average + (1 - d) * (weight - average), d = min(decay, (1 + n) / (10 + n)),

    so that the first weights are soon forgotten. The averages are float32 variables of their own.
    Only `swapped_in` and `copy_to` change the model's weights; `swapped_in` restores them. Saved
    by `tf.train.Checkpoint(ema=...)`.

    Args:
        model: a built `keras.Model`; the averages start as its trainable weights.
        decay: float in [0, 1).

    Raises:
        ValueError: If `decay` is out of its range or the model has no weights yet.

    Examples:
        >>> model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
        >>> ema = ExponentialMovingAverage(model, decay=0.99)
        >>> ema.update(model)
        >>> with ema.swapped_in(model):
        ...     averaged = model(tf.ones([1, 1]))

    Source: Polyak and Juditsky, 1992; the warm-up of `tf.train.ExponentialMovingAverage` with
    `num_updates`.
    """

    def __init__(self, model: keras.Model, *, decay: float) -> None:
        super().__init__(name="ema")
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay must lie in [0, 1). Received: decay={decay}")
        if not model.trainable_variables:
            raise ValueError(
                "model must be built and have trainable weights, so that there is something to "
                f"average. Received: model={model.name!r} without any"
            )
        self.decay = float(decay)
        self.updates = tf.Variable(0, dtype=tf.int64, trainable=False, name="updates")
        self.averages = [
            tf.Variable(
                tf.cast(tf.convert_to_tensor(weight), tf.float32), trainable=False, name="average"
            )
            for weight in model.trainable_variables
        ]

    def update(self, model: keras.Model) -> None:
        """Moves the averages towards the model's current weights.

        Args:
            model: the model of the constructor, or one of equal structure.
        """
        self._move(model, tf.constant(1, tf.int64))

    def _move(self, model: keras.Model, updates: tf.Tensor) -> None:
        """Updates the averages if `updates` is 1, and changes nothing if it is 0."""
        count = tf.cast(self.updates.assign_add(updates), tf.float32)
        decay = tf.minimum(self.decay, (1.0 + count) / (10.0 + count))
        rate = (1.0 - decay) * tf.cast(updates, tf.float32)
        strategy = tf.distribute.get_strategy()
        for average, weight in zip(self.averages, model.trainable_variables):
            # On every device of its own; nothing goes from one to another.
            near = keras_versions.tf_variable(weight)
            strategy.extended.update(average, _moved, args=(near, rate), group=False)

    def copy_to(self, model: keras.Model) -> None:
        """Overwrites the model's trainable weights with the averages, permanently.

        Args:
            model: the model of the constructor, or one of equal structure.
        """
        for average, weight in zip(self.averages, model.trainable_variables):
            weight.assign(tf.cast(average, weight.dtype))

    @contextlib.contextmanager
    def swapped_in(self, model: keras.Model) -> Iterator[keras.Model]:
        """Gives the averages to the model, and restores its own weights at the end.

        Args:
            model: the model of the constructor, or one of equal structure.

        Yields:
            The model.
        """
        raw = [weight.numpy() for weight in model.trainable_variables]
        self.copy_to(model)
        try:
            yield model
        finally:
            for value, weight in zip(raw, model.trainable_variables):
                weight.assign(value)


def _moved(average: tf.Variable, weight: tf.Variable, rate: tf.Tensor) -> tf.Tensor:
    """Moves one average towards its weight."""
    return average.assign_add(rate * (tf.cast(tf.convert_to_tensor(weight), tf.float32) - average))


class UpdateAverage(keras.callbacks.Callback):
    """Updates an average after every training step.

    Args:
        ema: average of the weights of the fitted model.
    """

    def __init__(self, ema: ExponentialMovingAverage) -> None:
        super().__init__()
        self._supports_tf_logs = True  # the logs are not looked at: no need to wait for them
        self._ema = ema
        self._move: Any = None

    def on_train_begin(self, logs: Optional[dict[str, Any]] = None) -> None:
        """Compiles the update, so that no step has to wait for the compilation."""
        self._move = tf.function(lambda n: self._ema._move(self.model, n), autograph=False)
        self._move(tf.constant(0, tf.int64))

    def on_train_batch_end(self, batch: int, logs: Optional[dict[str, Any]] = None) -> None:
        """Updates the average."""
        self._move(tf.constant(1, tf.int64))
