"""The site's navigation names every page once, and no link of a page leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def pages_of(entry):
    """The pages that an entry of the navigation holds, in order."""
    if isinstance(entry, str):
        return [entry]
    inner = entry.values() if isinstance(entry, dict) else entry
    return [page for part in inner for page in pages_of(part)]


def anchor(heading):
    """What the site, like code hosts, makes of a heading for links."""
    plain = re.sub(r"[^\w\s-]", "", heading.replace("`", "").lower())
    return re.sub(r"\s", "-", plain.strip())


def test_the_navigation_names_every_page_once():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert sorted(pages_of(nav)) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_links_lead_somewhere(page):
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    lost = []
    for target in LINK.findall(text):
        path, _, heading = target.partition("#")
        if "://" in path or heading.startswith("only-"):
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists():
            lost.append(target)
        elif heading and there.suffix == ".md":
            headings = HEADING.findall(there.read_text(encoding="utf-8"))
            if heading not in map(anchor, headings):
                lost.append(target)
    assert not lost, f"{page.name} links to {lost}, which is not there"


def test_the_site_fetches_nothing_from_elsewhere():
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    styles = (DOCS / "site.css").read_text(encoding="utf-8")
    assert yaml.safe_load(settings)["theme"]["font"] is False
    assert not re.search(r"https?://", settings + styles)
