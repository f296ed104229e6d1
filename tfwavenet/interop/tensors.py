"""Gives the tensors of a checkpoint to a model, each exactly once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet.interop.pickles import shown
from tfwavenet.layers import WeightNormalization

_LISTED = 5


class Tensors:
    """Arrays by name, which are taken once each.

    Args:
        arrays: float arrays of any shape.
        origin: name of the checkpoint in error messages.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], origin: str) -> None:
        self._arrays = dict(arrays)
        self._origin = origin
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def shape(self, name: str, axes: int | None = None) -> tuple[int, ...]:
        """Returns the shape of a tensor.

        Args:
            name: name of the tensor.
            axes: number of axes. If None, there may be any number.

        Raises:
            ValueError: if there is no tensor of this name, or it has another number of axes.
        """
        shape = np.shape(self._get(name))
        if axes not in (None, len(shape)):
            raise ValueError(
                f"{self._origin}: Expected {name!r} with {axes} axes. Received: shape={shape}"
            )
        return shape

    def count(self, pattern: str) -> int:
        """Counts the tensors `name.0`, `name.1`... of a pattern with `{}` for the number."""
        count = 0
        while pattern.format(count) in self._arrays:
            count += 1
        return count

    def take(self, name: str, shape: Sequence[int] | None = None) -> np.ndarray:
        """Returns a tensor, float32, and marks it as used.

        Raises:
            ValueError: if there is no tensor of this name, its shape is another, or it holds NaN
                or infinity.
        """
        array = np.asarray(self._get(name), np.float32)
        if shape is not None and array.shape != tuple(shape):
            raise ValueError(
                f"{self._origin}: Expected {name!r} of shape {tuple(shape)}, which its other "
                f"tensors or hyper-parameters call for. Received: shape={array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"{self._origin}: Expected finite weights. Received: {shown(name)} with NaN"
            )
        self._taken.add(name)
        return array

    def _get(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            raise ValueError(
                f"{self._origin}: Expected a tensor {name!r}, which its other tensors or "
                f"hyper-parameters call for. Received: {len(self._arrays)} tensors without it"
            )
        return self._arrays[name]

    def with_axes(self, name: str, axes: int) -> str:
        """Adds axes of size 1 at the end of a tensor, up to a number of axes; returns `name`."""
        array = self._get(name)
        self._arrays[name] = array.reshape(array.shape + (1,) * (axes - array.ndim))
        return name

    def assign(self, variable: tf.Variable, name: str, *, transpose: bool = False) -> None:
        """Gives a tensor to a variable.

        Args:
            variable: variable of the model.
            name: name of the tensor.
            transpose: whether to reverse the axes of the tensor, as PyTorch's axes need.

        Raises:
            ValueError: if there is no tensor of this name, or its shape is not the variable's.
        """
        array = self.take(name, variable.shape[::-1] if transpose else variable.shape)
        variable.assign(np.transpose(array) if transpose else array)

    def finish(self, unused: Sequence[str] = ()) -> None:
        """Checks that every tensor was taken.

        Args:
            unused: regular expressions of tensors that the network does not need.

        Raises:
            ValueError: if other tensors are left; the message names them.
        """
        rest = [name for name in self._arrays if name not in self._taken]
        rest = [name for name in rest if not any(re.fullmatch(one, name) for one in unused)]
        if rest:
            more = f" and {len(rest) - _LISTED} more" if len(rest) > _LISTED else ""
            raise ValueError(
                f"{self._origin}: Expected tensors of the network only. "
                f"Received: {', '.join(map(shown, rest[:_LISTED]))}{more}, for which it has no place"
            )


def assign_torch_layer(layer: Any, tensors: Tensors, prefix: str) -> None:
    """Gives PyTorch's tensors `<prefix>.weight`, or `weight_g` and `weight_v`, to a layer.

    Args:
        layer: convolution or dense layer, also under weight normalization. If None, nothing is
            done.
        tensors: tensors of the checkpoint.
        prefix: name of the layer in the checkpoint.
    """
    if layer is None:
        return
    inner = layer
    if isinstance(layer, WeightNormalization):
        inner = layer.layer
        axes = len(tensors.shape(f"{prefix}.weight_v"))
        gain = tensors.take(f"{prefix}.weight_g", [layer.g.shape[0], *[1] * (axes - 1)])
        layer.g.assign(gain.ravel())
        tensors.assign(inner.kernel, f"{prefix}.weight_v", transpose=True)
    else:
        tensors.assign(inner.kernel, f"{prefix}.weight", transpose=True)
    if inner.use_bias:
        tensors.assign(inner.bias, f"{prefix}.bias")


def has_weight_norm(tensors: Tensors, prefix: str) -> bool:
    """Tells whether a layer of a PyTorch checkpoint is stored under weight normalization."""
    return f"{prefix}.weight_g" in tensors


def torch_names(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Renames the arrays of a state dict to the names of one process and older versions."""
    replacements = (
        (r"^module\.", ""),
        (r"\.parametrizations\.weight\.original0$", ".weight_g"),
        (r"\.parametrizations\.weight\.original1$", ".weight_v"),
    )
    named = {}
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            for pattern, replacement in replacements:
                name = re.sub(pattern, replacement, name)  # noqa: PLW2901
            named[name] = value
    return named


def split(
    arrays: Mapping[str, np.ndarray], prefix: str, labels: Sequence[object]
) -> dict[str, np.ndarray]:
    """Splits a layer into several layers whose weights lie side by side in it.

    Args:
        arrays: arrays by name.
        prefix: name of the layer; `<prefix>.weight` and the bias are cut along the first axis.
        labels: names of the parts, `<prefix>.<label>.weight`.

    Raises:
        ValueError: if the axis cannot be cut into so many parts.
    """
    result = dict(arrays)
    for kind in ("weight", "bias"):
        whole = result.pop(f"{prefix}.{kind}", None)
        if whole is None:
            continue
        if not whole.ndim or len(whole) % len(labels):
            raise ValueError(
                f"Expected '{prefix}.{kind}' whose first axis can be cut into {len(labels)} parts. "
                f"Received: shape={whole.shape}"
            )
        for label, part in zip(labels, np.split(whole, len(labels))):
            result[f"{prefix}.{label}.{kind}"] = part
    return result
