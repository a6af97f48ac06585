"""What the report says in sentences."""

from __future__ import annotations

from examples.demo.findings import Findings
from examples.demo.report.wording import duration
from examples.demo.task import CREDIT

ACCURACY = (
    "How often the right class stood first, and among the first five. The baseline finds the nearest "
    "taught picture by its 16 x 16 pixels: the same pictures taught, the same asked. It cannot read names."
)
UNKNOWN = (
    "Pictures of classes that were never taught should be answered with unknown, all others should not. "
    "AUROC is how often a picture of an unknown class was given a higher probability of unknown than one "
    "of a known class: 1 is perfect, 0.5 is chance; it depends on no threshold."
)
RELIABILITY = (
    "Can the probabilities be taken at their word? To the right what the first label was given, upwards "
    "how often it was right, unknown classes included; on the dashed line both agree. The shipped "
    "constants were set on other data, and no collection here is large enough for a calibration of its own."
)
GROUPS = "Right at first, by group of classes. Few pictures make wide intervals."
CONFUSED = "Left what was asked, right the taught one that it was taken for."


def lead(found: Findings) -> str:
    """Return the paragraph under the title."""
    task = found.task
    asked = " and ".join(found.vendor(vendor) for vendor in task.vendors[1:])
    return (
        f"{len(task.labels)} classes were taught with one picture each, by {found.vendor(task.teacher)}, "
        f"and again with nothing but their names. Then other artists' pictures were asked: {asked}. "
        f"{len(task.unknown_labels)} classes were never taught, to see whether Fovea says so."
    )


def time(found: Findings) -> str:
    """Return what the times are times of."""
    return (
        f"On {found.setup.cpus} processor cores without a GPU; the whole run took {duration(found.took_s)}, "
        f"and the server was ready after {duration(found.setup.ready_s)}. Stages are wall time inside each "
        f"service, for {len(found.alone_s)} new pictures that were asked one after the other. The others "
        "were asked in streams. From the second way of teaching on Fovea still had the embeddings of "
        "pictures it had seen, so those streams are faster than new pictures would be."
    )


def protocol(found: Findings) -> tuple[str, ...]:
    """Return what one needs to know to judge the numbers, and to get them again."""
    task, setup = found.task, found.setup
    return (
        f"Fovea {setup.version}, all services in one process, shipped models and shipped constants.",
        f"Taught: {len(task.labels)} classes, one picture each by {found.vendor(task.teacher)}.",
        f"Held out: {len(task.unknown_labels)} classes, drawn by seed {task.seed}.",
        f"Asked: pictures that were not taught, {_bound(setup.bounded)}; {found.queries} answers in all.",
        "Each way of teaching has a collection of its own. Names are those of examples/emoji/classes.csv.",
        (
            "Who said what: each source's share of the candidates. Retrieval counts votes, pairs compares "
            "the picture with the candidates' own, words with what they are called. Shares are multiplied, "
            "each to the power of its weight."
        ),
        "The order of the labels counts, also where the answer is flagged as unknown.",
        "To see it again: make demo. Every choice follows from the seed.",
        *CREDIT,
    )


def _bound(most: int | None) -> str:
    if most is None:
        return "all of them"
    return f"per artist and way of teaching at most {most} of known and {most // 4} of unknown classes"
