"""What the exit codes mean."""

from __future__ import annotations

from enum import IntEnum

from fovea.client import errors


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    SOME_FAILED = 1
    """Some items failed; the rest was done."""
    USAGE = 2
    """The command line or the input was wrong."""
    UNREACHABLE = 3
    """No server answers, or it has no room."""
    NOT_FOUND = 4
    CONFLICT = 5
    """It exists already, or its state forbids the call."""
    UNSUPPORTED = 6
    """This server, or this installation, cannot do it."""
    TIME_IS_UP = 7
    FAULT = 8
    """The server has a fault."""
    INTERRUPTED = 130


_OF_ERRORS = {
    errors.InvalidInput: ExitCode.USAGE,
    errors.NotFound: ExitCode.NOT_FOUND,
    errors.Conflict: ExitCode.CONFLICT,
    errors.Unsupported: ExitCode.UNSUPPORTED,
    errors.DeadlineExceeded: ExitCode.TIME_IS_UP,
    errors.Unavailable: ExitCode.UNREACHABLE,
    errors.Overloaded: ExitCode.UNREACHABLE,
}

EXIT_CODES = (
    "Exit codes: 0 done, 1 some items failed, 2 wrong usage or input, 3 server not reachable, 4 not found, "
    "5 conflict, 6 not supported, 7 time is up, 8 fault of the server, 130 interrupted."
)


def exit_code(error: errors.FoveaError) -> ExitCode:
    """Return the exit code of an error."""
    return _OF_ERRORS.get(type(error), ExitCode.FAULT)
