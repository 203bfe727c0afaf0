"""What the site needs beyond its pages: linked files of the repository, an index to search offline.

Hooks of MkDocs. A page's link to ``../examples/coco.yaml`` is right where the repository is
browsed, but leads out of ``docs/``; in the site it leads to a copy, shown as text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_OUTSIDE = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)(\))")
_FOLDER = "files"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a copy of every file outside ``docs/`` that a page links to."""
    root = Path(config.config_file_path).parent
    for page in files.documentation_pages():
        for _, target, _ in _OUTSIDE.findall(page.content_string):
            path = _in_repository(page.src_uri, target)
            if path is None or not (root / path).is_file():
                continue
            name = _copy(path)
            if files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead such links to the copies; a link to no file stays, and MkDocs refuses it."""

    def lead(found: re.Match[str]) -> str:
        path = _in_repository(page.file.src_uri, found[2])
        name = _copy(path) if path else ""
        if files.get_file_from_path(name) is None:
            return found[0]
        folder = posixpath.dirname(page.file.src_uri) or "."
        return found[1] + posixpath.relpath(name, folder) + found[3]

    return _OUTSIDE.sub(lead, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Write the search index as a script too: pages opened from the disk may read no JSON."""
    folder = Path(config.site_dir) / "search"
    index = (folder / "search_index.json").read_text(encoding="utf-8")
    (folder / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")


def _copy(path: str) -> str:
    """The copy's name; without the leading dot of a file that MkDocs would leave out."""
    return posixpath.join(_FOLDER, posixpath.dirname(path), Path(path).name.lstrip(".") + ".txt")


def _in_repository(page: str, target: str) -> str | None:
    """The path, from the repository's top, of a link that leaves ``docs/``; else None."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if path.startswith(("docs/", "..")) else path
