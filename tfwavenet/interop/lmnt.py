"""Checkpoints of lmnt-com/diffwave, conditional and unconditional.

Source: https://github.com/lmnt-com/diffwave, at 0594106.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tfwavenet.audio import recipes
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.interop.checkpoint import Source
from tfwavenet.interop.hyperparameters import Hyperparameters
from tfwavenet.interop.tensors import Tensors, assign_torch_layer, split
from tfwavenet.layers import TransposedUpsampler
from tfwavenet.models import DiffWave

_SCHEDULE = np.linspace(1e-4, 0.05, 50).tolist()
_INFERENCE_SCHEDULE = [0.0001, 0.001, 0.01, 0.05, 0.2, 0.5]
_BLOCK = "residual_layers.{}."
_PARTS = ("residual", "skip")


def matches(names: Collection[str]) -> bool:
    """Tells whether tensors of these names are of this family."""
    return "diffusion_embedding.projection1.weight" in names and "input_projection.bias" in names


def convert(source: Source) -> tuple[DiffWave, int]:
    """Builds the network of a checkpoint and returns it with its number of updates."""
    hyper = source.hyperparameters("params.json")
    if "params" in source.content and source.given is None:
        hyper = Hyperparameters(source.content["params"], source.origin)
    layers = source.tensors().count(_BLOCK + "dilated_conv.bias")
    tensors = source.tensors(_rearranged(source.arrays, layers))
    model = _model(tensors, hyper, hyper.agreed("residual_layers", layers))
    model.build()
    _assign(model, tensors)
    # The residual path ends in the last block.
    tensors.finish([rf"residual_layers\.{layers - 1}\.output_projection\.residual\..*"])
    return model, source.step("step")


def _rearranged(arrays: dict[str, np.ndarray], layers: int) -> dict[str, np.ndarray]:
    """Returns the tensors with the tanh half first, and separate projections."""
    arrays = dict(arrays)
    for prefix in map(_BLOCK.format, range(layers)):
        arrays = split(arrays, prefix + "output_projection", _PARTS)
        for name in list(arrays):
            if name.startswith((prefix + "dilated_conv.", prefix + "conditioner_projection.")):
                arrays[name] = np.roll(arrays[name], len(arrays[name]) // 2, axis=0)
    return arrays


def _model(tensors: Tensors, hyper: Hyperparameters, layers: int) -> DiffWave:
    conditioner = _BLOCK.format(0) + "conditioner_projection.weight"
    conditional = conditioner in tensors
    hyper.agreed("unconditional", not conditional)
    mels = hyper.agreed("n_mels", tensors.shape(conditioner, 3)[1]) if conditional else None
    upsampler = None
    if conditional:
        shapes = [tensors.shape(f"spectrogram_upsampler.conv{i}.weight", 4) for i in (1, 2)]
        upsampler = TransposedUpsampler(
            [shape[3] // 2 for shape in shapes],
            overlap=2,
            frequency_kernel_size=shapes[0][2],
            negative_slope=0.4,
            weight_norm=False,
        )
        hyper.agreed("hop_samples", upsampler.hop_samples)
    return DiffWave(
        num_layers=layers,
        dilation_cycle=hyper.integer("dilation_cycle_length", 10, most=30),
        residual_channels=hyper.agreed(
            "residual_channels", tensors.shape("input_projection.bias", 1)[0]
        ),
        kernel_size=tensors.shape(_BLOCK.format(0) + "dilated_conv.weight", 3)[2],
        schedule=hyper.numbers("noise_schedule", _SCHEDULE),
        inference_schedule=hyper.numbers("inference_noise_schedule", _INFERENCE_SCHEDULE),
        step_channels=tensors.shape("diffusion_embedding.projection1.bias", 1)[0],
        upsampler=upsampler,
        local_channels=mels,
        recipe=_recipe(hyper, mels, upsampler),
    )


def _recipe(
    hyper: Hyperparameters, mels: int | None, upsampler: TransposedUpsampler | None
) -> FeatureRecipe | None:
    rate = hyper.integer("sample_rate", 22050)
    hop = hyper.integer("hop_samples", 256) if upsampler is None else upsampler.hop_samples
    changes = {
        "sample_rate": rate,
        "fmax_hz": rate / 2.0,
        "n_fft": hyper.integer("n_fft", 1024),
        "win_samples": 4 * hop,
        "hop_samples": hop,
        "n_mels": mels or hyper.integer("n_mels", 80),
    }
    return hyper.recipe(recipes.get("lmnt"), changes, {"win_samples": "hop_samples"})


def _assign(model: DiffWave, tensors: Tensors) -> None:
    assign_torch_layer(model.input_conv, tensors, "input_projection")
    for index, layer in enumerate(model.step_embedding.dense, start=1):
        assign_torch_layer(layer, tensors, f"diffusion_embedding.projection{index}")
    for index, block in enumerate(model.blocks):
        prefix = _BLOCK.format(index)
        assign_torch_layer(block.step_projection, tensors, prefix + "diffusion_projection")
        assign_torch_layer(block.conv, tensors, prefix + "dilated_conv")
        assign_torch_layer(block.local_projection, tensors, prefix + "conditioner_projection")
        for layer, part in zip((block.residual_projection, block.skip_projection), _PARTS):
            assign_torch_layer(layer, tensors, f"{prefix}output_projection.{part}")
    if model.upsampler is not None:
        for index, stage in enumerate(model.upsampler.stages, start=1):
            assign_torch_layer(stage, tensors, f"spectrogram_upsampler.conv{index}")
    assign_torch_layer(model.skip_conv, tensors, "skip_projection")
    assign_torch_layer(model.output_conv, tensors, "output_projection")
