"""Compiled generation loops over any model that can make single steps."""

from tfwavenet.generation.autoregressive import StepModel, generate
from tfwavenet.generation.request import Request

__all__ = ["Request", "StepModel", "generate"]
