"""Claim check: the value of a large event lies in the object store, and the log carries where.

    {tenant}/payloads/{topic}/{sha256}    the value; the record has an empty one, and these headers:
    payload-key, payload-bytes            where it lies (its last part is the digest), and its size

Whoever writes an event deposits first and publishes then, so a record never names what was not stored. Which
record goes by itself and which by claim depends on its size alone; messages and handlers know nothing of it.
Who deletes payloads, and when: `services.runtime.payload_sweep`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol, runtime_checkable

from services.kernel.errors import Corrupt, InvalidInput, NotFound, Unsupported
from services.kernel.limits import LIMITS
from services.runtime.event_log.ports import NewRecord, Record
from services.runtime.object_store.ports import ObjectStore
from services.runtime.object_store.verified import read_verified
from services.runtime.topics import Subject

PAYLOAD_KEY: Final = "payload-key"
PAYLOAD_BYTES: Final = "payload-bytes"
_CLAIM: Final = frozenset({PAYLOAD_KEY, PAYLOAD_BYTES})
_LOG = logging.getLogger(__name__)


@runtime_checkable
class Claims(Protocol):
    """Keeps large values out of the log."""

    def deposit(self, record: NewRecord) -> NewRecord:
        """Return the record to publish. Raises Unavailable if its value cannot be stored now."""
        ...

    def redeem(self, record: Record) -> Record:
        """Return the record as its writer had it.

        Raises:
            NotFound: Its payload is gone.
            Corrupt: Its payload is not what was stored.
            Unavailable: The store cannot be read now.
        """
        ...


class StoredClaims:
    """Keeps them in an object store, which all services of the platform must share.

    Args:
        store: Where payloads are.
        most_bytes: The largest value that travels in the log itself.
    """

    def __init__(self, store: ObjectStore, *, most_bytes: int = LIMITS.event_bytes) -> None:
        self._store = store
        self._most_bytes = most_bytes

    def deposit(self, record: NewRecord) -> NewRecord:
        """Store a large value. It is written even if it is there: its age must be that of its last event."""
        value = record.value
        if value is None or len(value) <= self._most_bytes:
            return record
        tenant = Subject.of_key(record.key).tenant
        key = payloads(tenant, record.topic) + hashlib.sha256(value).hexdigest()
        self._store.put(key, value)
        headers = {**record.headers, PAYLOAD_KEY: key, PAYLOAD_BYTES: str(len(value))}
        return replace(record, value=b"", headers=headers)

    def redeem(self, record: Record) -> Record:
        """Fetch a large value, and hold it against its digest."""
        key = record.headers.get(PAYLOAD_KEY)
        if key is None:
            return record
        return replace(record, value=self._fetch(key), headers=_unclaimed(record))

    def _fetch(self, key: str) -> bytes:
        try:
            return read_verified(self._store, key, key.rpartition("/")[2])
        except NotFound as error:
            raise NotFound(f"the event's payload {key} is gone", reason="PAYLOAD_MISSING") from error
        except Corrupt as error:
            raise Corrupt(f"the event's payload is damaged: {error}", reason="DATA_LOSS") from error
        except InvalidInput as error:
            raise Corrupt(f"the event's claim is damaged: {error}", reason="DATA_LOSS") from error


class NoClaims:
    """For a process that shares no object store with the others: every value travels in the log."""

    def deposit(self, record: NewRecord) -> NewRecord:
        """Return it as it is."""
        return record

    def redeem(self, record: Record) -> Record:
        """Return it as it is. Raises Unsupported if its value lies in an object store."""
        if PAYLOAD_KEY in record.headers:
            raise Unsupported(
                "the event's value is in the object store, and this process has none: set FOVEA_S3_ENDPOINT",
                reason="NO_OBJECT_STORE",
            )
        return record


def payloads(tenant: str, topic: str) -> str:
    """Return the prefix of the payloads of one topic's events."""
    return f"{tenant}/payloads/{topic}/"


def redeeming(claims: Claims, apply: Callable[[Record], None]) -> Callable[[Record], None]:
    """Return what applies records as their writers had them, for a follower.

    A record that can never be read, since its payload is lost or it is no message, is logged and left out:
    one such record must not keep all others from being seen.
    """

    def redeemed(record: Record) -> None:
        try:
            apply(claims.redeem(record))
        except (InvalidInput, NotFound, Corrupt) as error:
            _LOG.error("%s cannot be read and is left out: %s", record.position, error.message)

    return redeemed


def redeem_letter(claims: Claims, record: Record) -> Record:
    """Return a dead letter's record with its value; without any if that is what it died of."""
    try:
        return claims.redeem(record)
    except (NotFound, Corrupt, Unsupported) as error:
        _LOG.warning("the dead letter at %s has lost its value: %s", record.position, error)
        return replace(record, value=None)


def _unclaimed(record: Record) -> dict[str, str]:
    return {name: text for name, text in record.headers.items() if name not in _CLAIM}
