"""Revisions of a sweep: the same name with other settings, beside what is stored."""

from __future__ import annotations

import re
from collections.abc import Iterator

from storage.errors import SweepNotFoundError
from storage.store import Store
from sweeps.canonical import canonical_json
from sweeps.plan import make_plan
from sweeps.spec import SweepSpec, parse_spec

_REVISION = re.compile(r"\.r(\d+)$")


def revisions(spec: SweepSpec, store: Store) -> Iterator[SweepSpec]:
    """The spec under each name it may run: its own, ``NAME.r2``, ``NAME.r3``, …

    A stored name is left out when it belongs to other settings. What is left may still be
    refused, because only its data tell whether they are those stored; then the next one is due.

    Args:
        spec: the checked spec; a name that ends in ``.r3`` goes on from there.
        store: the store.

    Yields:
        Specs that differ by their name; the first one that runs is the right one. A name that
        is not stored always is.
    """
    found = _REVISION.search(spec.sweep)
    base = spec.sweep[: found.start()] if found else spec.sweep
    number = int(found[1]) if found else 1
    while True:
        name = base if number == 1 else f"{base}.r{number}"
        renamed = parse_spec({**spec.to_plain(), "sweep": name}, source=spec.source)
        if _may_be(renamed, store):
            yield renamed
        number += 1


def _may_be(spec: SweepSpec, store: Store) -> bool:
    try:
        stored = store.sweep(spec.sweep).identity
    except SweepNotFoundError:
        return True
    given = make_plan(spec).identity
    return all(canonical_json(stored.get(key)) == canonical_json(given[key]) for key in given)
