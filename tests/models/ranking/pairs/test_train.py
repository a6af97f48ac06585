import numpy as np
import torch

from models.ranking.pairs import lists
from models.ranking.pairs.data import Lessons
from models.ranking.pairs.lists import Known
from models.ranking.pairs.looks import Look, evidence, tensors
from models.ranking.pairs.network import PairNetwork, Pairs, listwise
from models.ranking.pairs.train import Settings, scores, trained

ARTISTS = ("first", "second", "third")
TONES = ("dark", "light", "medium", "medium-dark", "medium-light")


def _known(names: int, drawn: np.random.Generator) -> Known:
    """Return drawings of names by three artists, and of two names in five tones; three folds."""
    rows = [(f"n{i:02}", artist, "", i % 3) for i in range(names) for artist in ARTISTS]
    rows += [(f"t{i}", artist, tone, i % 3) for i in range(63) for artist in ARTISTS for tone in TONES]
    thing, artist, tone, fold = (np.array(column) for column in zip(*rows, strict=True))
    base = {name: drawn.standard_normal(16) for name in sorted(set(thing.tolist()))}
    vectors = np.stack([base[name] + 0.4 * drawn.standard_normal(16) for name in thing.tolist()])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Known(thing, artist, tone, fold, vectors.astype(np.float16))


def _lessons(seed: int = 0) -> Lessons:
    drawn = np.random.default_rng(seed)
    known = _known(96, drawn)
    count = len(known.thing)
    places = {name: number for number, name in enumerate(sorted(set(known.thing.tolist())))}
    shown = np.array([places[name] for name in known.thing.tolist()])
    maps = drawn.standard_normal((len(places), 7, 7, 128))[shown]
    patches = maps + 0.5 * drawn.standard_normal((3, count, 7, 7, 128))
    pixels = drawn.integers(0, 256, (3, count, 28, 28, 3), dtype=np.uint8)
    return Lessons(known, known.vectors, patches.astype(np.float16), pixels)


def test_a_list_has_the_truth_among_its_candidates_and_never_the_query_itself() -> None:
    known = _known(30, np.random.default_rng(1))

    found = lists.of_names(known, 0, shots=2, most=5, drawn=np.random.default_rng(2))

    assert len(found)
    for query, exemplars, truth in zip(found.queries, found.exemplars, found.truth, strict=True):
        assert set(known.thing[exemplars[truth]]) == {known.thing[query]}
        assert query not in exemplars
        assert set(known.fold[exemplars.ravel()]) == {0}


def test_what_is_held_apart_stands_in_no_list() -> None:
    known = _known(30, np.random.default_rng(1))
    known.fold[lists.is_apart(known, frozenset({"n00", "n03"}))] = -1

    found = lists.of_names(known, 0, shots=1, most=8, drawn=np.random.default_rng(2))

    assert not {"n00", "n03"} & set(known.thing[[*found.queries, *found.exemplars.ravel()]].tolist())


def test_tones_are_asked_by_other_artists_pictures() -> None:
    known = _known(3, np.random.default_rng(1))

    found = lists.of_tones(known, 1, shots=2, drawn=np.random.default_rng(2))

    for query, exemplars, truth in zip(found.queries, found.exemplars, found.truth, strict=True):
        assert known.artist[query] not in known.artist[exemplars]
        assert set(known.tone[exemplars[truth]]) == {known.tone[query]}
        assert sorted(known.tone[exemplars[:, 0]].tolist()) == sorted(TONES)


def test_the_graph_gives_what_the_network_gives_for_pictures_that_are_in_many_pairs() -> None:
    known = _lessons()
    network = PairNetwork(*known.statistics()).eval()
    torch.nn.init.normal_(network.out.weight)
    found = lists.of_names(known.taught, 0, shots=2, most=3, drawn=np.random.default_rng(0)).of(np.arange(4))

    with torch.inference_mode():
        together = scores(network, torch.tensor(0.0), known, found).numpy()
        looks = [_look(known, int(place)) for place in (found.queries[1], *found.exemplars[1].ravel())]
        rows = {name: torch.from_numpy(array) for name, array in tensors(looks[0], looks[1:]).items()}
        alone = Pairs(network)(**rows)[:, 0].numpy()

    said = evidence(alone, np.repeat(np.arange(3), 2), 3)
    assert said is not None
    np.testing.assert_allclose(said, together[1] - np.logaddexp.reduce(together[1]), atol=1e-3)


def test_each_picture_speaks_and_the_likest_once_more() -> None:
    logits = torch.tensor([[[1.0, 3.0], [0.0, 0.0]]])

    found = listwise(logits, torch.tensor([[0.5, 1.0]]), torch.tensor(2.0))

    assert found.tolist() == [[8.0, 2.0]]


def test_it_learns_to_tell_maps_apart() -> None:
    known = _lessons()
    network = trained(known, Settings(steps=30, kinds=((1, 5, 8),), most=4))
    found = lists.of_names(known.taught, 0, shots=1, most=5, drawn=np.random.default_rng(9))

    with torch.inference_mode():
        right = scores(network, torch.tensor(0.0), known, found).argmax(1).numpy() == found.truth

    assert right.mean() > 0.8


def _look(known: Lessons, place: int) -> Look:
    return Look(
        known.taught.vectors[place].astype(np.float32),
        known.names[place].astype(np.float32),
        known.patches[0, place].astype(np.float32),
        1 - known.pixels[0, place].astype(np.float32) / 255,
    )
