"""XLA programs as files, to be run elsewhere: a serialized HLO module and its arguments.

Whatever runs HLO can run them without TensorFlow; JAX takes their 64-bit integers as such only with
`JAX_ENABLE_X64=1`.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from tfwavenet import files


def dump(folder: files.PathLike, name: str, function: Any, *args: Any, **kwargs: Any) -> None:
    """Writes `<name>.hlo.pb` and `<name>.npz`, each of them whole or not at all.

    The first is the module before optimization, for any backend of XLA, StableHLO's among them; the
    second its arguments `a0`, `a1`, ... in the order of the module's parameters: first the tensors
    among the given arguments, then what the function captured, such as weights.

    Args:
        folder: where; it is made if there is none.
        name: of the files.
        function: a `tf.function` that XLA compiles.
        *args: what it is called with.
        **kwargs: the same.

    Raises:
        OSError: if a file cannot be written.
    """
    module = function.experimental_get_compiler_ir(*args, **kwargs)(stage="hlo_serialized")
    arrays = {f"a{i}": array for i, array in enumerate(arguments_of(function, *args, **kwargs))}
    with files.atomic_write(pathlib.Path(folder) / f"{name}.npz") as file:
        np.savez(file, **arrays)
    with files.atomic_write(pathlib.Path(folder) / f"{name}.hlo.pb") as file:
        file.write(_without_copies(module))


def _without_copies(module: bytes) -> bytes:
    """A serialized module with reshapes to the same shape for copies, which StableHLO lacks."""
    parsed = hlo_pb2.HloModuleProto.FromString(module)
    for computation in parsed.computations:
        for instruction in computation.instructions:
            if instruction.opcode == "copy":
                instruction.opcode = "reshape"
    return parsed.SerializeToString()


def arguments_of(function: Any, *args: Any, **kwargs: Any) -> list[np.ndarray]:
    """The arguments of a compiled `tf.function` in the order of its program's parameters."""
    concrete = function.get_concrete_function(*args, **kwargs)
    given = [leaf for leaf in tf.nest.flatten((args, kwargs)) if tf.is_tensor(leaf)]
    variables = {variable.handle.ref(): variable for variable in concrete.graph.variables}
    captured = [variables.get(tensor.ref(), tensor) for tensor in concrete.captured_inputs]
    return [tensor.numpy() for tensor in (*given, *captured)]
