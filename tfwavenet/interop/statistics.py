"""The statistics that r9y9/wavenet_vocoder normalises features with, from its `meanvar.joblib`."""

from __future__ import annotations

import os
import pathlib
import pickle
import zlib
from typing import Any, Optional

import numpy as np
from joblib import numpy_pickle

_FILE = "meanvar.joblib"


class _Scaler:
    """Stands for scikit-learn's `StandardScaler`: its attributes."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.attributes = dict(state)


_KNOWN: dict[tuple[str, str], Any] = {
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): numpy_pickle.NumpyArrayWrapper,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "scalar"): np.core.multiarray.scalar,
    ("numpy._core.multiarray", "scalar"): np.core.multiarray.scalar,
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
    **{
        (f"sklearn.preprocessing.{home}", "StandardScaler"): _Scaler for home in ("data", "_data")
    },
}


class _Unpickler(numpy_pickle.NumpyUnpickler):
    """joblib's, for arrays and the one class that has them here."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}; nothing of it was run")
        return _KNOWN[module, name]


def read_statistics(
    folder: pathlib.Path, channels: int
) -> Optional[tuple[np.ndarray, np.ndarray]]:
    """Mean and standard deviation of each mel bin, if they lie in the folder of a checkpoint.

    Args:
        folder: in which a `meanvar.joblib` may lie.
        channels: number of mel bins.

    Returns:
        Two float64 [channels], or None where there is no such file.

    Raises:
        ValueError: if the file is damaged, holds something else, or other channels.
    """
    path = folder / _FILE
    if not path.is_file():
        return None
    try:
        with open(path, "rb") as file:
            scaler = _unpickled(file, os.fspath(path))
        mean, variance = (np.asarray(scaler.attributes[key]) for key in ("mean_", "var_"))
    except (
        *(pickle.UnpicklingError, zlib.error, EOFError, AttributeError),
        *(KeyError, ValueError, TypeError, IndexError),
    ) as error:
        raise ValueError(
            f"{os.fspath(path)!r} is not a StandardScaler as joblib saves it. Received: {error}"
        ) from error
    if mean.shape != (channels,):
        raise ValueError(
            f"Expected the statistics of {channels} mel bins in {os.fspath(path)!r}. "
            f"Received: shape={mean.shape}"
        )
    return mean, np.sqrt(variance)
