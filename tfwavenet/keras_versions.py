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


class Model(keras.Model):
    """Is Keras' model, without the signature that Keras 3 guesses when a model is exported.

    The guess takes every input for floating, and a speaker is a number.
    """

    if _IS_KERAS_3:

        @property
        def _default_save_signature(self) -> None:
            return None


class AdamWithGradients(keras.optimizers.Adam):
    """Updates as Keras' Adam, and shows the gradients of each update to `observe` first."""

    def observe(self, gradients: Sequence[tf.Tensor]) -> None:
        """Receives the gradients of an update before they are clipped.

        Args:
            gradients: the gradients that are not None.
        """
        raise NotImplementedError

    if _IS_KERAS_3:

        def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
            """Observes the gradients and applies them; see `keras.optimizers.Adam`."""
            gradients = list(grads)
            self.observe([gradient for gradient in gradients if gradient is not None])
            return super().apply(gradients, trainable_variables)

    else:

        def apply_gradients(self, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
            """Observes the gradients and applies them; see `keras.optimizers.Adam`."""
            pairs = list(grads_and_vars)
            self.observe([gradient for gradient, _ in pairs if gradient is not None])
            return super().apply_gradients(pairs, *args, **kwargs)


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
        return float(rate(max(0, int(optimizer.iterations) - 1)))
    return float(optimizer.learning_rate)


def kernel_attribute(layer: keras.layers.Layer) -> str:
    """Returns the name under which a built layer keeps its kernel in `vars(layer)`."""
    return "kernel" if "kernel" in vars(layer) else "_kernel"
