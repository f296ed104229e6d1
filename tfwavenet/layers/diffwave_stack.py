"""The network of DiffWave: input convolution, step embedding, residual blocks, output layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfwavenet.checks import positive_integers
from tfwavenet.layers import upsampler as upsamplers
from tfwavenet.layers.centered_conv import CenteredConv1D
from tfwavenet.layers.diffusion_residual_block import DiffusionResidualBlock
from tfwavenet.layers.step_embedding import DiffusionStepEmbedding, FrequencyOrder
from tfwavenet.layers.weight_norm import WeightNormalization

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments

# The conditioning of each block, [batch, time or 1, 2 * residual_channels].
Conditioning = list[tf.Tensor]

# Saved models name the input convolution after its class, in the spelling of the first files.
_InputConv = type("CentredConv1D", (CenteredConv1D,), {"__doc__": CenteredConv1D.__doc__})

_ARGUMENTS = (
    "num_steps",
    "num_layers",
    "dilation_cycle",
    "residual_channels",
    "kernel_size",
    "step_channels",
    "step_order",
    "step_in_residual",
    "local_channels",
    "global_channels",
    "weight_norm",
)


@keras.saving.register_keras_serializable("tfwavenet")
class DiffWaveStack(keras.layers.Layer):
    """Predicts the noise in a noisy signal at a diffusion step.

    The layer holds weights only. It knows neither audio nor a loss nor a noise schedule.

    Args:
        num_steps: int > 0, number of diffusion steps of training.
        num_layers: int > 0, number of residual blocks. Defaults to 30.
        dilation_cycle: int > 0; block i has dilation `2 ** (i % dilation_cycle)`. Defaults to 10.
        residual_channels: int > 0, channels of the residual and the skip path. Defaults to 64.
        kernel_size: int > 0, odd, taps of the dilated convolutions. Defaults to 3.
        step_channels: int > 0, channels of the step embedding. Defaults to 512.
        step_order: order of the frequencies of the step embedding, see `DiffusionStepEmbedding`.
            Defaults to "ascending".
        step_in_residual: whether the residual path keeps the step's projection. Defaults to False.
        local_channels: int > 0, channels of the local conditioning. If None, there is none.
        global_channels: int > 0, channels of the global conditioning. If None, there is none.
        weight_norm: whether convolutions are weight normalized. Defaults to False.
        further_upsamplers: upsamplers of all blocks but the first, or their serialized forms, for a
            network whose blocks have one upsampler each. Defaults to none.

    Call arguments:
        inputs: float32 [batch, time], the noisy signal.
        step: int or float [batch], the diffusion step.
        conditioning: the result of `conditioning`. If None, there are no conditions.
        mask: bool [batch, time], False beyond the ends of the signal. If None, all True.

    Returns:
        float32 [batch, time], the predicted noise.

    Raises:
        ValueError: If `num_layers` or `dilation_cycle` is not positive.

    Examples:
        >>> stack = DiffWaveStack(50, num_layers=4, dilation_cycle=2)
        >>> stack(tf.zeros([1, 10]), step=tf.constant([3])).shape
        TensorShape([1, 10])

    Source: Kong et al., "DiffWave", arXiv:2009.09761, section 3 and figure 2.
    """

    def __init__(
        self,
        num_steps: int,
        *,
        num_layers: int = 30,
        dilation_cycle: int = 10,
        residual_channels: int = 64,
        kernel_size: int = 3,
        step_channels: int = 512,
        step_order: FrequencyOrder = "ascending",
        step_in_residual: bool = False,
        local_channels: int | None = None,
        global_channels: int | None = None,
        weight_norm: bool = False,
        further_upsamplers: Sequence[Any] = (),
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        # No autocast: the signal keeps its precision under a mixed policy, and layers cast inputs.
        super().__init__(autocast=False, **kwargs)
        positive_integers(
            num_steps=num_steps,
            num_layers=num_layers,
            dilation_cycle=dilation_cycle,
            residual_channels=residual_channels,
            kernel_size=kernel_size,
            step_channels=step_channels,
        )
        optional = {"local_channels": local_channels, "global_channels": global_channels}
        positive_integers(**{name: size for name, size in optional.items() if size is not None})
        self.num_steps = num_steps
        self.num_layers = num_layers
        self.dilation_cycle = dilation_cycle
        self.residual_channels = residual_channels
        self.kernel_size = kernel_size
        self.step_channels = step_channels
        self.step_order = step_order
        self.step_in_residual = step_in_residual
        self.local_channels = local_channels
        self.global_channels = global_channels
        self.weight_norm = weight_norm
        # The noisy signal and the noise are kept in float32 under every policy.
        self.input_conv = self._conv(
            residual_channels, _InputConv, dtype="float32", name="input_conv"
        )
        self.step_embedding = DiffusionStepEmbedding(
            num_steps, step_channels, order=step_order, dtype="float32"
        )
        self.blocks = [self._block(index) for index in range(num_layers)]
        self.further_upsamplers: list[Any] = [upsamplers.get(one) for one in further_upsamplers]
        self.skip_conv = self._conv(residual_channels, name="skip_conv")
        self.output_conv = CenteredConv1D(
            1, 1, kernel_initializer="zeros", dtype="float32", name="output_conv"
        )

    def _conv(
        self, filters: int, cls: type[CenteredConv1D] = CenteredConv1D, **kwargs: Any
    ) -> keras.layers.Layer:
        kwargs.setdefault("dtype", self.dtype_policy)
        layer = cls(filters, 1, kernel_initializer="he_normal", **kwargs)
        return WeightNormalization(layer, name=layer.name) if self.weight_norm else layer

    def _block(self, index: int) -> DiffusionResidualBlock:
        return DiffusionResidualBlock(
            self.residual_channels,
            self.residual_channels,
            self.step_channels,
            kernel_size=self.kernel_size,
            dilation_rate=2 ** (index % self.dilation_cycle),
            residual_output=index < self.num_layers - 1,
            local_channels=self.local_channels,
            global_channels=self.global_channels,
            step_in_residual=self.step_in_residual,
            weight_norm=self.weight_norm,
            dtype=self.dtype_policy,
            name=f"block_{index}",
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights. The shape of the inputs does not matter."""
        self.input_conv.build([None, None, 1])
        self.step_embedding.build([None])
        for upsampler in self.further_upsamplers:
            upsampler.build([None, None, self.local_channels])
        for block in self.blocks:
            block.build([None, None, self.residual_channels])
        self.skip_conv.build([None, None, self.residual_channels])
        self.output_conv.build([None, None, self.residual_channels])
        super().build([None, None])

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """All layers, in the order in which they are called."""
        first = [self.input_conv, self.step_embedding, *self.blocks]
        return [*first, *self.further_upsamplers, self.skip_conv, self.output_conv]

    @property
    def reach(self) -> int:
        """Number of later samples, and of earlier samples, that one prediction depends on."""
        return sum(block.reach for block in self.blocks)

    @property
    def receptive_field(self) -> int:
        """Number of samples that one prediction depends on."""
        return 2 * self.reach + 1

    def conditioning(
        self,
        local_inputs: tf.Tensor | Sequence[tf.Tensor] | None,
        global_inputs: tf.Tensor | None,
    ) -> Conditioning | None:
        """Computes the term that each block adds before its gate, equal for all diffusion steps.

        Args:
            local_inputs: float [batch, time, local_channels], one tensor for all blocks or a list
                with a tensor for each block. If None, there is no local conditioning.
            global_inputs: float [batch, global_channels]. If None, there is no global
                conditioning.

        Returns:
            For each block [batch, time or 1, 2 * residual_channels], or None without conditions.
        """
        if local_inputs is None and global_inputs is None:
            return None
        per_block = isinstance(local_inputs, (list, tuple))
        rows: Any = local_inputs if per_block else [local_inputs] * self.num_layers
        return [block.conditioning(x, global_inputs) for block, x in zip(self.blocks, rows)]

    def call(
        self,
        inputs: tf.Tensor,
        step: tf.Tensor,
        conditioning: Conditioning | None = None,
        mask: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Computes the noise in the whole signal."""
        dtype = self.compute_dtype
        x = tf.cast(tf.nn.relu(self.input_conv(inputs[..., tf.newaxis])), dtype)
        embedded = self.step_embedding(step)
        inside = None if mask is None else tf.cast(mask, dtype)[..., tf.newaxis]
        conditions = [None] * self.num_layers if conditioning is None else conditioning
        carried = tf.pad(x, [[0, 0], [0, 0], [0, self.residual_channels]])
        for index, (block, given) in enumerate(zip(self.blocks, conditions)):
            carried = block.advance(carried, embedded, given, inside, gain=2 ** (index / 2))
        y = tf.nn.relu(self.skip_conv(carried * math.sqrt(1 / self.num_layers)))
        return self.output_conv(y)[..., 0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Returns None: the mask concerns this layer alone, and Keras passes none on."""

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in _ARGUMENTS},
            "further_upsamplers": [upsamplers.serialize(one) for one in self.further_upsamplers],
        }
