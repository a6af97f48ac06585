import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from services.kernel.errors import DeadlineExceeded, InvalidInput, NotFound, Unavailable
from services.kernel.vocabulary import (
    Box,
    Exemplar,
    ExemplarKind,
    Mask,
    Region,
    RegionOrigin,
    Stage,
)
from tests.fakes.encoded import IMAGE, PICTURE, FakeEncoding, reference
from tests.fakes.encoding import GivenTime

LEFT = Region("0", Box(0, 0, 20, 30), RegionOrigin.CALLER)
RIGHT = Region("1", Box(20, 0, 40, 30), RegionOrigin.CALLER)
WHOLE = Region("0", Box(0, 0, 40, 30), RegionOrigin.WHOLE_IMAGE)


def test_each_region_gets_one_embedding_in_every_space_under_its_own_id() -> None:
    encoded = FakeEncoding().regions(IMAGE, [LEFT, RIGHT])

    left, right = encoded.regions
    assert (left.region_id, right.region_id) == ("0", "1")
    assert [(each.space, each.encoder) for each in left.embeddings] == [
        ("visual", "colours@1"),
        ("name", "bridge@1"),
    ]
    assert left.embeddings[0].vector.argmax() == 0  # red
    assert right.embeddings[0].vector.argmax() == 2  # blue


def test_the_record_says_who_took_part_and_how_long() -> None:
    encoded = FakeEncoding().regions(IMAGE, [WHOLE])

    models = ("colours@1", "bridge@1")
    assert encoded.stage == Stage("encoding", "1.2", models, duration_s=0.5, reading="crop")


def test_an_image_is_read_once_and_many_regions_go_in_parts() -> None:
    encoding = FakeEncoding()
    regions = [
        Region(str(i), Box(i % 39, 0, i % 39 + 1, 1 + i // 39), RegionOrigin.CALLER) for i in range(10)
    ]

    encoded = encoding.regions(IMAGE, regions)

    assert [region.region_id for region in encoded.regions] == [str(i) for i in range(10)]
    assert encoding.eyes.batches == [4, 4, 2]
    assert len(encoding.images.reads) == 1


def test_what_a_region_looks_like_does_not_depend_on_what_else_is_asked() -> None:
    alone = [FakeEncoding().regions(IMAGE, [each]).regions[0] for each in (LEFT, WHOLE, RIGHT)]

    together = FakeEncoding().regions(IMAGE, [LEFT, WHOLE, RIGHT]).regions

    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.embeddings[0].vector, other.embeddings[0].vector)


def test_a_region_that_was_seen_before_is_neither_read_nor_encoded_again() -> None:
    encoding = FakeEncoding()
    first = encoding.regions(IMAGE, [LEFT])

    again = encoding.regions(IMAGE, [RIGHT, LEFT])

    assert encoding.eyes.batches == [1, 1]
    np.testing.assert_array_equal(
        again.regions[1].embeddings[0].vector, first.regions[0].embeddings[0].vector
    )
    assert again.regions[1].region_id == "0"

    encoding.regions(IMAGE, [LEFT, RIGHT])
    assert len(encoding.images.reads) == 2


def test_another_model_sees_the_same_region_anew() -> None:
    encoding = FakeEncoding()
    encoding.regions(IMAGE, [LEFT])
    encoding.eyes.identities = ("colours@2", "bridge@1")

    encoded = encoding.regions(IMAGE, [LEFT])

    assert encoding.eyes.batches == [1, 1]
    assert encoded.regions[0].embeddings[0].encoder == "colours@2"


def test_callers_that_ask_for_the_same_at_once_cost_one_forward_pass() -> None:
    encoding, begun, go = FakeEncoding(), threading.Event(), threading.Event()

    def before() -> None:
        begun.set()
        assert go.wait(10)

    encoding.eyes.before = before
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(encoding.regions, IMAGE, [LEFT]) for _ in range(8)]
        assert begun.wait(10)
        go.set()
        vectors = {call.result(10).regions[0].embeddings[0].vector.tobytes() for call in calls}

    assert len(vectors) == 1
    assert encoding.eyes.batches == [1]


def test_a_model_that_fails_once_is_asked_again() -> None:
    encoding = FakeEncoding()

    def down() -> None:
        raise Unavailable("the model is down")

    encoding.eyes.before = down
    with pytest.raises(Unavailable):
        encoding.regions(IMAGE, [LEFT])
    encoding.eyes.before = lambda: None

    assert encoding.regions(IMAGE, [LEFT]).regions


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "IMAGE_EMPTY"),
        (b"hello, I am a text", "IMAGE_FORMAT_UNKNOWN"),
        (PICTURE[: len(PICTURE) // 2], "IMAGE_DAMAGED"),
    ],
)
def test_bytes_that_are_no_picture_are_invalid_and_say_why(data: bytes, reason: str) -> None:
    image = reference(data)

    with pytest.raises(InvalidInput) as caught:
        FakeEncoding({image.key: data}).regions(image, [WHOLE])

    assert (caught.value.field, caught.value.reason) == ("image", reason)


def test_an_image_of_another_size_than_said_is_refused() -> None:
    image = reference(PICTURE, size=(30, 40))

    with pytest.raises(InvalidInput) as caught:
        FakeEncoding().regions(image, [WHOLE])

    assert (caught.value.field, caught.value.reason) == ("image", "IMAGE_SIZE_MISMATCH")


@pytest.mark.parametrize(
    "region",
    [
        Region("0", Box(100, 100, 120, 120), RegionOrigin.CALLER),
        Region("0", Box(0, 0, 9, 9), RegionOrigin.CALLER, Mask(10, 10, (0, 100))),
    ],
)
def test_a_region_that_does_not_fit_the_image_is_invalid(region: Region) -> None:
    with pytest.raises(InvalidInput) as caught:
        FakeEncoding().regions(IMAGE, [region])

    assert (caught.value.field, caught.value.reason) == ("regions", "REGION_INVALID")


def test_an_image_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        FakeEncoding({}).regions(IMAGE, [WHOLE])


def test_work_ends_when_nobody_waits_any_more() -> None:
    encoding = FakeEncoding(limit=GivenTime(given_up=True))

    with pytest.raises(DeadlineExceeded):
        encoding.regions(IMAGE, [LEFT])
    with pytest.raises(DeadlineExceeded):
        encoding.texts(["wren"])
    assert (encoding.eyes.batches, encoding.reader.batches) == ([], [])


def test_texts_keep_their_order_and_those_known_are_not_encoded_again() -> None:
    encoding = FakeEncoding()
    (wren,) = encoding.texts(["wren"]).embeddings

    encoded = encoding.texts(["robin", " wren ", "robin"])

    assert encoding.reader.batches == [("wren",), ("robin",)]
    np.testing.assert_array_equal(encoded.embeddings[1].vector, wren.vector)
    assert (wren.encoder, wren.space) == ("letters@1", "name")
    assert encoded.stage == Stage("encoding", "1.2", ("letters@1",), duration_s=0.5)


def test_many_texts_go_in_parts() -> None:
    encoding = FakeEncoding()

    encoded = encoding.texts([str(i) for i in range(40)])

    assert [len(batch) for batch in encoding.reader.batches] == [16, 16, 8]
    assert len(encoded.embeddings) == 40


def test_a_text_that_cannot_be_a_name_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidInput) as caught:
        FakeEncoding().texts(["wren", "two\nlines"])

    assert caught.value.field == "texts[1]"


def test_an_image_exemplar_is_kept_by_its_looks_alone() -> None:
    exemplar = Exemplar("e1", "red thing", ExemplarKind.IMAGE, image=IMAGE, region=LEFT)

    encoded = FakeEncoding().exemplar(exemplar)

    assert encoded.exemplar is exemplar
    (embedding,) = encoded.embeddings
    assert embedding.space == "visual"
    assert embedding.vector.argmax() == 0  # red


def test_an_image_exemplar_without_a_region_is_the_whole_image() -> None:
    encoding = FakeEncoding()

    (exemplar,) = encoding.exemplar(Exemplar("e1", "x", ExemplarKind.IMAGE, image=IMAGE)).embeddings

    (whole, _) = encoding.regions(IMAGE, [WHOLE]).regions[0].embeddings
    np.testing.assert_array_equal(exemplar.vector, whole.vector)


@pytest.mark.parametrize("kind", [ExemplarKind.NAME, ExemplarKind.ATTRIBUTE])
def test_a_text_exemplar_is_kept_in_the_space_of_names(kind: ExemplarKind) -> None:
    encoding = FakeEncoding()

    encoded = encoding.exemplar(Exemplar("e1", "wren", kind, text="a small brown bird"))

    assert [embedding.space for embedding in encoded.embeddings] == ["name"]
    assert encoding.reader.batches == [("a small brown bird",)]


def test_a_name_in_templates_is_the_direction_of_their_mean_and_an_attribute_is_read_as_it_is() -> None:
    encoding = FakeEncoding()
    encoding.reader.templates = ("a photo of a {}.", "a drawing of a {}.")

    (named,) = encoding.exemplar(Exemplar("e1", "wren", ExemplarKind.NAME, text="wren")).embeddings
    (told,) = encoding.exemplar(Exemplar("e2", "wren", ExemplarKind.ATTRIBUTE, text="wren")).embeddings

    assert encoding.reader.batches == [("a photo of a wren.", "a drawing of a wren."), ("wren",)]
    rows = encoding.reader.encode(["a photo of a wren.", "a drawing of a wren."]).rows
    mean = rows.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(named.vector, mean / np.linalg.norm(mean), atol=1e-7)
    assert float(np.linalg.norm(named.vector)) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(told.vector, encoding.reader.encode(["wren"]).rows[0])


@pytest.mark.parametrize(
    ("exemplar", "field"),
    [
        (Exemplar("e1", "x", ExemplarKind.IMAGE), "image"),
        (Exemplar("e1", "x", ExemplarKind.NAME), "text"),
    ],
)
def test_an_exemplar_that_shows_nothing_is_refused(exemplar: Exemplar, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        FakeEncoding().exemplar(exemplar)

    assert caught.value.field == field
