"""Compiled generation: loops over single steps, and reverse diffusion."""

from tfwavenet.generation.autoregressive import ChunkModel, StepModel, even_chunk
from tfwavenet.generation.diffusion import NoisePredictor, denoise
from tfwavenet.generation.request import Request
from tfwavenet.generation.stream import Stream
from tfwavenet.generation.utterances import generate

__all__ = [
    "ChunkModel",
    "NoisePredictor",
    "Request",
    "StepModel",
    "Stream",
    "denoise",
    "even_chunk",
    "generate",
]
