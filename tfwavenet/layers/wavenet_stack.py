"""The network of WaveNet: input convolution, residual blocks, head."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import keras
import tensorflow as tf

from tfwavenet import rng
from tfwavenet.checks import positive_integers
from tfwavenet.layers import activations, ring_buffer
from tfwavenet.layers.causal_conv import CausalConv1D
from tfwavenet.layers.code_conv import CodeConv1D
from tfwavenet.layers.gated_residual_block import GatedResidualBlock
from tfwavenet.layers.weight_norm import WeightNormalization

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments

SkipMode = Literal["sum", "scaled", "recursive"]

# The conditioning of each block, [batch, time or 1, gate_channels].
Conditioning = list[tf.Tensor]

_ARGUMENTS = (
    "output_channels",
    "input_codes",
    "num_layers",
    "dilation_cycle",
    "residual_channels",
    "gate_channels",
    "skip_channels",
    "kernel_size",
    "input_kernel_size",
    "input_bias",
    "head_channels",
    "head_bias",
    "residual_scale",
    "last_residual",
    "skip_mode",
    "local_channels",
    "project_local",
    "local_bias",
    "global_channels",
    "global_bias",
    "weight_norm",
    "head_weight_norm",
    "dropout",
)


@keras.saving.register_keras_serializable("tfwavenet")
class WaveNetStack(keras.layers.Layer):
    """Maps values to outputs per time step that depend on the values up to that step only.

    The layer holds weights only. It knows neither audio nor a loss. `call` computes a whole
    sequence in parallel; `step` computes one time step from the state of the step before. Both
    agree to rounding.

    Args:
        output_channels: int > 0, outputs per time step.
        input_codes: int > 0, number of codes of integer values. If None, the values are floats.
            Defaults to None.
        num_layers: int > 0, number of residual blocks. Defaults to 20.
        dilation_cycle: int > 0; block i has dilation `2 ** (i % dilation_cycle)`. Defaults to 10.
        residual_channels: int > 0, channels of the residual path. Defaults to 64.
        gate_channels: int > 0, even, channels before the gate. Defaults to 128.
        skip_channels: int > 0, channels of the skip path. Defaults to 256.
        kernel_size: int > 0, taps of the dilated convolutions. Defaults to 2.
        input_kernel_size: int > 0, taps of the input convolution. Defaults to 1.
        input_bias: whether the input convolution has a bias. Defaults to True.
        input_activation: activation function after the input convolution, or its Keras name.
            Defaults to None.
        head_channels: int > 0, channels between the two convolutions of the head. If None,
            `skip_channels`.
        head_bias: whether the convolutions of the head have biases. Defaults to True.
        residual_scale: float, factor of the residual path at each block. Defaults to sqrt(1/2).
        last_residual: whether the last block has a residual projection, whose output is unused
            and which is not trained, as some checkpoints have. Defaults to False.
        skip_mode: "sum" of the skips, "scaled" by `sqrt(1 / num_layers)`, or "recursive":
            `(sum so far + skip) * sqrt(1/2)` from the second block on. Defaults to "scaled".
        local_channels: int > 0, channels of the local conditioning. If None, there is none.
        project_local: whether each block projects the local conditioning. If False, the
            conditioning holds the `gate_channels` of all blocks, one block after another. Defaults
            to True.
        local_bias: whether the local projections have biases. Defaults to False.
        global_channels: int > 0, channels of the global conditioning. If None, there is none.
        global_bias: whether the global projections have biases. Defaults to False.
        weight_norm: whether convolutions are weight normalized. Defaults to True.
        head_weight_norm: whether the head is weight normalized. If None, `weight_norm`.
        dropout: float in [0, 1), rate of dropout before each dilated convolution. Defaults to 0.
        output_kernel_initializer: initializer of the last kernel. Defaults to "glorot_uniform".
        output_bias_initializer: initializer of the last bias. Defaults to "zeros".

    Call arguments:
        inputs: float32 [batch, time], or int32 [batch, time] with `input_codes`.
        local_inputs: float [batch, time, local_channels], with `local_channels`.
        global_inputs: float [batch, global_channels], with `global_channels`.
        dropout_seed: int32 [2]. If None, there is no dropout.

    Returns:
        float32 [batch, time, output_channels].

    Raises:
        ValueError: If a size is out of its range, or `skip_mode` is unknown. Also if
            `local_channels` differs from `num_layers * gate_channels` without `project_local`.

    Examples:
        >>> stack = WaveNetStack(2, num_layers=4, dilation_cycle=2)
        >>> stack(tf.zeros([1, 10])).shape
        TensorShape([1, 10, 2])
        >>> outputs, state = stack.step(tf.zeros([1]), stack.initial_state(1))

    Source: van den Oord et al., "WaveNet", arXiv:1609.03499, section 2.
    """

    def __init__(
        self,
        output_channels: int,
        *,
        input_codes: int | None = None,
        num_layers: int = 20,
        dilation_cycle: int = 10,
        residual_channels: int = 64,
        gate_channels: int = 128,
        skip_channels: int = 256,
        kernel_size: int = 2,
        input_kernel_size: int = 1,
        input_bias: bool = True,
        input_activation: Any = None,
        head_channels: int | None = None,
        head_bias: bool = True,
        residual_scale: float = math.sqrt(0.5),
        last_residual: bool = False,
        skip_mode: SkipMode = "scaled",
        local_channels: int | None = None,
        project_local: bool = True,
        local_bias: bool = False,
        global_channels: int | None = None,
        global_bias: bool = False,
        weight_norm: bool = True,
        head_weight_norm: bool | None = None,
        dropout: float = 0.0,
        output_kernel_initializer: Any = "glorot_uniform",
        output_bias_initializer: Any = "zeros",
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        # No autocast: samples keep their precision under a mixed policy, and layers cast inputs.
        super().__init__(autocast=False, **kwargs)
        positive_integers(
            output_channels=output_channels,
            num_layers=num_layers,
            dilation_cycle=dilation_cycle,
            residual_channels=residual_channels,
            skip_channels=skip_channels,
            kernel_size=kernel_size,
            input_kernel_size=input_kernel_size,
        )
        optional = {
            "input_codes": input_codes,
            "head_channels": head_channels,
            "local_channels": local_channels,
            "global_channels": global_channels,
        }
        positive_integers(**{name: size for name, size in optional.items() if size is not None})
        if skip_mode not in get_args(SkipMode):
            raise ValueError(
                f"`skip_mode` must be one of {get_args(SkipMode)}. Received: skip_mode={skip_mode!r}"
            )
        if not project_local and local_channels != num_layers * gate_channels:
            raise ValueError(
                f"Expected {num_layers * gate_channels} feature channels, which are not projected. "
                f"Received: local_channels={local_channels}"
            )
        self.output_channels = output_channels
        self.input_codes = input_codes
        self.num_layers = num_layers
        self.dilation_cycle = dilation_cycle
        self.residual_channels = residual_channels
        self.gate_channels = gate_channels
        self.skip_channels = skip_channels
        self.kernel_size = kernel_size
        self.input_kernel_size = input_kernel_size
        self.input_bias = input_bias
        self.input_activation = activations.get(input_activation)
        self.head_channels = head_channels
        self.head_bias = head_bias
        self.residual_scale = residual_scale
        self.last_residual = last_residual
        self.skip_mode = skip_mode
        self.local_channels = local_channels
        self.project_local = project_local
        self.local_bias = local_bias
        self.global_channels = global_channels
        self.global_bias = global_bias
        self.weight_norm = weight_norm
        self.head_weight_norm = weight_norm if head_weight_norm is None else head_weight_norm
        self.dropout = dropout
        self.output_kernel_initializer = keras.initializers.get(output_kernel_initializer)
        self.output_bias_initializer = keras.initializers.get(output_bias_initializer)
        self._skip_scale = math.sqrt(1 / num_layers) if skip_mode == "scaled" else 1.0
        self.input_conv = self._input_layer()
        self.blocks = [self._block(index) for index in range(num_layers)]
        if last_residual:
            # No loss depends on this projection.
            cast(keras.layers.Layer, self.blocks[-1].residual_projection).trainable = False
        self.head = [
            self._head_layer(head_channels or skip_channels, name="head"),
            self._output_layer(),
        ]

    def _input_layer(self) -> keras.layers.Layer:
        # float32 under every policy: half precision would lose the low bits of the audio.
        settings: dict[str, Any] = {"use_bias": self.input_bias, "name": "input_conv"}
        settings["activation"] = self.input_activation
        settings.update(kernel_size=self.input_kernel_size, dtype="float32")
        if self.input_codes is None:
            layer = CausalConv1D(self.residual_channels, **settings)
        else:
            layer = CodeConv1D(self.residual_channels, self.input_codes, **settings)
        return WeightNormalization(layer, name=layer.name) if self.weight_norm else layer

    def _block(self, index: int) -> GatedResidualBlock:
        return GatedResidualBlock(
            self.residual_channels,
            self.gate_channels,
            self.skip_channels,
            kernel_size=self.kernel_size,
            dilation_rate=2 ** (index % self.dilation_cycle),
            residual_scale=self.residual_scale,
            residual_output=self.last_residual or index < self.num_layers - 1,
            local_channels=self.local_channels if self.project_local else self.gate_channels,
            project_local=self.project_local,
            global_channels=self.global_channels,
            local_bias=self.local_bias,
            global_bias=self.global_bias,
            weight_norm=self.weight_norm,
            dropout=self.dropout,
            dtype=self.dtype_policy,
            name=f"block_{index}",
        )

    def _head_layer(self, filters: int, **kwargs: Any) -> keras.layers.Layer:
        kwargs.setdefault("dtype", self.dtype_policy)
        layer = CausalConv1D(filters, 1, use_bias=self.head_bias, **kwargs)
        return WeightNormalization(layer, name=layer.name) if self.head_weight_norm else layer

    def _output_layer(self) -> keras.layers.Layer:
        return self._head_layer(
            self.output_channels,
            kernel_initializer=self.output_kernel_initializer,
            bias_initializer=self.output_bias_initializer,
            dtype="float32",
            name="output",
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights. The shape of the inputs does not matter."""
        self.input_conv.build([None, None] if self.input_codes else [None, None, 1])
        for block in self.blocks:
            block.build([None, None, self.residual_channels])
        self.head[0].build([None, None, self.skip_channels])
        self.head[1].build([None, None, self.head_channels or self.skip_channels])
        super().build([None, None])

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """All layers, in the order in which they are called."""
        return [self.input_conv, *self.blocks, *self.head]

    @property
    def receptive_field(self) -> int:
        """Number of values that one output depends on, the latest value included."""
        dilated = sum(block.receptive_field - 1 for block in self.blocks)
        return dilated + self.input_kernel_size

    def call(
        self,
        inputs: tf.Tensor,
        local_inputs: tf.Tensor | None = None,
        global_inputs: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Computes the whole sequence in parallel."""
        outputs, _ = self.trace(inputs, local_inputs, global_inputs, dropout_seed)
        return outputs

    def trace(
        self,
        inputs: tf.Tensor,
        local_inputs: tf.Tensor | None = None,
        global_inputs: tf.Tensor | None = None,
        dropout_seed: tf.Tensor | None = None,
        past_inputs: list[tf.Tensor] | None = None,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Computes the outputs of `call`, and also returns the inputs of each layer.

        Args:
            inputs: values, as in `call`.
            local_inputs: local conditioning, as in `call`.
            global_inputs: global conditioning, as in `call`.
            dropout_seed: seed of dropout, as in `call`.
            past_inputs: for each block [batch, receptive_field - 1, residual_channels], the
                inputs that precede this sequence. If None, zeros precede.

        Returns:
            The outputs [batch, time, output_channels], and a list of the inputs of the input
            convolution and of each block, [batch, time, channels] each.
        """
        past = [None] * self.num_layers if past_inputs is None else past_inputs
        layer_inputs = [self._input_of(inputs)]
        x = tf.cast(self.input_conv(layer_inputs[0]), self.compute_dtype)
        skips = cast(Any, None)
        for index, (block, local) in enumerate(zip(self.blocks, self._per_block(local_inputs))):
            layer_inputs.append(x)
            x, skip = block(
                x,
                local_inputs=local,
                global_inputs=global_inputs,
                dropout_seed=None if dropout_seed is None else rng.fold_in(dropout_seed, index),
                past_inputs=past[index],
            )
            skips = self._add_skip(skips, skip)
        y = tf.nn.relu(self.head[0](tf.nn.relu(skips * self._skip_scale)))
        return self.head[1](y), layer_inputs

    def _input_of(self, values: tf.Tensor) -> tf.Tensor:
        return values[..., tf.newaxis] if self.input_codes is None else values

    def _per_block(self, local_inputs: tf.Tensor | None) -> list[tf.Tensor | None]:
        if local_inputs is None or self.project_local:
            return [local_inputs] * self.num_layers
        return tf.split(local_inputs, self.num_layers, axis=-1)

    def _add_skip(self, skips: Any, skip: Any) -> Any:
        if skips is None:
            return skip
        total = skips + skip
        return total * math.sqrt(0.5) if self.skip_mode == "recursive" else total

    def conditioning(
        self, local_inputs: tf.Tensor | None, global_inputs: tf.Tensor | None
    ) -> Conditioning | None:
        """Computes the term that each block adds before its gate.

        Args:
            local_inputs: float [batch, time, local_channels]. If None, there is no local
                conditioning.
            global_inputs: float [batch, global_channels]. If None, there is no global
                conditioning.

        Returns:
            For each block [batch, time or 1, gate_channels], or None without conditions.
        """
        if local_inputs is None and global_inputs is None:
            return None
        rows = zip(self.blocks, self._per_block(local_inputs))
        return [block.conditioning(local, global_inputs) for block, local in rows]

    def initial_state(self, batch_size: int | tf.Tensor) -> list[Any]:
        """Returns the state before the first step, with a past of zeros."""
        return [layer.initial_state(batch_size) for layer in (self.input_conv, *self.blocks)]

    def state_after(
        self,
        inputs: tf.Tensor,
        local_inputs: tf.Tensor | None = None,
        global_inputs: tf.Tensor | None = None,
    ) -> list[Any]:
        """Computes the state after `inputs` [batch, time] in parallel, as after that many steps."""
        _, layer_inputs = self.trace(inputs, local_inputs, global_inputs)
        layers = (self.input_conv, *self.blocks)
        return [layer.state_after(given) for layer, given in zip(layers, layer_inputs)]

    def merged_state(self, rows: tf.Tensor, state: list[Any], other: list[Any]) -> list[Any]:
        """Returns `state` where `rows` bool [batch] is True, and `other` where it is False."""
        return [ring_buffer.where(rows, one, kept) for one, kept in zip(state, other)]

    def folded_weights(self) -> dict[str, Any]:
        """Computes the weights in the form of `step`, once for many steps."""
        return {
            "input": self.input_conv.folded_weights(),
            "blocks": [block.folded_weights() for block in self.blocks],
            "head": [layer.folded_weights() for layer in self.head],
        }

    def step(
        self,
        value_t: tf.Tensor,
        state: list[Any],
        conditioning_t: Conditioning | None = None,
        weights: dict[str, Any] | None = None,
    ) -> tuple[tf.Tensor, list[Any]]:
        """Computes one time step.

        Args:
            value_t: [batch], the present value.
            state: the result of `initial_state`, `state_after` or the previous step.
            conditioning_t: for each block [batch, gate_channels], this step of `conditioning`. If
                None, there are no conditions.
            weights: the result of `folded_weights`. If None, the weights are folded in this step.

        Returns:
            The outputs float32 [batch, output_channels], and the next state.
        """
        weights = self.folded_weights() if weights is None else weights
        conditions = [None] * self.num_layers if conditioning_t is None else conditioning_t
        x, after = self.input_conv.step(self._input_of(value_t), state[0], weights["input"])
        states, y = [after], cast(Any, None)
        rows = zip(self.blocks, state[1:], conditions, weights["blocks"])
        for block, before, conditioning, block_weights in rows:
            (x, skip), after = block.step(x, before, conditioning, block_weights)
            states.append(after)
            y = self._add_skip(y, skip)
        y = y * self._skip_scale
        for layer, layer_weights in zip(self.head, weights["head"]):
            y, _ = layer.step(tf.nn.relu(y), (), layer_weights)
        return y, states

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in _ARGUMENTS},
            "input_activation": keras.activations.serialize(self.input_activation),
            "output_kernel_initializer": serialize(self.output_kernel_initializer),
            "output_bias_initializer": serialize(self.output_bias_initializer),
        }
