"""Puts the arrays of other projects' checkpoints into our models, for the golden tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support import torch_zip
from tests.support.shared import golden
from tfwavenet.layers import StretchUpsampler, TransposedUpsampler, WeightNormalization
from tfwavenet.layers.learned_upsampler import LearnedUpsampler
from tfwavenet.models import DiffWave, WaveNet


def arrays(name: str) -> dict[str, np.ndarray]:
    """The inputs and outputs of a golden set."""
    with np.load(golden(name)) as archive:
        return dict(archive)


def load_r9y9(name: str) -> WaveNet:
    """A model with the weights of `name.pth`, r9y9/wavenet_vocoder before or after v0.2."""
    hparams = json.loads(golden(f"{name}.json").read_text())
    state = torch_zip.load(golden(f"{name}.pth"))["state_dict"]
    model = WaveNet(**_r9y9_arguments(hparams, state))
    model.build()
    _set(model.input_conv, state, "first_conv")
    for index, block in enumerate(model.blocks):
        prefix = f"conv_layers.{index}."
        _set(block.conv, state, prefix + "conv")
        _set(block.residual_projection, state, prefix + "conv1x1_out")
        _set(block.skip_projection, state, prefix + "conv1x1_skip")
        _set(block.local_projection, state, prefix + "conv1x1c")
        _set(block.global_projection, state, prefix + "conv1x1g")
    for layer, index in zip(model.head, (1, 3)):
        _set(layer, state, f"last_conv_layers.{index}")
    if model.speaker_embedding is not None:
        model.speaker_embedding.embeddings.assign(state["embed_speakers.weight"])
    _set_r9y9_upsampler(model.upsampler, state)
    return model


def _r9y9_arguments(hparams: dict[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    legacy = "conv_layers.0.conv1x1c.bias" in state
    upsample = hparams.get("upsample_params", hparams)
    distribution = {"class_name": "Categorical", "config": {"classes": hparams["out_channels"]}}
    if hparams.get("output_distribution") == "Normal":
        distribution = "Gaussian"
    elif hparams.get("scalar_input"):
        distribution = "MixtureOfLogistics"
    upsampler = None
    if legacy:
        upsampler = TransposedUpsampler(hparams["upsample_scales"])
    elif "cin_channels" in hparams:
        upsampler = StretchUpsampler(
            upsample["upsample_scales"],
            padding_frames=hparams.get("cin_pad", 0),
            input_context="upsample_net.conv_in.weight" in state,
            frequency_kernel_size=upsample.get("freq_axis_kernel_size", 1),
        )
    return {
        "layers": hparams["layers"],
        "dilation_cycle": hparams["layers"] // hparams["stacks"],
        "residual_channels": hparams["residual_channels"],
        "gate_channels": hparams["gate_channels"],
        "skip_channels": hparams["skip_out_channels"],
        "kernel_size": hparams["kernel_size"],
        "dropout": hparams.get("dropout", 0.0),
        "distribution": distribution,
        "skip_mode": "recursive" if legacy else "scaled",
        "last_residual": True,
        "upsampler": upsampler,
        "local_channels": hparams.get("cin_channels"),
        "local_bias": legacy,
        "global_bias": legacy,
        "speakers": hparams.get("n_speakers"),
        "speaker_channels": hparams.get("gin_channels"),
    }


def _set_r9y9_upsampler(upsampler: Any, state: Mapping[str, Any]) -> None:
    if isinstance(upsampler, TransposedUpsampler):
        for index, stage in enumerate(upsampler.stages):
            _set(stage, state, f"upsample_conv.{2 * index}")
    elif upsampler is not None:
        prefix = "upsample_net."
        if upsampler.input_context:
            upsampler.input_conv.kernel.assign(_keras(state["upsample_net.conv_in.weight"]))
            prefix += "upsample."
        for index, layer in enumerate(upsampler.smoothing):
            _set(layer, state, f"{prefix}up_layers.{2 * index + 1}")


def load_nv_wavenet() -> WaveNet:
    """A model with the weights of the training network of NVIDIA/nv-wavenet."""
    checkpoint = torch_zip.load(golden("nv_wavenet_state.pt"))
    state, config = checkpoint["state_dict"], checkpoint["config"]
    stride = config["upsamp_stride"]
    model = WaveNet(
        layers=config["n_layers"],
        dilation_cycle=int(np.log2(config["max_dilation"])) + 1,
        residual_channels=config["n_residual_channels"],
        gate_channels=2 * config["n_residual_channels"],
        skip_channels=config["n_skip_channels"],
        head_channels=config["n_out_channels"],
        head_bias=False,
        input_bias=False,
        residual_scale=1.0,
        skip_mode="sum",
        distribution={"class_name": "Categorical", "config": {"classes": config["n_in_channels"]}},
        upsampler=LearnedUpsampler((stride,), kernel_frames=config["upsamp_window"] // stride),
        local_channels=config["n_cond_channels"],
        local_bias=True,
        weight_norm=False,
    )
    model.build()
    model.input_conv.kernel.assign(state["embed.weight"][np.newaxis])
    _set(model.upsampler.conv, state, "upsample")
    conditioning = _split(state, "cond_layers.conv", len(model.blocks))
    for index, (block, local) in enumerate(zip(model.blocks, conditioning)):
        _set(block.conv, state, f"dilate_layers.{index}.conv")
        _set(block.skip_projection, state, f"skip_layers.{index}.conv")
        _set(block.residual_projection, state, f"res_layers.{index}.conv")
        _set(block.local_projection, local, "conv")
    _set(model.head[0], state, "conv_out.conv")
    _set(model.head[1], state, "conv_end.conv")
    return model


def _split(state: Mapping[str, Any], prefix: str, count: int) -> list[dict[str, np.ndarray]]:
    weights = np.split(state[f"{prefix}.weight"], count)
    biases = np.split(state[f"{prefix}.bias"], count)
    return [{"conv.weight": w, "conv.bias": b} for w, b in zip(weights, biases)]


def load_codejin() -> WaveNet:
    """A model with the weights of the checkpoint of CODEJIN/WaveNet."""
    hparams = json.loads(golden("codejin/Hyper_Parameters.json").read_text())
    sizes, glu = hparams["WaveNet"], hparams["WaveNet"]["ResConvGLU"]
    reader = tf.train.load_checkpoint(str(golden("codejin/ckpt.index"))[: -len(".index")])
    get = _CodejinReader(reader)
    first = get.array("First/layer_with_weights-0/kernel")
    conv = get.array("ResConvGLU_0_0/layer_Dict/Conv1D/kernel")
    stacks = glu["Stacks_in_Block"]
    model = WaveNet(
        layers=glu["Blocks"] * stacks,
        dilation_cycle=stacks,
        residual_channels=first.shape[-1],
        gate_channels=conv.shape[-1],
        skip_channels=glu["Skip_Out_Filters"],
        kernel_size=glu["Kernel_Size"],
        distribution={
            "class_name": "MixtureOfLogistics",
            "config": {"log_scale_min": float(np.log(1e-14))},
        },
        last_residual=True,
        upsampler=StretchUpsampler(
            sizes["Upsample"]["Scales"], padding_frames=sizes["Upsample"]["Pad"]
        ),
        local_channels=hparams["Sound"]["Mel_Dim"],
        speakers=sizes["Speaker_Count"],
        speaker_channels=get.array(
            "Global_Condition_Embedding/layer_with_weights-0/embeddings"
        ).shape[1],
        head_weight_norm=False,
    )
    model.build()
    _set_codejin(model, get, stacks)
    return model


def load_lmnt(name: str) -> DiffWave:
    """A model with the weights of `name.pt`, lmnt-com/diffwave."""
    params = json.loads(golden(f"{name}.json").read_text())
    state = torch_zip.load(golden(f"{name}.pt"))["model"]
    upsampler = TransposedUpsampler((16, 16), overlap=2, negative_slope=0.4, weight_norm=False)
    model = DiffWave(
        layers=params["residual_layers"],
        dilation_cycle=params["dilation_cycle_length"],
        residual_channels=params["residual_channels"],
        schedule=params["noise_schedule"],
        inference_schedule=params["inference_noise_schedule"],
        upsampler=None if params["unconditional"] else upsampler,
        local_channels=None if params["unconditional"] else params["n_mels"],
    )
    model.build()
    _set(model.input_conv, state, "input_projection")
    for index, layer in enumerate(model.step_embedding.dense, start=1):
        _set(layer, state, f"diffusion_embedding.projection{index}")
    for index, block in enumerate(model.blocks):
        prefix = f"residual_layers.{index}."
        _set(block.step_projection, state, prefix + "diffusion_projection")
        _set(block.conv, _halves_swapped(state), prefix + "dilated_conv")
        if block.local_projection is not None:
            _set(block.local_projection, _halves_swapped(state), prefix + "conditioner_projection")
        _set(block.residual_projection, _half(state, 0), prefix + "output_projection")
        _set(block.skip_projection, _half(state, 1), prefix + "output_projection")
    if model.upsampler is not None:
        for index, stage in enumerate(model.upsampler.stages, start=1):
            _set(stage, state, f"spectrogram_upsampler.conv{index}")
    _set(model.skip_conv, state, "skip_projection")
    _set(model.output_conv, state, "output_projection")
    return model


class _Halves(dict[str, Any]):
    """A state whose arrays are put together from halves of their first axis."""

    def __init__(self, state: Mapping[str, Any], chosen: tuple[int, ...]) -> None:
        super().__init__(
            {
                key: np.concatenate([np.array_split(value, 2)[i] for i in chosen])
                for key, value in state.items()
            }
        )


def _halves_swapped(state: Mapping[str, Any]) -> Mapping[str, Any]:
    return _Halves(state, (1, 0))


def _half(state: Mapping[str, Any], index: int) -> Mapping[str, Any]:
    return _Halves(state, (index,))


class _CodejinReader:
    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def array(self, key: str) -> np.ndarray:
        return self._reader.get_tensor(f"model/layer_Dict/{key}/.ATTRIBUTES/VARIABLE_VALUE")

    def assign(self, layer: Any, key: str, g: str) -> None:
        inner = layer.layer if isinstance(layer, WeightNormalization) else layer
        inner.kernel.assign(self.array(f"{key}/kernel"))
        if inner.use_bias:
            inner.bias.assign(self.array(f"{key}/bias"))
        if inner is not layer:
            layer.g.assign(self.array(g))


def _set_codejin(model: WaveNet, get: _CodejinReader, stacks: int) -> None:
    first = "First/layer_with_weights-0"
    get.assign(model.input_conv, first, f"{first}/weight_norm_g")
    for index, block in enumerate(model.blocks):
        prefix = f"ResConvGLU_{index // stacks}_{index % stacks}/layer_Dict/"
        get.assign(block.conv, prefix + "Conv1D", prefix + "Conv1D/weight_norm_g")
        for layer, name in (
            (block.local_projection, "Local_Condition_Conv1D"),
            (block.global_projection, "Global_Condition_Conv1D"),
            (block.residual_projection, "Out"),
            (block.skip_projection, "Skip"),
        ):
            get.assign(layer, f"{prefix}{name}/layer", f"{prefix}{name}/weight_norm_g")
    for index, layer in enumerate(model.head):
        get.assign(layer, f"Last/layer_with_weights-{index}", "")
    for index, layer in enumerate(model.upsampler.smoothing):
        key = f"Local_Condition_Upsample/layer/layer_with_weights-{index}"
        get.assign(layer, f"{key}/layer", f"{key}/weight_norm_g")
    embeddings = get.array("Global_Condition_Embedding/layer_with_weights-0/embeddings")
    model.speaker_embedding.embeddings.assign(embeddings)


def _keras(kernel: np.ndarray) -> np.ndarray:
    return np.transpose(kernel)


def _set(layer: Any, state: Mapping[str, Any], prefix: str) -> None:
    if layer is None:
        return
    inner = layer.layer if isinstance(layer, WeightNormalization) else layer
    if f"{prefix}.weight_g" in state:
        layer.g.assign(state[f"{prefix}.weight_g"].ravel())
        inner.kernel.assign(_keras(state[f"{prefix}.weight_v"]))
    else:
        inner.kernel.assign(_keras(state[f"{prefix}.weight"]))
    if inner.use_bias:
        inner.bias.assign(state[f"{prefix}.bias"])
