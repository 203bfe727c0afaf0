from pathlib import Path

import pytest

from sigmoidf1.datasets import dataset_names, get_source

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"


@pytest.mark.parametrize("name", dataset_names())
def test_every_dataset_and_option_is_on_the_page(name):
    page = PAGE.read_text(encoding="utf-8")
    assert f"`{name}`" in page or f"`{name}:NAME`" in page
    missing = [o.name for o in get_source(name).all_options() if f"`{o.name}`" not in page]
    assert missing == []
