"""ClariNet's parallel student of the single-Gaussian vocoder, on LJ Speech.

    tfwavenet-train --config=configs/r9y9_gaussian.py --config.data.root=LJSpeech-1.1 \
        --workdir=runs/gaussian
    tfwavenet-train --config=configs/clarinet.py --config.data.root=LJSpeech-1.1 \
        --config.training.teacher=runs/gaussian --workdir=runs/clarinet

Four flows of 10, 10, 10 and 30 layers, one pass from noise to audio. The teacher is the workdir of
any WaveNet that predicts a Gaussian from the same features. Short form: `:smoke`.

Hardware: made for one GPU; generation is faster than real time on two CPU cores.

Source: Ping et al., "ClariNet", arXiv:1807.07281, sections 3 and 5.
"""

from __future__ import annotations

import ml_collections

from tfwavenet.training import smoke
from tfwavenet.training.config import default_config


def get_config(form: smoke.Form = "full") -> ml_collections.ConfigDict:
    config = default_config("ParallelWaveNet")
    config.recipe = "r9y9"
    config.model.update(
        flow_layers=[10, 10, 10, 30],
        upsampler={
            "class_name": "StretchUpsampler",
            "config": {"scales": [4, 4, 4, 4], "padding_frames": 2, "input_context": True},
        },
    )
    config.data.update(corpus="ljspeech", batch_size=8, crop_frames=60)
    config.training.update(teacher="runs/gaussian", steps=500_000, steps_per_epoch=5000)
    return smoke.in_form(config, form)
