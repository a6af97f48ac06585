import grpc
import pytest

from fovea.client import errors
from fovea.client.statuses import from_failure
from fovea.kernel.v1 import failure_pb2

KINDS = {
    "INVALID_ARGUMENT": errors.InvalidInput,
    "NOT_FOUND": errors.NotFound,
    "ALREADY_EXISTS": errors.Conflict,
    "FAILED_PRECONDITION": errors.Conflict,
    "UNIMPLEMENTED": errors.Unsupported,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "RESOURCE_EXHAUSTED": errors.Overloaded,
    "UNAVAILABLE": errors.Unavailable,
    "UNAUTHENTICATED": errors.Denied,
    "DATA_LOSS": errors.Corrupt,
    "CANCELLED": errors.Cancelled,
    "INTERNAL": errors.ServerFault,
}


@pytest.mark.parametrize("status", [code.name for code in grpc.StatusCode])
def test_every_status_has_an_error(status: str) -> None:
    error = from_failure(
        failure_pb2.Failure(status=status, reason="R", message="m", field="f", retry_after_s=2)
    )

    assert type(error) is KINDS.get(status, type(error))
    assert (error.message, error.reason, error.field, error.retry_after_s) == ("m", "R", "f", 2)
    assert str(error) == "m"


def test_an_error_without_a_reason_has_its_kinds() -> None:
    assert from_failure(failure_pb2.Failure(status="NOT_FOUND")).reason == "NOT_FOUND"


def test_the_drawn_tree_has_every_error() -> None:
    drawn = errors.__doc__ or ""
    for kind in errors.FoveaError.__subclasses__():
        assert kind.__name__ in drawn
