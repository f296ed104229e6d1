"""The residual block of DiffWave."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from tfwavenet.layers.centered_conv import CenteredConv1D
from tfwavenet.layers.convolution import dilated_conv1d, summed_over_time
from tfwavenet.layers.fusion import fusible
from tfwavenet.layers.gate import gate
from tfwavenet.layers.weight_norm import WeightNormalization, weights_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tfwavenet.keras_arguments import KerasArguments

# Constructor arguments that `get_config` returns unchanged.
_ARGUMENTS = (
    "residual_channels",
    "skip_channels",
    "step_channels",
    "kernel_size",
    "dilation_rate",
    "residual_output",
    "local_channels",
    "global_channels",
    "step_in_residual",
    "weight_norm",
)


@keras.saving.register_keras_serializable("tfwavenet")
class DiffusionResidualBlock(keras.layers.Layer):
    """Applies a centered dilated convolution, a gate, and residual and skip projections.

    The diffusion step is added to the input of the convolution. The conditioning is added to the
    output of the convolution, before the gate.

    Args:
        residual_channels: int > 0, channels of the input and of the residual path. There are twice
            as many channels before the gate.
        skip_channels: int > 0, channels of the skip output.
        step_channels: int > 0, channels of the embedding of the diffusion step.
        kernel_size: int > 0, odd, taps of the dilated convolution. Defaults to 3.
        dilation_rate: int > 0, samples between taps. Defaults to 1.
        residual_output: whether the block has a residual output. The last block of a stack needs
            none. Defaults to True.
        local_channels: int > 0, channels of the conditioning at the sample rate. If None, there is
            no local conditioning.
        global_channels: int > 0, channels of a vector per utterance, such as a speaker vector. If
            None, there is no global conditioning.
        step_in_residual: whether the residual path keeps the step's projection. Defaults to False.
        weight_norm: whether convolutions are weight normalized. Defaults to False.

    Call arguments:
        inputs: float [batch, time, residual_channels].
        step: float [batch, step_channels].
        conditioning: [batch, time or 1, 2 * residual_channels], the result of `conditioning`. If
            None, nothing is added.
        mask: [batch, time, 1] of the compute dtype, 1 inside the signal and 0 beyond its ends.
            Samples beyond the ends act as zeros. If None, all samples are inside.

    Returns:
        The output [batch, time, residual_channels] and the skip output
        [batch, time, skip_channels]. Without `residual_output` the output is None.

    Raises:
        ValueError: If `kernel_size` is even.

    Examples:
        >>> block = DiffusionResidualBlock(8, 8, 16, dilation_rate=4)
        >>> output, skip = block(tf.ones([1, 10, 8]), step=tf.ones([1, 16]))

    Source: Kong et al., "DiffWave", arXiv:2009.09761, section 3 and figure 2.
    """

    def __init__(
        self,
        residual_channels: int,
        skip_channels: int,
        step_channels: int,
        *,
        kernel_size: int = 3,
        dilation_rate: int = 1,
        residual_output: bool = True,
        local_channels: int | None = None,
        global_channels: int | None = None,
        step_in_residual: bool = False,
        weight_norm: bool = False,
        **kwargs: Unpack[KerasArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.residual_channels = residual_channels
        self.skip_channels = skip_channels
        self.step_channels = step_channels
        self.kernel_size = kernel_size
        self.dilation_rate = dilation_rate
        self.residual_output = residual_output
        self.local_channels = local_channels
        self.global_channels = global_channels
        self.step_in_residual = step_in_residual
        self.weight_norm = weight_norm
        gate_channels = 2 * residual_channels
        self.step_projection = keras.layers.Dense(residual_channels, dtype=self.dtype_policy)
        self.conv = self._conv(gate_channels, kernel_size, dilation_rate=dilation_rate)
        self._projections = _Projections(
            self._conv(residual_channels, 1) if residual_output else None,
            self._conv(skip_channels, 1),
        )
        self.local_projection = self._conv(gate_channels, 1) if local_channels else None
        self.global_projection = self._conv(gate_channels, 1) if global_channels else None

    @property
    def residual_projection(self) -> keras.layers.Layer | None:
        """1x1 convolution to the residual path. Without `residual_output` it is None."""
        return self._projections.residual

    @property
    def skip_projection(self) -> keras.layers.Layer:
        """1x1 convolution to the skip path."""
        return self._projections.skip

    def _conv(self, filters: int, kernel_size: int, **kwargs: Any) -> keras.layers.Layer:
        kwargs.update(dtype=self.dtype_policy, kernel_initializer="he_normal")
        layer = CenteredConv1D(filters, kernel_size, **kwargs)
        return WeightNormalization(layer) if self.weight_norm else layer

    def build(self, input_shape: Any) -> None:
        """Creates the weights."""
        self.step_projection.build([None, self.step_channels])
        self.conv.build([None, None, self.residual_channels])
        if self.residual_projection is not None:
            self.residual_projection.build([None, None, self.residual_channels])
        self.skip_projection.build([None, None, self.residual_channels])
        if self.local_projection is not None:
            self.local_projection.build([None, None, self.local_channels])
        if self.global_projection is not None:
            self.global_projection.build([None, None, self.global_channels])
        super().build([None, None, self.residual_channels])

    @property
    def reach(self) -> int:
        """Number of later samples, and of earlier samples, that one output sample depends on."""
        return self.kernel_size // 2 * self.dilation_rate

    def conditioning(
        self, local_inputs: tf.Tensor | None, global_inputs: tf.Tensor | None
    ) -> tf.Tensor | None:
        """Computes the projected conditioning, which does not depend on the diffusion step.

        Args:
            local_inputs: float [batch, time, local_channels], or None without `local_channels`.
            global_inputs: float [batch, global_channels]. If None, there is no global term.

        Returns:
            [batch, time or 1, 2 * residual_channels], or None without any conditioning.
        """
        parts = []
        if self.local_projection is not None:
            parts.append(self.local_projection(local_inputs))
        if self.global_projection is not None and global_inputs is not None:
            parts.append(self.global_projection(global_inputs[:, tf.newaxis]))
        return sum(parts) if parts else None

    def call(
        self,
        inputs: tf.Tensor,
        step: tf.Tensor,
        conditioning: tf.Tensor | None = None,
        mask: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor | None, tf.Tensor]:
        """Computes the whole sequence."""
        carried = tf.pad(inputs, [[0, 0], [0, 0], [0, self.skip_channels]])
        carried = self.advance(carried, step, conditioning, mask)
        if self.residual_projection is None:
            return None, carried
        output, skip = tf.split(carried, [self.residual_channels, self.skip_channels], axis=-1)
        return output * tf.cast(math.sqrt(0.5), output.dtype), skip

    def advance(
        self,
        carried: tf.Tensor,
        step: tf.Tensor,
        conditioning: tf.Tensor | None = None,
        mask: tf.Tensor | None = None,
        gain: float = 1.0,
    ) -> tf.Tensor:
        """Computes the block within a stack, where one tensor holds residual path and skip sum.

        The residual path is kept without its factor of sqrt(1/2) per block; `gain` compensates for
        the missing factors. Both paths are then plain sums, which a convolution adds to without
        further cost.

        Args:
            carried: [batch, time, residual_channels + skip_channels]. The first channels are `gain`
                times the input. The others are the sum of the skips of all previous blocks.
            step: the diffusion step, as in `call`.
            conditioning: the projected conditioning, as in `call`.
            mask: the mask of the signal, as in `call`.
            gain: float, sqrt(2) to the power of the number of previous blocks.

        Returns:
            `carried` after this block. Without `residual_output` only the sum of the skips,
            [batch, time, skip_channels].
        """
        offset = self.step_projection(step)[:, tf.newaxis]
        z = self.conv(_shifted(carried, offset, mask, gain))
        y = gate(z) if conditioning is None else gate(z, conditioning)
        if self.residual_projection is None:
            return carried[..., self.residual_channels :] + self.skip_projection(y)
        if self.step_in_residual:
            carried += tf.pad(gain * offset, [[0, 0], [0, 0], [0, self.skip_channels]])
        return self._projections(y, carried, gain=gain)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Returns None: the mask concerns this layer alone, and Keras passes none on."""

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor arguments."""
        return {**super().get_config(), **{name: getattr(self, name) for name in _ARGUMENTS}}


class _Projections(keras.layers.Layer):
    """Projects to both paths with one convolution, which adds its result to `carried`.

    `y` is [batch, time, residual_channels]. `carried` is [batch, time, residual_channels +
    skip_channels] or, without a residual projection, [batch, time, skip_channels].
    The policy is float32, so that the weights are scaled before they are rounded.
    """

    def __init__(self, residual: keras.layers.Layer | None, skip: keras.layers.Layer) -> None:
        super().__init__(dtype="float32", autocast=False, name="projections")
        self.residual = residual
        self.skip = skip

    def call(self, y: tf.Tensor, carried: tf.Tensor, gain: float) -> tf.Tensor:
        kernel, bias = (
            tf.cast(tf.concat([gain * residual, skip], axis=-1), y.dtype)
            for residual, skip in zip(weights_of(self.residual), weights_of(self.skip))
        )
        return dilated_conv1d(y, kernel, bias, carried)


def _shifted(
    carried: tf.Tensor, offset: tf.Tensor, mask: tf.Tensor | None, gain: float
) -> tf.Tensor:
    """Computes the input of the convolution: the residual path plus `offset`, masked to zero.

    Args:
        carried: [batch, time, channels]; the residual path is the first of these channels.
        offset: [batch, 1, residual_channels], the projected diffusion step.
        mask: [batch, time, 1]. If None, no sample is zeroed.
        gain: float, the factor by which `carried` exceeds the residual path.

    Returns:
        [batch, time, residual_channels].
    """
    masks = [] if mask is None else [mask]
    scale = tf.cast(1 / gain, carried.dtype)

    @tf.custom_gradient
    def shifted(carried: tf.Tensor, offset: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            inside = _scaled(upstream, scale, *masks)
            behind = carried.shape[-1] - offset.shape[-1]
            to_offset = summed_over_time(inside) * tf.cast(gain, inside.dtype)
            return tf.pad(inside, [[0, 0], [0, 0], [0, behind]]), to_offset

        return _scaled_and_shifted(carried, offset, scale, *masks), gradients

    return shifted(carried, offset)


@fusible
def _scaled_and_shifted(
    carried: tf.Tensor, offset: tf.Tensor, scale: tf.Tensor, *mask: tf.Tensor
) -> tf.Tensor:
    shifted = carried[..., : offset.shape[-1]] * scale + offset
    return shifted * mask[0] if mask else shifted


@fusible
def _scaled(upstream: tf.Tensor, scale: tf.Tensor, *mask: tf.Tensor) -> tf.Tensor:
    return upstream * (scale * mask[0] if mask else scale)
