"""Training: one function from a config and a folder to a trained model.

`run` trains and resumes; `load` gives the model of a workdir back.
"""

from tfwavenet.training.config import default_config
from tfwavenet.training.run_training import run
from tfwavenet.training.workdir import load

__all__ = ["default_config", "load", "run"]
