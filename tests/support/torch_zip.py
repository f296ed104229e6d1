"""Reads the tensors of a PyTorch zip checkpoint without PyTorch and without running its code."""

from __future__ import annotations

import collections
import pathlib
import pickle
import zipfile
from typing import Any

import numpy as np

_DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8", "IntStorage": "<i4"}


class _StorageType:
    def __init__(self, name: str) -> None:
        self.dtype = np.dtype(_DTYPES[name])


def _rebuild(storage: np.ndarray, offset: int, size: Any, stride: Any, *_: Any) -> np.ndarray:
    strides = [step * storage.itemsize for step in stride]
    view = np.lib.stride_tricks.as_strided(storage[offset:], size, strides)
    return np.array(view)


class _Unpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, prefix: str) -> None:
        super().__init__(archive.open(f"{prefix}/data.pkl"))
        self._archive, self._prefix = archive, prefix

    def find_class(self, module: str, name: str) -> Any:
        if name in _DTYPES:
            return _StorageType(name)
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *_: data
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        raise pickle.UnpicklingError(f"not a tensor file: {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, storage_type, key, _, _ = pid
        data = self._archive.read(f"{self._prefix}/data/{key}")
        return np.frombuffer(data, storage_type.dtype)


def load(path: pathlib.Path) -> Any:
    """The contents of the file, with NumPy arrays in place of tensors."""
    with zipfile.ZipFile(path) as archive:
        prefix = archive.namelist()[0].split("/")[0]
        return _Unpickler(archive, prefix).load()
