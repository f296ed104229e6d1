"""Keras layers of the networks."""

from tfwavenet.layers.causal_conv import CausalConv1D
from tfwavenet.layers.centered_conv import CenteredConv1D
from tfwavenet.layers.code_conv import CodeConv1D
from tfwavenet.layers.diffusion_residual_block import DiffusionResidualBlock
from tfwavenet.layers.diffwave_stack import DiffWaveStack
from tfwavenet.layers.flow import Flow
from tfwavenet.layers.gated_residual_block import GatedResidualBlock
from tfwavenet.layers.identity_upsampler import IdentityUpsampler
from tfwavenet.layers.learned_upsampler import LearnedUpsampler
from tfwavenet.layers.speaker_embedding import SpeakerEmbedding
from tfwavenet.layers.step_embedding import DiffusionStepEmbedding
from tfwavenet.layers.stretch_upsampler import StretchUpsampler
from tfwavenet.layers.transposed_upsampler import TransposedUpsampler
from tfwavenet.layers.upsampler import Upsampler
from tfwavenet.layers.wavenet_stack import WaveNetStack
from tfwavenet.layers.weight_norm import WeightNormalization

__all__ = [
    "CausalConv1D",
    "CenteredConv1D",
    "CodeConv1D",
    "DiffWaveStack",
    "DiffusionResidualBlock",
    "DiffusionStepEmbedding",
    "Flow",
    "GatedResidualBlock",
    "IdentityUpsampler",
    "LearnedUpsampler",
    "SpeakerEmbedding",
    "StretchUpsampler",
    "TransposedUpsampler",
    "Upsampler",
    "WaveNetStack",
    "WeightNormalization",
]
