"""The settings of sampling: their ranges, and what of them a program is given."""

from __future__ import annotations

import numpy as np
import pytest

from tfwavenet.codecs import Linear, MuLaw
from tfwavenet.generation import Sampler


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": -0.1}, "temperature of 0 or more. Received: temperature=-0.1"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"temperature": None}, "temperature=None"),
        ({"temperature": True}, "temperature=True"),
        ({"top_p": 0}, "`top_p` above 0, at most 1. Received: top_p=0"),
        ({"top_p": 1.1}, "top_p=1.1"),
        ({"top_p": None}, "top_p=None"),
        ({"top_k": 0}, "integer of at least 1. Received: top_k=0"),
        ({"top_k": 2.5}, "top_k=2.5"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sampler(**arguments)


def test_what_has_no_effect_is_left_out():
    assert set(Sampler().tensors(MuLaw())) == {"temperature"}
    assert set(Sampler(top_k=256).tensors(MuLaw())) == {"temperature"}
    found = Sampler(np.float32(0.5), top_k=np.int64(1), top_p=0.9).tensors(MuLaw())
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {"temperature": 0.5, "top_k": 1, "top_p": 0.9}
    )


@pytest.mark.parametrize("arguments", [{"top_k": 1}, {"top_p": 0.9}])
def test_codes_alone_can_be_left_out(arguments):
    with pytest.raises(ValueError, match="for networks that predict codes"):
        Sampler(**arguments).tensors(Linear())
