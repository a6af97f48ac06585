"""Every limit that a caller can meet, in one place.

`docs/limits.md` shows these numbers; a test holds the page against this module.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What one request may hold. The names carry the units."""

    image_bytes: int = 20 * MIB
    """Size of one encoded picture."""
    image_pixels: int = 50_000_000
    """Width times height of one picture, checked before it is decoded."""
    image_side_px: int = 16_384
    """Longest side of one picture."""
    regions_per_image: int = 256
    """Regions that one image may be asked for; of what prompts find, so many with the best scores stay."""
    polygon_points: int = 10_000
    """Corners of one polygon."""
    mask_runs_per_image: int = 1_000_000
    """Run lengths of all masks of one image, those drawn from polygons included."""
    polygon_points_per_mask: int = 500
    """Points of all polygons that a mask is answered with; one that needs more is simplified."""
    prompts_per_image: int = 13_204
    """Prompts that one image may be searched with."""
    prompts_per_map: int = 2_560
    """Prompts that one map may tell apart."""
    phrases_per_map: int = 256
    """Phrases and sentences among them: what each pass over the image finds for them is held."""
    map_side_px: int = 2_048
    """Longer side of a map that says for each pixel what it shows."""
    prompt_characters: int = 2_000
    """Length of one prompt."""
    label_characters: int = 200
    """Length of a label; line breaks and other control characters are refused."""
    text_characters: int = 2_000
    """Length of a name or attribute text."""
    name_characters: int = 64
    """Length of a tenant's or collection's name: letters, digits, `.`, `_`, `-`."""
    id_characters: int = 128
    """Length of a recognition, submission or exemplar id: letters, digits, `.`, `_`, `:`, `-`."""
    attributes_per_exemplar: int = 64
    """Attributes of one exemplar."""
    conditions_per_filter: int = 32
    """Conditions of one filter."""
    excluded_exemplars: int = 1_000
    """Exemplars that one request may exclude."""
    labels_per_region: int = 100
    """Labels that one region may be answered with."""
    default_labels_per_region: int = 5
    """Labels that one region is answered with unless the caller says otherwise."""
    descriptions_per_label: int = 3
    """Descriptions that come with one candidate, the first by id of those that its label was taught."""
    description_characters: int = 400
    """Length of a description that comes with a candidate; a longer one is cut after a word."""
    described_labels_per_region: int = 26
    """Candidates of one region that come with descriptions: as many as can stand behind letters."""
    description_characters_per_image: int = 250_000
    """Characters of all descriptions in the answer for one image; regions beyond it have none."""
    hierarchy_labels: int = 20_000
    """Labels of one collection's hierarchy."""
    hierarchy_levels: int = 16
    """Labels above one label in a hierarchy."""
    texts_per_request: int = 256
    """Texts of one EncodeTexts call."""
    page_size: int = 1_000
    """Entries of one page of a listing."""
    default_page_size: int = 100
    """Entries of one page unless the caller says otherwise."""
    forgotten_per_request: int = 1_000
    """Exemplar ids of one Forget call."""
    queries_per_set: int = 5_000
    """Queries of one set that memories are compared by."""
    edits_per_request: int = 10_000
    """Edits that are proposed or applied at a time."""
    stream_window: int = 8
    """Items of one stream that are worked on at a time; the next is read when one is answered."""
    message_bytes: int = 32 * MIB
    """Size of one gRPC message."""
    event_bytes: int = 256 * 1024
    """Size of an event's value in the event log; a larger one travels through the object store."""


LIMITS = Limits()
