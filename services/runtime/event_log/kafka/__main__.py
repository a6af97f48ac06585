"""The topics at deploy: `python -m services.runtime.event_log.kafka apply|check`.

apply   create the topics that are missing, and say where the others differ from the table
check   say where they differ, and change nothing

Brokers and how they let this process in come from the environment, as for every service. It exits with 0 if
all is as the table says, 1 if Kafka could not be asked, 2 for wrong settings, 3 if something differs.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from services.runtime.event_log.kafka.options import KafkaOptions
from services.runtime.event_log.kafka.security import Security
from services.runtime.event_log.kafka.topics import create_missing, drift_of
from services.runtime.main import exit_code_of, start_logging
from services.runtime.settings import ProcessSettings, SettingsError
from services.runtime.topics import TOPICS

DIFFERENT: Final = 3


def main() -> None:
    """Do what the command line says."""
    given = _parser().parse_args()
    settings = ProcessSettings.load()
    start_logging("topics", settings)
    if not settings.kafka_servers:
        raise SettingsError("FOVEA_KAFKA_SERVERS: is missing; it says which brokers have the topics")
    options, topics = KafkaOptions(security=Security.of(settings)), dict(TOPICS.settings())
    if given.command == "apply":
        for name in create_missing(settings.kafka_servers, topics, options, dry_run=given.dry_run):
            _say(f"{name} {'would be' if given.dry_run else 'was'} created")
            if given.dry_run:
                del topics[name]
    drift = drift_of(settings.kafka_servers, topics, options)
    for difference in drift:
        _say(difference)
    if drift:
        raise SystemExit(DIFFERENT)
    _say(f"{len(topics)} topics are as the table says")


def _parser() -> argparse.ArgumentParser:
    about, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m services.runtime.event_log.kafka",
        description=about,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    apply = commands.add_parser("apply", help="create the topics that are missing")
    apply.add_argument("--dry-run", action="store_true", help="say which these are, and change nothing")
    commands.add_parser("check", help="compare, and change nothing")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
