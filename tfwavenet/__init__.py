"""Neural audio generation with WaveNet and DiffWave for TensorFlow.

The public names below are imported when they are first used. So `import tfwavenet` takes
milliseconds, and worker processes that only read audio never load TensorFlow's training stack.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tfwavenet.version import __version__

# What editors and type checkers see; `__getattr__` below does the same when a program runs.
if TYPE_CHECKING:
    from tfwavenet import (
        audio,
        data,
        distributions,
        evaluation,
        export,
        generation,
        interop,
        layers,
        models,
        training,
    )
    from tfwavenet.audio.features import FeatureRecipe
    from tfwavenet.data.audio_dataset import audio_files_dataset
    from tfwavenet.data.pipeline import Records
    from tfwavenet.data.preparation import prepare
    from tfwavenet.distributions import (
        Categorical,
        Gaussian,
        MixtureOfGaussians,
        MixtureOfLogistics,
    )
    from tfwavenet.evaluation import evaluate
    from tfwavenet.export import export_saved_model
    from tfwavenet.layers import LearnedUpsampler, StretchUpsampler, TransposedUpsampler
    from tfwavenet.models import DiffWave, ParallelWaveNet, WaveNet
    from tfwavenet.models.keras_files import load_model
    from tfwavenet.models.presets import from_preset, presets
    from tfwavenet.run import Run
    from tfwavenet.text import TextRecipe

# Imported as attributes of the package too; `launch` is for the command line.
_SUBPACKAGES = (
    "audio",
    "data",
    "distributions",
    "evaluation",
    "export",
    "generation",
    "interop",
    "layers",
    "models",
    "training",
)

# Where each public name lives.
_HOMES: dict[str, str] = {
    "Categorical": "tfwavenet.distributions",
    "DiffWave": "tfwavenet.models",
    "FeatureRecipe": "tfwavenet.audio.features",
    "Gaussian": "tfwavenet.distributions",
    "LearnedUpsampler": "tfwavenet.layers",
    "MixtureOfGaussians": "tfwavenet.distributions",
    "MixtureOfLogistics": "tfwavenet.distributions",
    "ParallelWaveNet": "tfwavenet.models",
    "Records": "tfwavenet.data.pipeline",
    "Run": "tfwavenet.run",
    "StretchUpsampler": "tfwavenet.layers",
    "TextRecipe": "tfwavenet.text",
    "TransposedUpsampler": "tfwavenet.layers",
    "WaveNet": "tfwavenet.models",
    "audio_files_dataset": "tfwavenet.data.audio_dataset",
    "evaluate": "tfwavenet.evaluation",
    "export_saved_model": "tfwavenet.export",
    "from_preset": "tfwavenet.models.presets",
    "load_model": "tfwavenet.models.keras_files",
    "prepare": "tfwavenet.data.preparation",
    "presets": "tfwavenet.models.presets",
}

__all__ = [
    "Categorical",
    "DiffWave",
    "FeatureRecipe",
    "Gaussian",
    "LearnedUpsampler",
    "MixtureOfGaussians",
    "MixtureOfLogistics",
    "ParallelWaveNet",
    "Records",
    "Run",
    "StretchUpsampler",
    "TextRecipe",
    "TransposedUpsampler",
    "WaveNet",
    "__version__",
    "audio_files_dataset",
    "evaluate",
    "export_saved_model",
    "from_preset",
    "load_model",
    "prepare",
    "presets",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _SUBPACKAGES:
            return importlib.import_module(f"tfwavenet.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'tfwavenet' has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBPACKAGES})
