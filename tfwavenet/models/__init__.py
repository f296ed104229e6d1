"""The networks, as Keras models."""

from tfwavenet.models.diffwave import DiffWave
from tfwavenet.models.wavenet import WaveNet

__all__ = ["DiffWave", "WaveNet"]
