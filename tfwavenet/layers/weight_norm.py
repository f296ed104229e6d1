"""Weight normalization: the one module that knows tensorflow-addons."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

with warnings.catch_warnings():
    # The package announces the end of its releases at import; its version is pinned on purpose.
    warnings.filterwarnings("ignore", module="tensorflow_addons.utils.tfa_eol_msg")
    import tensorflow_addons as tfa

_TRANSPOSED = (
    tf.keras.layers.Conv1DTranspose,
    tf.keras.layers.Conv2DTranspose,
    tf.keras.layers.Conv3DTranspose,
)


@tf.keras.saving.register_keras_serializable("tfwavenet")
class WeightNormalization(tfa.layers.WeightNormalization):
    """Decouples the length of each filter from its direction: `kernel = g * v / ||v||`.

    `tfa.layers.WeightNormalization` without its data-dependent initialization and with these
    repairs: `g` is the norm of the kernel from `build` on, so that wrapping a layer does not
    change what it computes; mixed precision works, with the normalization itself in float32; the
    filters of transposed convolutions are normalized over their own axis; a filter that starts
    at zero keeps `g = 0` but gets a random direction, so that it can be trained; and
    `layer.kernel` is always the variable `v` again after a call.

    Args:
        layer: a layer with a `kernel`, such as Dense, Conv1D, Conv2DTranspose or `CausalConv1D`.

    Call arguments:
        inputs: whatever `layer` takes.

    Returns:
        What `layer` returns under the normalized kernel.

    Raises:
        ValueError: if `layer` has no kernel, or is recurrent.

    Example:
        >>> layer = WeightNormalization(tf.keras.layers.Dense(10))
        >>> layer(tf.ones([2, 3])).shape
        TensorShape([2, 10])

    Source: Salimans and Kingma, "Weight Normalization", arXiv:1602.07868, section 2.
    """

    def __init__(self, layer: tf.keras.layers.Layer, **kwargs: Any) -> None:
        if isinstance(layer, tf.keras.layers.RNN):
            raise ValueError(
                f"Expected a layer with one kernel, not a recurrent one. Received: layer={layer}"
            )
        # The wrapper itself computes in float32 and leaves its inputs alone; `layer` casts them.
        kwargs.update(dtype="float32", autocast=False)
        super().__init__(layer, data_init=False, **kwargs)

    @property
    def v(self) -> tf.Variable:
        """The direction of the filters, which is the kernel variable of `layer`."""
        return self.layer.kernel

    def build(self, input_shape: Any) -> None:
        """Builds `layer` and sets `g` to the norms of its filters."""
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True
        if not hasattr(self.layer, "kernel"):
            raise ValueError(f"Expected a layer with a kernel. Received: layer={self.layer}")
        rank = self.v.shape.rank
        filter_axis = rank - (2 if isinstance(self.layer, _TRANSPOSED) else 1)
        self.layer_depth = int(self.v.shape[filter_axis])
        self.kernel_norm_axes = tuple(axis for axis in range(rank) if axis != filter_axis)
        self._g_shape = (self.layer_depth,) + (1,) * (rank - 1 - filter_axis)
        self.g = self.add_weight(
            name="g", shape=(self.layer_depth,), initializer=self._filter_norms, trainable=True
        )
        tf.keras.layers.Layer.build(self, input_shape)

    def _filter_norms(self, shape: Any, dtype: Any = None, **_: Any) -> tf.Tensor:
        norms = tf.sqrt(tf.reduce_sum(tf.square(self.v), axis=self.kernel_norm_axes))
        direction = tf.keras.initializers.GlorotUniform()(self.v.shape, self.v.dtype)
        is_zero = tf.reshape(norms == 0, self._g_shape)
        self.v.assign(tf.where(is_zero, direction, self.v))
        return tf.cast(tf.reshape(norms, shape), dtype or norms.dtype)

    def effective_kernel(self) -> tf.Tensor:
        """The normalized kernel, in the dtype that `layer` computes in."""
        return tf.cast(self._float_kernel(), self.layer.compute_dtype)

    def _float_kernel(self) -> tf.Tensor:
        direction = tf.nn.l2_normalize(self.v, axis=self.kernel_norm_axes)
        return direction * tf.reshape(self.g, self._g_shape)

    @contextlib.contextmanager
    def _effective_kernel_in_place(self) -> Iterator[None]:
        # Past Keras' attribute tracking, which would take the variable off the layer's weights.
        kernel, variable = self.effective_kernel(), self.layer.kernel
        self.layer.__dict__["kernel"] = kernel
        try:
            yield
        finally:
            self.layer.__dict__["kernel"] = variable

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Calls `layer` under the normalized kernel."""
        with self._effective_kernel_in_place():
            return self.layer(inputs)

    def folded_weights(self) -> Any:
        """What `step` of the wrapped layer needs, with the normalization folded in."""
        with self._effective_kernel_in_place():
            return self.layer.folded_weights()

    def initial_state(self, batch_size: int) -> Any:
        """The state of the wrapped layer before the first sample."""
        return self.layer.initial_state(batch_size)

    def state_after(self, inputs: tf.Tensor) -> Any:
        """The state of the wrapped layer after `inputs` [batch, time, channels]."""
        return self.layer.state_after(inputs)

    def step(self, x_t: tf.Tensor, state: Any, weights: Any = None) -> tuple[tf.Tensor, Any]:
        """One time step of the wrapped layer, see there."""
        weights = self.folded_weights() if weights is None else weights
        return self.layer.step(x_t, state, weights)

    @property
    def receptive_field(self) -> int:
        """The receptive field of the wrapped layer, in samples."""
        return self.layer.receptive_field

    def get_config(self) -> dict[str, Any]:
        """The constructor arguments."""
        config = super().get_config()
        for name in ("data_init", "dtype", "autocast"):
            config.pop(name, None)
        return {**config, "layer": tf.keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WeightNormalization:
        """The layer of a configuration."""
        layer = tf.keras.saving.deserialize_keras_object(config["layer"])
        return cls(**{**config, "layer": layer})

    def remove(self) -> None:
        """Not offered: use `effective_kernel` to obtain the folded weights.

        Raises:
            NotImplementedError: always; the inherited method would leave the model inconsistent.
        """
        raise NotImplementedError("Use `effective_kernel()` to obtain the folded kernel.")


def weights_of(layer: tf.keras.layers.Layer) -> tuple[tf.Tensor, tf.Tensor]:
    """The kernel and the bias of a layer with or without normalization, as variables are read."""
    if isinstance(layer, WeightNormalization):
        return layer._float_kernel(), tf.convert_to_tensor(layer.layer.bias)
    return tf.convert_to_tensor(layer.kernel), tf.convert_to_tensor(layer.bias)
