"""Reads features that come in NumPy files beside the recordings of a corpus."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import tokenize
import zipfile
from collections import Counter
from collections.abc import Iterable

import numpy as np

from tfwavenet import files
from tfwavenet.data import listing
from tfwavenet.data.splits import Utterance

_EXTENSIONS = (".npy", ".npz")


def with_features(utterances: Iterable[Utterance], folder: files.PathLike) -> list[Utterance]:
    """Adds to every recording the path of its features.

    The features of the recording `anna/x` lie in `anna/x.npy` or `anna/x.npz` below the folder; if
    no other recording is called `x`, they may also lie in `x.npy`.

    Args:
        utterances: recordings with distinct names.
        folder: folder of the features.

    Returns:
        The recordings; those without features have None.

    Raises:
        ValueError: if the folder has features for none of the recordings.
    """
    root = pathlib.Path(folder).expanduser().absolute()
    if not root.is_dir():
        raise ValueError(f"features must be in a folder. Received: features={str(root)!r}")
    items = list(utterances)
    stems = Counter(pathlib.PurePosixPath(item.name).name for item in items)
    found = [dataclasses.replace(item, features=_find(item.name, root, stems)) for item in items]
    if not any(item.features for item in found):
        raise ValueError(
            f"features must be in files named after the recordings, such as "
            f"'{items[0].name}.npy', found {listing.description(root)}. "
            f"Received: features={str(root)!r}"
        )
    return found


def _find(name: str, root: pathlib.Path, stems: Counter[str]) -> str | None:
    stem = pathlib.PurePosixPath(name).name
    names = (name, stem) if stems[stem] == 1 else (name,)
    candidates = (root / f"{one}{extension}" for one in names for extension in _EXTENSIONS)
    return next((str(path) for path in candidates if path.is_file()), None)


def read(path: files.PathLike, *, width: int, transposed: bool = False) -> np.ndarray:
    """Reads the features of one recording from a .npy file, or from a .npz file with one array.

    Args:
        path: the file.
        width: number of features in each frame, > 0.
        transposed: whether the file holds [width, frames] instead of [frames, width].

    Returns:
        float32 [frames, width].

    Raises:
        ValueError: if the file holds something else, or NaN or infinity; names the file.
        OSError: if there is no such file.
    """
    name = os.fspath(path)
    shape = f"[{width}, frames]" if transposed else f"[frames, {width}]"
    expected = f"the file of features {name!r} is expected to hold floats of shape {shape}"
    try:
        features = _load(name)
    except (ValueError, zipfile.BadZipFile, tokenize.TokenError, EOFError, KeyError) as error:
        raise ValueError(f"{expected} in NumPy's format. Received: {error}") from error
    if features.ndim == 2 and transposed:
        features = features.T
    if features.ndim != 2 or features.shape[1] != width or not len(features):
        hint = ""
        if features.ndim == 2 and len(features) == width:
            hint = ", which looks transposed" if not transposed else ", which is not transposed"
        raise ValueError(f"{expected}. Received: shape={features.shape}{hint}")
    if not np.issubdtype(features.dtype, np.floating):
        raise ValueError(f"{expected}. Received: dtype={features.dtype}")
    with np.errstate(over="ignore"):
        features = features.astype(np.float32)
    if not np.isfinite(features).all():
        frame = int(np.argwhere(~np.isfinite(features))[0, 0])
        raise ValueError(f"{expected}. Received: NaN or infinity in frame {frame}")
    return features


def _load(name: str) -> np.ndarray:
    """Maps a .npy file, or loads the one array of a .npz file."""
    if not zipfile.is_zipfile(name):
        # Mapped, so that a header may not promise more than there is.
        return np.lib.format.open_memmap(name, mode="r")
    with np.load(name, allow_pickle=False) as archive:
        if len(archive.files) != 1:
            raise ValueError(f"one array is expected, found {len(archive.files)} in the archive")
        return archive[archive.files[0]]
