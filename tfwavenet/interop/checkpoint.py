"""Reads checkpoints of other projects from disk: tensors and hyper-parameters."""

from __future__ import annotations

import dataclasses
import glob
import math
import os
import pathlib
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import files
from tfwavenet.interop import torch_files
from tfwavenet.interop.hyperparameters import Hyperparameters
from tfwavenet.interop.tensors import Tensors, torch_names

_MOST_STEPS = 2**63
_MOST_TENSORS = 100_000
# Bytes of tensors for a byte of a file: tensors may share what is stored, as tied weights do.
_LARGEST_OVERLAP = 4
# Where the files of the projects keep the tensors of the network.
_STATE_KEYS = ("state_dict", "model", "model_state_dict")


@dataclasses.dataclass(frozen=True)
class Source:
    """A checkpoint.

    Attributes:
        path: path of the file; without extension for the several files of TensorFlow.
        arrays: the tensors by name.
        content: the other values of the file by name.
        given: hyper-parameters from the caller. If None, the caller gave none.
    """

    path: pathlib.Path
    arrays: dict[str, np.ndarray]
    content: Mapping[str, Any]
    given: Mapping[str, Any] | None = None

    @property
    def origin(self) -> str:
        """Returns the name of the checkpoint in error messages."""
        return repr(os.fspath(self.path))

    def tensors(self, arrays: Mapping[str, np.ndarray] | None = None) -> Tensors:
        """Returns the tensors, or tensors made of them, which a model takes."""
        return Tensors(self.arrays if arrays is None else arrays, self.origin)

    def step(self, *keys: str) -> int:
        """Returns the number of updates under the first of the keys that is there, or 0."""
        values = [self.content.get(key) for key in keys]
        steps = [int(value) for value in values if isinstance(value, (int, np.integer))]
        return steps[0] if steps and 0 <= steps[0] < _MOST_STEPS else 0

    def hyperparameters(self, *names: str) -> Hyperparameters:
        """Returns hyper-parameters from the caller, or from a JSON file beside the checkpoint.

        Args:
            names: names of the files that the project writes. A file named like the checkpoint,
                or beside its folder and named like the folder, is read too.

        Raises:
            ValueError: if the file is damaged, or its content is no mapping.
        """
        if self.given is not None:
            return Hyperparameters(self.given, "hyperparameters")
        folder = self.path.parent
        stems = dict.fromkeys((self.path.stem, self.path.name))
        candidates = [folder / f"{stem}.json" for stem in stems]
        candidates += [folder / name for name in names]
        candidates.append(folder.parent / f"{folder.name}.json")
        path = next((path for path in candidates if path.is_file()), None)
        if path is None:
            return Hyperparameters({}, "the default")
        values = files.read_json(path)
        return Hyperparameters(values, repr(os.fspath(path)))


def read(path: files.PathLike, given: Mapping[str, Any] | None = None) -> Source:
    """Reads a checkpoint of PyTorch or TensorFlow.

    Args:
        path: file of PyTorch; or of TensorFlow the `.index` file, the name without extension, or
            the folder, whose newest checkpoint is taken.
        given: hyper-parameters in place of the file beside the checkpoint.

    Raises:
        ValueError: if the file is no checkpoint, or damaged.
        OSError: if there is no such file.
    """
    path = pathlib.Path(path).expanduser()
    if torch_files.is_torch_file(path) or (path.suffix in (".h5", ".hdf5") and path.is_file()):
        return _torch_source(path, given)
    prefix = _tensorflow_prefix(path)
    if prefix is not None:
        return _tensorflow_source(prefix, given)
    if not path.exists():
        raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
    raise ValueError(f"Expected a checkpoint of PyTorch or TensorFlow. Received: {os.fspath(path)}")


def _torch_source(path: pathlib.Path, given: Mapping[str, Any] | None) -> Source:
    if (description := _of_keras(path)) is not None:
        raise ValueError(
            f"{os.fspath(path)!r} is {description}, which needs no import: load it by "
            "tfwavenet.load_model, or name the folder of its run or preset. "
            "Expected a checkpoint of another project. Received: a file of Keras"
        )
    content = torch_files.read(path)
    if not isinstance(content, Mapping):
        content = {"model": content}
    held = next((content[key] for key in _STATE_KEYS if key in content), content)
    if isinstance(held, torch_files.Module):
        held = held.state_dict()
    if not isinstance(held, Mapping):
        raise ValueError(
            f"{os.fspath(path)!r}: Expected the tensors of a network. "
            f"Received: {type(held).__name__}"
        )
    arrays = torch_names(_flat(held, os.fspath(path)))
    stored, room = sum(array.nbytes for array in arrays.values()), path.stat().st_size
    if stored > _LARGEST_OVERLAP * room:
        raise ValueError(
            f"{os.fspath(path)!r}: Expected tensors that are stored once each. "
            f"Received: {stored} bytes of tensors in a file of {room} bytes"
        )
    return Source(path, arrays, {k: v for k, v in content.items() if isinstance(k, str)}, given)


def _of_keras(path: pathlib.Path) -> str | None:
    """Describes a file that Keras wrote. If None, it is something else."""
    if path.suffix in (".h5", ".hdf5"):
        return "a file of weights of Keras"
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (ValueError, *files.ARCHIVE_DAMAGE):
        return None
    return "a model that was saved by Keras" if {"config.json", "metadata.json"} <= names else None


def _flat(state: Mapping[Any, Any], path: str) -> dict[str, Any]:
    """Flattens lists of tensors in a state: `name.0`, `name.1`..."""
    flat: dict[str, Any] = {}
    for name, value in state.items():
        if not isinstance(name, str):
            continue
        many = isinstance(value, (list, tuple))
        flat.update({f"{name}.{i}": one for i, one in enumerate(value)} if many else {name: value})
        if len(flat) > _MOST_TENSORS:
            raise ValueError(f"{path!r}: Expected at most {_MOST_TENSORS} tensors. Received: more")
    return flat


def _tensorflow_prefix(path: pathlib.Path) -> pathlib.Path | None:
    if path.is_dir():
        newest = tf.train.latest_checkpoint(os.fspath(path))
        if newest is not None:
            return pathlib.Path(newest)
        found = sorted(path.glob("*.index"), key=os.path.getmtime)
        return found[-1].with_suffix("") if found else None
    text = os.fspath(path)
    for suffix in (".index", ".meta"):
        text = text[: -len(suffix)] if text.endswith(suffix) else text
    return pathlib.Path(text) if os.path.exists(f"{text}.index") else None


def _tensorflow_source(prefix: pathlib.Path, given: Mapping[str, Any] | None) -> Source:
    try:
        reader = tf.train.load_checkpoint(os.fspath(prefix))
        dtypes = reader.get_variable_to_dtype_map()
        _require_stored(prefix, reader.get_variable_to_shape_map(), dtypes)
        arrays = {name: reader.get_tensor(name) for name in dtypes if dtypes[name].is_floating}
        content = {name: reader.get_tensor(name) for name in dtypes if dtypes[name].is_integer}
    except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
        raise ValueError(
            f"{os.fspath(prefix)!r} is not a whole checkpoint of TensorFlow. Received: {error}"
        ) from error
    suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
    plain = {
        name[: -len(suffix)] if name.endswith(suffix) else name: value
        for name, value in arrays.items()
    }
    content = {
        name.replace(suffix, ""): value.item() for name, value in content.items() if not value.ndim
    }
    return Source(prefix, plain, content, given)


def _require_stored(prefix: pathlib.Path, shapes: Any, dtypes: Any) -> None:
    """Raises ValueError if an index promises more than the files of a checkpoint can hold."""
    pattern = f"{glob.escape(prefix.name)}.data-*"
    room = sum(path.stat().st_size for path in prefix.parent.glob(pattern))
    promised = sum(math.prod(shapes[name]) * dtypes[name].size for name in dtypes)
    if promised > room:
        raise ValueError(f"{promised} bytes of tensors in files of {room} bytes")


def below(arrays: Mapping[str, np.ndarray], root: str) -> dict[str, np.ndarray]:
    """Returns the arrays, removing `root` from names that begin with it."""
    return {
        name[len(root) :] if name.startswith(root) else name: value
        for name, value in arrays.items()
    }


def without_prefix(names: Iterable[str], ending: str) -> str | None:
    """Returns the part before `ending` of the one name that ends so, or None."""
    return next((name[: -len(ending)] for name in names if name.endswith(ending)), None)
