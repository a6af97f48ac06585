"""The model server killed, paused or slow, and its models taken away and loaded again, under load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from tritonclient.grpc import InferenceServerClient

from infra.local.kafka import KafkaServer
from infra.local.minio import MinioServer
from infra.local.server import Running, running
from infra.local.toxiproxy import ToxiproxyServer, Way
from infra.local.triton import TritonServer
from services.encoding.settings import EncodingSettings
from tests.chaos.experiment import Experiment, Figures, Size
from tests.chaos.outage import Fault, Scale, Scene, endure
from tests.chaos.platform import started
from tests.chaos.victim import Victim
from tests.e2e.calls import Calls

_MODEL_TIMEOUT_S: Final = 2.0
_LOAD_S: Final = 120.0


class ModelServer:
    """A Triton that is reached over a way that can be spoilt.

    Args:
        server: The Triton.
        proxy: A Toxiproxy.
    """

    def __init__(self, server: Running, proxy: Running) -> None:
        self.process = Victim(server)
        self._address = server.settings["FOVEA_TRITON_URL"]
        self.way = Way(proxy, "models", self._address)

    @property
    def settings(self) -> dict[str, str]:
        """What services are told."""
        return {"FOVEA_TRITON_URL": self.way.address}

    @contextmanager
    def without(self, model: str) -> Iterator[None]:
        """Let it have all models but one, which is loaded again at the end, while it is asked for."""
        with closing(InferenceServerClient(self._address)) as client:
            client.unload_model(model, client_timeout=_LOAD_S)
        try:
            yield
        finally:
            with closing(InferenceServerClient(self._address)) as client:
                client.load_model(model, client_timeout=_LOAD_S)


def run(folder: Path, size: Size) -> list[Figures]:
    """Start a platform, and do everything to its model server, one thing after the other."""
    with ExitStack() as stack:
        kafka = stack.enter_context(running(KafkaServer(), folder / "kafka"))
        minio = stack.enter_context(running(MinioServer(), folder / "minio"))
        proxy = stack.enter_context(running(ToxiproxyServer(), folder / "proxy"))
        models = ModelServer(stack.enter_context(running(TritonServer(), folder / "triton")), proxy)
        stack.callback(models.process.stop)
        told = {
            **kafka.settings,
            **minio.settings,
            **models.settings,
            "FOVEA_TRITON_TIMEOUT_S": str(_MODEL_TIMEOUT_S),
            "FOVEA_KEPT_REGIONS": "0",  # every image is encoded
        }
        platform = stack.enter_context(started(folder / "platform", told))
        calls = stack.enter_context(Calls(platform.target, collection="models"))
        scene = Scene(platform.programs, calls, Scale.of(size))
        faults = _faults(models, scene)
        return [endure(scene, name, fault, kafka.settings) for name, fault in faults.items()]


def _faults(models: ModelServer, scene: Scene) -> dict[str, Fault]:
    def waits() -> bool:
        return scene.waits and not scene.metric("fovea_ready", "encoding")

    def away(model: str) -> Fault:
        return Fault(f"{model} unloaded from Triton and loaded again", lambda: models.without(model), waits)

    return {
        "killed": Fault("Triton killed and started again", models.process.killed, waits),
        "paused": Fault("Triton stands still", models.process.paused, waits),
        "slow": Fault(
            "every answer of Triton 0.5 to 1 s late",
            lambda: models.way.spoilt("latency", latency=750, jitter=250),
        ),
        "cut": Fault(
            "connections to Triton are reset", lambda: models.way.spoilt("reset_peer", timeout=0), waits
        ),
        "encoder": away(EncodingSettings().image_model),
    }


MODEL_SERVER: Final = Experiment(
    name="model_server",
    promise="While models are away, slow or being loaded, work waits and callers are told.",
    run=run,
    short_timeout_s=300.0,
)
