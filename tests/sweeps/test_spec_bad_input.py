"""Every rule of a spec that can be broken, with the one line that says so."""

from __future__ import annotations

import copy

import pytest

from sweeps.errors import SpecError
from sweeps.spec import parse_spec
from sweeps.spec_rules import METRIC_NAMES

DOCUMENT = {
    "sweep": "try",
    "data": {"dataset": "movie_genres"},
    "encoder": {"name": "minilm"},
    "training": {"epochs": 3},
    "seeds": 2,
    "losses": {"sigmoid_f1": {"beta": [1, 2], "eta": 0}, "bce": {}},
}
METRICS_LINE = f"Known: {', '.join(METRIC_NAMES)}."


def changed(**changes) -> dict:
    document = copy.deepcopy(DOCUMENT)
    for key, value in changes.items():
        *parents, last = key.split("__")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return document


def without(key: str) -> dict:
    document = copy.deepcopy(DOCUMENT)
    del document[key]
    return document


TRAINING_KEYS = (
    "Known: epochs, batch_size, lr, weight_decay, optimizer, momentum, schedule, pct_start, "
    "warmup_epochs, ema_decay, keep_epoch, patience, eval_every, precision."
)
TOP_KEYS = (
    "Known: sweep, description, data, encoder, head, training, seeds, objective, losses, "
    "sampler, halving, racing, keep."
)
BAD = [
    # the whole
    (3, "must be a mapping of keys to values, but got 3. Start from examples/movie-genres.yaml."),
    ([], "must be a mapping of keys to values, but got []. Start from examples/movie-genres.yaml."),
    *(
        (without(key), f"{key} must be given, but is missing. See examples/movie-genres.yaml.")
        for key in ("sweep", "data", "seeds", "losses")
    ),
    (
        without("encoder"),
        "encoder must be given for dataset 'movie_genres', but is missing. "
        "Write for example encoder: {name: minilm}.",
    ),
    # unknown keys
    (changed(trainig={}), f"unknown key trainig. Did you mean 'training'? {TOP_KEYS}"),
    (
        without("training") | {"trainig": {}, "seeds": 0},
        f"unknown key trainig. Did you mean 'training'? {TOP_KEYS}",
    ),
    (changed(epochs=3), f"unknown key epochs. Did you mean 'training.epochs'? {TOP_KEYS}"),
    (
        changed(threshold=0.5),
        f"unknown key threshold. Did you mean 'objective.threshold'? {TOP_KEYS}",
    ),
    (changed(xyz=1), f"unknown key xyz. {TOP_KEYS}"),
    (
        changed(training__epoch=3),
        f"unknown key training.epoch. Did you mean 'epochs'? {TRAINING_KEYS}",
    ),
    (
        changed(training__learning_rate=1),
        f"unknown key training.learning_rate. Did you mean 'lr'? {TRAINING_KEYS}",
    ),
    (
        changed(head__knd="linear"),
        "unknown key head.knd. Did you mean 'kind'? Known: kind, hidden, dropout, learn.",
    ),
    (
        changed(objective={"metrics": "map"}),
        "unknown key objective.metrics. Did you mean 'metric'? Known: metric, split, threshold.",
    ),
    # sweep
    (changed(sweep=2024), "sweep must be text, but got 2024. Quote it."),
    (changed(sweep=None), "sweep must be text, but got None. Quote it."),
    *(
        (
            changed(sweep=name),
            "sweep must be letters, digits, '.', '_' and '-', and begin with a letter or digit, "
            f"but got {name!r}. Write for example {advice}.",
        )
        for name, advice in [
            ("a b", "a-b"),
            ("a/b", "a-b"),
            ("../x", "x"),
            ("-x", "x"),
            ("", "my-sweep"),
            ("é", "my-sweep"),
            ("a\n", "a-"),
        ]
    ),
    (changed(sweep="x" * 101), "sweep must have at most 100 characters, but got 101. Shorten it."),
    (changed(description=3), "description must be text, but got 3. Quote it."),
    # data, encoder
    (
        changed(data="movie_genres"),
        "data must be a mapping, but got 'movie_genres'. Write data: {dataset: movie_genres}.",
    ),
    (
        changed(data={}),
        "data must have the key 'dataset', but it is missing. Write data: {dataset: movie_genres}.",
    ),
    (
        changed(data={"datset": "x"}),
        "data must have the key 'dataset', but got 'datset'. Write data: {dataset: movie_genres}.",
    ),
    (
        changed(data__dataset=3),
        "data must have text for 'dataset', but got 3. Write data: {dataset: movie_genres}.",
    ),
    (
        changed(data__limit=float("inf")),
        "data must hold finite numbers, but got inf. Give a number.",
    ),
    (
        changed(encoder="minilm"),
        "encoder must be a mapping, but got 'minilm'. Write encoder: {name: minilm}.",
    ),
    (
        changed(encoder={"pooling": "mean"}),
        "encoder must have the key 'name', but it is missing. Write encoder: {name: minilm}.",
    ),
    (
        changed(encoder__scales=[1.0, float("nan")]),
        "encoder must hold finite numbers, but got nan. Give a number.",
    ),
    # head, training
    (changed(head="linear"), "head must be a mapping, but got 'linear'. Write head: {key: value}."),
    (
        changed(head__kind="lineal"),
        "head.kind must be a known name, but got 'lineal'. "
        "Did you mean 'linear'? Known: linear, mlp.",
    ),
    (changed(head__kind=3), "head.kind must be a known name, but got 3. Known: linear, mlp."),
    (
        changed(training=[1]),
        "training must be a mapping, but got [1]. Write training: {key: value}.",
    ),
    (changed(training__epochs=0), "training.epochs must be at least 1, but got 0. Change it."),
    (changed(training__epochs=-3), "training.epochs must be at least 1, but got -3. Change it."),
    (
        changed(training__epochs=[5, -1]),
        "training.epochs must be at least 1, but got -1. Change it.",
    ),
    (
        changed(training__epochs=float("nan")),
        "training.epochs must be finite, but got nan. Give a number.",
    ),
    (
        changed(training__epochs=float("inf")),
        "training.epochs must be finite, but got inf. Give a number.",
    ),
    (
        changed(training__epochs=1.5),
        "training.epochs must be a whole number, but got 1.5. Round it.",
    ),
    (
        changed(training__epochs="ten"),
        "training.epochs must be a number, but got 'ten'. "
        "Write a value, {values: [...]} or {range: [low, high], num: n}.",
    ),
    (
        changed(training__epochs=True),
        "training.epochs must be a number, but got True. "
        "Write a value, {values: [...]} or {range: [low, high], num: n}.",
    ),
    (
        changed(training__batch_size=0),
        "training.batch_size must be at least 1, but got 0. Change it.",
    ),
    (
        changed(training__batch_size=0.5),
        "training.batch_size must be a whole number, but got 0.5. Round it.",
    ),
    (changed(training__lr=0), "training.lr must be above 0, but got 0. Change it."),
    (changed(training__lr=float("nan")), "training.lr must be finite, but got nan. Give a number."),
    (
        changed(training__lr=None),
        "training.lr must be a number, but got None. "
        "Write a value, {values: [...]} or {range: [low, high], num: n}.",
    ),
    (
        changed(training__lr=[]),
        "training.lr must have at least one value, but got an empty list. Add one.",
    ),
    (
        changed(training__weight_decay=-0.1),
        "training.weight_decay must be at least 0, but got -0.1. Change it.",
    ),
    (
        changed(training__optimizer="adm"),
        "training.optimizer must be a known name, but got 'adm'. "
        "Did you mean 'adam'? Known: adam, adamw, sgd.",
    ),
    (
        changed(training__optimizer=["adam", "lion"]),
        "training.optimizer must be a known name, but got 'lion'. Known: adam, adamw, sgd.",
    ),
    (
        changed(training__patience=3),
        "training with patience must have keep_epoch: best, but got nothing. "
        "Write keep_epoch: best, or leave patience out.",
    ),
    (
        changed(training__momentum=0.5),
        "training with momentum must have optimizer: sgd, but got adam. "
        "Write optimizer: sgd, or leave momentum out.",
    ),
    (
        changed(head__hidden=16),
        "head with hidden must have kind: mlp, but got linear. "
        "Write kind: mlp, or leave hidden out.",
    ),
    (
        changed(head__learn="beta"),
        "head.learn must be a list, but got 'beta'. Write learn: [beta, eta].",
    ),
    # seeds
    *(
        (
            changed(seeds=seeds),
            f"seeds must be from 1 to 5,000,000 seeds, but got {seeds}. Write for example 5.",
        )
        for seeds in (0, -1, 10**10)
    ),
    *(
        (
            changed(seeds=seeds),
            f"seeds must be how many seeds or a list of whole numbers, but got {seeds!r}. "
            "Write for example 5 or [0, 1, 2].",
        )
        for seeds in (None, 2.0, "5", True, {"values": [1]})
    ),
    (changed(seeds=[]), "seeds must have at least one seed, but got an empty list. Add one."),
    *(
        (
            changed(seeds=[0, seed]),
            f"seeds must be whole numbers from 0 to 2147483647, but got {seed!r}. Replace it.",
        )
        for seed in (-1, 1.0, True, "1", None, 2**31)
    ),
    (changed(seeds=[1, 2, 1]), "seeds must list each seed once, but got 1 twice. Remove one."),
    # objective
    (
        changed(objective=0.5),
        "objective must be a mapping, but got 0.5. Write objective: {key: value}.",
    ),
    (
        changed(objective={"metric": "weighted_f2"}),
        "objective.metric must be a known name, but got 'weighted_f2'. "
        f"Did you mean 'weighted_f1'? {METRICS_LINE}",
    ),
    (
        changed(objective={"metric": None}),
        f"objective.metric must be a known name, but got None. {METRICS_LINE}",
    ),
    (
        changed(objective={"split": "test"}),
        "objective.split must be validation, but got 'test'. "
        "Choose on validation; test is reported.",
    ),
    (
        changed(objective={"split": "dev"}),
        "objective.split must be a known name, but got 'dev'. Known: validation.",
    ),
    *(
        (
            changed(objective={"threshold": threshold}),
            f"objective.threshold must be above 0 and below 1, but got {threshold!r}. "
            "Write for example 0.5.",
        )
        for threshold in (
            0,
            1,
            0.0,
            -0.5,
            1.5,
            1e-60,
            1 - 1e-12,
            10**400,
            float("nan"),
            float("inf"),
        )
    ),
    *(
        (
            changed(objective={"threshold": threshold}),
            f"objective.threshold must be a number, but got {threshold!r}. Write for example 0.5.",
        )
        for threshold in (True, "0.5", None, [0.5])
    ),
    # losses
    (changed(losses={}), "losses must name at least one loss, but is empty. Write {bce: {}}."),
    (changed(losses=None), "losses must be a mapping, but got None. Write losses: {bce: {}}."),
    (
        changed(losses=["bce"]),
        "losses must be a mapping, but got ['bce']. Write losses: {bce: {}}.",
    ),
    (changed(losses__bce=3), "losses.bce must be a mapping, but got 3. Write bce: {}."),
    (
        changed(losses__sigmoid_f1__beta=[]),
        "losses.sigmoid_f1.beta must have at least one value, but got an empty list. Add one.",
    ),
    (
        changed(losses__sigmoid_f1__beta={"range": [2, 1], "num": 3}),
        "losses.sigmoid_f1.beta must have range low <= high, but got [2, 1]. Swap the two.",
    ),
    (
        changed(losses__sigmoid_f1__eta=[0, 0.0]),
        "losses.sigmoid_f1.eta must list each value once, but got 0.0 twice. Remove one.",
    ),
    (
        changed(losses__sigmoid_f1__eta=float("nan")),
        "losses.sigmoid_f1.eta must be finite, but got nan. Give a number.",
    ),
    # size
    (
        changed(seeds=3_000_000),
        "the grid must have at most 5,000,000 replicates, but got 9,000,000. "
        "Use fewer values or seeds.",
    ),
    (
        changed(
            losses__bce__a={"range": [1, 2], "num": 2000},
            losses__bce__b={"range": [1, 2], "num": 2000},
        ),
        "the grid must have at most 5,000,000 replicates, but got 8,000,004. "
        "Use fewer values or seeds.",
    ),
]


@pytest.mark.parametrize(("document", "line"), BAD)
def test_bad_spec(document, line):
    with pytest.raises(SpecError) as caught:
        parse_spec(document, source="spec FILE")
    assert str(caught.value) == f"spec FILE: {line}"
    assert "\n" not in str(caught.value)
