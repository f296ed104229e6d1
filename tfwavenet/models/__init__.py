"""The networks, as Keras models."""

from tfwavenet.models.wavenet import WaveNet

__all__ = ["WaveNet"]
