"""The rate of generation leaves out what precedes the first chunk."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tfwavenet.evaluation.speed import Speedometer


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_compilation_is_not_in_the_rate(clock):
    speed = Speedometer()
    clock[0] += 25.0
    assert speed.add([np.zeros(100), np.zeros(60)]) == 160
    for samples in (0, 100):
        clock[0] += 0.5
        assert speed.add([np.zeros(100), np.zeros(samples)]) == 100 + samples
    assert speed.samples == 460
    assert speed.waited_seconds == pytest.approx(25)
    assert speed.samples_per_second == pytest.approx(300)
    assert speed.describe(9000) == "300 samples/s, real-time factor 30.000"


def test_one_chunk_has_no_rate(clock):
    speed = Speedometer()
    clock[0] += 3.0
    speed.add([np.zeros(100)])
    assert speed.samples_per_second is None
    assert speed.describe(8000) == "first audio after 3.0 s"


def test_the_first_step_of_a_diffusion_is_not_in_the_rate(clock):
    speed = Speedometer()
    for wait in (30.0, 0.5):  # two batches
        for done in range(1, 5):
            clock[0] += wait if done == 1 else 0.5
            speed.step(done, 4)
        assert speed.add([np.zeros(100), np.zeros(60)]) == 160
    assert speed.waited_seconds == pytest.approx(30.5)
    assert speed.samples_per_second == pytest.approx(80)


def test_a_single_step_has_no_rate(clock):
    speed = Speedometer()
    clock[0] += 3.0
    speed.step(1, 1)
    speed.add([np.zeros(100)])
    assert speed.samples_per_second is None
