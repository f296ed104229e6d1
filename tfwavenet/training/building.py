"""Builds the model and the optimizer of a config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import keras
import ml_collections

from tfwavenet.audio.recipes import Recipe
from tfwavenet.models.precision import precision_policy
from tfwavenet.training import optimizers
from tfwavenet.training.config import default_config, model_class, recipe_of

# Fields of recipes that a config may leave to the data.
FITTED = ("mean", "std", "characters")


def build_model(
    config: ml_collections.ConfigDict,
    *,
    recipe: Recipe,
    speakers: Sequence[str],
    precision: Optional[str] = None,
) -> keras.Model:
    """Builds the model of a config, with all its weights.

    Args:
        config: a resolved config.
        recipe: recipe of the data, with its statistics.
        speakers: names of the speakers in the data, in the order of their numbers.
        precision: name of a Keras mixed precision policy. If None, the policy of the config.

    Raises:
        ValueError: If an argument of the model is out of its range, or it has too few speakers.
    """
    num_speakers = _speaker_count(config, speakers)
    with precision_policy(precision or config.training.precision):
        model = _create(config, recipe, num_speakers)
        model.build(None)
    return model


def draft_model(
    config: ml_collections.ConfigDict, *, num_speakers: Optional[int] = None
) -> keras.Model:
    """Constructs the model of a config without weights, to check it before data are prepared.

    Args:
        config: a resolved config.
        num_speakers: number of speakers if the config leaves it to the data. If None, the number
            is unknown.

    Raises:
        ValueError: If recipe or model are not valid, or do not fit each other.
    """
    with precision_policy(config.training.precision):
        model = _create(config, recipe_of(config), config.model.get("num_speakers") or num_speakers)
    if model.upsampler is not None and not config.data.with_mel and not config.data.records:
        raise ValueError(
            "config key 'data.with_mel' must be True for a model with an upsampler. "
            "Received: data.with_mel=False"
        )
    return model


def config_of(model: keras.Model) -> dict[str, Any]:
    """Returns the part of a config by which `build_model` builds a model like a given one.

    Args:
        model: a model with a recipe.
    """
    name = type(model).__name__
    arguments = model.get_config()
    keys = [key for key in default_config(name).model if key != "class_name"]
    chosen = {key: arguments[key] for key in keys}
    return {"recipe": model.recipe.get_config(), "model": {"class_name": name, **chosen}}


def check_recipe(
    config: ml_collections.ConfigDict, recipe: Recipe, *, owner: str = "the prepared data"
) -> None:
    """Checks that data, or a model, have the recipe of a config.

    Args:
        config: a resolved config.
        recipe: recipe of the data or model, with its statistics.
        owner: what has the recipe, for the error.

    Raises:
        ValueError: If the recipes differ in a field that is not fitted to the data; names the
            first such field.
    """
    wanted = recipe_of(config).get_config()
    found = recipe.get_config()
    for name, value in wanted.items():
        if value != found.get(name) and not (value is None and name in FITTED):
            raise ValueError(
                f"config key 'recipe' must be that of {owner}, with {name}="
                f"{found.get(name)!r}. Received: recipe with {name}={value!r}"
            )


def compile_model(model: keras.Model, config: ml_collections.ConfigDict) -> None:
    """Gives a built model the optimizer of a config, with all its variables.

    Args:
        model: a model from `build_model`.
        config: a resolved config.
    """
    training = config.training
    model.compile(
        optimizers.of_config(training),
        jit_compile=training.jit_compile,
        accumulate=training.accumulate,
    )
    model.optimizer.build(model.trainable_variables)


def set_learning_rate(model: keras.Model, config: ml_collections.ConfigDict) -> None:
    """Gives a restored model the constant learning rate of a config, which may have changed.

    A schedule is not part of a checkpoint.

    Args:
        model: a model from `compile_model`.
        config: a resolved config.
    """
    rate = config.training.learning_rate
    if isinstance(rate, (int, float)):
        optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        optimizer.learning_rate = rate


def padding_frames(model: Any) -> int:
    """Returns the context frames that the model wants at each end of a mel, 0 without any."""
    upsampler = getattr(model, "upsampler", None)
    return 0 if upsampler is None else upsampler.padding_frames


def _create(
    config: ml_collections.ConfigDict, recipe: Recipe, num_speakers: Optional[int]
) -> keras.Model:
    """Constructs the model, without weights."""
    arguments = config.model.to_dict()
    cls = model_class(arguments.pop("class_name"))
    if arguments.get("speaker_channels"):
        arguments["num_speakers"] = num_speakers
    try:
        return cls(recipe=recipe, **arguments)
    except TypeError as error:
        raise ValueError(
            f"config key 'model' must hold arguments of {cls.__name__} of their types. "
            f"Received: {error}"
        ) from error


def _speaker_count(config: ml_collections.ConfigDict, speakers: Sequence[str]) -> Optional[int]:
    """Returns the number of speakers of the model, which must cover the speakers of the data."""
    configured = config.model.get("num_speakers")
    if not config.model.get("speaker_channels"):
        return configured
    if configured is None and len(speakers) < 2:
        raise ValueError(
            "config key 'model.speaker_channels' needs data of several speakers, and these have "
            f"{len(speakers)}; leave it None. Received: speakers={list(speakers)}"
        )
    if configured is None:
        return len(speakers)
    if configured < len(speakers):
        raise ValueError(
            f"config key 'model.num_speakers' must be at least {len(speakers)}, the number of "
            f"speakers in the data ({', '.join(speakers[:5])}...). "
            f"Received: model.num_speakers={configured}"
        )
    return configured
