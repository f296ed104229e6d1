"""Streams the mel spectrogram of a recording to a server, and writes the returned audio as WAV.

python -m examples.stream_client localhost:8500 digits some.wav again.wav speaker=3 top_p=0.99

`speaker` is a speaker number, for models with speakers. `top_p` is for models that predict codes.
"""

import json
import sys

import grpc
import soundfile
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfwavenet import FeatureRecipe
from tfwavenet.audio import audio_files

address, model, source, target, *options = sys.argv[1:]
channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)


def call(signature: str, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    """Calls a signature of the model, and returns the outputs by name."""
    request = predict_pb2.PredictRequest(
        model_spec={"name": model, "signature_name": signature},
        inputs={name: tf.make_tensor_proto(value) for name, value in inputs.items()},
    )
    outputs = stub.Predict(request, timeout=60).outputs
    return {name: tf.make_ndarray(value) for name, value in outputs.items()}


recipe = FeatureRecipe.from_config(json.loads(call("recipe")["recipe"].item()))
audio, _ = audio_files.read(source, sample_rate=recipe.sample_rate)
mel = recipe.mel(recipe.prepare_audio(audio))[tf.newaxis].numpy()
start = {"seed": tf.constant([0], tf.int64), "temperature": 1.0}
for name, value in (option.split("=") for option in options):
    start[name] = [int(value)] if name == "speaker" else float(value)
state = call("stream_start", **start)
with soundfile.SoundFile(target, "w", recipe.sample_rate, channels=1) as wav:
    for first in range(0, mel.shape[1], 10):  # ten frames per request, like a live stream
        frames, is_last = mel[:, first : first + 10], first + 10 >= mel.shape[1]
        state = call("stream_step", mel=frames, is_last=is_last, **state)
        wav.write(state.pop("audio")[0])
