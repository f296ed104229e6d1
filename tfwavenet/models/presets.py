"""Saves a model as a preset, a folder that anybody can load by name or path; and loads presets.

A preset holds data and no code:

    config.json        class and constructor arguments of the model, with its recipe
    model.weights.h5   the weights, in Keras' format
    metadata.json      versions, number of weights, names of the speakers, checksums
    README.md          the model card

The presets that come with the package lie in `models/pretrained`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import h5py
import keras
import numpy as np
import tensorflow as tf

from tfwavenet import files
from tfwavenet.checks import nearest_name
from tfwavenet.models import keras_files
from tfwavenet.models.precision import precision_policy
from tfwavenet.version import __version__

WeightsDtype = Literal["float32", "float16"]

CONFIG, WEIGHTS, METADATA, CARD = "config.json", "model.weights.h5", "metadata.json", "README.md"
_CHECKED = (CONFIG, WEIGHTS)
_PRETRAINED = pathlib.Path(__file__).parent / "pretrained"
_HUB = "hf://"
_LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


class Preset(NamedTuple):
    """The description of a model in a preset folder.

    Attributes:
        path: the folder.
        class_name: name of the model's class.
        config: constructor arguments of the model.
        metadata: content of metadata.json.
    """

    path: pathlib.Path
    class_name: str
    config: dict[str, Any]
    metadata: dict[str, Any]

    @property
    def speakers(self) -> list[str]:
        """Returns the names of the speakers, in the order of their numbers."""
        return list(self.metadata["speakers"])

    @property
    def sampling(self) -> dict[str, Any]:
        """Returns the arguments of `generate` that are recommended."""
        return dict(self.metadata.get("sampling", {}))

    @property
    def step(self) -> int:
        """Returns the number of updates that the weights have seen."""
        return int(self.metadata["step"])


def presets() -> dict[str, dict[str, Any]]:
    """Lists the presets that come with the package.

    Returns:
        For the name of each preset a mapping with "class_name", "description", "parameters",
        "sample_rate" (in Hz; None for text) and "sampling" (recommended arguments of `generate`).

    Examples:
        >>> for name, entry in presets().items():
        ...     assert entry["parameters"] > 0, name
    """
    return {name: _entry(read(name)) for name in _names()}


def from_preset(preset: files.PathLike, *, precision: str = "float32") -> Any:
    """Makes a trained model of any class from a preset.

    Args:
        preset: name of a preset that comes with the package, see `presets`; path of a folder that
            `save_to_preset` wrote; or `hf://user/model` for a model on Hugging Face.
        precision: name of the Keras precision policy in which the model computes.

    Returns:
        A `WaveNet`, `DiffWave` or `ParallelWaveNet`.

    Raises:
        ValueError: If there is no such preset (names the nearest), or it is damaged.
        OSError: If a file cannot be read.
    """
    return load(preset, keras.Model, precision=precision)


def is_preset(source: files.PathLike) -> bool:
    """Tells whether a name or path stands for a preset, rather than for another folder.

    Args:
        source: name, path of a folder, or handle, see `read`.
    """
    return is_named(source) or (_folder(source) / WEIGHTS).is_file()


def is_named(source: files.PathLike) -> bool:
    """Tells whether something is the name or handle of a preset, rather than a path.

    Args:
        source: name, path of a folder, or handle, see `read`.
    """
    return str(source).startswith(_HUB) or str(source) in _names()


def read(preset: files.PathLike) -> Preset:
    """Reads the description of a preset, and checks that its files are whole.

    Args:
        preset: name of a preset that comes with the package; or path of a folder that
            `save_to_preset` wrote; or `hf://user/model`, a model on Hugging Face, which needs the
            package `huggingface_hub` and is kept in its cache.

    Raises:
        ValueError: If there is no such preset, or a file is missing, damaged or was changed.
        OSError: If a file cannot be read, or the model cannot be fetched.
    """
    folder = _locate(preset)
    try:
        metadata = files.read_json(folder / METADATA)
        described = files.read_json(folder / CONFIG)
        found = Preset(folder, str(described["class_name"]), dict(described["config"]), metadata)
        _ = found.speakers, found.step
        sums = {name: str(metadata["checksums"][name]) for name in _CHECKED}
    except FileNotFoundError as error:
        raise ValueError(
            f"A preset is expected to have the files {CONFIG}, {WEIGHTS} and {METADATA}. "
            f"Received: preset={str(preset)!r} without {pathlib.Path(error.filename).name}"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"The preset {str(preset)!r} is damaged: {error!r}") from error
    for name, expected in sums.items():
        if _checksum(folder / name) != expected:
            raise ValueError(
                f"The file {name} of a preset is expected to have the checksum in {METADATA}, "
                f"{expected}. Received: another, in preset={str(preset)!r}"
            )
    return found


def load(
    preset: files.PathLike, cls: type[keras.Model], *, precision: str = "float32"
) -> keras.Model:
    """Builds the model of a preset, with its weights.

    Args:
        preset: name, path or handle, see `read`.
        cls: class that the model must be of.
        precision: name of the Keras precision policy in which the model computes.

    Raises:
        ValueError: If there is no such preset, it is damaged, or holds a model of another class.
        OSError: If a file cannot be read.
    """
    found = read(preset)
    model_class = keras_files.class_of(found.class_name, source=str(found.path))
    if not issubclass(model_class, cls):
        raise ValueError(
            f"{cls.__name__}.from_preset takes a preset of a {cls.__name__}; "
            f"tfwavenet.from_preset takes any. Received: preset={str(preset)!r}, a "
            f"{found.class_name}"
        )
    with precision_policy(precision):
        try:
            model = model_class.from_config(found.config)
            model.build()
            keras_files.load_weights(model, found.path / WEIGHTS)
        except (TypeError, ValueError, KeyError, OSError) as error:
            wrote = found.metadata.get("tfwavenet_version")
            raise ValueError(
                f"The preset {str(preset)!r}, saved by version {wrote}, does not fit version "
                f"{__version__} of this package: {error}"
            ) from error
    return model


def save(
    model: keras.Model,
    folder: files.PathLike,
    *,
    speakers: Sequence[str] = (),
    step: int = 0,
    sampling: Mapping[str, Any] | None = None,
    weights_dtype: WeightsDtype = "float32",
    card: str | None = None,
) -> pathlib.Path:
    """Writes a preset, see `AudioModel.save_to_preset`.

    Args:
        model: a built model.
        folder: the folder to make.
        speakers: names of the speakers, in the order of their numbers.
        step: number of updates that the weights have seen.
        sampling: recommended arguments of the model's `generate`.
        weights_dtype: "float32", or "float16" for files of half the size.
        card: text of README.md. If None, a card that says how to load the model.

    Returns:
        The folder.

    Raises:
        ValueError: If an argument does not fit the model, or a weight does not fit float16.
        OSError: If the folder exists already, or cannot be written.
    """
    if weights_dtype not in ("float32", "float16"):
        raise ValueError(
            f'weights_dtype must be "float32" or "float16". Received: {weights_dtype!r}'
        )
    count = (model.num_speakers or 0) if model.speaker_channels else 0
    names = list(speakers) or [str(number) for number in range(count)]
    if len(names) != count:
        raise ValueError(
            f"Expected names for the model's {count} speakers. Received: speakers={names}"
        )
    # In float32: whoever loads the preset chooses the precision.
    config = {key: value for key, value in model.get_config().items() if key != "dtype"}
    described = {"class_name": type(model).__name__, "config": _plain(config)}
    final = _folder(folder)
    with files.atomic_directory(final) as target:
        files.write_json(target / CONFIG, described)
        _write_weights(model, config, target / WEIGHTS, weights_dtype)
        metadata = {
            "tfwavenet_version": __version__,
            "tensorflow_version": tf.__version__,
            "parameters": model.count_params(),
            "step": int(step),
            "speakers": names,
            "sampling": _known_arguments(model, sampling or {}),
            "description": _first_sentence(card) if card else type(model).__name__,
            "checksums": {name: _checksum(target / name) for name in _CHECKED},
        }
        files.write_json(target / METADATA, metadata)
        (target / CARD).write_text(card or _plain_card(model, final.name), encoding="utf-8")
    return final


def _known_arguments(model: keras.Model, sampling: Mapping[str, Any]) -> dict[str, Any]:
    known = inspect.signature(model.generate).parameters
    for name in sampling:
        if name not in known:
            raise ValueError(
                f"sampling must hold arguments of {type(model).__name__}.generate"
                f"{nearest_name(name, known)}. Received: {name}"
            )
    return dict(sampling)


def _names() -> list[str]:
    """Returns the names of the presets that come with the package."""
    return sorted(path.parent.name for path in _PRETRAINED.glob(f"*/{CONFIG}"))


def _folder(source: files.PathLike) -> pathlib.Path:
    return pathlib.Path(source).expanduser()


def _locate(preset: files.PathLike) -> pathlib.Path:
    """Returns the folder that a name, path or handle stands for."""
    text = str(preset)
    if text.startswith(_HUB):
        return _fetched(text[len(_HUB) :])
    if text in _names():
        return _PRETRAINED / text
    folder = _folder(preset)
    if not folder.is_dir():
        raise ValueError(
            f"preset must be one of {', '.join(_names())}{nearest_name(text, _names())}, the path "
            f"of a preset's folder, or {_HUB}user/model. Received: preset={text!r}"
        )
    return folder


def _fetched(repository: str) -> pathlib.Path:
    """Returns the folder in Hugging Face's cache that holds a model; fetches what is missing."""
    try:
        import huggingface_hub  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise ValueError(
            f"A preset from Hugging Face needs a package: pip install 'tfwavenet[huggingface]'. "
            f"Received: preset={_HUB + repository!r}"
        ) from error
    try:
        paths = [
            huggingface_hub.hf_hub_download(repository, name)
            for name in (METADATA, CONFIG, WEIGHTS)
        ]
        return pathlib.Path(paths[0]).parent
    except (ValueError, OSError) as error:  # errors of HTTP are OSErrors
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            f"The preset could not be fetched ({said}). Received: preset={_HUB + repository!r}"
        ) from error


def _write_weights(
    model: keras.Model, config: Mapping[str, Any], path: pathlib.Path, dtype: WeightsDtype
) -> None:
    """Writes the weights, without the variables of an optimizer or a teacher."""
    with precision_policy("float32"):
        copy = type(model).from_config(dict(config))
        copy.build()
    copy.set_weights(model.get_weights())
    copy.reset_metrics()
    copy.save_weights(path)
    if dtype == "float16":
        with h5py.File(path, "r+") as file:
            _halve(file)
        # HDF5 does not give the room of replaced arrays back.
        _rewrite(path)


def _halve(file: h5py.File) -> None:
    """Replaces the float32 arrays of a file by float16 arrays."""
    arrays: list[str] = []
    file.visititems(
        lambda name, item: arrays.append(name) if isinstance(item, h5py.Dataset) else None
    )
    for name in arrays:
        value = file[name][()]
        if value.dtype != np.float32:
            continue
        if not np.all(np.abs(value) <= _LARGEST_FLOAT16):
            raise ValueError(
                'weights_dtype="float16" takes weights up to 65504. '
                f"Received: {np.abs(value).max()} in {name}"
            )
        del file[name]
        file.create_dataset(name, data=value.astype(np.float16))


def _rewrite(path: pathlib.Path) -> None:
    compact = path.with_suffix(".compact")
    with h5py.File(path, "r") as old, h5py.File(compact, "w") as new:
        for name in old:
            old.copy(name, new)
    compact.replace(path)


def _checksum(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plain(config: Mapping[str, Any]) -> Any:
    """Returns the constructor arguments of a model as JSON values."""
    return json.loads(json.dumps(config))


def _entry(preset: Preset) -> dict[str, Any]:
    recipe = preset.config.get("recipe") or {}
    return {
        "class_name": preset.class_name,
        "description": preset.metadata["description"],
        "parameters": preset.metadata["parameters"],
        "sample_rate": recipe.get("sample_rate"),
        "sampling": preset.sampling,
    }


def _first_sentence(card: str) -> str:
    """Returns the first line of text of a model card, below its front matter and headings."""
    body = card.split("---\n", 2)[-1] if card.startswith("---\n") else card
    lines = [line for line in body.splitlines() if line.strip() and not line.startswith("#")]
    return lines[0].strip() if lines else ""


def _plain_card(model: keras.Model, name: str) -> str:
    kind = type(model).__name__
    return (
        "---\nlibrary_name: tfwavenet\n---\n"
        f"# {name}\n\nA {kind} of {model.count_params()} weights.\n\n"
        f"    import tfwavenet\n    model = tfwavenet.from_preset({name!r})\n\n"
        "Say here: what it was trained on and under which licence, by which command, how good it "
        "is, and what it cannot do.\n"
    )
