"""Defines an Adam that measures the size of the gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfwavenet.keras_versions import AdamWithGradients


@keras.saving.register_keras_serializable("tfwavenet")
class MeasuredAdam(AdamWithGradients):
    """Updates as Keras' Adam, and averages the global norm of the gradients.

    The updates are exactly equal to the updates of Keras' Adam. The norm is that of the sum of the
    gradients of all replicas, before clipping.

    Args:
        *args: see `keras.optimizers.Adam`.
        **kwargs: see `keras.optimizers.Adam`.

    Examples:
        >>> optimizer = MeasuredAdam(1e-3, global_clipnorm=1.0)
        >>> optimizer.apply_gradients([(tf.constant([3.0, 4.0]), tf.Variable([0.0, 0.0]))])
        <tf.Variable 'UnreadVariable' shape=() dtype=int64, numpy=1>
        >>> optimizer.take_mean_gradient_norm()
        5.0

    Source: Kingma and Ba, "Adam", ICLR 2015.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: dict[str, Any] = {
            "trainable": False,
            "synchronization": tf.VariableSynchronization.ON_READ,
            # Equal on all replicas: no worker has to ask others for it.
            "aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA,
        }
        self._norm_total = tf.Variable(0.0, name="norm_total", **settings)
        self._norm_count = tf.Variable(0.0, name="norm_count", **settings)

    def observe(self, gradients: Sequence[tf.Tensor]) -> None:
        """Measures the gradients of an update."""
        self._norm_total.assign_add(tf.cast(tf.linalg.global_norm(gradients), tf.float32))
        self._norm_count.assign_add(1.0)

    def take_mean_gradient_norm(self) -> float:
        """Returns the mean global norm since the last call. If there was no update, NaN."""
        # Variables of several replicas are no numbers.
        count, total = (
            float(tf.convert_to_tensor(one)) for one in (self._norm_count, self._norm_total)
        )
        mean = total / count if count else float("nan")
        self._norm_total.assign(0.0)
        self._norm_count.assign(0.0)
        return mean
