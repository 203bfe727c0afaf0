"""The spec: what a sweep is to run, as a user writes it, checked before anything is started.

Light to import: neither torch nor the losses are needed. What only a loss knows (its
hyperparameters and their rules) is checked by :func:`sweeps.plan.make_plan`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from sweeps import spec_checks, spec_rules
from sweeps.axes import Axis
from sweeps.canonical import content_hash
from sweeps.errors import SpecError
from sweeps.samplers.sections import HalvingSpec, RacingSpec, SamplerSpec, read_sampler
from sweeps.spec_sections import HeadSpec, ObjectiveSpec, Section, TrainingSpec
from sweeps.spec_text import apply_overrides, check_plain, parse_yaml, read_spec_text
from sweeps.wording import short, suggestion


class SweepSpec(Section):
    """A whole spec, read and checked.

    Args:
        sweep: the sweep's name: letters, digits, ``.``, ``_``, ``-``; at most 100.
        description: free text; changes nothing that is run.
        data: options of the dataset, with ``dataset``; read by
            :func:`sigmoidf1.datasets.load_dataset`.
        encoder: options of the encoder, with ``name``; empty for ready features.
        head: the head.
        training: how heads are trained.
        seeds: the replicates' seeds, none twice.
        objective: the number by which cells are compared.
        losses: loss name to hyperparameter name to its axis.
        sampler: where cells come from; every combination unless given.
        halving: stops cells that lag behind after some epochs; none unless given.
        racing: gives more seeds to the cells that may be the best; none unless given.
        keep: cells of each loss whose weights and scores are kept after the run: ``all``,
            ``none`` or a number; changes nothing that is run.
    """

    sweep: Annotated[str, BeforeValidator(spec_rules.check_sweep_name)]
    description: Annotated[str, BeforeValidator(spec_rules.check_description)] = ""
    data: Annotated[dict[str, Any], BeforeValidator(spec_rules.check_data)]
    encoder: Annotated[dict[str, Any], BeforeValidator(spec_rules.check_encoder)] = Field(
        default_factory=dict
    )
    head: HeadSpec = HeadSpec()
    training: TrainingSpec = TrainingSpec()
    seeds: Annotated[tuple[int, ...], BeforeValidator(spec_rules.check_seeds)]
    objective: ObjectiveSpec = ObjectiveSpec()
    losses: Annotated[dict[str, dict[str, Axis]], PlainValidator(spec_rules.check_losses)]
    sampler: Annotated[SamplerSpec, BeforeValidator(read_sampler)] = SamplerSpec()
    halving: HalvingSpec | None = None
    racing: RacingSpec | None = None
    keep: Annotated[int | str, BeforeValidator(spec_rules.check_keep)] = spec_rules.KEEP_DEFAULT

    _source: str = PrivateAttr(default="spec")

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty_sections(cls, document: Any) -> Any:
        if not isinstance(document, Mapping):
            return document
        # `training:` with nothing under it is null in YAML, and means the defaults.
        optional = ("description", "encoder", "head", "training", "objective")
        given = {
            key: value for key, value in document.items() if not (key in optional and value is None)
        }
        for key, section in (("halving", HalvingSpec), ("racing", RacingSpec)):
            if key in given and given[key] is None:
                given[key] = section()
        if "racing" in given and "seeds" not in given:
            racing = given["racing"]
            most = racing.get("most") if isinstance(racing, Mapping) else None
            given["seeds"] = most if most is not None else RacingSpec().most
        return given

    @model_validator(mode="after")
    def _check_whole(self) -> SweepSpec:
        spec_checks.check_whole(self)
        return self

    @property
    def source(self) -> str:
        """Where the spec came from, as its messages begin: ``spec FILE``."""
        return self._source

    @property
    def n_cells(self) -> int:
        """The number of cells, over the losses: of the grid, or what the sampler may ask for."""
        return sum(spec_checks.count_cells(self, loss) for loss in self.losses)

    @property
    def n_replicates(self) -> int:
        """The number of replicates: cells times seeds; with racing or halving the most."""
        return self.n_cells * len(self.seeds)

    @property
    def spec_hash(self) -> str:
        """The sha256 of what is run; description, ``keep`` and layout do not matter."""
        plain = self.to_plain()
        plain.pop("keep", None)
        del plain["description"]
        return content_hash(plain)

    def to_plain(self) -> dict[str, Any]:
        """Return the normalised spec: plain values, defaults filled in, every axis spelled out.

        :func:`parse_spec` reads it back to an equal spec.
        """
        plain: dict[str, Any] = {
            "sweep": self.sweep,
            "description": self.description,
            "data": self.data,
            "encoder": self.encoder,
            "head": self.head.to_plain(),
            "training": self.training.to_plain(),
            "seeds": list(self.seeds),
            "objective": {
                "metric": self.objective.metric,
                "split": self.objective.split,
                "threshold": self.objective.threshold,
            },
            "losses": {
                loss: {name: axis.to_plain() for name, axis in block.items()}
                for loss, block in self.losses.items()
            },
        }
        # What is off is left out, so that the hashes of stored specs stay as they are.
        if self.sampler.name != "grid":
            plain["sampler"] = self.sampler.to_plain()
        for name, section in (("halving", self.halving), ("racing", self.racing)):
            if section is not None:
                plain[name] = section.to_plain()
        if self.keep != spec_rules.KEEP_DEFAULT:
            plain["keep"] = self.keep
        return plain


def parse_spec(
    document: Any, *, overrides: Iterable[tuple[str, str]] = (), source: str = "spec"
) -> SweepSpec:
    """Check a spec given as a mapping, as from a notebook.

    Args:
        document: the spec's mapping, in the form of the YAML file.
        overrides: pairs of a dotted key and YAML text, as of ``--set``.
        source: what messages begin with.

    Returns:
        The checked spec.

    Raises:
        SpecError: a rule is broken; one line that begins with ``source``.

    Example:
        >>> spec = parse_spec({"sweep": "try", "data": {"dataset": "features", "path": "x.npz"},
        ...                    "seeds": 3, "losses": {"focal": {"gamma": [1, 2]}, "bce": {}}})
        >>> spec.n_cells, spec.n_replicates
        (3, 9)
    """
    try:
        check_plain(document)
        if not isinstance(document, Mapping):
            raise SpecError(
                f"must be a mapping of keys to values, but got {short(document)}. "
                "Start from examples/movie-genres.yaml."
            )
        document = dict(document)
        apply_overrides(document, overrides)
        spec = SweepSpec.model_validate(document)
    except SpecError as error:
        raise SpecError(f"{source}: {error}") from error
    except ValidationError as error:
        raise SpecError(f"{source}: {_first_problem(error)}") from error
    spec._source = source
    return spec


def load_spec(path: str | Path, overrides: Iterable[tuple[str, str]] = ()) -> SweepSpec:
    """Read and check a spec file.

    Args:
        path: a YAML file.
        overrides: pairs of a dotted key and YAML text, as
            :func:`sweeps.spec_text.parse_override` makes them of ``--set`` arguments.

    Returns:
        The checked spec.

    Raises:
        SpecError: the file cannot be read or a rule is broken; one line, ``spec FILE: ...``.
    """
    source = f"spec {path}"
    try:
        document = parse_yaml(read_spec_text(Path(path)))
    except SpecError as error:
        raise SpecError(f"{source}: {error}") from error
    return parse_spec(document, overrides=overrides, source=source)


_SECTIONS: dict[str, type[Section]] = {
    "head": HeadSpec,
    "training": TrainingSpec,
    "objective": ObjectiveSpec,
}
_CHOICE_SECTIONS: dict[str, type[Section]] = {
    "sampler": SamplerSpec,
    "halving": HalvingSpec,
    "racing": RacingSpec,
}


def _misplaced(section: type[Section]) -> dict[str, str]:
    """Return, for the top level, where the sections' own keys belong."""
    if section is not SweepSpec:
        return {}
    return {"budget": "sampler.budget"} | {
        word: f"{name}.{synonym}"
        for name, inner in _SECTIONS.items()
        for word, synonym in (inner.synonyms | {key: key for key in inner.model_fields}).items()
    }


def _first_problem(error: ValidationError) -> str:
    """Say the first problem in one line; unknown keys come first: they explain missing ones."""
    problems = error.errors(include_url=False)
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        sections = _SECTIONS | _CHOICE_SECTIONS
        section = sections.get(str(problem["loc"][0]), SweepSpec)
        key = str(problem["loc"][-1])
        hint = suggestion(key, section.model_fields, section.synonyms | _misplaced(section))
        return f"unknown key {place}. {hint}"
    if problem["type"] == "missing":
        return f"{place} must be given, but is missing. See examples/movie-genres.yaml."
    if problem["type"] == "value_error":
        cause = problem["ctx"]["error"]
        text = str(cause)
        if isinstance(cause, spec_rules.KeyedError):
            place = f"{place}.{cause.key}"
        return f"{place} {text}" if place else text
    got = short(problem["input"])
    return f"{place} must be a mapping, but got {got}. Write {place}: {{key: value}}."
