"""Compiled generation: loops over single steps, and reverse diffusion."""

from tfwavenet.generation.autoregressive import StepModel
from tfwavenet.generation.diffusion import NoisePredictor, denoise
from tfwavenet.generation.request import Request
from tfwavenet.generation.stream import Stream
from tfwavenet.generation.utterances import generate

__all__ = ["NoisePredictor", "Request", "StepModel", "Stream", "denoise", "generate"]
