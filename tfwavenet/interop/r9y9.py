"""Checkpoints of r9y9/wavenet_vocoder: v0.2 and earlier versions.

Source: https://github.com/r9y9/wavenet_vocoder, at a35fff7 and 2092a64.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from tfwavenet.audio import recipes
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.interop.checkpoint import Source
from tfwavenet.interop.hyperparameters import Hyperparameters
from tfwavenet.interop.meanvar_joblib import read_statistics
from tfwavenet.interop.tensors import Tensors, assign_torch_layer, has_weight_norm
from tfwavenet.layers import (
    IdentityUpsampler,
    StretchUpsampler,
    TransposedUpsampler,
    Upsampler,
)
from tfwavenet.models import WaveNet

# Presets of the project whose number of stacks no shape tells.
_STACKS = {16: 2, 20: 2, 24: 4, 30: 3}
_LEGACY_LOG_SCALE_MIN = math.log(1e-14)
# Field of our recipes: key of the project.
_RECIPE_KEYS = {
    "sample_rate": "sample_rate",
    "n_fft": "fft_size",
    "win_samples": "win_length",
    "fmin_hz": "fmin",
    "fmax_hz": "fmax",
}
_V02_RECIPE_KEYS = {"high_pass_hz": "highpass_cutoff", "signal_gain": "global_gain_scale"}


def matches(names: Collection[str]) -> bool:
    """Tells whether tensors of these names are of this family."""
    return "first_conv.bias" in names and "conv_layers.0.conv.bias" in names


def convert(source: Source) -> tuple[WaveNet, int]:
    """Builds the network of a checkpoint and returns it with its number of updates."""
    tensors = source.tensors()
    hyper = source.hyperparameters("hparams.json")
    legacy = "conv_layers.0.conv1x1c.bias" in tensors or "upsample_conv.0.bias" in tensors
    model = _model(source, tensors, hyper, legacy)
    model.build()
    _assign(model, tensors, legacy)
    tensors.finish()
    return model, source.step("global_step")


def _model(source: Source, tensors: Tensors, hyper: Hyperparameters, legacy: bool) -> WaveNet:
    layers = hyper.agreed("layers", tensors.count("conv_layers.{}.conv.bias"))
    weight = "weight_v" if has_weight_norm(tensors, "first_conv") else "weight"
    residual, inputs, _ = tensors.shape(f"first_conv.{weight}", 3)
    gate, _, kernel_size = tensors.shape(f"conv_layers.0.conv.{weight}", 3)
    outputs = tensors.shape("last_conv_layers.3.bias", 1)[0]
    upsampler = _legacy_upsampler(tensors) if legacy else _upsampler(tensors, hyper)
    mels = _channels(tensors, f"conv_layers.0.conv1x1c.{weight}")
    speaker_channels = _channels(tensors, f"conv_layers.0.conv1x1g.{weight}")
    speakers = None
    if "embed_speakers.weight" in tensors:
        speakers = hyper.agreed("n_speakers", tensors.shape("embed_speakers.weight", 2)[0])
    if upsampler is None and mels:
        upsampler = IdentityUpsampler()
    return WaveNet(
        num_layers=layers,
        dilation_cycle=layers // _stacks(hyper, layers, source),
        residual_channels=hyper.agreed("residual_channels", residual),
        gate_channels=hyper.agreed("gate_channels", gate),
        skip_channels=hyper.agreed(
            "skip_out_channels", tensors.shape("conv_layers.0.conv1x1_skip.bias", 1)[0]
        ),
        kernel_size=hyper.agreed("kernel_size", kernel_size),
        dropout=hyper.number("dropout", 0.0),
        distribution=_distribution(inputs, hyper.agreed("out_channels", outputs), hyper, legacy),
        skip_mode="recursive" if legacy and hyper.flag("legacy", True) else "scaled",
        last_residual=True,
        upsampler=upsampler,
        local_channels=mels,
        local_bias=legacy,
        num_speakers=speakers,
        speaker_channels=speaker_channels,
        global_bias=legacy,
        weight_norm=weight == "weight_v",
        recipe=_recipe(source, hyper, legacy, mels, upsampler),
    )


def _stacks(hyper: Hyperparameters, layers: int, source: Source) -> int:
    stacks = hyper.integer("stacks", _STACKS.get(layers))
    if stacks is None or layers % stacks:
        raise ValueError(
            f"{source.origin}: Expected the hyper-parameter 'stacks', a divisor of its {layers} "
            "layers, which no tensor tells, in hparams.json beside the checkpoint or the file of "
            f"--hyperparameters. Received: stacks={stacks}"
        )
    return stacks


def _channels(tensors: Tensors, name: str) -> int | None:
    return tensors.shape(name, 3)[1] if name in tensors else None


def _distribution(inputs: int, outputs: int, hyper: Hyperparameters, legacy: bool) -> Any:
    if hyper.flag("scalar_input", inputs == 1) != (inputs == 1):
        hyper.agreed("scalar_input", inputs == 1)
    if inputs > 1:
        return {"class_name": "Categorical", "config": {"classes": outputs}}
    lowest = hyper.number("log_scale_min", _LEGACY_LOG_SCALE_MIN if legacy else -16.0)
    if hyper.text("output_distribution", "Logistic") != "Normal" and outputs % 3 == 0:
        levels = hyper.integer("quantize_channels", 65536, least=2, most=2**24)
        config = {"components": outputs // 3, "levels": levels, "log_scale_min": lowest}
        return {"class_name": "MixtureOfLogistics", "config": config}
    if outputs == 2:
        return {"class_name": "Gaussian", "config": {"log_scale_min": lowest}}
    config = {"components": outputs // 3, "log_scale_min": lowest}
    return {"class_name": "MixtureOfGaussians", "config": config}


def _legacy_upsampler(tensors: Tensors) -> Upsampler | None:
    normed = has_weight_norm(tensors, "upsample_conv.0")
    name = "upsample_conv.{}." + ("weight_v" if normed else "weight")
    shapes: list[tuple[int, ...]] = []
    while name.format(2 * len(shapes)) in tensors:
        shapes.append(tensors.shape(name.format(2 * len(shapes)), 4))
    if not shapes:
        return None
    return TransposedUpsampler(
        [shape[3] for shape in shapes], frequency_kernel_size=shapes[0][2], weight_norm=normed
    )


def _upsampler(tensors: Tensors, hyper: Hyperparameters) -> Upsampler | None:
    context = "upsample_net.conv_in.weight" in tensors
    prefix = _stretch_prefix(context)
    stages = _stretch_stages(tensors, prefix)
    if not stages:
        return None
    normed = has_weight_norm(tensors, stages[0])
    weight = "weight_v" if normed else "weight"
    shapes = [tensors.shape(f"{stage}.{weight}", 4) for stage in stages]
    padding = hyper.integer("cin_pad", 0, least=0, most=1000)
    if context:
        width = tensors.shape("upsample_net.conv_in.weight", 3)[2]
        padding = hyper.agreed("cin_pad", (width - 1) // 2)
    activation = hyper.section("upsample_params").text("upsample_activation", "none")
    return StretchUpsampler(
        [(shape[3] - 1) // 2 for shape in shapes],
        padding_frames=padding,
        input_context=context,
        frequency_kernel_size=shapes[0][2],
        activation=None if activation == "none" else _activation(activation),
        weight_norm=normed,
    )


def _activation(name: str) -> str:
    known = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}
    if name not in known:
        raise ValueError(
            f"Expected upsample_activation to be none or one of {sorted(known)}. "
            f"Received: upsample_activation={name!r}"
        )
    return known[name]


def _stretch_prefix(context: bool) -> str:
    return "upsample_net.upsample.up_layers" if context else "upsample_net.up_layers"


def _stretch_stages(tensors: Tensors, prefix: str) -> list[str]:
    """Returns the names of the smoothing convolutions; other stages have no tensors."""
    names = [f"{prefix}.{index}" for index in range(64)]
    return [n for n in names if f"{n}.weight_v" in tensors or f"{n}.weight" in tensors]


def _recipe(
    source: Source,
    hyper: Hyperparameters,
    legacy: bool,
    mels: int | None,
    upsampler: Upsampler | None,
) -> FeatureRecipe | None:
    keys = _RECIPE_KEYS if legacy else {**_RECIPE_KEYS, **_V02_RECIPE_KEYS}
    known = {ours: hyper.number(theirs, None) for ours, theirs in keys.items()}
    changes = {ours: value for ours, value in known.items() if value is not None}
    if "n_fft" in changes:
        changes.setdefault("win_samples", changes["n_fft"])
    if upsampler is not None:
        changes["hop_samples"] = hyper.agreed("hop_size", upsampler.hop_samples)
    if mels:
        changes["n_mels"] = hyper.agreed("num_mels", mels)
    base = recipes.get("r9y9_legacy" if legacy else "r9y9")
    names = {**keys, "hop_samples": "hop_size", "n_mels": "num_mels"}
    recipe = hyper.recipe(base, changes, names)
    if recipe is None:
        return None
    statistics = None if legacy else read_statistics(source.path.parent, recipe.n_mels)
    return recipe if statistics is None else recipe.with_statistics(*statistics)


def _assign(model: WaveNet, tensors: Tensors, legacy: bool) -> None:
    assign_torch_layer(model.input_conv, tensors, "first_conv")
    for index, block in enumerate(model.blocks):
        prefix = f"conv_layers.{index}."
        assign_torch_layer(block.conv, tensors, prefix + "conv")
        assign_torch_layer(block.residual_projection, tensors, prefix + "conv1x1_out")
        assign_torch_layer(block.skip_projection, tensors, prefix + "conv1x1_skip")
        assign_torch_layer(block.local_projection, tensors, prefix + "conv1x1c")
        assign_torch_layer(block.global_projection, tensors, prefix + "conv1x1g")
    for layer, index in zip(model.head, (1, 3)):
        assign_torch_layer(layer, tensors, f"last_conv_layers.{index}")
    if model.speaker_embedding is not None:
        tensors.assign(model.speaker_embedding.embeddings, "embed_speakers.weight")
    if isinstance(model.upsampler, TransposedUpsampler):
        for index, stage in enumerate(model.upsampler.stages):
            assign_torch_layer(stage, tensors, f"upsample_conv.{2 * index}")
    elif isinstance(model.upsampler, StretchUpsampler):
        _assign_stretching(model.upsampler, tensors)


def _assign_stretching(upsampler: StretchUpsampler, tensors: Tensors) -> None:
    if upsampler.input_context:
        kernel = upsampler.input_conv.kernel
        tensors.assign(kernel, "upsample_net.conv_in.weight", transpose=True)
    stages = _stretch_stages(tensors, _stretch_prefix(upsampler.input_context))
    for layer, stage in zip(upsampler.smoothing, stages):
        assign_torch_layer(layer, tensors, stage)
