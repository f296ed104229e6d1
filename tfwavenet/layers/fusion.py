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
    """Lets `fusible` functions that are traced inside be compiled by XLA, one kernel each.

    TensorFlow runs a chain of elementwise operations one by one, each through all of memory, and
    on CPU that takes longer than the matrix products between them. For programs that run where
    they are traced; not for those that are exported, since a server may be without XLA. On a GPU
    nothing changes: there the whole program is compiled, or none of it.

    Example:
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
    """Makes `function` of tensors one kernel inside `fused_elementwise`, and nothing elsewhere."""
    compiled = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if not _is_fusing():
            return function(*args)
        # The graph optimizer does not look into compiled functions to find out about shapes.
        return tf.nest.map_structure(lambda x: tf.ensure_shape(x, x.shape), compiled(*args))

    return call


def compiles_whole(jit_compile: bool | None) -> bool:
    """Whether XLA compiles a parallel network as a whole; None for where that is faster.

    On CPU XLA runs the convolutions on one core, the plain graph on all.
    """
    if jit_compile is None:
        return bool(tf.config.list_logical_devices("GPU"))
    return jit_compile
