"""Loads `.keras` files of this package's models without running code that a file may name.

`keras.models.load_model` of Keras 2 imports and calls what the configuration in a file names, also
in its safe mode. Here the file gives constructor arguments and numbers only.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any

import h5py
import keras

from tfwavenet import files
from tfwavenet.models.precision import precision_policy

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"


def load_model(path: files.PathLike, *, precision: str = "float32") -> Any:
    """Loads a model that `model.save` wrote to a `.keras` file, with Keras 2 or 3.

    The model is not compiled: to train it on, call `compile`. The state of the optimizer is not
    loaded.

    Args:
        path: a `.keras` file of a `WaveNet`, `DiffWave` or `ParallelWaveNet`.
        precision: name of the Keras precision policy in which the model computes.

    Returns:
        The model.

    Raises:
        ValueError: If the file is damaged, holds a model of another package, or names a function
            or class that is neither of Keras' nor registered.
        OSError: If the file cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                described = json.loads(archive.read(_CONFIG))
                weights = archive.extract(_WEIGHTS, folder)
            name, config = described["class_name"], described["config"]
            build_config = described.get("build_config") or {}
            registered = described.get("registered_name") or name
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "Expected a .keras file that the `save` of a model wrote. "
                f"Received: path={str(path)!r} ({error})"
            ) from error
        model_class = class_of(registered, source=str(path))
        config = {key: value for key, value in config.items() if key != "dtype"}
        with precision_policy(precision):
            try:
                model = model_class.from_config(config)
                model.build_from_config(build_config)
                load_weights(model, pathlib.Path(weights))
            except (TypeError, ValueError, KeyError, OSError) as error:
                raise ValueError(f"The {name} in {str(path)!r} cannot be made: {error}") from error
    return model


def class_of(name: str, *, source: str) -> type[keras.Model]:
    """Returns the class of a model by its name in a file.

    Args:
        name: name of a class of this package, such as "WaveNet" or "tfwavenet>WaveNet".
        source: what names the class, for the error.

    Raises:
        ValueError: If there is no such class in this package.
    """
    found = keras.saving.get_registered_object(f"tfwavenet>{str(name).split('>')[-1]}")
    if not (isinstance(found, type) and issubclass(found, keras.Model)):
        raise ValueError(
            f"{source!r} is expected to hold a model of this package. Received: class_name={name!r}"
        )
    return found


def load_weights(model: keras.Model, path: pathlib.Path) -> None:
    """Loads the weights of a built model from a file of Keras' format.

    Args:
        model: the model.
        path: a file with the ending `.weights.h5`.

    Raises:
        ValueError: If the file does not fit the model, or refers to other files.
        OSError: If the file cannot be read.
    """
    with h5py.File(path, "r") as file:
        for name in _references(file):
            raise ValueError(f"Expected weights in one file. Received: {name} in another")
    model.load_weights(path)


def _references(group: h5py.Group) -> Iterator[str]:
    """Yields the names under which a file refers to the content of other files."""
    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            yield f"{group.name}/{name}"
            continue
        item = group[name]
        if isinstance(item, h5py.Group):
            yield from _references(item)
        elif item.external or item.is_virtual:
            yield item.name
