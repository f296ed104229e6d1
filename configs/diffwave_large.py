"""The DiffWave vocoder on LJ Speech, large size.

    tfwavenet-train --config=configs/diffwave_large.py --config.data.root=LJSpeech-1.1 \
        --workdir=runs/diffwave-large

30 layers of 128 channels in 3 cycles, 200 diffusion steps from 1e-4 to 0.02, conditioned on 80
mels. Batches of 16 crops of 62 frames (0.7 s), Adam at 2e-4. Short form: `:smoke`.

Hardware: made for one GPU.

Source: Kong et al., "DiffWave", arXiv:2009.09761, section 5.1.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training import smoke
from tfwavenet.training.config import default_config


def get_config(form: smoke.Form = "full") -> ml_collections.ConfigDict:
    config = default_config("DiffWave")
    config.recipe = "lmnt"
    config.model.update(
        residual_channels=128,
        schedule={"steps": 200, "first": 1e-4, "last": 0.02},
        upsampler={
            "class_name": "TransposedUpsampler",
            "config": {
                "scales": [16, 16],
                "overlap": 2,
                "negative_slope": 0.4,
                "weight_norm": False,
            },
        },
    )
    config.data.update(corpus="ljspeech", batch_size=16, crop_frames=62)
    config.training.update(steps=1_000_000, steps_per_epoch=5000, clip_norm=None)
    config.training.learning_rate = 2e-4
    return smoke.in_form(config, form)
