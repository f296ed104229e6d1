"""The networks, as Keras models, and their presets."""

from tfwavenet.models.diffwave import DiffWave
from tfwavenet.models.parallel_wavenet import ParallelWaveNet
from tfwavenet.models.wavenet import WaveNet

__all__ = ["DiffWave", "ParallelWaveNet", "WaveNet"]
