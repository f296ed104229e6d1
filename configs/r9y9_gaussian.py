"""The single-Gaussian vocoder of r9y9/wavenet_vocoder v0.2 on LJ Speech.

    tfwavenet-train --config=configs/r9y9_gaussian.py --config.data.root=LJSpeech-1.1 \
        --workdir=runs/gaussian

The network and the training of `r9y9_mol`, with two output channels. The loss is the negative
logarithm of a density, and falls below zero early; this is no error. Short form: `:smoke`.

Hardware: made for one GPU.

Source: r9y9/wavenet_vocoder, egs/gaussian/conf; Ping et al., "ClariNet", arXiv:1807.07281.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training import smoke
from tfwavenet.training.config import default_config


def get_config(form: smoke.Form = "full") -> ml_collections.ConfigDict:
    config = default_config()
    config.recipe = "r9y9"
    config.model.update(
        num_layers=24,
        dilation_cycle=6,
        residual_channels=128,
        gate_channels=256,
        skip_channels=128,
        kernel_size=3,
        distribution={"class_name": "Gaussian", "config": {}},
        upsampler={
            "class_name": "StretchUpsampler",
            "config": {"scales": [4, 4, 4, 4], "padding_frames": 2, "input_context": True},
        },
    )
    config.data.update(corpus="ljspeech", batch_size=8, crop_frames=40)
    config.training.update(steps=1_000_000, steps_per_epoch=5000, clip_norm=None)
    return smoke.in_form(config, form)
