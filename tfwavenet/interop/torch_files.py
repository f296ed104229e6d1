"""Reads PyTorch's files without PyTorch, and without running what they contain.

PyTorch files are pickles, which can call any function. This reader knows only the few names that
tensors and containers need; any other name is refused. Both formats are read: the zip archives
since PyTorch 1.6 and the earlier streams.
"""

from __future__ import annotations

import io
import os
import pathlib
import pickle
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf

from tfwavenet import files
from tfwavenet.interop import pickles

_ZIP_MAGIC = b"PK\x03\x04"
_STREAM_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM_START = pickle.dumps(_STREAM_MAGIC, protocol=2)
_STREAM_PROTOCOL = 1001

_ZIP_DAMAGE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, struct.error, zlib.error)

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

    def state_dict(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Returns the parameters of this module and its submodules, under PyTorch's names."""
        own = {**self._entries("_parameters"), **self._entries("_buffers")}
        state = {prefix + name: value for name, value in own.items() if value is not None}
        for name, module in self._entries("_modules").items():
            if isinstance(module, Module):
                state.update(module.state_dict(f"{prefix}{name}."))
        return state

    def _entries(self, name: str) -> dict[str, Any]:
        return dict(getattr(self, "attributes", {}).get(name) or {})


class _StorageType:
    """A storage class of PyTorch, which is named but never called."""

    def __init__(self, name: str) -> None:
        self.dtype = np.dtype(_DTYPES[name])


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> np.ndarray:
    """Builds the array of `torch._utils._rebuild_tensor_v2` inside its storage."""
    if not isinstance(storage, np.ndarray):
        raise pickle.UnpicklingError("a tensor without storage")
    if len(size) != len(stride) or min(*size, *stride, offset, 0) < 0:
        raise pickle.UnpicklingError(f"a tensor of size {size} and stride {stride}")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if 0 not in size and last >= len(storage):
        raise pickle.UnpicklingError(f"a tensor of size {size} beyond the end of its storage")
    strides = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], tuple(size), strides, writeable=False)


def _parameter(data: Any, *_: Any) -> Any:
    return data


_LAYERS = ("Conv1d", "ConvTranspose1d", "Dropout", "Embedding", "ModuleList")
_KNOWN: dict[tuple[str, str], Any] = {
    ("torch", "Size"): tuple,
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
    def __init__(self, file: BinaryIO, storage: Callable[..., np.ndarray]) -> None:
        super().__init__(file, _KNOWN)
        self._storage = storage

    def persistent_load(self, pid: Any) -> Any:
        kind, *rest = pid
        # Streams hold the source of modules beside their class.
        return self._storage(*rest) if kind == "storage" else rest[0]


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
        return _read_zip(path) if zipfile.is_zipfile(path) else _read_stream(path)
    except (*pickles.DAMAGE, *_ZIP_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the file cannot be read; one without a name is of a place that a zip points to
        reason = str(error) or type(error).__name__
        raise ValueError(
            f"{os.fspath(path)!r} is not a whole file of PyTorch tensors. Received: {reason}"
        ) from error


def _read_zip(path: pathlib.Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        if sum(info.file_size for info in archive.infolist()) > path.stat().st_size:
            raise zipfile.BadZipFile("an archive that is compressed, as PyTorch's are not")
        (pickled,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        prefix = pickled[: -len("data.pkl")]
        storages: dict[str, np.ndarray] = {}

        def storage(kind: _StorageType, key: str, _location: str, count: int) -> np.ndarray:
            if key not in storages:
                content = archive.read(f"{prefix}data/{key}")
                storages[key] = np.frombuffer(content, kind.dtype, count)
            return storages[key]

        return _Unpickler(io.BytesIO(archive.read(pickled)), storage).load()


def _read_stream(path: pathlib.Path) -> Any:
    """Reads the older format: the pickle, followed by the bytes of its storages."""
    limit = path.stat().st_size
    storages: dict[str, np.ndarray] = {}

    def storage(
        kind: _StorageType, key: str, _location: str, count: int, view: Any = None
    ) -> np.ndarray:
        if count * kind.dtype.itemsize > limit:
            raise pickle.UnpicklingError(f"a storage of {count} values in {limit} bytes")
        if key not in storages:
            storages[key] = np.zeros([count], kind.dtype)
        if view is None:
            return storages[key]
        _, offset, size = view
        return storages[key][offset : offset + size]

    with open(path, "rb") as file:
        header = [_Unpickler(file, storage).load() for _ in range(2)]
        if header != [_STREAM_MAGIC, _STREAM_PROTOCOL]:
            raise pickle.UnpicklingError("another beginning than PyTorch's")
        if not _Unpickler(file, storage).load()["little_endian"] or sys.byteorder != "little":
            raise pickle.UnpicklingError("numbers of another byte order")
        content = _Unpickler(file, storage).load()
        for key in _Unpickler(file, storage).load():
            values = storages[key]
            expected = len(values).to_bytes(8, "little") if len(values) else None
            if expected not in (None, file.read(8)):
                raise pickle.UnpicklingError(f"another length of the storage {key}")
            data = file.read(values.nbytes)
            values[:] = np.frombuffer(data, values.dtype, len(values))
    return content
