"""The small multi-speaker vocoder of CODEJIN/WaveNet on CMU ARCTIC.

    tfwavenet-train --config=configs/codejin.py --config.data.root=cmu_arctic --workdir=runs/codejin

24 layers in 4 cycles with a narrow gate, 1.1 million weights, receptive field 505 samples; a
speaker vector of 128 numbers; many very short crops (16 x 768 samples). Short form: `:smoke`.

Its inference in pieces of a mel, `split_Mel_Window=7` and `overlap_Window=1`, is
`tfwavenet-generate --fold_frames=7 --overlap_frames=1`.

Hardware: one small GPU; two CPU cores make a few updates per second.

Source: CODEJIN/WaveNet, Hyper_Parameters.json.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training import smoke
from tfwavenet.training.config import default_config


def get_config(form: smoke.Form = "full") -> ml_collections.ConfigDict:
    config = default_config()
    config.recipe = "codejin"
    config.model.update(
        num_layers=24,
        dilation_cycle=6,
        residual_channels=128,
        gate_channels=64,
        skip_channels=128,
        kernel_size=3,
        distribution={"class_name": "MixtureOfLogistics", "config": {"log_scale_min": -32.236}},
        upsampler={
            "class_name": "StretchUpsampler",
            "config": {"scales": [4, 4, 4, 4], "padding_frames": 2},
        },
        speaker_channels=128,
        head_weight_norm=False,
        dropout=0.05,
    )
    config.data.update(corpus="cmu_arctic", batch_size=16, crop_frames=3)
    config.training.update(steps=1_000_000, steps_per_epoch=5000, clip_norm=4.0)
    config.training.learning_rate = {
        "class_name": "FlooredExponentialDecay",
        "config": {"initial": 1e-3, "decay_steps": 200_000, "decay_rate": 0.5, "floor": 1e-5},
    }
    return smoke.in_form(config, form)
