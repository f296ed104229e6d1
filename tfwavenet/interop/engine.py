"""An engine with the interface of nv-wavenet's PyTorch wrapper.

Source: https://github.com/NVIDIA/nv-wavenet, `pytorch/nv_wavenet.py`, at 03f6957.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet.codecs import MuLaw
from tfwavenet.interop import nv_wavenet
from tfwavenet.interop.tensors import Tensors
from tfwavenet.models import WaveNet


class Impl(enum.IntEnum):
    """The kernels of the original, among which its users choose by batch.

    All four names mean one program here, which XLA compiles for the batch.
    """

    AUTO = 0
    SINGLE_BLOCK = 1
    DUAL_BLOCK = 2
    PERSISTENT = 3


# The original begins with this code, whatever the number of codes: silence of 256.
_FIRST_CODE = 128


class _Codes(MuLaw):
    """Mu-law codes that are the output themselves."""

    def initial_values(self, batch_size: int | tf.Tensor) -> tf.Tensor:
        if self.num_codes <= _FIRST_CODE:  # the original reads beyond its table
            return super().initial_values(batch_size)
        return tf.fill([batch_size], _FIRST_CODE)

    def decode(self, values: tf.Tensor) -> tf.Tensor:
        return tf.cast(values, tf.float32)


class _Network(WaveNet):
    """A network that begins as the original does and returns its codes as audio."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.codec = _Codes(self.distribution.channels)

    def initial_state(self, batch_size: int | tf.Tensor) -> list[Any]:
        silence = self.codec.initial_values(batch_size)[:, tf.newaxis]
        first, *others = super().initial_state(batch_size)
        del first  # zeros, where the original has the embedding of the first code
        return [self.input_conv.state_after(silence), *others]


class NVWaveNet:
    """Generates codes from conditioning, as the class of this name in nv-wavenet does.

    Generation begins as the original does: the two codes before the first one are 128, whatever the
    number of codes A. With A = 256 that is silence, with A = 512 it is not. A network that was trained
    on recordings that begin in silence may then need some samples until it speaks. With A up to 128, where the original reads beyond its table, they are silence, A / 2.
    A network that `load` imports begins with silence for every A.

    The arrays decide about the R residual, S skip and A output channels. They are arrays of NumPy,
    TensorFlow or PyTorch.

    Args:
        embedding_prev: [A, R], embeddings of the last code but one.
        embedding_curr: [A, R], embeddings of the last code.
        conv_out_weight: [A, S] or [A, S, 1].
        conv_end_weight: [A, A] or [A, A, 1].
        dilate_weights: for each layer [2R, R, 2], the earlier tap first.
        dilate_biases: for each layer [2R].
        max_dilation: a power of two. Layer i has dilation `2 ** i`; beyond this it is 1 again.
        res_weights: for each layer but the last [R, R] or [R, R, 1].
        res_biases: for each layer but the last [R].
        skip_weights: for each layer [S, R] or [S, R, 1].
        skip_biases: for each layer [S].
        use_embed_tanh: whether tanh is applied to the sum of the embeddings.

    Shapes: `infer` takes the conditioning [2R, batch, layers, samples] and returns codes
        [batch, samples].

    Raises:
        ValueError: if an array is missing, superfluous, or does not fit the others; the message
            names it.

    Examples:
        >>> engine = NVWaveNet(**weights)  # doctest: +SKIP
        >>> codes = engine.infer(cond_input, Impl.AUTO)  # doctest: +SKIP
    """

    def __init__(  # noqa: PLR0917 - in the order of the original
        self,
        embedding_prev: Any,
        embedding_curr: Any,
        conv_out_weight: Any,
        conv_end_weight: Any,
        dilate_weights: Sequence[Any],
        dilate_biases: Sequence[Any],
        max_dilation: int,
        res_weights: Sequence[Any],
        res_biases: Sequence[Any],
        skip_weights: Sequence[Any],
        skip_biases: Sequence[Any],
        use_embed_tanh: bool,
    ) -> None:
        if max_dilation < 1 or max_dilation & (max_dilation - 1):
            raise ValueError(
                f"Expected `max_dilation` to be a power of two. Received: {max_dilation}"
            )
        arrays = {
            "embedding_prev": embedding_prev,
            "embedding_curr": embedding_curr,
            "conv_out_weight": conv_out_weight,
            "conv_end_weight": conv_end_weight,
            **_numbered("dilate_weights", dilate_weights),
            **_numbered("dilate_biases", dilate_biases),
            **_numbered("res_weights", res_weights),
            **_numbered("res_biases", res_biases),
            **_numbered("skip_weights", skip_weights),
            **_numbered("skip_biases", skip_biases),
        }
        tensors = Tensors({k: _array(v) for k, v in arrays.items()}, type(self).__name__)
        settings = {"max_dilation": max_dilation, "use_embed_tanh": use_embed_tanh}
        self._network = nv_wavenet.wrapped_network(tensors, settings, _Network)

    def infer(
        self,
        cond_input: Any,
        implementation: Impl = Impl.AUTO,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        batch_size: int | None = None,
    ) -> np.ndarray:
        """Generates codes.

        Args:
            cond_input: [2R, batch, layers, samples], conditioning that is added before the gates.
            implementation: one of `Impl`, which are all equal here.
            seed: seed of the first row; row i takes `seed + i`. Equal seeds give equal codes.
            temperature: scales the randomness; 0 takes the most likely code each time.
            batch_size: number of rows that are generated at a time, see `WaveNet.generate`.

        Returns:
            int32 [batch, samples].

        Raises:
            ValueError: if `cond_input` does not fit the network, or an argument is out of range.
        """
        Impl(implementation)
        cond = np.asarray(_array(cond_input), np.float32)
        network = self._network
        expected = (network.network.gate_channels, network.network.num_layers)
        if cond.ndim != 4 or cond.shape[0::2] != expected:
            raise ValueError(
                f"Expected cond_input of shape [{expected[0]}, batch, {expected[1]}, samples]. "
                f"Received: shape={cond.shape}"
            )
        side_by_side = np.transpose(cond, [1, 3, 2, 0]).reshape([*cond.shape[1::2], -1])
        codes = network.generate(
            side_by_side, seed=seed, temperature=temperature, batch_size=batch_size
        )
        return codes.astype(np.int32)


def _numbered(name: str, arrays: Sequence[Any]) -> dict[str, Any]:
    return {f"{name}.{index}": array for index, array in enumerate(arrays)}


def _array(values: Any) -> np.ndarray:
    """Converts an array of NumPy, TensorFlow or PyTorch to NumPy."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values)
