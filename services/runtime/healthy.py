"""Whether the service beside this program is ready: `python -m services.runtime.healthy`, for containers.

A service that is ready has written its ports into FOVEA_READY_FILE, and its admin port says whether it still
is. This runs every few seconds, so it imports nothing that takes time.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

_TIMEOUT_S: Final = 3.0


def unready() -> str:
    """Return why the service is not ready; empty if it is."""
    file = os.environ.get("FOVEA_READY_FILE", "")
    if not file:
        return "FOVEA_READY_FILE is not set, so nobody knows where the service answers"
    try:
        port = json.loads(Path(file).read_text(encoding="utf-8"))["admin_port"]
        host = os.environ.get("FOVEA_HOST") or "127.0.0.1"
        urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=_TIMEOUT_S).close()
    except FileNotFoundError:
        return "it has never been ready"
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode(errors="replace")
    except OSError as error:
        return f"it does not answer: {error}"
    return ""


if __name__ == "__main__":
    sys.exit(unready() or 0)  # a text goes to standard error, and the exit code is 1
