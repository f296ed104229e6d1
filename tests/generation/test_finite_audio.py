"""Features that are finite and too large give audio or a sentence, never NaN."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.support import served


def features(value):
    mel = served.mel(4).copy()
    mel[:, 2] = value
    return mel


@pytest.mark.parametrize("kind", ["vectors"])
def test_audio_is_finite_where_the_network_limits_its_numbers(kind):
    given = {"mel": features(3e38), **served.conditions(kind)}
    assert np.isfinite(served.generated(kind, given)).all()
    assert np.isfinite(served.call(kind, "serving_default", **given)["audio"]).all()


@pytest.mark.parametrize("kind", ["student", "diffwave"])
def test_numbers_that_are_too_large_are_refused(kind):
    given = {"mel": features(3e38), **served.conditions(kind)}
    with pytest.raises(ValueError, match="stays finite. Received: generated audio with NaN"):
        served.generated(kind, given)
    with pytest.raises(tf.errors.InvalidArgumentError, match="stays finite. Received: NaN"):
        served.call(kind, "serving_default", **given)


def test_of_a_stream():
    model = served.network("student")
    stream = model.stream(batch_size=2, speaker=[0, 1], chunk_samples=48, jit_compile=False)
    with pytest.raises(ValueError, match="stays finite. Received: generated audio with NaN"):
        stream.push(np.tile(features(3e38), [1, 4, 1]))
