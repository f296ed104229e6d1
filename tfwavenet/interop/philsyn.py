"""Checkpoints of DiffWave's authors: philsyn/DiffWave-Vocoder and philsyn/DiffWave-unconditional.

Their sampling does not clip; give `generate` the argument `clip=False`.

Source: https://github.com/philsyn/DiffWave-unconditional, at 542974a, and its sibling.
"""

from __future__ import annotations

from collections.abc import Collection

from tfwavenet.audio import recipes
from tfwavenet.audio.features import FeatureRecipe
from tfwavenet.diffusion import MOST_STEPS, NoiseSchedule
from tfwavenet.interop.checkpoint import Source
from tfwavenet.interop.hyperparameters import Hyperparameters
from tfwavenet.interop.tensors import Tensors, assign_torch_layer, has_weight_norm
from tfwavenet.layers import TransposedUpsampler
from tfwavenet.models import DiffWave

_BLOCK = "residual_layer.residual_blocks.{}."
_MEL = _BLOCK.format(0) + "mel_conv.conv."
# The published configurations, by whether there are features: steps, last beta, dilation cycle.
_DEFAULTS = {True: (50, 0.05, 10), False: (200, 0.02, 12)}


def matches(names: Collection[str]) -> bool:
    """Tells whether tensors of these names are of this family."""
    return "residual_layer.fc_t1.weight" in names


def convert(source: Source) -> tuple[DiffWave, int]:
    """Builds the network of a checkpoint and returns it with its number of updates."""
    tensors = source.tensors()
    model = _model(source, tensors, source.hyperparameters("config.json"))
    model.build()
    _assign(model, tensors)
    # The residual path ends in the last block.
    tensors.finish(
        [rf"residual_layer\.residual_blocks\.{model.network.num_layers - 1}\.res_conv\..*"]
    )
    return model, int(source.path.stem) if source.path.stem.isdecimal() else 0


def _model(source: Source, tensors: Tensors, hyper: Hyperparameters) -> DiffWave:
    wavenet, diffusion = hyper.section("wavenet_config"), hyper.section("diffusion_config")
    conditional = _MEL + "bias" in tensors
    steps, last, cycle = _DEFAULTS[conditional]
    channels = tensors.shape("init_conv.0.conv.bias", 1)[0]
    skips = tensors.shape(_BLOCK.format(0) + "skip_conv.bias", 1)[0]
    if wavenet.agreed("skip_channels", skips) != channels:
        raise ValueError(
            f"{source.origin}: Expected as many skip as residual channels, {channels}. "
            f"Received: skip_channels={skips}"
        )
    normed = has_weight_norm(tensors, "init_conv.0.conv")
    weight = "weight_v" if normed else "weight"
    mels = tensors.shape(_MEL + weight, 3)[1] if conditional else None
    upsampler = _upsampler(tensors, weight) if conditional else None
    schedule = NoiseSchedule.linear(
        diffusion.integer("T", steps, most=MOST_STEPS),
        diffusion.number("beta_0", 1e-4),
        diffusion.number("beta_T", last),
    )
    return DiffWave(
        num_layers=wavenet.agreed("num_res_layers", tensors.count(_BLOCK + "fc_t.bias")),
        dilation_cycle=wavenet.integer("dilation_cycle", cycle, most=30),
        residual_channels=wavenet.agreed("res_channels", channels),
        kernel_size=tensors.shape(_BLOCK.format(0) + f"dilated_conv_layer.conv.{weight}", 3)[2],
        schedule=schedule,
        loss_norm="l2",
        step_channels=tensors.shape("residual_layer.fc_t1.bias", 1)[0],
        step_order="descending",
        step_in_residual=True,
        upsampler=upsampler,
        upsampler_per_block=conditional,
        local_channels=mels,
        weight_norm=normed,
        recipe=_recipe(hyper.section("trainset_config"), mels, upsampler),
    )


def _upsampler(tensors: Tensors, weight: str) -> TransposedUpsampler:
    prefix = _BLOCK.format(0) + "upsample_conv2d."
    shapes = [tensors.shape(f"{prefix}{i}.{weight}", 4) for i in (0, 1)]
    return TransposedUpsampler(
        [shape[3] // 2 for shape in shapes],
        overlap=2,
        frequency_kernel_size=shapes[0][2],
        negative_slope=0.4,
        weight_norm=weight == "weight_v",
    )


def _recipe(
    data: Hyperparameters, mels: int | None, upsampler: TransposedUpsampler | None
) -> FeatureRecipe | None:
    base = recipes.get("philsyn")
    if upsampler is None:
        rate = data.integer("sampling_rate", 16000)
        changes = {"sample_rate": rate, "fmax_hz": min(8000.0, rate / 2)}
        return data.recipe(base, changes, {"sample_rate": "sampling_rate"})
    keys = {
        "sample_rate": "sampling_rate",
        "n_fft": "filter_length",
        "win_samples": "win_length",
        "hop_samples": "hop_length",
        "fmin_hz": "mel_fmin",
        "fmax_hz": "mel_fmax",
    }
    changes = {
        "sample_rate": data.integer("sampling_rate", 22050),
        "n_fft": data.integer("filter_length", 1024),
        "win_samples": data.integer("win_length", 1024),
        "hop_samples": data.agreed("hop_length", upsampler.hop_samples),
        "n_mels": mels,
        "fmin_hz": data.number("mel_fmin", 0.0),
        "fmax_hz": data.number("mel_fmax", 8000.0),
    }
    return data.recipe(base, changes, keys)


def _assign(model: DiffWave, tensors: Tensors) -> None:
    assign_torch_layer(model.input_conv, tensors, "init_conv.0.conv")
    for index, dense in enumerate(model.step_embedding.dense, start=1):
        assign_torch_layer(dense, tensors, f"residual_layer.fc_t{index}")
    upsamplers = [model.upsampler, *model.further_upsamplers]
    for index, block in enumerate(model.blocks):
        prefix = _BLOCK.format(index)
        for layer, name in (
            (block.step_projection, "fc_t"),
            (block.conv, "dilated_conv_layer.conv"),
            (block.local_projection, "mel_conv.conv"),
            (block.residual_projection, "res_conv"),
            (block.skip_projection, "skip_conv"),
        ):
            assign_torch_layer(layer, tensors, prefix + name)
        if model.upsampler is not None:
            for number, stage in enumerate(upsamplers[index].stages):
                assign_torch_layer(stage, tensors, f"{prefix}upsample_conv2d.{number}")
    assign_torch_layer(model.skip_conv, tensors, "final_conv.0.conv")
    assign_torch_layer(model.output_conv, tensors, "final_conv.2.conv")
