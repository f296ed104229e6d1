"""Trains models: `run` takes a config and a folder, and gives a trained model.

`run` also resumes; `load` returns the model of a workdir.
"""

from tfwavenet.training.config import default_config
from tfwavenet.training.run_training import run
from tfwavenet.training.workdir import load

__all__ = ["default_config", "load", "run"]
