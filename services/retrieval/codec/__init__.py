"""Messages of retrieval, and records of the memory's topic, to values and back."""

from services.retrieval.codec.inspecting import (
    read_audit_policy,
    read_mining_policy,
    write_audit_entry,
    write_mined,
)
from services.retrieval.codec.memory import (
    Question,
    read_encoded,
    read_event,
    read_key,
    read_listing,
    read_recall,
    write_event,
    write_exported,
    write_labels,
    write_page,
    write_recalled,
)
from services.retrieval.codec.spaces import (
    read_before,
    read_comparison,
    read_in_spaces,
    write_counts,
    write_report,
)

__all__ = [
    "Question",
    "read_audit_policy",
    "read_before",
    "read_comparison",
    "read_encoded",
    "read_event",
    "read_in_spaces",
    "read_key",
    "read_listing",
    "read_mining_policy",
    "read_recall",
    "write_audit_entry",
    "write_counts",
    "write_event",
    "write_exported",
    "write_labels",
    "write_mined",
    "write_page",
    "write_recalled",
    "write_report",
]
