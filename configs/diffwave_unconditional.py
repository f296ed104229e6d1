"""An unconditional DiffWave for short sounds, such as the spoken digits of Speech Commands.

    tfwavenet-train --config=configs/diffwave_unconditional.py --config.data.root=sc09 \
        --workdir=runs/sc09
    tfwavenet-generate --workdir=runs/sc09 --seconds=1 --count=10

36 layers of 256 channels in cycles of 12 (it sees 1.5 s), 200 diffusion steps from 1e-4 to 0.02, no
features. Batches of 16 whole recordings of a second, Adam at 2e-4. For music, such as the
30-second recordings of GTZAN, the same with longer crops: `--config.data.crop_frames=400`. To
condition on the class, a folder per class and `--config.model.speaker_channels=128`. Short form:
`:smoke`.

Hardware: made for one large GPU; on a smaller one, smaller batches.

Source: Kong et al., "DiffWave", arXiv:2009.09761, sections 5.2 and 5.3.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training import forms
from tfwavenet.training.config import default_config


def get_config(form: forms.Form = "full") -> ml_collections.ConfigDict:
    config = default_config("DiffWave")
    config.recipe = {"base": "speech_16k", "pre_emphasis": 0.0, "signal_gain": 1.0}
    config.model.update(
        layers=36,
        dilation_cycle=12,
        residual_channels=256,
        schedule={"steps": 200, "first": 1e-4, "last": 0.02},
    )
    config.data.update(corpus="folder", with_mel=False, batch_size=16, crop_frames=100)
    config.training.update(steps=1_000_000, steps_per_epoch=5000, clip_norm=None)
    config.training.learning_rate = 2e-4
    return forms.in_form(config, form)
