"""Compiled generation: loops over single steps, and reverse diffusion."""

from tfwavenet.generation.batching import generate
from tfwavenet.generation.chunk import ChunkModel, StepModel, even_chunk
from tfwavenet.generation.request import Request
from tfwavenet.generation.reverse_diffusion import NoisePredictor, denoise
from tfwavenet.generation.stream import Stream

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
