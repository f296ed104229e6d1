"""Loads `.keras` files of this package's models without running code that a file may name.

`keras.models.load_model` of Keras 2 imports and calls what the configuration in a file names, also
in its safe mode. Here the file gives constructor arguments and numbers only.
"""

from __future__ import annotations

import json
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import h5py
import keras

from tfwavenet import files
from tfwavenet.models.precision import precision_policy

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
# Keras does not compress; an archive that somebody has packed again may be smaller than its content.
_SPARE_BYTES = 2**28


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
            with files.open_archive(path, spare_bytes=_SPARE_BYTES) as archive:
                described = json.loads(archive.read(_CONFIG))
                weights = archive.extract(_WEIGHTS, folder)
            name, config = described["class_name"], described["config"]
            build_config = described.get("build_config") or {}
            registered = described.get("registered_name") or name
        except (*files.ARCHIVE_DAMAGE, KeyError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                "Expected a .keras file that the `save` of a model wrote. "
                f"Received: path={str(path)!r} ({' '.join(str(error).split())[:200]})"
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
    """Loads the weights of a built model from a file that Keras 2 or Keras 3 wrote.

    Args:
        model: the model.
        path: a file with the ending `.weights.h5`.

    Raises:
        ValueError: If the file does not fit the model, or refers to other files.
        OSError: If the file cannot be read.
    """
    count = sum(len(layer.weights) for layer in model.layers)
    with h5py.File(path, "r") as file:
        for name in _references(file):
            raise ValueError(f"Expected weights in one file. Received: {name} in another")
        found = 0
        for of_keras_3 in (False, True):
            places = _places(model, of_keras_3=of_keras_3)
            groups = {where: file.get(f"{where}/vars", {}) for where in places}
            found = max(found, sum(len(group) for group in groups.values()))
            if found == count:
                for where, layer in places.items():
                    if groups[where]:
                        layer.load_own_variables(groups[where])
                return
    raise ValueError(f"Expected a file of the model's {count} weights. Received: {found} of them")


def _places(model: keras.Model, *, of_keras_3: bool) -> dict[str, keras.layers.Layer]:
    """Returns all layers by the groups that a version of Keras gives them in a file.

    Both versions name a layer after the attributes that lead to it first. Keras 2 goes through the
    attributes from z to a, Keras 3 from a to z.
    """
    places: dict[str, keras.layers.Layer] = {}
    visited = {id(model)}

    def visit(layer: Any, where: str) -> None:
        if id(layer) not in visited:
            visited.add(id(layer))
            places[where] = layer
            descend(layer, f"{where}/")

    def descend(parent: Any, prefix: str) -> None:
        for name in sorted(dir(parent), reverse=not of_keras_3):
            if name.startswith("_") or (name != "layers" and hasattr(keras.Model, name)):
                continue
            child = getattr(parent, name, None)
            if _is_layer(child):
                visit(child, prefix + name)
            elif isinstance(child, (list, tuple)):
                items = [item for item in child if _is_layer(item)]
                if not of_keras_3:
                    items = [item for item in items if id(item) not in visited]
                counts: dict[str, int] = {}
                for item in items:
                    kind = _snake_case(type(item).__name__)
                    number = counts[kind] = counts.get(kind, -1) + 1
                    visit(item, f"{prefix}{name}/{kind}" + (f"_{number}" if number else ""))

    descend(model, "")
    return places


def _is_layer(value: Any) -> bool:
    return isinstance(value, keras.layers.Layer) and not isinstance(value, keras.metrics.Metric)


def _snake_case(name: str) -> str:
    """Returns the name of a class as Keras spells it in files, such as causal_conv1d."""
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


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
