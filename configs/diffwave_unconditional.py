"""Unconditional DiffWaves for short sounds and for music.

    tfwavenet-train --config=configs/diffwave_unconditional.py:sc09 \
        --config.data.root=speech_commands --workdir=runs/sc09
    tfwavenet-generate --workdir=runs/sc09 --seconds=1 --count=10

36 layers of 256 channels in cycles of 12 (receptive field 1.5 s at 16 kHz), 200 diffusion steps from
1e-4 to 0.02, no features, Adam at 2e-4. Forms:

- `sc09`: the ten digits of Speech Commands, batches of 16 whole recordings of a second at 16 kHz.
  To condition on the digit: `--config.model.speaker_channels=128`.
- `gtzan`: the GTZAN collection of music at 22.05 kHz, batches of 4 crops of 3 s, which need the same
  memory.
- `full`: `sc09` for any folder of recordings, with one folder per class for conditioning.
- `smoke`: a few updates on the bundled speech.

Hardware: made for one large GPU; on a smaller one, smaller batches.

Source: Kong et al., "DiffWave", arXiv:2009.09761, sections 5.2 and 5.3, for the digits.
"""

from __future__ import annotations

from typing import Literal, get_args

import ml_collections

from tfwavenet.training import smoke
from tfwavenet.training.config import default_config

Form = Literal["full", "sc09", "gtzan", "smoke"]


def get_config(form: Form = "full") -> ml_collections.ConfigDict:
    if form not in get_args(Form):
        raise ValueError(f"the form must be one of {get_args(Form)}. Received: form={form!r}")
    config = default_config("DiffWave")
    base = "speech_22k" if form == "gtzan" else "speech_16k"
    config.recipe = {"base": base, "pre_emphasis": 0.0, "signal_gain": 1.0}
    config.model.update(
        num_layers=36,
        dilation_cycle=12,
        residual_channels=256,
        schedule={"steps": 200, "first": 1e-4, "last": 0.02},
    )
    config.data.update(corpus="folder", with_mel=False, batch_size=16, crop_frames=100)
    if form == "sc09":
        config.data.corpus = "speech_commands"
    elif form == "gtzan":
        config.data.update(corpus="gtzan", batch_size=4, crop_frames=256)
    config.training.update(steps=1_000_000, steps_per_epoch=5000, clip_norm=None)
    config.training.learning_rate = 2e-4
    return smoke.in_form(config, "smoke" if form == "smoke" else "full")
