"""Checkpoints of other projects as they lie on disk: tensors, and what is said about them."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfwavenet import files
from tfwavenet.interop import torch_files
from tfwavenet.interop.tensors import Tensors, torch_names

# Where the files of the projects keep the tensors of the network.
_STATE_KEYS = ("state_dict", "model", "model_state_dict")


class Hyperparameters:
    """What is said about a network beside its tensors, which may be nothing.

    Args:
        values: by the names that the project gives them.
        origin: what the error messages call them.
    """

    def __init__(self, values: Mapping[str, Any], origin: str) -> None:
        self._values = dict(values)
        self._origin = origin

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str, default: Any) -> Any:
        """The value of a key, or the default where it is not given."""
        value = self._values.get(key)
        return default if value is None else value

    def section(self, *keys: str) -> Hyperparameters:
        """The mapping below a key, or below one in it; empty where it is not given."""
        values: Any = self._values
        for key in keys:
            values = values.get(key) or {}
        return Hyperparameters(values, self._origin)

    def agreed(self, key: str, value: Any) -> Any:
        """What the tensors say of a key, if no other value is given.

        Raises:
            ValueError: if another one is given; names the key.
        """
        given = self._values.get(key)
        if given is not None and given != value:
            raise ValueError(
                f"{self._origin}: Expected {key}={value!r}, as the tensors have it. "
                f"Received: {key}={given!r}"
            )
        return value


@dataclasses.dataclass(frozen=True)
class Source:
    """A checkpoint.

    Attributes:
        path: of the file; without extension for TensorFlow's, which are several.
        arrays: the tensors by name.
        content: what else the file holds, by name.
        given: hyper-parameters that the caller gave, or None.
    """

    path: pathlib.Path
    arrays: dict[str, np.ndarray]
    content: Mapping[str, Any]
    given: Mapping[str, Any] | None = None

    @property
    def origin(self) -> str:
        """What error messages call it."""
        return repr(os.fspath(self.path))

    def tensors(self, arrays: Mapping[str, np.ndarray] | None = None) -> Tensors:
        """Its tensors, or others made of them, to be taken."""
        return Tensors(self.arrays if arrays is None else arrays, self.origin)

    def step(self, *keys: str) -> int:
        """How many updates the weights have seen, by the first of the keys; 0 if nothing says."""
        values = [self.content.get(key) for key in keys]
        return next((int(value) for value in values if isinstance(value, (int, np.integer))), 0)

    def hyperparameters(self, *names: str) -> Hyperparameters:
        """Those that the caller gave, or those in a JSON file beside the checkpoint.

        Args:
            names: of the files that the project writes; one called like the checkpoint, or like
                its folder and beside that, is looked at too.

        Raises:
            ValueError: if the file is damaged.
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
        if not isinstance(values, Mapping):
            raise ValueError(f"Expected a mapping in {os.fspath(path)!r}. Received: {values!r}")
        return Hyperparameters(values, repr(os.fspath(path)))


def read(path: files.PathLike, given: Mapping[str, Any] | None = None) -> Source:
    """Reads a checkpoint of PyTorch or TensorFlow.

    Args:
        path: PyTorch's file; or TensorFlow's: its `.index` file, the name without extension, or
            the folder, in which the newest is taken.
        given: hyper-parameters to be used instead of those beside the file.

    Raises:
        ValueError: if it is none, or damaged.
        OSError: if there is no such file.
    """
    path = pathlib.Path(path).expanduser()
    if torch_files.is_torch_file(path):
        return _torch_source(path, given)
    prefix = _tensorflow_prefix(path)
    if prefix is not None:
        return _tensorflow_source(prefix, given)
    if not path.exists():
        raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
    raise ValueError(f"Expected a checkpoint of PyTorch or TensorFlow. Received: {os.fspath(path)}")


def _torch_source(path: pathlib.Path, given: Mapping[str, Any] | None) -> Source:
    content = torch_files.read(path)
    if not isinstance(content, Mapping):
        content = {"model": content}
    held = next((content[key] for key in _STATE_KEYS if key in content), content)
    if isinstance(held, torch_files.Module):
        held = held.state_dict()
    if not isinstance(held, Mapping):
        raise ValueError(
            f"{os.fspath(path)!r}: Expected the tensors of a network. Received: {type(held)}"
        )
    return Source(path, torch_names(_flat(held)), content, given)


def _flat(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state in which lists of tensors are single ones: `name.0`, `name.1`..."""
    flat: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, (list, tuple)):
            flat.update({f"{name}.{index}": one for index, one in enumerate(value)})
        else:
            flat[name] = value
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


def below(arrays: Mapping[str, np.ndarray], root: str) -> dict[str, np.ndarray]:
    """The arrays, those whose names begin with `root` without it."""
    return {
        name[len(root) :] if name.startswith(root) else name: value
        for name, value in arrays.items()
    }


def without_prefix(names: Iterable[str], ending: str) -> str | None:
    """What stands before `ending` in the one name that ends so; None if there is none."""
    return next((name[: -len(ending)] for name in names if name.endswith(ending)), None)
