"""The 8-bit mu-law vocoder of r9y9/wavenet_vocoder v0.2 on LJ Speech.

    tfwavenet-train --config=configs/r9y9_mulaw256.py --config.data.root=LJSpeech-1.1 \
        --workdir=runs/mulaw256

30 layers in 3 cycles, 4.7 million weights, receptive field 6 139 samples (278 ms); codes in,
probabilities of 256 codes out. Half a million updates of Adam on 8 x 10 240 samples.
Short form: `:smoke`.

Hardware: made for one GPU.

Source: r9y9/wavenet_vocoder, egs/mulaw256/conf.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training import smoke
from tfwavenet.training.config import default_config


def get_config(form: smoke.Form = "full") -> ml_collections.ConfigDict:
    config = default_config()
    config.recipe = "r9y9"
    config.model.update(
        num_layers=30,
        dilation_cycle=10,
        residual_channels=128,
        gate_channels=256,
        skip_channels=128,
        kernel_size=3,
        distribution={"class_name": "Categorical", "config": {"classes": 256}},
        upsampler={
            "class_name": "StretchUpsampler",
            "config": {"scales": [4, 4, 4, 4], "padding_frames": 2, "input_context": True},
        },
    )
    config.data.update(corpus="ljspeech", batch_size=8, crop_frames=40)
    config.training.update(steps=500_000, steps_per_epoch=5000, clip_norm=None)
    return smoke.in_form(config, form)
