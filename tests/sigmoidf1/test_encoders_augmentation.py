"""Random views: drawn by content, view and seed alone."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from sigmoidf1.encoders import augmentation
from sigmoidf1.encoders.augmentation import Augmentation

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
IMAGE = Image.fromarray(PIXELS)
PLAIN = Augmentation(views=1, operations=0, cutout=0, flip=0)


def draw(settings, *, content=b"content", view=0):
    return np.asarray(settings.draw(IMAGE, content=content, view=view))


def test_a_view_follows_from_content_number_and_seed():
    settings = Augmentation(views=5)
    first = draw(settings)
    assert (draw(settings) == first).all()
    assert first.shape == PIXELS.shape
    for other in (
        draw(settings, view=1),
        draw(settings, content=b"other"),
        draw(dataclasses.replace(settings, seed=1)),
    ):
        assert (other != first).any()
    assert (draw(dataclasses.replace(settings, views=9)) == first).all()


def test_nothing_asked_for_is_nothing_done():
    assert (draw(PLAIN) == PIXELS).all()
    still = Augmentation(views=1, operations=0, cutout=0, flip=1)
    assert (draw(still) == PIXELS[:, ::-1]).all()


def test_flips_are_as_frequent_as_asked():
    settings = dataclasses.replace(PLAIN, flip=0.3)
    flipped = [(draw(settings, view=view) != PIXELS).any() for view in range(400)]
    assert 0.22 < np.mean(flipped) < 0.38


def test_cutout_covers_a_square_of_its_share():
    settings = dataclasses.replace(PLAIN, cutout=0.5)
    shares = []
    for view in range(200):
        cut = (draw(settings, view=view) == augmentation._GREY).all(axis=2)
        rows, columns = cut.any(axis=1), cut.any(axis=0)
        assert cut[np.ix_(rows, columns)].mean() > 0.99
        shares.append((rows.mean(), columns.mean()))
    assert np.max(shares) <= 0.55
    assert np.min(shares) >= 0.2


@pytest.mark.parametrize("operation", augmentation._OPERATIONS)
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_every_operation_keeps_size_and_mode(operation, strength, sign):
    view = operation(IMAGE, strength, sign)
    assert (view.size, view.mode) == (IMAGE.size, "RGB")


def test_all_operations_are_drawn():
    settings = dataclasses.replace(PLAIN, operations=1, magnitude=20)
    views = {draw(settings, view=view).tobytes() for view in range(300)}
    # Of 14 operations 8 depend on the sign; three leave noise of full range nearly as it is.
    assert len(views) > 15


def test_no_strength_changes_little():
    settings = dataclasses.replace(PLAIN, operations=14, magnitude=0)
    assert draw(settings).shape == PIXELS.shape
