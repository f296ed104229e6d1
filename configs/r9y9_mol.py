"""The mixture-of-logistics vocoder of r9y9/wavenet_vocoder v0.2 on LJ Speech.

    tfwavenet-train --config=configs/r9y9_mol.py --config.data.root=LJSpeech-1.1 --workdir=runs/mol

24 layers in 4 cycles, 3.7 million weights, receptive field 505 samples (23 ms). Batches of
8 x 10 240 samples; a million updates of Adam, the learning rate halved every 200 000.

Hardware: made for one GPU. Two CPU cores take seconds per update (`python -m
benchmarks.training`), so only the short form is for them:

    tfwavenet-train --config=configs/r9y9_mol.py:smoke --workdir=runs/mol-smoke

Source: r9y9/wavenet_vocoder, egs/mol/conf.
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
        distribution={"class_name": "MixtureOfLogistics", "config": {"components": 10}},
        upsampler={
            "class_name": "StretchUpsampler",
            "config": {"scales": [4, 4, 4, 4], "padding_frames": 2, "input_context": True},
        },
    )
    config.data.update(corpus="ljspeech", batch_size=8, crop_frames=40)
    config.training.update(steps=1_000_000, steps_per_epoch=5000, clip_norm=None)
    return smoke.in_form(config, form)
