"""Weight normalization, in the only module that imports tensorflow-addons.

The last release of tensorflow-addons is for TensorFlow 2.15. Where it is not, a wrapper of Keras
takes the place of its class.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfwavenet import keras_versions

try:
    with warnings.catch_warnings():
        # At import the package warns of the end of its releases, and of other versions of
        # TensorFlow. Neither matters here.
        warnings.simplefilter("ignore")
        from tensorflow_addons.layers import WeightNormalization as _Wrapper
except ImportError:

    class _Wrapper(keras.layers.Wrapper):  # type: ignore[no-redef]
        """Holds what remains of tensorflow-addons' class without its `build` and `call`."""

        def __init__(self, layer: keras.layers.Layer, data_init: bool, **kwargs: Any) -> None:
            super().__init__(layer, **kwargs)
            self.data_init = data_init

        def compute_output_shape(self, input_shape: Any) -> Any:
            """Returns the shape of what `layer` returns."""
            return self.layer.compute_output_shape(input_shape)


_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


@keras.saving.register_keras_serializable("tfwavenet")
class WeightNormalization(_Wrapper):
    """Decouples the length of each filter from its direction: `kernel = g * v / ||v||`.

    The class is `tfa.layers.WeightNormalization` without the data-dependent initialization, and
    differs in these points:

    - `g` is the norm of the kernel from `build` on, so that wrapping a layer does not change its
      outputs.
    - Mixed precision works, with the normalization itself in float32.
    - The filters of transposed convolutions are normalized over the axis of their filters.
    - A filter that is initialized to zero keeps `g = 0` but gets a random direction, so that it can
      be trained.
    - `layer.kernel` is always the variable `v` again after a call.

    Args:
        layer: a layer with a `kernel`, such as Dense, Conv1D, Conv2DTranspose or `CausalConv1D`.

    Call arguments:
        inputs: the inputs of `layer`, such as float [batch, time, channels].

    Returns:
        The outputs of `layer` with the normalized kernel, such as [batch, time, filters].

    Raises:
        ValueError: If `layer` has no kernel, or is recurrent.

    Examples:
        >>> layer = WeightNormalization(keras.layers.Dense(10))
        >>> layer(tf.ones([2, 3])).shape
        TensorShape([2, 10])

    Source: Salimans and Kingma, "Weight Normalization", arXiv:1602.07868, section 2.
    """

    def __init__(self, layer: keras.layers.Layer, **kwargs: Any) -> None:
        if isinstance(layer, keras.layers.RNN):
            raise ValueError(
                f"Expected a layer with one kernel, not a recurrent one. Received: layer={layer}"
            )
        # The wrapper itself computes in float32 and does not cast the inputs; `layer` casts them.
        kwargs.update(dtype="float32", autocast=False)
        super().__init__(layer, data_init=False, **kwargs)

    @property
    def v(self) -> tf.Variable:
        """Directions of the filters: the kernel variable of `layer`."""
        return self.layer.kernel

    def build(self, input_shape: Any) -> None:
        """Builds `layer` and sets `g` to the norms of its filters."""
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True
        if not hasattr(self.layer, "kernel"):
            raise ValueError(f"Expected a layer with a kernel. Received: layer={self.layer}")
        rank = len(self.v.shape)
        filter_axis = rank - (2 if isinstance(self.layer, _TRANSPOSED) else 1)
        self.layer_depth = int(self.v.shape[filter_axis])
        self.kernel_norm_axes = tuple(axis for axis in range(rank) if axis != filter_axis)
        self._g_shape = (self.layer_depth,) + (1,) * (rank - 1 - filter_axis)
        self.g = self.add_weight(
            name="g", shape=(self.layer_depth,), initializer=self._filter_norms, trainable=True
        )
        keras.layers.Layer.build(self, input_shape)

    def _filter_norms(self, shape: Any, dtype: Any = None, **_: Any) -> tf.Tensor:
        norms = tf.sqrt(tf.reduce_sum(tf.square(self.v), axis=self.kernel_norm_axes))
        direction = keras.initializers.GlorotUniform()(self.v.shape, self.v.dtype)
        is_zero = tf.reshape(norms == 0, self._g_shape)
        self.v.assign(tf.where(is_zero, direction, self.v))
        return tf.cast(tf.reshape(norms, shape), dtype or norms.dtype)

    def effective_kernel(self) -> tf.Tensor:
        """Computes the normalized kernel, in the compute dtype of `layer`."""
        return tf.cast(self._float_kernel(), self.layer.compute_dtype)

    def _float_kernel(self) -> tf.Tensor:
        direction = tf.nn.l2_normalize(self.v, axis=self.kernel_norm_axes)
        return direction * tf.reshape(self.g, self._g_shape)

    @contextlib.contextmanager
    def _effective_kernel_in_place(self) -> Iterator[None]:
        # Set in `__dict__`: Keras' attribute tracking would remove the variable from the weights.
        attributes, name = self.layer.__dict__, keras_versions.kernel_attribute(self.layer)
        variable = attributes[name]
        attributes[name] = self.effective_kernel()
        try:
            yield
        finally:
            attributes[name] = variable

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Calls `layer` with the normalized kernel."""
        with self._effective_kernel_in_place():
            return self.layer(inputs)

    def folded_weights(self) -> Any:
        """Computes the weights for `step` of the wrapped layer, with normalization folded in."""
        with self._effective_kernel_in_place():
            return self.layer.folded_weights()

    def initial_state(self, batch_size: int) -> Any:
        """Returns the state of the wrapped layer before the first sample."""
        return self.layer.initial_state(batch_size)

    def state_after(self, inputs: tf.Tensor) -> Any:
        """Computes the state of the wrapped layer after `inputs` [batch, time, channels]."""
        return self.layer.state_after(inputs)

    def step(self, x_t: tf.Tensor, state: Any, weights: Any = None) -> tuple[tf.Tensor, Any]:
        """Computes one time step of the wrapped layer.

        Args:
            x_t: [batch, channels], the present sample.
            state: the result of `initial_state`, `state_after` or the previous step.
            weights: the result of `folded_weights`. If None, the weights are folded in this step.

        Returns:
            The output [batch, filters] and the next state.
        """
        weights = self.folded_weights() if weights is None else weights
        return self.layer.step(x_t, state, weights)

    @property
    def receptive_field(self) -> int:
        """Number of input samples that one output sample of the wrapped layer depends on."""
        return self.layer.receptive_field

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        config = super().get_config()
        for name in ("data_init", "dtype", "autocast"):
            config.pop(name, None)
        return {**config, "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WeightNormalization:
        """Creates the layer from its configuration."""
        layer = keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})

    def remove(self) -> None:
        """Raises an error, since removal is not supported: use `effective_kernel` instead.

        Raises:
            NotImplementedError: Always. The inherited method would leave the model inconsistent.
        """
        raise NotImplementedError("Use `effective_kernel()` to obtain the folded kernel.")


def weights_of(layer: keras.layers.Layer) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the kernel and the bias of a layer with or without normalization, as tensors.

    The dtype is the dtype of the variables.
    """
    if isinstance(layer, WeightNormalization):
        return layer._float_kernel(), tf.convert_to_tensor(layer.layer.bias)
    return tf.convert_to_tensor(layer.kernel), tf.convert_to_tensor(layer.bias)
