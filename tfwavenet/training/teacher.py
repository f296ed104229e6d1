"""Loads and checks the teacher of a student: the trained model that `training.teacher` names.

Every function takes the resolved config of any model, and does nothing for a model that is no
student.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import keras
import ml_collections

from tfwavenet.audio import recipes
from tfwavenet.models import ParallelWaveNet
from tfwavenet.training import building
from tfwavenet.training.config import model_class, recipe_of
from tfwavenet.training.trained import describe, load_trained


def load_teacher(config: ml_collections.ConfigDict) -> Optional[keras.Model]:
    """Loads the model that the student of a config learns from.

    Args:
        config: a resolved config.

    Returns:
        The teacher. If the model of the config is no student, None.

    Raises:
        ValueError: If a student has no `training.teacher`, or this is no trained model.
    """
    training = config.training
    if not _is_student(config):
        return None
    return load_trained(training.teacher, precision=training.precision).model


def with_statistics(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Returns the config by which the data of a student are prepared.

    The statistics of the teacher normalize the features, whatever the student's corpus is. A recipe
    with another number of mels keeps its own statistics.

    Args:
        config: a resolved config; not changed.

    Raises:
        ValueError: If a student has no `training.teacher`, or this is no trained model.
    """
    if not _is_student(config):
        return config
    own = recipe_of(config).get_config()
    fitted = describe(config.training.teacher).recipe.get_config()
    if own.get("n_mels") != fitted.get("n_mels"):
        return config
    open_fields = [name for name in building.FITTED if name in own and own[name] is None]
    complete = ml_collections.ConfigDict(config.to_dict(), type_safe=False)
    complete.recipe = {**own, **{name: fitted.get(name) for name in open_fields}}
    return complete.lock()


def check(
    config: ml_collections.ConfigDict, student: keras.Model, teacher: Optional[keras.Model]
) -> None:
    """Checks before the data are prepared that a student fits its teacher.

    Args:
        config: from `with_statistics`.
        student: from `building.draft_model`.
        teacher: from `load_teacher`.

    Raises:
        ValueError: If student and teacher differ in family, recipe, features or speakers, or the
            teacher's statistics are not known.
    """
    if teacher is None:
        return
    student.set_teacher(teacher)
    recipe = recipes.get(recipe_of(config))
    if config.data.with_mel and recipe.normalization == "standard" and recipe.mean is None:
        raise ValueError(
            "A teacher of normalized features is expected to have their statistics in its recipe; "
            "an imported one has them from the file beside its checkpoint. "
            "Received: a teacher with recipe mean=None"
        )


def check_speakers(config: ml_collections.ConfigDict, speakers: Sequence[str]) -> None:
    """Checks that the numbers of the speakers mean the same to a student and its teacher.

    An imported teacher may know its speakers by their numbers alone.

    Args:
        config: a resolved config.
        speakers: names of the speakers in the student's data, in the order of their numbers.

    Raises:
        ValueError: If the teacher has other speakers, or another order of speakers.
    """
    if config.training.teacher is None or not config.model.speaker_channels:
        return
    expected = describe(config.training.teacher).speakers
    numbers = [str(number) for number in range(len(expected))]
    if expected != numbers and expected[: len(speakers)] != list(speakers):
        raise ValueError(
            f"Expected data of the teacher's speakers, in its order: {expected}. "
            f"Received: speakers={list(speakers)}"
        )


def _is_student(config: ml_collections.ConfigDict) -> bool:
    """Tells whether the model of a config is a student, which must have a teacher."""
    is_student = issubclass(model_class(config.model.class_name), ParallelWaveNet)
    if is_student and config.training.teacher is None:
        raise ValueError(
            "config key 'training.teacher' must be a preset or the workdir of a trained model for "
            "a student. Received: training.teacher=None"
        )
    return is_student
