"""Compiled generation: loops over single steps, and reverse diffusion."""

from tfwavenet.generation.batching import generate
from tfwavenet.generation.chunk import even_chunk
from tfwavenet.generation.protocols import ChunkModel, NoisePredictor, StepModel
from tfwavenet.generation.request import Request
from tfwavenet.generation.reverse_diffusion import denoise
from tfwavenet.generation.sampler import Sampler
from tfwavenet.generation.stream import Stream

__all__ = [
    "ChunkModel",
    "NoisePredictor",
    "Request",
    "Sampler",
    "StepModel",
    "Stream",
    "denoise",
    "even_chunk",
    "generate",
]
