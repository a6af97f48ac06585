"""The matrices of the global encoder, against what they are defined by."""

from __future__ import annotations

import numpy as np
import pytest

from models.vision.global_encoder.fitting import class_means, codes, discriminant, exemplars, principal, unit


def test_the_principal_directions_are_those_in_which_rows_differ_most() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((400, 6)) * [9, 7, 1, 0.1, 0.1, 0.1] + 5

    reduced = principal(rows.astype(np.float32), 2, seed=0)

    assert reduced.offset == pytest.approx(rows.mean(0), abs=1e-4)
    assert np.abs(unit(reduced.weight.T)[:, :2]) == pytest.approx(np.eye(2), abs=0.1)


def test_reduced_rows_have_a_mean_squared_length_of_one_when_nothing_is_dropped() -> None:
    rows = np.random.default_rng(0).standard_normal((300, 5)).astype(np.float32) * 40

    reduced = principal(rows, 5, seed=0)(rows)

    assert (reduced**2).sum(1).mean() == pytest.approx(1, abs=1e-3)


def test_the_discriminant_overlooks_what_differs_within_a_class() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(20), 10)
    of_class = rng.standard_normal((20, 3))[classes]
    style = 30 * rng.standard_normal((200, 3))
    rows = np.hstack([of_class + 0.05 * rng.standard_normal((200, 3)), style]).astype(np.float32)

    metric = discriminant(rows, classes, count=3, ridge=1e-4)
    seen = unit(metric(rows))

    likeness = seen @ seen.T - 2 * np.eye(len(seen))
    assert (classes[likeness.argmax(1)] == classes).mean() > 0.95
    raw = unit(rows - rows.mean(0))
    assert (classes[(raw @ raw.T - 2 * np.eye(len(raw))).argmax(1)] == classes).mean() < 0.5


def test_the_same_rows_give_the_same_discriminant() -> None:
    rng = np.random.default_rng(0)
    rows, classes = rng.standard_normal((60, 8)).astype(np.float32), np.arange(60) % 6

    first, second = (discriminant(rows, classes, count=4, ridge=0.1) for _ in range(2))

    assert (first.weight == second.weight).all()


def test_directions_count_by_how_much_of_them_is_between_classes() -> None:
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(30), 10)
    rows = (rng.standard_normal((30, 2)) * [3, 0.5])[classes] + rng.standard_normal((300, 2))

    weighted = discriminant(rows.astype(np.float32), classes, count=2, ridge=1e-6, power=1.0)
    alike = discriminant(rows.astype(np.float32), classes, count=2, ridge=1e-6, power=0.0)

    share = np.linalg.norm(weighted.weight, axis=0) / np.linalg.norm(alike.weight, axis=0)
    assert share == pytest.approx([0.9, 0.25], abs=0.1)


def test_means_are_those_of_each_class() -> None:
    rng = np.random.default_rng(0)
    rows, classes = rng.standard_normal((50, 3)), rng.integers(0, 7, 50) * 5

    means, place = class_means(rows, classes)

    for row, at, one in zip(rows, place, classes, strict=True):
        assert means[at] == pytest.approx(rows[classes == one].mean(0), abs=1e-5)
        assert row.shape == means[at].shape


def test_a_known_text_finds_its_own_exemplar() -> None:
    rng = np.random.default_rng(0)
    texts, targets = unit(rng.standard_normal((12, 16))), rng.standard_normal((12, 4))

    found = exemplars(texts, targets, np.ones(12), sharpness=1.0, ridge=1e-6)

    kernel = np.exp(2 * (texts.astype(np.float32) @ found.anchors.T - 1))
    assert kernel @ found.coefficients + found.mean == pytest.approx(targets, abs=1e-3)


def test_equal_texts_count_once_with_the_weighted_mean_of_their_pictures() -> None:
    texts = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    targets = np.array([[1.0], [4.0], [0.0]])

    found = exemplars(texts, targets, np.array([2.0, 1.0, 1.0]), sharpness=1.0, ridge=1e-6)

    assert len(found.anchors) == 2
    at = found.anchors[:, 0].argmax()
    kernel = np.exp(2 * (found.anchors @ found.anchors.T - 1))
    assert (kernel @ found.coefficients + found.mean)[at] == pytest.approx([2.0], abs=1e-3)


def test_a_text_that_is_trusted_more_is_met_more_closely() -> None:
    texts, targets = np.eye(2), np.array([[1.0], [-1.0]])

    found = exemplars(texts, targets, np.array([9.0, 1.0]), sharpness=1.0, ridge=1.0)

    kernel = np.exp(2 * (found.anchors @ texts.T.astype(np.float32) - 1)).T
    missed = np.abs(kernel @ found.coefficients + found.mean - targets)[:, 0]
    assert missed[0] < missed[1] / 3


def test_codes_are_equal_for_equal_names() -> None:
    assert codes(["b", "a", "b"]).tolist() == [1, 0, 1]
