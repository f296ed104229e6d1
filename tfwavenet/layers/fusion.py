"""Chains of elementwise operations that XLA may compile into one pass over memory."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

_state = threading.local()


@contextlib.contextmanager
def fused_elementwise() -> Iterator[None]:
    """Compiles each `fusible` function that is traced inside the block into one XLA kernel.

    TensorFlow runs a chain of elementwise operations one by one, each with a pass over memory. On
    CPU these passes take longer than the matrix products between them.

    Use the block for programs that run where they are traced. Do not use the block for exported
    programs, since a server may lack XLA. On a GPU nothing changes: there the whole program is
    compiled, or none of it.

    Examples:
        >>> @tf.function
        ... def activation(z):
        ...     with fused_elementwise():
        ...         return gate(z)
    """
    before = _is_fusing()
    _state.is_fusing = not tf.config.list_logical_devices("GPU")
    try:
        yield
    finally:
        _state.is_fusing = before


def _is_fusing() -> bool:
    return getattr(_state, "is_fusing", False)


def fusible(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function of tensors one XLA kernel inside `fused_elementwise`.

    Outside of `fused_elementwise` the function is called unchanged.
    """
    compiled = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if not _is_fusing():
            return function(*args)
        # The graph optimizer does not infer shapes through compiled functions.
        return tf.nest.map_structure(lambda x: tf.ensure_shape(x, x.shape), compiled(*args))

    return call


def compiles_whole(jit_compile: bool | None) -> bool:
    """Returns whether XLA compiles a parallel network as a whole.

    If `jit_compile` is None, XLA compiles the network where that is faster, which is on a GPU. On
    CPU XLA runs the convolutions on one core, while the plain graph uses all cores.
    """
    if jit_compile is None:
        return bool(tf.config.list_logical_devices("GPU"))
    return jit_compile
