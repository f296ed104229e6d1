"""Reads PyTorch's files without PyTorch, and without running what they contain.

PyTorch files are pickles, which can call any function. This reader knows only the few names that
tensors and containers need; any other name is refused. Both formats are read: the zip archives
since PyTorch 1.6 and the earlier streams.
"""

from __future__ import annotations

import io
import math
import os
import pathlib
import pickle
import sys
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from tfwavenet import files
from tfwavenet.interop import pickles

_ZIP_MAGIC = b"PK\x03\x04"
_STREAM_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM_START = pickle.dumps(_STREAM_MAGIC, protocol=2)
_STREAM_PROTOCOL = 1001
_LONGEST_KEY = 100


_MOST_AXES = 16

_DTYPES: dict[str, Any] = {
    "BFloat16Storage": tf.bfloat16.as_numpy_dtype,
    "BoolStorage": np.bool_,
    "ByteStorage": np.uint8,
    "CharStorage": np.int8,
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "IntStorage": np.int32,
    "LongStorage": np.int64,
    "ShortStorage": np.int16,
}


class Module(pickles.Record):
    """A pickled `torch.nn.Module`."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """Returns the parameters of this module and its submodules, under PyTorch's names.

        Raises:
            ValueError: if a module is a part of itself, or a part of two modules.
        """
        state: dict[str, np.ndarray] = {}
        waiting, seen = [("", self)], {id(self)}
        while waiting:
            prefix, module = waiting.pop()
            own = {**module._entries("_parameters"), **module._entries("_buffers")}
            state.update({prefix + k: value for k, value in own.items() if value is not None})
            for name, part in module._entries("_modules").items():
                if not isinstance(part, Module):
                    continue
                if id(part) in seen:
                    raise ValueError(
                        "Expected modules that occur once each in a saved network. "
                        f"Received: {(prefix + name)[:200]!r}, which occurs again"
                    )
                seen.add(id(part))
                waiting.append((f"{prefix}{name}.", part))
        return state

    def _entries(self, kind: str) -> dict[str, Any]:
        entries = getattr(self, "attributes", {}).get(kind)
        entries = entries if isinstance(entries, Mapping) else {}
        return {name: value for name, value in entries.items() if isinstance(name, str)}


class _StorageType:
    """A storage class of PyTorch, which is named but never called."""

    def __init__(self, name: str) -> None:
        self.dtype = np.dtype(_DTYPES[name])


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> np.ndarray:
    """Builds the array of `torch._utils._rebuild_tensor_v2` inside its storage."""
    if not isinstance(storage, np.ndarray):
        raise pickles.RefusedError("a tensor without storage")
    size, stride = _sizes(size), _sizes(stride)
    if len(size) != len(stride) or min(*size, *stride, *_sizes((offset,)), 0) < 0:
        raise pickles.RefusedError(f"a tensor of size {size} and stride {stride}")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if 0 not in size and last >= len(storage):
        raise pickles.RefusedError(f"a tensor of size {size} beyond the end of its storage")
    if math.prod(size) > len(storage):
        raise pickles.RefusedError(f"a tensor of size {size} of {len(storage)} stored numbers")
    strides = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], tuple(size), strides, writeable=False)


def _sizes(values: Any) -> tuple[int, ...]:
    """Builds a `torch.Size`, and refuses all but a few integers."""
    are_few = isinstance(values, (tuple, list)) and len(values) <= _MOST_AXES
    if not are_few or any(type(value) is not int for value in values):
        raise pickles.RefusedError("a size that is not of a few integers")
    return tuple(values)


def _parameter(data: Any, *_: Any) -> Any:
    return data


_LAYERS = ("Conv1d", "ConvTranspose1d", "Dropout", "Embedding", "ModuleList")
_KNOWN: dict[tuple[str, str], Any] = {
    ("torch", "Size"): _sizes,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.nn.parameter", "Parameter"): _parameter,
    # NVIDIA/nv-wavenet saves its training network whole: two classes, and PyTorch's in them.
    ("wavenet", "WaveNet"): Module,
    ("wavenet", "Conv"): Module,
    **{
        (f"torch.nn.modules.{home}", name): Module
        for name in _LAYERS
        for home in ("conv", "container", "dropout", "sparse")
    },
    **{(home, name): _StorageType(name) for name in _DTYPES for home in ("torch", "torch.storage")},
}


class _Unpickler(pickles.Unpickler):
    def __init__(
        self, file: BinaryIO | pickles.BoundedFile, storage: Callable[..., np.ndarray]
    ) -> None:
        super().__init__(file, _KNOWN)
        self._storage = storage

    def persistent_load(self, pid: Any) -> Any:
        if not isinstance(pid, tuple) or len(pid) > _MOST_AXES:
            raise pickles.RefusedError("a reference that is not to a storage")
        kind, *rest = pid
        # Streams hold the source of modules beside their class.
        if kind != "storage":
            return rest[0]
        if not isinstance(rest[0], _StorageType) or not isinstance(rest[1], str):
            raise pickles.RefusedError("a storage without type or name")
        return self._storage(*rest)


def is_torch_file(path: files.PathLike) -> bool:
    """Tells whether a file begins like a file of PyTorch."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        start = file.read(len(_STREAM_START))
    return start.startswith(_ZIP_MAGIC) or start == _STREAM_START


def read(path: files.PathLike) -> Any:
    """Reads a file that `torch.save` wrote.

    Args:
        path: path of the file.

    Returns:
        The saved object, with NumPy arrays in place of tensors and a `Module` for each module.

    Raises:
        ValueError: if the file is cut short, damaged, not a file of PyTorch, or refers to anything
            but tensors. No code in the file is run.
        OSError: if the file cannot be read.
    """
    path = pathlib.Path(path)
    try:
        return _read_zip(path) if _is_zip(path) else _read_stream(path)
    except (*pickles.DAMAGE, *files.ARCHIVE_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the file cannot be read; one without a name is of a place that a zip points to
        is_pickles = isinstance(error, pickles.DAMAGE) and not isinstance(
            error, files.ARCHIVE_DAMAGE
        )
        reason = pickles.reason(error) if is_pickles else str(error) or "a damaged archive"
        raise ValueError(
            f"{os.fspath(path)!r} is not a whole file of PyTorch tensors. Received: {reason}"
        ) from error


def _is_zip(path: pathlib.Path) -> bool:
    """Tells whether a file is a zip archive.

    Raises:
        RefusedError: if the file begins like an archive and has no end.
    """
    with open(path, "rb") as file:
        begins = file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    is_whole = zipfile.is_zipfile(path)
    if begins and not is_whole:
        raise pickles.RefusedError("a zip archive that is cut short")
    return is_whole


def _read_zip(path: pathlib.Path) -> Any:
    with files.open_archive(path) as archive:
        pickle_names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickle_names) != 1:
            raise pickles.RefusedError("an archive without the data.pkl of PyTorch")
        pickled = pickle_names[0]
        prefix = pickled[: -len("data.pkl")]
        storages: dict[str, np.ndarray] = {}

        def storage(kind: _StorageType, key: str, _location: str, count: int) -> np.ndarray:
            if key not in storages:
                content = archive.read(f"{prefix}data/{key[:_LONGEST_KEY]}")
                storages[key] = np.frombuffer(content, kind.dtype, count)
            return storages[key]

        return _Unpickler(io.BytesIO(archive.read(pickled)), storage).load()


def _read_stream(path: pathlib.Path) -> Any:
    """Reads the older format: the pickle, followed by the bytes of its storages."""
    room = path.stat().st_size
    storages: dict[str, np.ndarray] = {}

    def storage(
        kind: _StorageType, key: str, _location: str, count: int, view: Any = None
    ) -> np.ndarray:
        nonlocal room
        if key not in storages:
            _sizes((count,))
            room -= count * kind.dtype.itemsize
            if count < 0 or room < 0:
                raise pickles.RefusedError(
                    f"a storage of {count} values, for which there is no room"
                )
            storages[key] = np.zeros([count], kind.dtype)
        if view is None:
            return storages[key]
        _, offset, size = view
        _sizes((offset, size))
        return storages[key][offset : offset + size]

    with open(path, "rb") as opened:
        file = pickles.BoundedFile(opened)
        header = [_Unpickler(file, storage).load() for _ in range(2)]
        if header != [_STREAM_MAGIC, _STREAM_PROTOCOL]:
            raise pickles.RefusedError("another beginning than PyTorch's")
        if not _Unpickler(file, storage).load()["little_endian"] or sys.byteorder != "little":
            raise pickles.RefusedError("numbers of another byte order")
        content = _Unpickler(file, storage).load()
        for key in _Unpickler(file, storage).load():
            values = storages[pickles.checked_key(key)]
            expected = len(values).to_bytes(8, "little") if len(values) else None
            if expected not in (None, file.read(8)):
                raise pickles.RefusedError(f"another length of the storage {str(key)[:50]}")
            data = file.read(values.nbytes)
            values[:] = np.frombuffer(data, values.dtype, len(values))
    return content
