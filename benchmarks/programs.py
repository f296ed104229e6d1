"""Export of XLA programs to files: a serialized HLO module and its arguments.

Every program that runs HLO can run the modules, without TensorFlow. JAX accepts 64-bit integers
among the arguments only with `JAX_ENABLE_X64=1`.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from tfwavenet import files


def dump(folder: files.PathLike, name: str, function: Any, *args: Any, **kwargs: Any) -> None:
    """Writes `<name>.hlo.pb` and `<name>.npz`, each of which is written whole or not at all.

    `<name>.hlo.pb` is the module before optimization, for any backend of XLA, StableHLO's included.
    `<name>.npz` holds the arguments `a0`, `a1`, ... in the order of the module's parameters. The
    tensors among the given arguments come first. Captured tensors of the function, such as weights,
    follow.

    Args:
        folder: folder of the files, which is created if necessary.
        name: name of the files, without a suffix.
        function: a `tf.function` that XLA compiles.
        *args: positional arguments of the call.
        **kwargs: keyword arguments of the call.

    Raises:
        OSError: If a file cannot be written.
    """
    module = function.experimental_get_compiler_ir(*args, **kwargs)(stage="hlo_serialized")
    arrays = {f"a{i}": array for i, array in enumerate(arguments_of(function, *args, **kwargs))}
    with files.atomic_write(pathlib.Path(folder) / f"{name}.npz") as file:
        np.savez(file, **arrays)
    with files.atomic_write(pathlib.Path(folder) / f"{name}.hlo.pb") as file:
        file.write(_without_copies(module))


def _without_copies(module: bytes) -> bytes:
    """Replaces the copies of a serialized module, which StableHLO lacks, by trivial reshapes."""
    parsed = hlo_pb2.HloModuleProto.FromString(module)
    for computation in parsed.computations:
        for instruction in computation.instructions:
            if instruction.opcode == "copy":
                instruction.opcode = "reshape"
    return parsed.SerializeToString()


def arguments_of(function: Any, *args: Any, **kwargs: Any) -> list[np.ndarray]:
    """Returns the arguments of a compiled `tf.function`, in the order of program parameters."""
    concrete = function.get_concrete_function(*args, **kwargs)
    given = [leaf for leaf in tf.nest.flatten((args, kwargs)) if tf.is_tensor(leaf)]
    variables = {variable.handle.ref(): variable for variable in concrete.graph.variables}
    captured = [variables.get(tensor.ref(), tensor) for tensor in concrete.captured_inputs]
    return [tensor.numpy() for tensor in (*given, *captured)]
