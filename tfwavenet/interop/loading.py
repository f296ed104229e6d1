"""Turns a checkpoint of another project into a model."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfwavenet import files
from tfwavenet.interop import (
    checkpoint,
    codejin,
    ibab,
    lmnt,
    nv_wavenet,
    philsyn,
    r9y9,
    revsic,
)
from tfwavenet.interop.pickles import shown

# What a network is told by tensors and hyper-parameters that are not those of its project.
_MISFITS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
)
_LONGEST_REASON = 300

FAMILIES: dict[str, Any] = {
    "codejin": codejin,
    "ibab": ibab,
    "lmnt": lmnt,
    "nv_wavenet": nv_wavenet,
    "philsyn": philsyn,
    "r9y9": r9y9,
    "revsic": revsic,
}


@dataclasses.dataclass(frozen=True)
class Imported:
    """The result of `load`.

    Attributes:
        model: a `WaveNet` or `DiffWave` that computes exactly as the network of the checkpoint.
            Its `recipe` makes features as the project does. If the recipe is None, the checkpoint
            takes conditioning from elsewhere.
        family: key of `FAMILIES`.
        step: number of updates of the weights, 0 if it is unknown.
    """

    model: keras.Model
    family: str
    step: int


def load(
    path: files.PathLike,
    *,
    hyperparameters: Mapping[str, Any] | files.PathLike | None = None,
) -> Imported:
    """Loads a checkpoint of another project.

    The names of the tensors tell the project. Hyper-parameters are taken from the shapes of the
    tensors. Other hyper-parameters come from the JSON file that the project writes beside its
    checkpoints, or from its published configuration. No code in a file is run.

    | family | project | files |
    |---|---|---|
    | `r9y9` | r9y9/wavenet_vocoder, v0.2 and before | `.pth`, with and without EMA; `hparams.json`, `meanvar.joblib` |
    | `lmnt` | lmnt-com/diffwave | `.pt` |
    | `philsyn` | philsyn/DiffWave-Vocoder, -unconditional | `.pkl`; `config.json` |
    | `nv_wavenet` | NVIDIA/nv-wavenet, `pytorch/` | training run, state dict, or the wrapper's dictionary; `config.json` |
    | `codejin` | CODEJIN/WaveNet | `.index`; `Hyper_Parameters.json` |
    | `ibab` | ibab/tensorflow-wavenet | `.index`; `wavenet_params.json` |
    | `revsic` | revsic/tf-diffwave | `.index`; the run's `.json` |

    Args:
        path: file of PyTorch; or of TensorFlow the `.index` file, the name without extension, or
            the folder, whose newest checkpoint is taken.
        hyperparameters: a mapping, or a JSON file, in place of the file beside the checkpoint.

    Raises:
        ValueError: if the file is damaged, of no known project, or contains code, or if a tensor
            or hyper-parameter is missing, left over, or contradicts the others.
        OSError: if there is no such file.

    Examples:
        >>> imported = load("step1000000_ema.pth")  # doctest: +SKIP
        >>> audio = imported.model.generate(mel)  # doctest: +SKIP
    """
    given: Any = hyperparameters
    if isinstance(given, (str, os.PathLike)):
        given = files.read_json(given)
    if hyperparameters is not None and not isinstance(given, Mapping):
        raise ValueError(
            "Expected a mapping of hyper-parameters, or a JSON file of one. "
            f"Received: {type(given).__name__} in hyperparameters={str(hyperparameters)[:200]!r}"
        )
    found = checkpoint.read(path, given)
    for name, family in FAMILIES.items():
        if family.matches(found.arrays):
            model, step = _converted(family, found)
            return Imported(model, name, step)
    some = ", ".join(map(shown, sorted(found.arrays)[:3])) or "none"
    raise ValueError(
        f"Expected a checkpoint of one of the projects {', '.join(FAMILIES)}. "
        f"Received: {os.fspath(path)!r} with the tensors {some}..."
    )


def _converted(family: Any, found: checkpoint.Source) -> tuple[keras.Model, int]:
    """Builds the network of a checkpoint; whatever does not fit together becomes one sentence."""
    try:
        return family.convert(found)
    except ValueError as error:
        if "Received:" in str(error):
            raise
        reason: Exception = error
    except (*_MISFITS, tf.errors.OpError) as error:
        reason = error
    text = " ".join(str(reason).split())[:_LONGEST_REASON] or type(reason).__name__
    raise ValueError(
        f"{found.origin}: Expected tensors and hyper-parameters that fit together. Received: {text}"
    ) from reason
