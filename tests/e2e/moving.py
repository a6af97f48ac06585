"""A server with several encoders, and the steps of moving a collection from one to another."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc

import models
from fovea.gateway.v1 import memory_pb2, migrations_pb2, migrations_pb2_grpc
from fovea.kernel.v1 import migration_pb2
from fovea.kernel.v1.recognition_pb2 import Recognition
from tests.e2e.calls import TIMEOUT_S, Calls
from tests.e2e.pictures import COLOURS, png
from tests.e2e.waiting import eventually
from tests.fakes.model_variants import write_variant

SPACES = {"visual-2": 2792, "blurred": 3}
"""Other encoders, each with how many coordinates it has left: the second one sees hardly anything."""
SHOTS = 12
LENIENT = migration_pb2.ComparisonPolicy(margin=0.15)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the settings of a server whose model store has the other encoders too."""
    store = folder / "store"
    shutil.copytree(Path(models.__file__).parent / "store", store)
    shutil.copytree(store / "efficientnet-lite0", store / "others")
    for version, kept in enumerate(SPACES.values(), start=2):
        write_variant(store / "others", version=str(version), kept=kept)
    served = ",".join(f"{space}=others/{version}" for version, space in enumerate(SPACES, start=2))
    settings = {"FOVEA_MODEL_FOLDER": str(store), "FOVEA_MORE_IMAGE_MODELS": served}
    return settings | {"FOVEA_BACK_FILL_PER_S": "200", "FOVEA_BACK_FILL_EVERY_S": "0.2"} | more


class Moving:
    """The steps of a migration, and waiting for what follows from them."""

    def __init__(self, calls: Calls) -> None:
        self._key = calls.key
        self._stub = migrations_pb2_grpc.MigrationServiceStub(calls.channel)

    def start(self, space: str = "visual-2") -> migrations_pb2.MigrationStatus:
        request = migrations_pb2.StartMigrationRequest(collection=self._key, to_space=space)
        return self._stub.StartMigration(request, timeout=TIMEOUT_S).status

    def status(self) -> migrations_pb2.MigrationStatus:
        request = migrations_pb2.GetMigrationRequest(collection=self._key)
        return self._stub.GetMigration(request, timeout=TIMEOUT_S).status

    def evaluate(self) -> migration_pb2.SpaceReport:
        request = migrations_pb2.EvaluateMigrationRequest(collection=self._key, policy=LENIENT)
        return self._stub.EvaluateMigration(request, timeout=TIMEOUT_S).report

    def cut_over(self, *, override: bool = False) -> migrations_pb2.MigrationStatus:
        request = migrations_pb2.CutOverMigrationRequest(
            collection=self._key, policy=LENIENT, override=override
        )
        return self._stub.CutOverMigration(request, timeout=TIMEOUT_S).status

    def roll_back(self) -> migrations_pb2.MigrationStatus:
        request = migrations_pb2.RollBackMigrationRequest(collection=self._key)
        return self._stub.RollBackMigration(request, timeout=TIMEOUT_S).status

    def finish(self) -> migrations_pb2.MigrationStatus:
        request = migrations_pb2.FinishMigrationRequest(collection=self._key)
        return self._stub.FinishMigration(request, timeout=TIMEOUT_S).status

    def wait(
        self, reached: Callable[[migrations_pb2.MigrationStatus], bool]
    ) -> migrations_pb2.MigrationStatus:
        end = time.monotonic() + TIMEOUT_S
        while not reached(status := self.status()):
            assert time.monotonic() < end, status
            time.sleep(0.1)
        return status

    def wait_filled(self) -> migrations_pb2.MigrationStatus:
        return self.wait(lambda status: status.both == status.old)


@dataclass
class Asking:
    """Recognises one picture after the other until it is told to stop."""

    calls: Calls
    spaces: list[frozenset[str]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    wrong: int = 0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for number, label in enumerate(itertools.cycle(COLOURS)):
            if self._stop.is_set():
                return
            try:
                record = self.calls.recognize(png(label, seed=1000 + number % 50))
            except grpc.RpcError as error:
                self.errors.append(error)
            else:
                self.spaces.append(spaces_of(record))
                self.wrong += record.regions[0].ranking.labels[0].label != label

    def more(self, count: int = 5) -> None:
        """Wait for so many more answers."""
        enough, end = len(self.spaces) + count, time.monotonic() + TIMEOUT_S
        while len(self.spaces) < enough and not self.errors:
            assert time.monotonic() < end
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(TIMEOUT_S)


def spaces_of(record: Recognition) -> frozenset[str]:
    """Return the spaces of the neighbours that voted, and of the models that saw the picture."""
    return frozenset(
        neighbour.space
        for region in record.regions
        for candidate in region.candidates.candidates
        for neighbour in candidate.neighbours
    )


def lessons(*, seed: int = 0) -> list[tuple[str, bytes]]:
    return [(label, png(label, seed=seed + shot)) for label in COLOURS for shot in range(SHOTS)]


def teach(calls: Calls) -> list[str]:
    """Teach all lessons, and return the exemplars' ids when the memory shows them."""
    taught = [each.exemplar_id for each in calls.remember(lessons())]
    eventually(lambda: sum(calls.labels().values()) == len(taught) or None)
    return taught


def embeddings(calls: Calls) -> dict[str, dict[str, bytes]]:
    """Return each exemplar's embeddings by their space."""
    answers = calls.memory.ExportExemplars(
        memory_pb2.ExportExemplarsRequest(collection=calls.key), timeout=TIMEOUT_S
    )
    return {
        answer.exemplar.exemplar.exemplar_id: {each.space: each.vector for each in answer.exemplar.embeddings}
        for answer in answers
    }
