"""An event log on Apache Kafka, shared by any number of processes."""

from services.runtime.event_log.kafka.log import KafkaLog
from services.runtime.event_log.kafka.options import KafkaOptions
from services.runtime.event_log.kafka.security import Security
from services.runtime.event_log.kafka.topics import create_missing, drift_of

__all__ = ["KafkaLog", "KafkaOptions", "Security", "create_missing", "drift_of"]
