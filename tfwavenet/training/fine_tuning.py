"""Starts a training from a trained model: the preset or workdir that `training.init` names.

Network, recipe and statistics are taken from there. A key of `model` at its default follows; any
other value must be the same there, except for the keys in `FREE`, which do not change what the
weights mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import keras
import ml_collections
import numpy as np
from absl import logging

from tfwavenet.training import building
from tfwavenet.training.config import default_config, recipe_of, resolve
from tfwavenet.training.config_keys import KEYS
from tfwavenet.training.trained import Description, describe, load_trained

# Arguments of models that a fine-tuning may choose: of the loss and of sampling.
FREE = (
    "contrastive_weight",
    "cross_entropy_draws",
    "dropout",
    "inference_schedule",
    "loss_norm",
    "regularization",
    "seed",
    "spectral_resolutions",
    "spectral_weight",
)

_DEFAULT_RECIPE = next(key.default for key in KEYS if key.name == "recipe")
# Entries of serialized layers that say nothing about what they compute.
_IRRELEVANT = ("name", "dtype", "trainable", "module", "registered_name")


def completed(
    config: ml_collections.ConfigDict, stored: Optional[ml_collections.ConfigDict] = None
) -> ml_collections.ConfigDict:
    """Returns a config with network and recipe of the model that training starts from.

    Args:
        config: a resolved config; not changed.
        stored: the config in the workdir, for a run that is resumed. Its network and recipe are
            taken, so that the model that training started from may be gone by then.

    Raises:
        ValueError: If `training.init` is no trained model, or the config does not fit it; names
            the first key that differs.
        OSError: If a file cannot be read.
    """
    init = config.training.init
    if init is None:
        return config
    if stored is not None and stored.training.init == init:
        known = stored.data.first_speakers
        start = Description(stored, recipe_of(stored), list(known or []))
    else:
        start = describe(init)
    merged = config.to_dict()
    merged["model"] = _model_section(config, start)
    if config.recipe != _DEFAULT_RECIPE:
        building.check_recipe(config, start.recipe, owner=f"training.init={init!r}")
    merged["recipe"] = start.recipe.get_config()
    if merged["model"].get("speaker_channels"):
        merged["data"]["first_speakers"] = start.speakers
    return resolve(merged)


def copy_weights(
    model: keras.Model, config: ml_collections.ConfigDict, speakers: Sequence[str]
) -> None:
    """Gives a new model the weights of the model that training starts from.

    A speaker who is new there gets the mean of the known speakers' vectors.

    Args:
        model: a built model of the config.
        config: from `completed`.
        speakers: names of the model's speakers, in the order of their numbers.

    Raises:
        ValueError: If `training.init` is no trained model.
    """
    if config.training.init is None:
        return
    source, _, metadata = load_trained(config.training.init)
    embedding = model.speaker_embedding
    for target, value in zip(model.weights, source.get_weights()):
        is_embedding = embedding is not None and target is embedding.weights[0]
        target.assign(_rows(value, metadata.speakers, speakers) if is_embedding else value)
    logging.info("Training starts from %s.", config.training.init)


def _rows(vectors: np.ndarray, known: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Returns the vectors of the wanted speakers; the mean vector for those who are not known."""
    new = [name for name in wanted if name not in known]
    if new:
        logging.info("New speakers, which start from the mean of the known: %s", ", ".join(new))
    by_name = dict(zip(known, vectors))
    return np.stack([by_name.get(name, vectors.mean(axis=0)) for name in wanted])


def _model_section(config: ml_collections.ConfigDict, start: Description) -> dict[str, Any]:
    """Returns the section `model` of the trained model, with what the config may choose."""
    given, theirs = config.model.to_dict(), start.config.model.to_dict()
    name = given["class_name"]
    defaults = default_config(name).model.to_dict()
    chosen = {key: value for key, value in given.items() if value != _plain(defaults[key])}
    if not chosen and name == default_config().model.class_name:
        name = theirs["class_name"]
    if name != theirs["class_name"]:
        raise _differs(config, "class_name", theirs["class_name"], name)
    if theirs.get("speaker_channels"):
        theirs["num_speakers"] = None  # those of the data, who may be more
    free = {key: value for key, value in chosen.items() if key in FREE}
    bound = {key: value for key, value in chosen.items() if key not in FREE}
    if bound:
        mine = _arguments(config, start, {**theirs, **bound})
        known = _arguments(config, start, theirs)
        for key in bound:
            if mine[key] != known[key]:
                raise _differs(config, key, theirs[key], given[key])
    return {**theirs, **free}


def _arguments(
    config: ml_collections.ConfigDict, start: Description, section: Mapping[str, Any]
) -> Any:
    """Returns the arguments of the model of a section, as the model itself gives them."""
    complete = resolve(
        {**config.to_dict(), "model": dict(section), "recipe": start.recipe.get_config()}
    )
    draft = building.draft_model(complete, num_speakers=len(start.speakers) or None)
    return _bare(_plain(draft.get_config()))


def _bare(value: Any) -> Any:
    """Returns JSON values without the names of layers."""
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if key not in _IRRELEVANT}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """Returns a value with lists in place of tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _differs(config: ml_collections.ConfigDict, key: str, expected: Any, given: Any) -> ValueError:
    return ValueError(
        f"config key 'model.{key}' must be that of training.init={config.training.init!r}, "
        f"{expected!r}, or be left out. Received: model.{key}={given!r}"
    )
