"""The residual block of WaveNet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.layers import replicas
from tfwavenet.layers.causal_conv import CausalConv1D
from tfwavenet.layers.gate import gate
from tfwavenet.layers.weight_norm import WeightNormalization

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments

_ARGUMENTS = (
    "residual_channels",
    "gate_channels",
    "skip_channels",
    "kernel_size",
    "dilation_rate",
    "residual_scale",
    "residual_output",
    "local_channels",
    "project_local",
    "global_channels",
    "local_bias",
    "global_bias",
    "weight_norm",
    "dropout",
)


@keras.saving.register_keras_serializable("tfwavenet")
class GatedResidualBlock(keras.layers.Layer):
    """Applies a causal dilated convolution, conditioning, a gate, and two projections.

    `z = conv(x) + V local + U global`; `y = tanh(first half of z) * sigmoid(second half of z)`;
    `skip = W_s y`; `output = (W_r y + x) * residual_scale`.

    Args:
        residual_channels: int > 0, channels of the residual path.
        gate_channels: int > 0, even, channels of `z`.
        skip_channels: int > 0, channels of the skip path.
        kernel_size: int > 0, taps of the convolution. Defaults to 2.
        dilation_rate: int > 0, samples between taps. Defaults to 1.
        residual_scale: float, factor of the residual path. Defaults to sqrt(1/2).
        residual_output: whether the block has a residual projection. The last block of a stack
            needs none, since its residual output is unused. Defaults to True.
        local_channels: int > 0, channels of the local conditioning. If None, there is none.
            Defaults to None.
        project_local: whether the local conditioning is projected. If False, the conditioning is
            added before the gate as it is, and `local_channels` must equal `gate_channels`.
            Defaults to True.
        global_channels: int > 0, channels of the global conditioning. If None, there is none.
            Defaults to None.
        local_bias: whether the local projection has a bias. Defaults to False.
        global_bias: whether the global projection has a bias. Defaults to False.
        weight_norm: whether the convolutions are weight normalized. Defaults to True.
        dropout: float in [0, 1), rate of dropout before the convolution. Defaults to 0.

    Call arguments:
        inputs: float [batch, time, residual_channels].
        local_inputs: float [batch, time, local_channels], with `local_channels`.
        global_inputs: float [batch, global_channels], with `global_channels`.
        dropout_seed: int32 [2]. If None, there is no dropout.
        past_inputs: float [batch, receptive_field - 1, residual_channels], the inputs that precede
            `inputs`. If None, zeros precede.

    Returns:
        The output [batch, time, residual_channels] and the skip output
        [batch, time, skip_channels]. Without `residual_output` the output is None.

    Raises:
        ValueError: If `gate_channels` is odd or not positive, or `dropout` is out of range. Also if
            `local_channels` differs from `gate_channels` without `project_local`.

    Examples:
        >>> block = GatedResidualBlock(8, 16, 12, dilation_rate=4)
        >>> output, skip = block(tf.ones([1, 10, 8]))

    Source: van den Oord et al., "WaveNet", arXiv:1609.03499, sections 2.3 to 2.5.
    """

    def __init__(
        self,
        residual_channels: int,
        gate_channels: int,
        skip_channels: int,
        *,
        kernel_size: int = 2,
        dilation_rate: int = 1,
        residual_scale: float = math.sqrt(0.5),
        residual_output: bool = True,
        local_channels: int | None = None,
        project_local: bool = True,
        global_channels: int | None = None,
        local_bias: bool = False,
        global_bias: bool = False,
        weight_norm: bool = True,
        dropout: float = 0.0,
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        super().__init__(**kwargs)
        if gate_channels < 2 or gate_channels % 2:
            raise ValueError(
                f"`gate_channels` must be positive and even. Received: gate_channels={gate_channels}"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        if not project_local and local_channels != gate_channels:
            raise ValueError(
                f"Expected {gate_channels} local channels, which are not projected. "
                f"Received: local_channels={local_channels}"
            )
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.skip_channels = skip_channels
        self.kernel_size = kernel_size
        self.dilation_rate = dilation_rate
        self.residual_scale = residual_scale
        self.residual_output = residual_output
        self.local_channels = local_channels
        self.project_local = project_local
        self.global_channels = global_channels
        self.local_bias = local_bias
        self.global_bias = global_bias
        self.weight_norm = weight_norm
        self.dropout = dropout
        self.conv = self._conv(gate_channels, kernel_size, dilation_rate=dilation_rate)
        self.skip_projection = self._conv(skip_channels, 1)
        self.residual_projection = self._conv(residual_channels, 1) if residual_output else None
        self.local_projection = (
            self._conv(gate_channels, 1, use_bias=local_bias)
            if local_channels and project_local
            else None
        )
        self.global_projection = (
            self._conv(gate_channels, 1, use_bias=global_bias) if global_channels else None
        )

    def _conv(self, filters: int, kernel_size: int, **kwargs: Any) -> keras.layers.Layer:
        layer = CausalConv1D(filters, kernel_size, dtype=self.dtype_policy, **kwargs)
        return WeightNormalization(layer) if self.weight_norm else layer

    def build(self, input_shape: Any) -> None:
        """Creates the weights of the convolutions."""
        self.conv.build([None, None, self.residual_channels])
        gated = [None, None, self.gate_channels // 2]
        self.skip_projection.build(gated)
        if self.residual_projection is not None:
            self.residual_projection.build(gated)
        if self.local_projection is not None:
            self.local_projection.build([None, None, self.local_channels])
        if self.global_projection is not None:
            self.global_projection.build([None, None, self.global_channels])
        super().build([None, None, self.residual_channels])

    @property
    def receptive_field(self) -> int:
        """Number of input samples that one output sample depends on."""
        return (self.kernel_size - 1) * self.dilation_rate + 1

    def call(
        self,
        inputs: tf.Tensor,
        local_inputs: tf.Tensor | None = None,
        global_inputs: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        past_inputs: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Computes the whole sequence, or the part of a sequence that follows `past_inputs`."""
        if past_inputs is None:
            z = self.conv(self._dropped(inputs, dropout_seed))
        else:
            z = self.conv(tf.concat([past_inputs, inputs], axis=1))[:, self.receptive_field - 1 :]
        y = gate(z, *self._conditioning_terms(local_inputs, global_inputs))
        skip = self.skip_projection(y)
        if self.residual_projection is None:
            return None, skip
        return self._residual(self.residual_projection(y), inputs), skip

    def _dropped(self, inputs: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        if not self.dropout or seed is None:
            return inputs
        uniforms = replicas.draw(
            lambda shape: rng.uniform(shape, seed), *tf.unstack(tf.shape(inputs), 3)
        )
        keep = tf.cast(uniforms >= self.dropout, inputs.dtype)
        return inputs * keep / (1 - self.dropout)

    def conditioning(
        self, local_inputs: tf.Tensor | None, global_inputs: tf.Tensor | None
    ) -> tf.Tensor | None:
        """Computes the projected conditioning, the term that is added before the gate.

        Args:
            local_inputs: float [batch, time, local_channels], or None without `local_channels`.
            global_inputs: float [batch, global_channels]. If None, there is no global term.

        Returns:
            [batch, time or 1, gate_channels], or None without any conditioning.
        """
        terms = self._conditioning_terms(local_inputs, global_inputs)
        return sum(terms[1:], terms[0]) if terms else None

    def _conditioning_terms(
        self, local_inputs: tf.Tensor | None, global_inputs: tf.Tensor | None
    ) -> list[tf.Tensor]:
        terms = []
        if self.local_projection is not None:
            terms.append(self.local_projection(local_inputs))
        elif local_inputs is not None and not self.project_local:
            terms.append(tf.cast(local_inputs, self.compute_dtype))
        if self.global_projection is not None and global_inputs is not None:
            terms.append(self.global_projection(global_inputs[:, tf.newaxis]))
        return terms

    def _residual(self, projected: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
        return (projected + inputs) * tf.cast(self.residual_scale, projected.dtype)

    def initial_state(self, batch_size: int) -> Any:
        """Returns the state before the first sample, with a past of zeros."""
        return self.conv.initial_state(batch_size)

    def state_after(self, inputs: tf.Tensor) -> Any:
        """Computes the state after `inputs` [batch, time, residual_channels]."""
        return self.conv.state_after(inputs)

    def folded_weights(self) -> dict[str, Any]:
        """Computes the weights in the form of `step`, once for many steps.

        Both projections are joined to one matrix: one wide product is faster than two narrow
        products.
        """
        projections = self.skip_projection.folded_weights()
        if self.residual_projection is not None:
            projections = _joined(self.residual_projection.folded_weights(), projections)
        return {"conv": self.conv.folded_weights(), "projections": projections}

    def step(
        self,
        x_t: tf.Tensor,
        state: Any,
        conditioning_t: tf.Tensor | None = None,
        weights: dict[str, Any] | None = None,
    ) -> tuple[tuple[tf.Tensor | None, tf.Tensor], Any]:
        """Computes one time step.

        Args:
            x_t: float [batch, residual_channels], the present input.
            state: the result of `initial_state`, `state_after` or the previous step.
            conditioning_t: [batch, gate_channels], this step of `conditioning`. If None, nothing is
                added.
            weights: the result of `folded_weights`. If None, the weights are folded in this step.

        Returns:
            The outputs of `call` for this step, and the next state. The outputs are
            [batch, residual_channels] (None without `residual_output`) and [batch, skip_channels].
        """
        weights = self.folded_weights() if weights is None else weights
        x_t = tf.cast(x_t, self.compute_dtype)
        z, state = self.conv.step(x_t, state, weights["conv"])
        y = gate(z) if conditioning_t is None else gate(z, tf.cast(conditioning_t, z.dtype))
        projected, _ = self.skip_projection.step(y, (), weights["projections"])
        if self.residual_projection is None:
            return (None, projected), state
        sizes = [self.residual_channels, self.skip_channels]
        residual, skip = tf.split(projected, sizes, axis=-1)
        return (self._residual(residual, x_t), skip), state

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {**super().get_config(), **{name: getattr(self, name) for name in _ARGUMENTS}}


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Joins the weights of two one-tap convolutions to the weights of one convolution."""
    (kernel,), (other_kernel,) = one["taps"], other["taps"]
    return {
        "taps": [tf.concat([kernel, other_kernel], axis=1)],
        "bias": tf.concat([one["bias"], other["bias"]], axis=0),
    }
