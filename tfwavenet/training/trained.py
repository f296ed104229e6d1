"""Finds a trained model that a config names: a preset, or the workdir of a training run."""

from __future__ import annotations

import os
from typing import NamedTuple

import keras
import ml_collections

from tfwavenet import files
from tfwavenet.audio import recipes
from tfwavenet.audio.recipes import Recipe
from tfwavenet.checks import nearest_name
from tfwavenet.models import presets
from tfwavenet.training.config import default_config, resolve
from tfwavenet.training.workdir import Loaded, Metadata, Weights, Workdir, load


class Description(NamedTuple):
    """Describes a trained model without its weights.

    Attributes:
        config: a resolved config; of a preset, `data` and `training` hold the defaults.
        recipe: recipe, with the statistics of the training data.
        speakers: names of the speakers, in the order of their numbers.
    """

    config: ml_collections.ConfigDict
    recipe: Recipe
    speakers: list[str]


def describe(source: files.PathLike) -> Description:
    """Reads the description of a trained model.

    Args:
        source: name, path or handle of a preset, see `presets.read`; or a workdir.

    Raises:
        ValueError: If there is no such preset or workdir, or it is damaged.
        OSError: If a file cannot be read.
    """
    if presets.is_preset(source):
        return _of_preset(presets.read(source))
    folder = _workdir(source)
    return Description(folder.config(), *folder.metadata())


def load_trained(
    source: files.PathLike, *, weights: Weights = "ema", precision: str = "float32"
) -> Loaded:
    """Loads a trained model.

    Args:
        source: name, path or handle of a preset, or a workdir.
        weights: see `training.load`; a preset has one set of weights.
        precision: name of the Keras precision policy in which the model computes.

    Raises:
        ValueError: If there is no such preset or workdir, or it is damaged.
        OSError: If a file cannot be read.
    """
    if not presets.is_preset(source):
        return load(_workdir(source).path, weights=weights, precision=precision)
    found = presets.read(source)
    model = presets.load(source, keras.Model, precision=precision)
    config, recipe, speakers = _of_preset(found)
    return Loaded(model, config, Metadata(recipe, speakers, found.step))


def _workdir(source: files.PathLike) -> Workdir:
    folder = Workdir(source)
    if not folder.config_path.exists():
        names = list(presets.presets())
        raise ValueError(
            f"the name of a preset ({', '.join(names)}), or the folder of a preset or of a training "
            f"run is expected{nearest_name(source, names)}. Received: {os.fspath(source)!r}"
        )
    return folder


def _of_preset(preset: presets.Preset) -> Description:
    if preset.config.get("recipe") is None:
        raise ValueError(
            "a preset with a feature recipe is expected here. "
            f"Received: preset={str(preset.path)!r} with recipe=None"
        )
    recipe = recipes.of_any_kind(preset.config["recipe"])
    keys = [key for key in default_config(preset.class_name).model if key != "class_name"]
    chosen = {key: preset.config[key] for key in keys if key in preset.config}
    section = {"class_name": preset.class_name, **chosen}
    config = resolve({"recipe": recipe.get_config(), "model": section})
    return Description(config, recipe, preset.speakers)
