import numpy as np
import torch

from models.data.sets.emoji import ARTISTS, MAIN_ARTISTS
from models.ranking.pairs import lists
from models.ranking.pairs.data import VIEWS, Lessons
from models.ranking.pairs.lists import Known
from models.ranking.pairs.looks import ODD, Look, evidence, tensors
from models.ranking.pairs.network import PairNetwork, Pairs, listwise
from models.ranking.pairs.train import Kind, Settings, scores, surface_scores, trained

TONES = ("dark", "light", "medium", "medium-dark", "medium-light")


def _known(names: int, drawn: np.random.Generator, *, tones: int = 63, surfaces: int = 16) -> Known:
    """Return drawings of names by all artists, of some in five tones, and surfaces; three folds."""
    rows = [(f"n{i:02}", artist, "", "", i % 3, i % 8 == 7) for i in range(names) for artist in ARTISTS]
    rows += [
        (f"t{i:02}", artist, tone, "", i % 3, i % 8 == 7)
        for i in range(tones)
        for artist in MAIN_ARTISTS
        for tone in TONES
    ]
    rows += [
        (f"{i:02} {kind}", "", "", f"{i:02}", -1, i % 4 == 3)
        for i in range(surfaces)
        for kind in range(5)
        for _ in range(5)
    ]
    thing, artist, tone, surface, fold, apart = (np.array(column) for column in zip(*rows, strict=True))
    base = {name: drawn.standard_normal(16) for name in sorted(set(thing.tolist()))}
    vectors = np.stack([base[name] + 0.4 * drawn.standard_normal(16) for name in thing.tolist()])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Known(thing, artist, tone, surface, fold, apart, vectors.astype(np.float16))


def _lessons(seed: int = 0) -> Lessons:
    drawn = np.random.default_rng(seed)
    known = _known(96, drawn)
    count = len(known.thing)
    places = {name: number for number, name in enumerate(sorted(set(known.thing.tolist())))}
    shown = np.array([places[name] for name in known.thing.tolist()])
    maps = drawn.standard_normal((len(places), 7, 7, 128))[shown]
    patches = maps + 0.5 * drawn.standard_normal((VIEWS + 1, count, 7, 7, 128))
    odd = drawn.standard_normal((len(places), ODD))[shown] + 0.5 * drawn.standard_normal(
        (VIEWS + 1, count, ODD)
    )
    pixels = drawn.integers(0, 256, (VIEWS + 1, count, 28, 28, 3), dtype=np.uint8)
    return Lessons(known, known.vectors, patches.astype(np.float16), odd.astype(np.float16), pixels)


def test_a_list_has_the_truth_among_its_candidates_and_never_the_query_itself() -> None:
    known = _known(30, np.random.default_rng(1))

    found = lists.of_names(known, 0, shots=2, most=5, drawn=np.random.default_rng(2))

    assert len(found)
    for query, exemplars, truth in zip(found.queries, found.exemplars, found.truth, strict=True):
        assert set(known.thing[exemplars[truth]]) == {known.thing[query]}
        assert query not in exemplars
        assert set(known.fold[exemplars.ravel()]) == {0}


def test_what_is_held_apart_stands_in_no_list_that_is_learned_from() -> None:
    known, drawn = _known(30, np.random.default_rng(1)), np.random.default_rng(2)

    found = [lists.of_names(known, fold, shots=1, most=8, drawn=drawn) for fold in known.folds]
    found += [lists.of_tones(known, fold, shots=1, drawn=drawn) for fold in known.folds]
    found.append(lists.of_surfaces(known, shots=1, classes=3, drawn=drawn))

    assert not any(known.apart[[*each.queries, *each.exemplars.ravel()]].any() for each in found)


def test_development_asks_for_what_is_held_apart_among_all_and_for_nothing_else() -> None:
    known = _known(60, np.random.default_rng(1))

    rows = lists.development(known)

    assert len(rows) == 10
    assert all(known.apart[each.queries].all() for each in rows.values())
    assert not known.apart[rows["any artists, 1"].exemplars].all()
    assert known.apart[rows["surfaces, 4"].exemplars].all()
    assert {each.exemplars.shape[2] for name, each in rows.items() if name.endswith("2")} == {2}


def test_the_same_artists_may_be_known_of_all_names_and_another_is_asked() -> None:
    known, artists = _known(30, np.random.default_rng(1)), lists.without_twins(np.random.default_rng(0))

    found = lists.of_names(
        known, 0, shots=2, most=4, drawn=np.random.default_rng(2), artists=artists, alike=True
    )

    asked, shown = (
        set(known.artist[found.queries].tolist()),
        set(known.artist[found.exemplars.ravel()].tolist()),
    )
    assert (len(asked), len(shown)) == (1, 2)
    assert not asked & shown
    assert not {"fluent-flat", "fluent-3d"} <= set(artists)


def test_a_list_about_a_surface_has_its_classes_and_one_of_them_is_asked() -> None:
    known = _known(3, np.random.default_rng(1))

    found = lists.of_surfaces(known, shots=2, classes=3, drawn=np.random.default_rng(2))

    for query, exemplars, truth in zip(found.queries, found.exemplars, found.truth, strict=True):
        assert query not in exemplars
        assert set(known.surface[exemplars.ravel()]) == {known.surface[query]}
        assert set(known.thing[exemplars[truth]]) == {known.thing[query]}
        assert len(set(known.thing[exemplars.ravel()])) == 3


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


def test_it_learns_to_tell_maps_and_surfaces_apart() -> None:
    known = _lessons()
    network = trained(known, Settings(steps=30, surface_steps=60, kinds=(Kind(1, 5, 8),), most=4, faults=20))
    found = lists.of_names(known.taught, 0, shots=1, most=5, drawn=np.random.default_rng(9))

    with torch.inference_mode():
        right = scores(network, torch.tensor(0.0), known, found).argmax(1).numpy() == found.truth

        cloth = lists.of_surfaces(known.taught, shots=1, classes=3, drawn=np.random.default_rng(9))
        told = surface_scores(network, torch.tensor(0.0), known, cloth).argmax(1).numpy() == cloth.truth

    assert right.mean() > 0.8
    assert told.mean() > 0.8


def test_what_is_learned_from_surfaces_leaves_drawings_alone() -> None:
    known = _lessons()
    kinds = (Kind(1, 5, 8),)

    one, other = (trained(known, Settings(steps=5, surface_steps=n, kinds=kinds, most=2)) for n in (1, 5))

    own = {id(each) for network in (one, other) for each in network.for_surfaces()}
    for mine, its in zip(one.parameters(), other.parameters(), strict=True):
        assert bool((mine == its).all()) == (id(mine) not in own)


def _look(known: Lessons, place: int) -> Look:
    return Look(
        known.taught.vectors[place].astype(np.float32),
        known.names[place].astype(np.float32),
        known.patches[0, place].astype(np.float32),
        known.odd[0, place].astype(np.float32),
        1 - known.pixels[0, place].astype(np.float32) / 255,
    )
