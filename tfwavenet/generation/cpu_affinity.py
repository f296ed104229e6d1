"""Threads that share the cores out among programs rather than inside of each."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

import tensorflow as tf

# `tensorflow::SetPerThreadMaxParallelism(int)`, which tf.data's `max_intra_op_parallelism` uses.
_LIBRARY = "libtensorflow_framework.so.2"
_FUNCTION = "_ZN10tensorflow26SetPerThreadMaxParallelismEi"


def keep_to_one_core() -> bool:
    """Lets what this thread computes from now on, under XLA too, use one core.

    XLA hands the halves of every matrix product to a pool that all threads share. Programs that run
    side by side then wait for each other at each of their small products: with two of them on two
    cores that took a third of the time. TensorFlow's own setting is one for the whole process, and
    only before its first operation; the one for a thread is not part of its Python interface.

    Returns:
        Whether this TensorFlow can do that; without, programs are as fast as they are.
    """
    function = _set_parallelism()
    if function is None:
        return False
    function(1)
    return True


def _set_parallelism() -> Callable[[int], None] | None:
    try:
        library = ctypes.CDLL(os.path.join(tf.sysconfig.get_lib(), _LIBRARY))
        function = getattr(library, _FUNCTION)
    except (AttributeError, OSError):
        return None
    function.argtypes, function.restype = [ctypes.c_int], None
    return function
