"""Config to model and optimizer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Optional, Union

import ml_collections
import tensorflow as tf

from tfwavenet.audio import recipes
from tfwavenet.audio.recipes import Recipe
from tfwavenet.models import distillation
from tfwavenet.training import schedules
from tfwavenet.training.config import default_config, model_class
from tfwavenet.training.optimizer import MeasuredAdam

# Fields of recipes that a config may leave to the data.
_FITTED = ("mean", "std", "characters")


def build_model(
    config: ml_collections.ConfigDict,
    *,
    recipe: Recipe,
    speakers: Sequence[str],
    precision: Optional[str] = None,
) -> tf.keras.Model:
    """Builds the model of a config, with all its weights.

    Args:
        config: a resolved config.
        recipe: of the data, with its statistics.
        speakers: names of the speakers in the data, in the order of their numbers.
        precision: name of a Keras mixed precision policy; None for the config's.

    Raises:
        ValueError: If an argument of the model is out of its range, or it has too few speakers.
    """
    with precision_policy(precision or config.training.precision):
        model = _create(config, recipe, speakers)
        model.build(None)
    return model


def check_model(config: ml_collections.ConfigDict) -> None:
    """Checks before the data are prepared that the model of a config can be built for them.

    Args:
        config: a resolved config.

    Raises:
        ValueError: If recipe or model are not valid, or do not fit each other.
    """
    with precision_policy(config.training.precision):
        model = _create(config, recipes.of_any_kind(_recipe_identifier(config)), speakers=None)
    if model.upsampler is not None and not config.data.with_mel and not config.data.records:
        raise ValueError(
            "config key 'data.with_mel' must be True for a model with an upsampler. "
            "Received: data.with_mel=False"
        )


def with_statistics(config: ml_collections.ConfigDict, recipe: Recipe) -> ml_collections.ConfigDict:
    """Returns a config whose recipe has the statistics of another one, where it leaves them open.

    Args:
        config: a resolved config; not changed.
        recipe: with its statistics. Those of another number of mels are not taken.
    """
    own = recipes.of_any_kind(_recipe_identifier(config)).get_config()
    fitted = recipe.get_config()
    if own.get("n_mels") != fitted.get("n_mels"):
        return config
    taken = {name: fitted.get(name) for name in _FITTED if name in own and own[name] is None}
    complete = ml_collections.ConfigDict(config.to_dict(), type_safe=False)
    complete.recipe = {**own, **taken}
    return complete.lock()


def check_teacher(config: ml_collections.ConfigDict, teacher: tf.keras.Model) -> None:
    """Checks before the data are prepared that the student of a config fits its teacher.

    Args:
        config: a resolved config, with the statistics of the teacher's recipe.
        teacher: the model to learn from.

    Raises:
        ValueError: If they differ in family, recipe, features or speakers, or the teacher's
            statistics are not known.
    """
    recipe = recipes.get(_recipe_identifier(config))
    with precision_policy(config.training.precision):
        student = _create(config, recipe, speakers=None)
    if student.num_speakers is None:
        # Their number follows from the data; that it is the teacher's is checked again then.
        student.num_speakers = getattr(teacher, "num_speakers", None)
    distillation.check_teacher(student, teacher)
    if config.data.with_mel and recipe.normalization == "standard" and recipe.mean is None:
        raise ValueError(
            "A teacher of normalized features is expected to have their statistics in its recipe; "
            "an imported one has them from the file beside its checkpoint. "
            "Received: a teacher with recipe mean=None"
        )


def config_of(model: tf.keras.Model) -> dict[str, Any]:
    """The part of a config by which `build_model` builds a model like a given one.

    Args:
        model: with a recipe.
    """
    name = type(model).__name__
    arguments = model.get_config()
    keys = [key for key in default_config(name).model if key != "class_name"]
    chosen = {key: arguments[key] for key in keys}
    return {"recipe": model.recipe.get_config(), "model": {"class_name": name, **chosen}}


def check_recipe(config: ml_collections.ConfigDict, recipe: Recipe) -> None:
    """Checks that data were prepared by the recipe of a config.

    Args:
        config: a resolved config.
        recipe: of the data, with its statistics.

    Raises:
        ValueError: If they differ in anything but what is fitted to the data; names the first
            field.
    """
    wanted = recipes.of_any_kind(_recipe_identifier(config)).get_config()
    found = recipe.get_config()
    for name, value in wanted.items():
        if value != found.get(name) and not (value is None and name in _FITTED):
            raise ValueError(
                f"config key 'recipe' must be that of the prepared data, which have {name}="
                f"{found.get(name)!r}. Received: recipe with {name}={value!r}"
            )


def compile_model(model: tf.keras.Model, config: ml_collections.ConfigDict) -> None:
    """Gives a built model the optimizer of a config, with all its variables.

    Args:
        model: from `build_model`.
        config: a resolved config.
    """
    training = config.training
    rate = training.learning_rate
    optimizer = MeasuredAdam(
        schedules.get(rate.to_dict() if isinstance(rate, ml_collections.ConfigDict) else rate),
        beta_1=training.beta_1,
        beta_2=training.beta_2,
        epsilon=training.epsilon,
        global_clipnorm=training.clip_norm,
    )
    model.compile(optimizer, jit_compile=training.jit_compile)
    model.optimizer.build(model.trainable_variables)


@contextlib.contextmanager
def precision_policy(name: str) -> Iterator[None]:
    """Sets Keras' global precision policy, and the old one again at the end.

    Args:
        name: "float32", "mixed_bfloat16" or "mixed_float16".
    """
    old = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(old)


def padding_frames(model: Any) -> int:
    """Returns the context frames that the model wants at each end of a mel, 0 without any."""
    upsampler = getattr(model, "upsampler", None)
    return 0 if upsampler is None else upsampler.padding_frames


def _recipe_identifier(config: ml_collections.ConfigDict) -> Union[str, dict[str, Any]]:
    recipe = config.recipe
    return recipe.to_dict() if isinstance(recipe, ml_collections.ConfigDict) else recipe


def _create(
    config: ml_collections.ConfigDict, recipe: Recipe, speakers: Optional[Sequence[str]]
) -> tf.keras.Model:
    """Constructs the model, without weights; `speakers` None for not known yet."""
    arguments = config.model.to_dict()
    cls = model_class(arguments.pop("class_name"))
    if arguments.get("speaker_channels") and speakers is not None:
        arguments["num_speakers"] = _speaker_count(arguments.get("num_speakers"), speakers)
    try:
        return cls(recipe=recipe, **arguments)
    except TypeError as error:
        raise ValueError(
            f"config key 'model' must hold arguments of {cls.__name__} of their types. "
            f"Received: {error}"
        ) from error


def _speaker_count(configured: Optional[int], speakers: Sequence[str]) -> int:
    """Returns the number of speakers of the model, which must cover those of the data."""
    if configured is None and len(speakers) < 2:
        raise ValueError(
            "config key 'model.speaker_channels' needs data of several speakers, and these have "
            f"{len(speakers)}; leave it None. Received: speakers={list(speakers)}"
        )
    if configured is None:
        return len(speakers)
    if configured < len(speakers):
        raise ValueError(
            f"config key 'model.num_speakers' must be at least {len(speakers)}, the number of speakers "
            f"in the data ({', '.join(speakers[:5])}...). Received: model.num_speakers={configured}"
        )
    return configured
