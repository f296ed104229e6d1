"""Compiled generation: loops over single steps, and reverse diffusion."""

from tfwavenet.generation.autoregressive import StepModel, generate
from tfwavenet.generation.diffusion import NoisePredictor, denoise
from tfwavenet.generation.request import Request

__all__ = ["NoisePredictor", "Request", "StepModel", "denoise", "generate"]
