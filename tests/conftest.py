"""What every test runs under: no accelerator noise, no windows, nothing left behind."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest


@pytest.fixture(autouse=True)
def keras_state_is_restored():
    """Undoes a test's precision policy and layer names; free for tests without TensorFlow."""
    yield
    if "tensorflow" in sys.modules:
        import keras

        keras.mixed_precision.set_global_policy("float32")
        keras.backend.clear_session()
