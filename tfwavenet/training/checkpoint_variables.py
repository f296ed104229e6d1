"""Names the variables of models, optimizers and averages as checkpoints do.

The names are those that `tf.train.Checkpoint` gave them under Keras 2, such as
`model/blocks/0/conv/layer/kernel`. They do not depend on the version of Keras, so a checkpoint is
read under another than it was written under.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfwavenet import keras_versions
from tfwavenet.models.audio_model import AudioModel


def named_variables(**objects: Any) -> dict[str, tf.Variable]:
    """Returns the variables of objects under their names, each once.

    Args:
        **objects: built models, optimizers, `tf.Module`s and variables, by name.

    Returns:
        Variables by names with slashes between the parts. Metrics are left out: they start anew
        with every epoch.
    """
    found: dict[str, tf.Variable] = {}
    seen: set[int] = set()
    for name, target in objects.items():
        for path, variable in _walk(name, target):
            if id(variable) not in seen:
                seen.add(id(variable))
                found[path] = variable
    return found


def nested(variables: dict[str, tf.Variable]) -> dict[str, Any]:
    """Returns variables in dictionaries, one level per part of their names.

    Args:
        variables: variables by names with slashes between the parts.
    """
    tree: dict[str, Any] = {}
    for path, variable in variables.items():
        *parents, name = path.split("/")
        level = tree
        for parent in parents:
            level = level.setdefault(parent, {})
        level[name] = variable
    return tree


def _walk(path: str, target: Any) -> Iterator[tuple[str, tf.Variable]]:
    if keras_versions.is_variable(target):
        yield path, keras_versions.tf_variable(target)
    elif isinstance(target, keras.metrics.Metric):
        return
    elif isinstance(target, (list, tuple)):
        for index, child in enumerate(target):
            yield from _walk(f"{path}/{index}", child)
    elif isinstance(target, keras.optimizers.Optimizer):
        for name, variable in keras_versions.optimizer_variables(target).items():
            yield f"{path}/{name}", keras_versions.tf_variable(variable)
    elif isinstance(target, (keras.layers.Layer, tf.Module)):
        for name, child in _attributes(target):
            if not isinstance(child, keras.optimizers.Optimizer):  # of a compiled model
                yield from _walk(f"{path}/{name}", child)


def _attributes(target: Any) -> Iterator[tuple[str, Any]]:
    """Yields the attributes that may hold variables, under their names in checkpoints."""
    renamed = target.checkpoint_names if isinstance(target, AudioModel) else {}
    for name, child in vars(target).items():
        if name in renamed and renamed[name] is None:
            yield from _attributes(child)
        elif not name.startswith("_"):
            yield renamed.get(name, name), child
        elif isinstance(target, keras.Model):
            continue  # the teacher of a student, counters of Keras
        elif keras_versions.is_variable(child):
            yield name[1:], child  # Keras 3 keeps the variable of `kernel` in `_kernel`
        elif isinstance(child, keras.layers.Layer):
            yield name, child
