"""Holds what differs between Keras 2.15 and Keras 3, in this one module.

On Python 3.9 to 3.11 the package runs on TensorFlow 2.15 with its Keras 2.15, elsewhere on Keras 3
with TensorFlow as its backend. No other module asks for the version of Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

_IS_KERAS_3 = int(keras.__version__.split(".")[0]) >= 3

# Whether all workers of a training agree on the scale of a float16 loss.
UNIFORM_LOSS_SCALE = not _IS_KERAS_3

if _IS_KERAS_3 and keras.backend.backend() != "tensorflow":
    raise ImportError(
        "tfwavenet needs Keras with the backend TensorFlow: set KERAS_BACKEND=tensorflow before "
        f"Keras is imported. Received: the backend {keras.backend.backend()}"
    )


def minimize(
    optimizer: keras.optimizers.Optimizer,
    loss: tf.Tensor,
    variables: Sequence[tf.Variable],
    *,
    tape: tf.GradientTape,
) -> None:
    """Updates variables by the gradient of a loss, which float16 needs to be scaled.

    Args:
        optimizer: the optimizer of a compiled model.
        loss: float scalar, computed under `tape`.
        variables: variables to update.
        tape: the tape.
    """
    if not _IS_KERAS_3:
        optimizer.minimize(loss, variables, tape=tape)
        return
    with tape:
        scaled = optimizer.scale_loss(loss)
    optimizer.apply(tape.gradient(scaled, variables), variables)


def scaled_loss(optimizer: keras.optimizers.Optimizer, loss: tf.Tensor) -> tf.Tensor:
    """Returns the loss whose gradients `apply_scaled` takes, larger where float16 needs it.

    Args:
        optimizer: the optimizer of a compiled model.
        loss: float scalar.
    """
    if _IS_KERAS_3:
        return optimizer.scale_loss(loss)
    return optimizer.get_scaled_loss(loss) if hasattr(optimizer, "get_scaled_loss") else loss


def apply_scaled(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[tf.Variable],
) -> None:
    """Updates variables by the gradients of a scaled loss.

    Args:
        optimizer: the optimizer of a compiled model.
        gradients: gradients of losses from `scaled_loss`, or their sum.
        variables: variables to update.
    """
    if _IS_KERAS_3:
        optimizer.apply(gradients, variables)
        return
    if hasattr(optimizer, "get_unscaled_gradients"):
        gradients = optimizer.get_unscaled_gradients(gradients)
    optimizer.apply_gradients(zip(gradients, variables))


def step_results(results: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the metrics of a step as Keras takes them from a replica.

    Args:
        results: scalars by the names of the metrics.
    """
    strategy = tf.distribute.get_strategy()
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    if _IS_KERAS_3 and several and strategy.extended._in_multi_worker_mode():
        # Keras 3 takes the mean over the first axis of the values of all workers.
        return {name: value[tf.newaxis] for name, value in results.items()}
    return results


class Model(keras.Model):
    """Is Keras' model, without what Keras 3 guesses about the inputs of a model.

    The guess takes every input for floating, and a speaker is a number. Under a strategy, Keras 3
    takes a batch of the data for it, and cannot average masks over the replicas. An epoch of endless
    data never ends there, and is refused as Keras 2 refuses it.
    """

    if _IS_KERAS_3:

        @property
        def _default_save_signature(self) -> None:
            return None

        def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
            """Trains the model; see `keras.Model.fit`.

            Raises:
                ValueError: If the data never end and `steps_per_epoch` is not given.
            """
            endless = isinstance(x, tf.data.Dataset) and (
                int(x.cardinality()) == tf.data.INFINITE_CARDINALITY
            )
            if endless and kwargs.get("steps_per_epoch") is None:
                raise ValueError(
                    "An infinite dataset needs the length of an epoch. "
                    "Received: steps_per_epoch=None"
                )
            return super().fit(x, *args, **kwargs)

        def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
            if not self.built:
                with self.distribute_strategy.scope():
                    self.build(None)


class AdamWithGradients(keras.optimizers.Adam):
    """Updates as Keras' Adam, and shows the gradients of each update to `observe` first.

    Of several replicas, the gradients are added up before that, and before they are clipped.
    """

    def observe(self, gradients: Sequence[tf.Tensor]) -> None:
        """Receives the gradients of an update before they are clipped.

        Args:
            gradients: the gradients that are not None.
        """
        raise NotImplementedError

    if _IS_KERAS_3:

        def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
            """Observes the gradients and applies them; see `keras.optimizers.Adam`."""
            gradients = _summed(list(grads))
            self.observe([gradient for gradient in gradients if gradient is not None])
            return super().apply(gradients, trainable_variables)

        def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
            return list(grads_and_vars)  # `apply` has added them up

    else:

        def apply_gradients(self, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
            """Observes the gradients and applies them; see `keras.optimizers.Adam`."""
            pairs = list(grads_and_vars)
            if not kwargs.get("skip_gradients_aggregation"):  # a wrapper has added them up
                pairs = list(self.aggregate_gradients(pairs))
            kwargs["skip_gradients_aggregation"] = True
            self.observe([gradient for gradient, _ in pairs if gradient is not None])
            return super().apply_gradients(pairs, *args, **kwargs)


def _summed(gradients: list[Any]) -> list[Any]:
    """Returns the sums of the gradients, or None, over all replicas."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return gradients
    known = [gradient for gradient in gradients if gradient is not None]
    sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, known))
    return [None if gradient is None else next(sums) for gradient in gradients]


def is_variable(value: Any) -> bool:
    """Tells whether something is a variable, of TensorFlow or of Keras.

    Args:
        value: any object.
    """
    return isinstance(value, (tf.Variable, keras.Variable) if _IS_KERAS_3 else tf.Variable)


def tf_variable(variable: Any) -> tf.Variable:
    """Returns the variable of TensorFlow that holds the value of a variable of a layer.

    Args:
        variable: a variable of TensorFlow or of Keras.
    """
    return variable if isinstance(variable, tf.Variable) else variable.value


def optimizer_variables(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """Returns the state of a built optimizer under the names that Keras 2 gives it in checkpoints.

    Args:
        optimizer: an optimizer, also one that scales the loss.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    rate = inner._learning_rate  # a variable, unless it follows a schedule
    own = {"_iterations": inner.iterations, "_learning_rate": rate}
    slots = [each for each in inner._variables if not any(each is one for one in own.values())]
    own.update({f"_variables/{number}": each for number, each in enumerate(slots, start=1)})
    measured = {name: each for name, each in vars(inner).items() if isinstance(each, tf.Variable)}
    measured.pop("_current_learning_rate", None)  # follows from the number of updates
    own.update(measured)
    if optimizer is not inner and _IS_KERAS_3:
        own["loss_scale/current_loss_scale"] = optimizer.dynamic_scale
        own["loss_scale/good_steps"] = optimizer.step_counter
    elif optimizer is not inner:
        own["loss_scale/current_loss_scale"] = optimizer._loss_scale._current_loss_scale
        own["loss_scale/good_steps"] = optimizer._loss_scale._counter
    return {name: each for name, each in own.items() if is_variable(each)}


def last_learning_rate(optimizer: keras.optimizers.Optimizer) -> float:
    """Returns the learning rate of the last update, while Keras 3 tells that of the next.

    Args:
        optimizer: an optimizer that does not scale the loss.
    """
    rate = optimizer._learning_rate
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        updates = int(tf.convert_to_tensor(optimizer.iterations))
        return float(rate(max(0, updates - 1)))
    return float(tf.convert_to_tensor(optimizer.learning_rate))


def kernel_attribute(layer: keras.layers.Layer) -> str:
    """Returns the name under which a built layer keeps its kernel in `vars(layer)`."""
    return "kernel" if "kernel" in vars(layer) else "_kernel"
