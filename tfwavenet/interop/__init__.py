"""Checkpoints and interfaces of other projects."""

from tfwavenet.interop.engine import Impl, NVWaveNet
from tfwavenet.interop.loading import FAMILIES, Imported, load

__all__ = ["FAMILIES", "Impl", "Imported", "NVWaveNet", "load"]
