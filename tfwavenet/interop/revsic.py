"""Checkpoints of revsic/tf-diffwave, which TensorFlow 2 wrote.

Its sampling does not clip; give `generate` the argument `clip=False`.

Source: https://github.com/revsic/tf-diffwave, at 32b0b40.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tfwavenet.audio import recipes
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.diffusion import MOST_STEPS, NoiseSchedule
from tfwavenet.interop.checkpoint import Source, below, without_prefix
from tfwavenet.interop.hyperparameters import Hyperparameters
from tfwavenet.interop.tensors import Tensors
from tfwavenet.layers import TransposedUpsampler
from tfwavenet.models import DiffWave

_ROOT = "wavenet/"
_MARK = _ROOT + "proj_embed/0/kernel"
_BLOCK = "blocks/{}/"
_CYCLES, _STEPS = 3, 20  # of the published configuration
_UNUSED = (r".*\.OPTIMIZER_SLOT.*", r"optim.*")


def matches(names: Collection[str]) -> bool:
    """Tells whether tensors of these names are of this family."""
    return without_prefix(names, _MARK) is not None


def convert(source: Source) -> tuple[DiffWave, int]:
    """Builds the network of a checkpoint and returns it with its number of updates."""
    root = f"{without_prefix(source.arrays, _MARK)}{_ROOT}"
    tensors = source.tensors(below(source.arrays, root))
    hyper = source.hyperparameters("config.json")
    model = _model(source, tensors, hyper)
    model.build()
    _assign(model, tensors)
    tensors.finish(_UNUSED)
    return model, source.step("optimizer/iter", "optim/iter")


def _model(source: Source, tensors: Tensors, hyper: Hyperparameters) -> DiffWave:
    given = hyper.section("model")
    layers = given.agreed("num_layers", tensors.count(_BLOCK + "conv/kernel"))
    cycles = given.integer("num_cycles", _CYCLES)
    if layers % cycles or given.number("dilation_rate", 2) != 2:
        raise ValueError(
            f"{source.origin}: Expected num_cycles to divide its {layers} layers, and "
            f"dilation_rate=2. Received: num_cycles={cycles}"
        )
    conditional = _BLOCK.format(0) + "proj_mel/kernel" in tensors
    mels = tensors.shape(_BLOCK.format(0) + "proj_mel/kernel", 3)[1] if conditional else None
    upsampler = _upsampler(tensors, given) if conditional else None
    kernel_size, channels, _ = tensors.shape(_BLOCK.format(0) + "conv/kernel", 3)
    schedule = NoiseSchedule.linear(
        given.integer("iter", _STEPS, most=MOST_STEPS),
        given.number("noise_start", 1e-4),
        given.number("noise_end", 0.05),
    )
    return DiffWave(
        num_layers=layers,
        dilation_cycle=layers // cycles,
        residual_channels=given.agreed("channels", channels),
        kernel_size=given.agreed("kernel_size", kernel_size),
        schedule=schedule,
        step_channels=given.agreed("embedding_proj", tensors.shape("proj_embed/0/bias", 1)[0]),
        step_order="one_based",
        upsampler=upsampler,
        local_channels=mels,
        recipe=_recipe(hyper.section("data"), mels, upsampler),
    )


def _upsampler(tensors: Tensors, given: Hyperparameters) -> TransposedUpsampler:
    stages = tensors.count("upsample/{}/kernel")
    shapes = [tensors.shape(f"upsample/{i}/kernel", 4) for i in range(stages)]
    given.agreed("upsample_kernel", list(shapes[0][:2]))
    return TransposedUpsampler(
        [shape[0] // 2 for shape in shapes],
        overlap=2,
        frequency_kernel_size=shapes[0][1],
        negative_slope=given.number("leak", 0.4),
        weight_norm=False,
    )


def _recipe(
    data: Hyperparameters, mels: int | None, upsampler: TransposedUpsampler | None
) -> FeatureRecipe | None:
    changes: dict[str, Any] = {"sample_rate": data.integer("sr", 22050)}
    if upsampler is not None:
        changes["hop_samples"] = data.agreed("hop", upsampler.hop_samples)
        changes["n_mels"] = data.agreed("mel", mels)
    size = {"n_fft": "fft", "win_samples": "win", "fmin_hz": "fmin", "fmax_hz": "fmax"}
    changes.update({ours: data.number(key, None) for ours, key in size.items() if key in data})
    keys = {**size, "sample_rate": "sr", "hop_samples": "hop", "n_mels": "mel"}
    return data.recipe(recipes.get("revsic"), changes, keys)


def _assign(model: DiffWave, tensors: Tensors) -> None:
    _assign_layer(model.input_conv, tensors, "proj")
    for index, layer in enumerate(model.step_embedding.dense):
        _assign_layer(layer, tensors, f"proj_embed/{index}")
    if model.upsampler is not None:
        for index, stage in enumerate(model.upsampler.stages):
            _assign_layer(stage, tensors, f"upsample/{index}")
    for index, block in enumerate(model.blocks):
        prefix = _BLOCK.format(index)
        _assign_layer(block.step_projection, tensors, prefix + "proj_embed")
        tensors.assign(block.conv.kernel, prefix + "conv/kernel")
        bias = tensors.take(prefix + "conv/bias", [1, 1, *block.conv.bias.shape])
        block.conv.bias.assign(bias[0, 0])
        for layer, name in (
            (block.local_projection, "proj_mel"),
            (block.residual_projection, "proj_res"),
            (block.skip_projection, "proj_skip"),
        ):
            if layer is not None:
                _assign_layer(layer, tensors, prefix + name)
    _assign_layer(model.skip_conv, tensors, "proj_out/0")
    _assign_layer(model.output_conv, tensors, "proj_out/1")


def _assign_layer(layer: Any, tensors: Tensors, name: str) -> None:
    tensors.assign(layer.kernel, f"{name}/kernel")
    tensors.assign(layer.bias, f"{name}/bias")
