"""One vocoder for the 109 voices of VCTK.

    tfwavenet-train --config=configs/multispeaker.py --config.data.root=VCTK-Corpus-0.92 \
        --workdir=runs/vctk

The network of `r9y9_mol` with our 22.05 kHz recipe and a vector of 64 numbers per speaker. The number
of speakers comes from the data. Short form: `:smoke`.

Hardware: made for one GPU.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training import smoke
from tfwavenet.training.config import default_config


def get_config(form: smoke.Form = "full") -> ml_collections.ConfigDict:
    config = default_config()
    config.recipe = "speech_22k"
    config.model.update(
        num_layers=24,
        dilation_cycle=6,
        residual_channels=128,
        gate_channels=256,
        skip_channels=128,
        kernel_size=3,
        distribution={"class_name": "MixtureOfLogistics", "config": {"components": 10}},
        upsampler={
            "class_name": "StretchUpsampler",
            "config": {"scales": [4, 8, 8], "padding_frames": 2, "input_context": True},
        },
        speaker_channels=64,
    )
    config.data.update(corpus="vctk", batch_size=8, crop_frames=40)
    config.training.update(steps=1_000_000, steps_per_epoch=5000)
    return smoke.in_form(config, form)
