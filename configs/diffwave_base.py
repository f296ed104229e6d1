"""The DiffWave vocoder of lmnt-com/diffwave on LJ Speech, base size.

    tfwavenet-train --config=configs/diffwave_base.py --config.data.root=LJSpeech-1.1 \
        --workdir=runs/diffwave

30 layers of 64 channels in 3 cycles, 2.6 million weights; 50 diffusion steps, conditioned on 80
mels. Batches of 16 crops of 62 frames (0.7 s), Adam at 2e-4, a million updates. Six steps are then
enough for sampling:

    tfwavenet-generate --workdir=runs/diffwave --schedule=1e-4,1e-3,0.01,0.05,0.2,0.5 --mel=a.npy

Hardware: made for one GPU. On two CPU cores only the short form:

    tfwavenet-train --config=configs/diffwave_base.py:smoke --workdir=runs/diffwave-smoke

Source: Kong et al., "DiffWave", arXiv:2009.09761, section 5.1; lmnt-com/diffwave, `params.py`.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training import smoke
from tfwavenet.training.config import default_config


def get_config(form: smoke.Form = "full") -> ml_collections.ConfigDict:
    config = default_config("DiffWave")
    config.recipe = "lmnt"
    config.model.upsampler = {
        "class_name": "TransposedUpsampler",
        "config": {"scales": [16, 16], "overlap": 2, "negative_slope": 0.4, "weight_norm": False},
    }
    config.data.update(corpus="ljspeech", batch_size=16, crop_frames=62)
    config.training.update(steps=1_000_000, steps_per_epoch=5000, clip_norm=None)
    config.training.learning_rate = 2e-4
    return smoke.in_form(config, form)
