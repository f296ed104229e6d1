"""Networks of 44.1 and 48 kHz, for music as well as speech: a WaveNet, a DiffWave, and a student.

    tfwavenet-train --config=configs/fullband.py:wavenet_44k --config.data.root=recordings \
        --workdir=runs/fullband
    tfwavenet-train --config=configs/fullband.py:diffwave_48k --config.data.root=recordings \
        --workdir=runs/fullband48

Data: a folder of recordings of at least that rate. Kinds:

- `wavenet_44k`, `wavenet_48k`: 30 layers in 3 cycles, a mixture of logistics; receptive field 3070
  samples, 70 ms at 44.1 kHz.
- `diffwave_44k`, `diffwave_48k`: 36 layers in 3 cycles of 12, 50 steps, a prior of energy.
- `gaussian_44k`, `gaussian_48k`: a WaveNet that teaches, and `student_44k`, `student_48k`, which
  learns from the run in runs/gaussian_44k or runs/gaussian_48k (`--config.training.teacher`).

Cost: about one multiplication per weight and sample. The WaveNet has 2.6 million weights, which is 115
thousand million multiplications for a second at 44.1 kHz; the DiffWave has 3.4 million, in each of its
steps. That is twice the work of the same network at 22.05 kHz, and so is the memory of a second.

Hardware: made for one GPU.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import ml_collections

from tfwavenet.training.config import default_config

Kind = Literal[
    "wavenet_44k",
    "wavenet_48k",
    "diffwave_44k",
    "diffwave_48k",
    "gaussian_44k",
    "gaussian_48k",
    "student_44k",
    "student_48k",
]
SCALES = {"44k": [8, 8, 8], "48k": [6, 8, 10]}


def get_config(kind: Kind = "wavenet_44k") -> ml_collections.ConfigDict:
    if kind not in get_args(Kind):
        raise ValueError(f"the kind must be one of {get_args(Kind)}. Received: kind={kind!r}")
    name, rate = kind.split("_")
    class_name = {"diffwave": "DiffWave", "student": "ParallelWaveNet"}.get(name, "WaveNet")
    config = default_config(class_name)
    config.recipe = f"audio_{rate}"
    upsampler: dict[str, Any] = {"scales": SCALES[rate], "padding_frames": 2, "input_context": True}
    config.model.upsampler = {"class_name": "StretchUpsampler", "config": upsampler}
    config.data.update(corpus="folder", root="recordings", batch_size=8, crop_frames=48)
    config.training.update(steps=1_000_000, steps_per_epoch=5000, precision="mixed_bfloat16")
    if name == "diffwave":
        config.model.update(
            num_layers=36,
            dilation_cycle=12,
            prior="energy",
            schedule={"steps": 50, "first": 1e-4, "last": 0.2},
        )
        config.training.learning_rate = 2e-4
    elif name == "student":
        config.model.update(
            flow_layers=[10, 10, 10, 30],
            spectral_resolutions=[[512, 60, 300], [1024, 120, 600], [2048, 240, 1200]],
        )
        config.training.teacher = f"runs/gaussian_{rate}"
    else:
        output = {
            "wavenet": {"class_name": "MixtureOfLogistics", "config": {"components": 10}},
            "gaussian": {"class_name": "Gaussian", "config": {}},
        }
        config.model.update(
            num_layers=30,
            dilation_cycle=10,
            residual_channels=96,
            gate_channels=192,
            skip_channels=128,
            distribution=output[name],
        )
    return config
