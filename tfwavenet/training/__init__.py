"""Trains models: `run` takes a config and a folder, and gives a trained model.

`run` also resumes; `load` returns the model of a workdir. Both are imported when they are first used,
so that `--help`, which lists the keys of a config, need not wait for TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfwavenet.training.config import default_config
    from tfwavenet.training.run_training import run
    from tfwavenet.training.workdir import load

__all__ = ["default_config", "load", "run"]
_HOMES = {"default_config": "config", "load": "workdir", "run": "run_training"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
