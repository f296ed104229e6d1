"""Reads the statistics of r9y9/wavenet_vocoder's features from its `meanvar.joblib`."""

from __future__ import annotations

import os
import pathlib
import pickle
from typing import Any, BinaryIO

import numpy as np

from tfwavenet.interop import pickles

_FILE = "meanvar.joblib"


class _Array(pickles.Record):
    """The placeholder of joblib for an array, whose bytes follow in the file."""

    def read(self, file: BinaryIO) -> np.ndarray:
        about = self.attributes
        if about.get("numpy_array_alignment_bytes") is not None:
            file.read(file.read(1)[0])
        shape, kind = tuple(about["shape"]), about["dtype"].dtype
        data = file.read(int(np.prod(shape, dtype=np.int64)) * kind.itemsize)
        return np.frombuffer(data, kind).reshape(shape)


class _Type:
    """A class that is named but never called."""


class _Unpickler(pickles.Unpickler):
    _file: BinaryIO

    def __init__(self, file: BinaryIO) -> None:
        known = {
            ("joblib.numpy_pickle", "NumpyArrayWrapper"): _Array,
            ("numpy", "ndarray"): _Type,
            **{
                (f"sklearn.preprocessing.{home}", "StandardScaler"): pickles.Record
                for home in ("data", "_data")
            },
        }
        super().__init__(file, known)
        self._file = file

    def load_build(self) -> None:
        super().load_build()
        if isinstance(self.stack[-1], _Array):
            self.stack.append(self.stack.pop().read(self._file))

    dispatch = {**pickles.Unpickler.dispatch, pickle.BUILD[0]: load_build}


def read_statistics(folder: pathlib.Path, channels: int) -> tuple[Any, Any] | None:
    """Reads mean and standard deviation of each mel bin from the folder of a checkpoint.

    Args:
        folder: folder that may hold `meanvar.joblib`, a `StandardScaler` of scikit-learn.
        channels: number of mel bins.

    Returns:
        Two float64 [channels], or None if there is no such file.

    Raises:
        ValueError: if the file is damaged, or holds other values or channels.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        with open(path, "rb") as file:
            scaler = _Unpickler(file).load()
        mean, deviation = (np.asarray(scaler.attributes[key]) for key in ("mean_", "scale_"))
    except pickles.DAMAGE as error:
        raise ValueError(
            f"{os.fspath(path)!r} is not a StandardScaler as joblib saves it. Received: {error}"
        ) from error
    if mean.shape != (channels,):
        raise ValueError(
            f"Expected the statistics of {channels} mel bins in {os.fspath(path)!r}. "
            f"Received: shape={mean.shape}"
        )
    return mean, deviation
