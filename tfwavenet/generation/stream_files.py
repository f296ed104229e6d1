"""Writes and reads the files in which streams are saved: arrays, a description, a checksum."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import files

_DESCRIPTION = "description"
_CHECKSUM = "checksum"
# Files without this key are of the first version, which had no checksum.
_VERSION = "version"
_NEWEST = 2


def write(path: files.PathLike, description: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Writes a file that is whole or not there.

    Args:
        path: the final name.
        description: JSON values.
        arrays: arrays by name.

    Raises:
        OSError: if the file cannot be written.
    """
    checksum = _checksum(description, arrays)
    described = {**description, _VERSION: _NEWEST, _CHECKSUM: checksum}
    content = {**arrays, _DESCRIPTION: np.array(json.dumps(described))}
    with files.atomic_write(path) as file:
        np.savez(file, **content)


def read(path: files.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Reads the description and the arrays of a file of `write`.

    Args:
        path: the file. Files of earlier versions have no checksum.

    Raises:
        ValueError: if the file is something else, damaged, or was changed.
        OSError: if the file cannot be read.
    """
    try:
        with files.open_archive(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            arrays = {name[: -len(".npy")]: _array(archive.read(name)) for name in names}
        description = json.loads(str(arrays.pop(_DESCRIPTION)))
        version, checksum = description.pop(_VERSION, 1), description.pop(_CHECKSUM, "")
        if not isinstance(description["model"], str):
            raise TypeError("a model that is not named by its digest")
        if (version, checksum) != (1, "") and checksum != _checksum(description, arrays):
            raise ValueError("a file that was changed after it was written")
    except (
        *files.ARCHIVE_DAMAGE,
        AttributeError,
        KeyError,
        MemoryError,
        RecursionError,
        SyntaxError,
        TypeError,
        ValueError,
    ) as error:
        raise refusal(path, error) from error
    return description, arrays


def refusal(path: files.PathLike, reason: object) -> ValueError:
    """Returns the error for a file that holds no stream.

    Args:
        path: the file.
        reason: what was found instead.
    """
    text = " ".join(str(reason).split())[:200] or type(reason).__name__
    return ValueError(
        f"Expected a file that a stream was saved in. Received: {os.fspath(path)!r}, {text}"
    )


def leaf(content: np.ndarray, like: Any) -> Any:
    """Returns a part of a state from its bytes.

    Args:
        content: uint8 [bytes], a serialized tensor.
        like: the same part of a state that begins: a tensor, or an integer.

    Raises:
        ValueError: if the bytes are not of such a part.
    """
    dtype = like.dtype if tf.is_tensor(like) else tf.int32
    try:
        value = tf.io.parse_tensor(content.tobytes(), dtype)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError("a part of another kind") from error
    if tf.is_tensor(like):
        if value.shape != like.shape:
            raise ValueError(f"a part of shape {value.shape} in place of {like.shape}")
        return value
    if value.shape.rank or int(value) < 0:
        raise ValueError("a part that is no number")
    return int(value)


def _checksum(description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Returns the SHA-256 of everything in a file, in hexadecimal digits."""
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _array(content: bytes) -> np.ndarray:
    """Reads an array of NumPy's format from bytes, which must hold all of it."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"an array in version {version} of NumPy's format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject or np.prod(shape, dtype=np.float64) * dtype.itemsize > len(content):
        raise ValueError("an array that is not whole")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
