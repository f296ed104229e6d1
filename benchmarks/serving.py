"""Throughput, latency, errors and memory of a server on this machine with concurrent clients.

    python -m benchmarks.serving [--networks fsdd diffwave_fsdd] [--forms portable xla]
        [--clients 1 2 8] [--requests 100] [--seconds 30]

The untrained network of each config is exported, and `examples.prediction_server` serves it in a
process of its own. The clients are threads of this process. Each client sends `serving_default`
requests over gRPC, one after another, for one utterance of `--audio_seconds` each. The clients stop
after `--requests` requests in all, or after `--seconds` seconds.

The first requests are not counted. `audio` is the seconds of audio generated per second. `memory`
is the growth of the server's memory during a row. The benchmark needs the extra `serving`.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np

from benchmarks import report
from benchmarks.generation import build_model
from examples import local_server
from tfwavenet import export_saved_model

MODEL = "measured"


def request_for(model: Any, audio_seconds: float) -> tuple[dict[str, Any], float]:
    """Returns a request for one utterance, and the duration of the utterance in seconds."""
    recipe = model.recipe
    request: dict[str, Any] = {"temperature": np.float32(1), "seed": np.array([0])}
    samples = round(audio_seconds * recipe.sample_rate)
    if model.codec.num_codes:
        request["top_p"] = np.float32(1)
    if model.speaker_channels:
        request["speaker"] = np.array([0], np.int32)
    if model.upsampler is None:
        return {**request, "samples": np.int32(samples)}, samples / recipe.sample_rate
    frames = max(1, samples // recipe.hop_samples)
    mel = np.zeros([1, frames, recipe.n_mels], np.float32)
    return {**request, "mel": mel}, frames * recipe.hop_samples / recipe.sample_rate


class Load:
    """Sends the same request repeatedly from concurrent clients, up to a number and a time.

    Args:
        port: port of the server.
        request: inputs of the request, by name.
        requests: int > 0, largest number of requests of all clients together.
        seconds: seconds from the creation of this object after which no request is sent.

    Attributes:
        latencies: seconds of each answered request.
        errors: number of requests that were refused or failed.
    """

    def __init__(self, port: int, request: dict[str, Any], requests: int, seconds: float) -> None:
        self._port, self._request = port, request
        self._remaining = itertools.count(requests, -1)
        self._end = time.perf_counter() + seconds
        self.latencies: list[float] = []
        self.errors = 0

    def run(self, clients: int) -> float:
        """Sends the requests from a number of threads, and returns the seconds until all ended."""
        begin = time.perf_counter()
        threads = [threading.Thread(target=self._send) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - begin

    def _send(self) -> None:
        service = local_server.stub(self._port)
        while next(self._remaining) > 0 and time.perf_counter() < self._end:
            begin = time.perf_counter()
            try:
                local_server.predict(service, MODEL, "serving_default", self._request)
            except grpc.RpcError:
                self.errors += 1
            else:
                self.latencies.append(time.perf_counter() - begin)


def rows(name: str, form: Any, flags: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Serves a network in a form, and yields a row for each number of clients."""
    model = build_model(name)
    request, duration = request_for(model, flags.audio_seconds)
    with tempfile.TemporaryDirectory() as folder:
        export_saved_model(model, folder, form=form)
        names = [f"--name={MODEL}", f"--path={folder}", "--port=0", "--rest_port=0"]
        with local_server.running("examples.prediction_server", *names) as server:
            local_server.predict(local_server.stub(server.port), MODEL, "serving_default", request)
            for clients in flags.clients:
                # This first load is not measured: a thread keeps memory from its first computation.
                Load(server.port, request, 2 * clients, flags.seconds).run(clients)
                before = server.resident_bytes()
                load = Load(server.port, request, flags.requests, flags.seconds)
                seconds = load.run(clients)
                grown = server.resident_bytes() - before
                yield {
                    "network": name,
                    "form": form,
                    **row(load, clients, seconds, duration, grown),
                }


def row(load: Load, clients: int, seconds: float, duration: float, grown: int) -> dict[str, object]:
    """Returns the figures of one load as a row of the table."""
    answered = len(load.latencies)
    p50, p99 = np.percentile(load.latencies or [np.nan], [50, 99])
    return {
        "clients": clients,
        "requests": answered + load.errors,
        "errors": load.errors,
        "requests/s": answered / seconds,
        "audio": answered * duration / seconds,
        "p50 s": float(p50),
        "p99 s": float(p99),
        "memory MB": grown / 1e6,
    }


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["fsdd", "diffwave_fsdd"])
    parser.add_argument("--forms", nargs="+", default=["portable", "xla"])
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 2, 8])
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--audio_seconds", type=float, default=0.5)
    flags = parser.parse_args()
    report.print_machine(("tensorflow", "tensorflow-serving-api", "grpcio"))
    kinds = itertools.product(flags.networks, flags.forms)
    report.print_table([found for kind in kinds for found in rows(*kind, flags)])


if __name__ == "__main__":
    main()
