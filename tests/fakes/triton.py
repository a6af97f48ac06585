"""A Triton that doubles rows of three, says what a test tells it to say, and counts what it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc


@dataclass
class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # its base has no types
    """One model, `scale`.

    Args:
        ready: Its versions that are.
        parameters: Of its configuration.
        fails: What the next inferences end with, instead of an answer.
        without_bytes: Whether answers lack their tensors' bytes.
    """

    ready: Sequence[str] = ("1",)
    parameters: dict[str, str] = field(default_factory=lambda: {"fovea_identity_1": "scale@one"})
    fails: list[tuple[grpc.StatusCode, str]] = field(default_factory=list)
    without_bytes: bool = False
    address: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    requests: list[Any] = field(default_factory=list)

    def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802  (the protocol's)
        del context
        self.asked["metadata"] += 1
        return service_pb2.ModelMetadataResponse(name=request.name, versions=self.ready)

    def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        del context
        values = model_config_pb2.ModelInput(name="values", data_type="TYPE_FP32", dims=[3])
        scaled = model_config_pb2.ModelOutput(name="scaled", data_type="TYPE_FP32", dims=[3])
        config = model_config_pb2.ModelConfig(
            name=request.name, max_batch_size=4, input=[values], output=[scaled]
        )
        for key, value in self.parameters.items():
            config.parameters[key].string_value = value
        return service_pb2.ModelConfigResponse(config=config)

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        if self.fails:
            context.abort(*self.fails.pop(0))
        rows = np.frombuffer(request.raw_input_contents[0], dtype=np.float32)
        output = service_pb2.ModelInferResponse.InferOutputTensor(
            name="scaled", datatype="FP32", shape=request.inputs[0].shape
        )
        raw = b"" if self.without_bytes else (rows * 2).tobytes()
        return service_pb2.ModelInferResponse(outputs=[output], raw_output_contents=[raw])


@contextmanager
def serving(fake: FakeTriton) -> Iterator[FakeTriton]:
    """Serve it on a free port."""
    server = grpc.server(ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(fake, server)
    fake.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield fake
    finally:
        server.stop(None).wait()
