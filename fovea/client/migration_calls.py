"""The client's calls that move a collection from one encoder to another."""

from __future__ import annotations

from fovea.client.migration import Migration, SpaceReport, read_report, read_status
from fovea.client.session import Session
from fovea.gateway.v1 import migrations_pb2 as pb
from fovea.kernel.v1 import migration_pb2


class MigrationCalls:
    """Calls that move a collection while it answers."""

    _session: Session

    def start_migration(self, space: str, *, from_space: str = "") -> Migration:
        """Begin: exemplars get embeddings of a second encoder, and older ones are filled in behind.

        >>> client.start_migration("visual-2")

        Args:
            space: Of the second encoder, as FOVEA_MORE_IMAGE_MODELS of the encoding service names it.
            from_space: Of the first one; empty: the one that answers now.

        Raises:
            InvalidInput: The space is not served.
            Conflict: Another migration is under way.
        """
        request = pb.StartMigrationRequest(
            collection=self._session.key, to_space=space, from_space=from_space
        )
        answer = self._session.connection.call(
            self._session.connection.migrations.StartMigration, request, timeout_s=self._session.timeout_s
        )
        return read_status(answer.status)

    def get_migration(self) -> Migration:
        """Return how far the migration is that is under way, or ended last. Raises NotFound."""
        request = pb.GetMigrationRequest(collection=self._session.key)
        answer = self._session.connection.call(
            self._session.connection.migrations.GetMigration, request, timeout_s=self._session.timeout_s
        )
        return read_status(answer.status)

    def evaluate_migration(
        self, *, sample: int = 0, seed: int = 0, candidates: int = 0, margin: float | None = None
    ) -> SpaceReport:
        """Compare the encoders on the collection's own exemplars, each asked with itself left out.

        >>> client.evaluate_migration(margin=0.01).passes

        Args:
            sample: Exemplars that are asked, at most; 0: 1000.
            seed: Of the drawing.
            candidates: Among which the right label should be; 0: 5.
            margin: What the new encoder may be worse by, as a share; None: 0.02.
        """
        request = pb.EvaluateMigrationRequest(
            collection=self._session.key, policy=_policy(sample, seed, candidates, margin)
        )
        answer = self._session.connection.call(
            self._session.connection.migrations.EvaluateMigration, request, timeout_s=self._session.timeout_s
        )
        return read_report(answer.report)

    def cut_over(
        self,
        *,
        sample: int = 0,
        seed: int = 0,
        candidates: int = 0,
        margin: float | None = None,
        override: bool = False,
    ) -> Migration:
        """Let the second encoder answer, after comparing as `evaluate_migration` does.

        Raises:
            Conflict: An exemplar lacks the new embedding, or the comparison does not pass; `override` goes
                on all the same, and that is recorded.
        """
        request = pb.CutOverMigrationRequest(
            collection=self._session.key,
            policy=_policy(sample, seed, candidates, margin),
            override=override,
        )
        answer = self._session.connection.call(
            self._session.connection.migrations.CutOverMigration, request, timeout_s=self._session.timeout_s
        )
        return read_status(answer.status)

    def roll_back(self) -> Migration:
        """Let the first encoder answer again, at once. Raises Conflict if its embeddings were dropped."""
        request = pb.RollBackMigrationRequest(collection=self._session.key)
        answer = self._session.connection.call(
            self._session.connection.migrations.RollBackMigration, request, timeout_s=self._session.timeout_s
        )
        return read_status(answer.status)

    def finish_migration(self) -> Migration:
        """End it: the embeddings of the encoder that does not answer are dropped."""
        request = pb.FinishMigrationRequest(collection=self._session.key)
        answer = self._session.connection.call(
            self._session.connection.migrations.FinishMigration, request, timeout_s=self._session.timeout_s
        )
        return read_status(answer.status)


def _policy(sample: int, seed: int, candidates: int, margin: float | None) -> migration_pb2.ComparisonPolicy:
    return migration_pb2.ComparisonPolicy(sample=sample, seed=seed, candidates=candidates, margin=margin)
