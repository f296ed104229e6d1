"""An unconditional WaveNet: no features, no speaker, only the samples before.

    tfwavenet-train --config=configs/unconditional.py --config.data.corpus=folder \
        --config.data.root=recordings --workdir=runs/unconditional

30 layers in 3 cycles with two taps: receptive field 3 070 samples, 192 ms at 16 kHz. Crops are
longer, so that most samples see their whole receptive field. The result is babble or music, not
words. Short form: `:smoke`.

Hardware: made for one GPU.

Source: van den Oord et al., "WaveNet", arXiv:1609.03499, section 3.1.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training import smoke
from tfwavenet.training.config import default_config


def get_config(form: smoke.Form = "full") -> ml_collections.ConfigDict:
    config = default_config()
    config.recipe = "speech_16k"
    config.model.update(
        num_layers=30,
        dilation_cycle=10,
        residual_channels=64,
        gate_channels=128,
        skip_channels=256,
        kernel_size=2,
        distribution={"class_name": "Categorical", "config": {"classes": 256}},
    )
    config.data.update(corpus="folder", with_mel=False, batch_size=4, crop_frames=100)
    config.training.update(steps=300_000, steps_per_epoch=2500)
    return smoke.in_form(config, form)
