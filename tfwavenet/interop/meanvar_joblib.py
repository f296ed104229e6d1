"""Reads the statistics of r9y9/wavenet_vocoder's features from its `meanvar.joblib`."""

from __future__ import annotations

import math
import os
import pathlib
import pickle
from typing import Any, BinaryIO

import numpy as np

from tfwavenet.interop import pickles

_FILE = "meanvar.joblib"
_AXES = 2


class _Array(pickles.Record):
    """The placeholder of joblib for an array, whose bytes follow in the file."""

    def read(self, file: pickles.BoundedFile) -> np.ndarray:
        about = self.attributes
        if about.get("numpy_array_alignment_bytes") is not None:
            file.read(file.read(1)[0])
        shape, kind = about["shape"], about["dtype"].dtype
        if not isinstance(shape, tuple) or any(type(size) is not int for size in shape[:_AXES]):
            raise pickles.RefusedError("an array without a shape")
        if len(shape) > _AXES:
            raise pickles.RefusedError("an array of more than two axes")
        data = file.read(math.prod(shape) * kind.itemsize)
        return np.frombuffer(data, kind).reshape(shape)


class _Type:
    """A class that is named but never called."""


class _Unpickler(pickles.Unpickler):
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

    def load_build(self) -> None:
        super().load_build()
        if isinstance(self.stack[-1], _Array):
            self.stack.append(self.stack.pop().read(self.bounded))

    dispatch = {**pickles.Unpickler.dispatch, pickle.BUILD[0]: load_build}


def read_statistics(folder: pathlib.Path, channels: int) -> tuple[Any, Any] | None:
    """Reads mean and standard deviation of each mel bin from the folder of a checkpoint.

    Args:
        folder: folder that may hold `meanvar.joblib`, a `StandardScaler` of scikit-learn.
        channels: number of mel bins.

    Returns:
        Two float64 [channels], or None if there is no such file.

    Raises:
        ValueError: if the file is damaged, or holds values of another kind or number, a mean that
            is not finite, or a deviation that is not above 0.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        with open(path, "rb") as file:
            scaler = _Unpickler(file).load()
        attributes = scaler.attributes
        found = {key: attributes[key] for key in ("mean_", "scale_")}
    except pickles.DAMAGE as error:
        raise ValueError(
            f"{os.fspath(path)!r} is not a StandardScaler as joblib saves it. "
            f"Received: {pickles.reason(error)}"
        ) from error
    for name, values in found.items():
        _check(name, values, channels, os.fspath(path))
    return found["mean_"].astype(np.float64), found["scale_"].astype(np.float64)


def _check(name: str, values: Any, channels: int, path: str) -> None:
    """Raises ValueError unless an attribute of a scaler can be a mean or a deviation."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        raise ValueError(
            f"Expected numbers as {name} of the statistics in {path!r}. "
            f"Received: {type(values).__name__}"
        )
    if values.shape != (channels,):
        raise ValueError(
            f"Expected the statistics of {channels} mel bins in {path!r}. "
            f"Received: shape={values.shape}, of {name}"
        )
    wrong = ~np.isfinite(values) | ((values <= 0) if name == "scale_" else False)
    if wrong.any():
        expected = "finite deviations above 0" if name == "scale_" else "finite means"
        raise ValueError(
            f"Expected {expected} in {path!r}. Received: {name}[{np.argmax(wrong)}]="
            f"{values[np.argmax(wrong)]}"
        )
