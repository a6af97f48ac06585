"""Any value of the kernel's vocabulary, for property tests."""

from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

from services.kernel.judgements import Judged, Parsed, Reading, WeighedEvidence
from services.kernel.rankings import (
    Ancestor,
    BroaderLabel,
    Candidate,
    Candidates,
    Gate,
    Neighbour,
    RankedLabel,
    Ranking,
    RankingStatus,
)
from services.kernel.vocabulary import (
    Box,
    CollectionKey,
    Condition,
    Embedding,
    Envelope,
    Exemplar,
    ExemplarKind,
    ExemplarPicture,
    FindOptions,
    FoundBy,
    ImageReference,
    Mask,
    MaskFormat,
    Point,
    Polygon,
    Prompt,
    PromptKind,
    RecognitionOptions,
    Region,
    RegionOrigin,
    SpaceVote,
    Stage,
)

T = TypeVar("T")

_letters = st.characters(categories=["L", "N"])
words = st.text(_letters, min_size=1, max_size=20)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,20}", fullmatch=True)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
numbers = st.floats(-1e6, 1e6)
shares = st.floats(0, 1)
counts = st.integers(0, 2**32 - 1)


def tuples(strategy: st.SearchStrategy[T], most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(strategy, max_size=most).map(tuple)


def boxes() -> st.SearchStrategy[Box]:
    sides = st.floats(0.001, 1e6)
    return st.builds(
        lambda left, top, width, height: Box(left, top, left + width, top + height),
        numbers,
        numbers,
        sides,
        sides,
    )


images = st.builds(
    ImageReference,
    digest=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    key=words,
    media_type=words,
    size_bytes=st.integers(0, 2**40),
    width_px=counts,
    height_px=counts,
)
masks = st.builds(Mask, height_px=counts, width_px=counts, counts=tuples(counts))
polygons = st.builds(
    Polygon, points=st.lists(st.builds(Point, numbers, numbers), min_size=3, max_size=6).map(tuple)
)
shapes = st.one_of(boxes(), masks, polygons)
regions = st.builds(
    Region,
    region_id=ids,
    box=boxes(),
    origin=st.sampled_from(RegionOrigin),
    mask=st.none() | masks,
    found_by=st.none() | st.builds(FoundBy, st.integers(0, 13_203), shares, shares),
)
pictures = st.builds(ExemplarPicture, images, st.none() | regions)
prompts = st.builds(Prompt, st.sampled_from(PromptKind), words, st.none() | pictures)
finds = st.builds(
    FindOptions,
    threshold=st.none() | shares,
    overlap=st.none() | shares,
    tiles=st.none() | st.booleans(),
    mask_format=st.sampled_from(MaskFormat),
)


@st.composite
def embeddings(draw: st.DrawFn) -> Embedding:
    vector = np.array(draw(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=8)), dtype=np.float32)
    vector[0] = 1.0
    return Embedding(vector / np.linalg.norm(vector), encoder=draw(words), space=draw(words))


values = st.one_of(words, numbers, st.booleans())
exemplars = st.builds(
    Exemplar,
    exemplar_id=ids,
    label=words,
    kind=st.sampled_from(ExemplarKind),
    attributes=st.dictionaries(words, values, max_size=3),
    image=st.none() | images,
    region=st.none() | regions,
    text=words,
)
conditions = st.one_of(
    st.builds(Condition, attribute=words, one_of=st.lists(values, min_size=1, max_size=3).map(tuple)),
    st.builds(Condition, attribute=words, least=numbers),
    st.builds(
        lambda attribute, least, width: Condition(attribute, (), least, least + width), words, numbers, shares
    ),
)
votes = st.builds(
    SpaceVote, space=words, weight=shares, temperature=st.floats(0.001, 10), reference=st.floats(-1, 1)
)
neighbours = st.builds(
    Neighbour,
    exemplar_id=ids,
    kind=st.sampled_from(ExemplarKind),
    space=words,
    similarity=st.floats(-1, 1),
    share=shares,
    image_key=words,
    box=st.none() | boxes(),
)
candidates = st.builds(
    Candidates,
    region_id=ids,
    candidates=tuples(
        st.builds(
            Candidate,
            label=words,
            score=shares,
            neighbours=tuples(neighbours),
            ancestors=tuples(st.builds(Ancestor, words, shares)),
            descriptions=tuples(words),
        )
    ),
    margin=shares,
    entropy=shares,
    unknown_score=shares,
    votes=tuples(votes),
)
logs = st.floats(-1e9, 0)
judgements = st.builds(
    Judged,
    models=tuples(words),
    template=words,
    prompt_digest=words,
    mode=words,
    candidates=st.integers(0, 100),
    orders=st.integers(0, 100),
    seed=st.integers(0, 2**32),
    evidence=tuples(st.builds(WeighedEvidence, words, st.floats(0, 9), tuples(logs))),
    readings=tuples(st.builds(Reading, tuples(st.integers(0, 99)), tuples(logs), words)),
    parsed=st.sampled_from(Parsed),
    tokens=st.integers(0, 2**40),
    cut=words,
    duration_s=shares,
    cached=st.booleans(),
)
rankings = st.builds(
    Ranking,
    region_id=ids,
    labels=tuples(st.builds(RankedLabel, words, shares)),
    probability_unknown=shares,
    status=st.sampled_from(RankingStatus),
    rung=words,
    gates=tuples(st.builds(Gate, words, shares, shares, is_open=st.booleans(), calibrated=st.booleans())),
    broader=st.none() | st.builds(BroaderLabel, words, shares, st.integers(1, 16)),
    judged=st.none() | judgements,
)
stages = st.builds(
    Stage,
    name=words,
    version=words,
    models=tuples(words),
    memory_version=words,
    duration_s=shares,
    rungs=tuples(words),
)
options = st.builds(
    RecognitionOptions,
    size=st.none() | st.integers(1, 100),
    shapes=tuples(shapes),
    filter=tuples(conditions),
    exclude_exemplar_ids=tuples(ids),
    votes=st.lists(votes, max_size=3, unique_by=lambda vote: vote.space).map(tuple),
    trust_threshold=st.none() | shares,
    unknown_threshold=st.none() | shares,
    level_threshold=st.none() | shares,
    neighbours_per_label=st.none() | st.integers(1, 100),
    min_memory_version=words,
    calibrated_gates=tuples(words),
    find=finds,
)
prompted = st.builds(
    RecognitionOptions,
    prompts=st.lists(prompts, max_size=3, unique_by=lambda prompt: prompt[:2]).map(tuple),
    find=finds,
)
envelopes = st.builds(
    Envelope,
    collection=st.builds(CollectionKey, names, names),
    recognition_id=ids,
    image=images,
    options=options | prompted,
    submission_id=ids,
    stages=tuples(stages),
    accepted_at_s=st.integers(0, 2**33).map(float),
    trace_id=words,
)
