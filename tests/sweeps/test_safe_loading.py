"""Nothing in the tree loads a file in a way by which it could run code of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
FOLDERS = ("sigmoidf1", "storage", "sweeps", "dashboards", "docker", "benchmarks", "docs")
# Each unpickles: a file of it is a program.
FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
FORBIDDEN_MODULES |= {"cloudpickle"}
FORBIDDEN_CALLS = {
    *("eval", "exec", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load"),
    *("yaml.load_all", "yaml.unsafe_load_all", "yaml.full_load_all", "torch.hub.load"),
    *("torch.jit.load", "pd.read_pickle", "pandas.read_pickle", "np.fromregex"),
}
FORBIDDEN_METHODS = {"extractall", "to_pickle", "read_pickle"}
# Called so, and with this argument.
REQUIRED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
FORBIDDEN_ARGUMENTS = {
    ("allow_pickle", True),
    ("weights_only", False),
    ("trust_remote_code", True),
    ("shell", True),
}


def name_of(node: ast.AST) -> str:
    """The dotted name of what is called; ``?`` stands for what has none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return "?"


def safe_loaders(tree: ast.AST) -> set[str]:
    """YAML's own safe loader, and the classes of a file that are made from it."""
    made = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and [name_of(base) for base in node.bases] == ["yaml.SafeLoader"]
    }
    return {"yaml.SafeLoader", "yaml.CSafeLoader", *made}


def problems(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    loaders = safe_loaders(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in FORBIDDEN_MODULES:
                    yield f"{node.lineno}: import {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            module = (node.module or "").split(".")[0]
            if module in FORBIDDEN_MODULES and names != {"UnpicklingError"}:
                yield f"{node.lineno}: from {node.module}"
            if module in ("torch", "numpy", "yaml") and names & {"load", "unsafe_load"}:
                yield f"{node.lineno}: a loader by another name"
        elif isinstance(node, ast.Call):
            yield from call_problems(node, loaders)


def call_problems(node: ast.Call, loaders: set[str]) -> Iterator[str]:
    called = name_of(node.func)
    given = {
        keyword.arg: keyword.value.value
        for keyword in node.keywords
        if isinstance(keyword.value, ast.Constant)
    }
    if called in FORBIDDEN_CALLS or called.rpartition(".")[2] in FORBIDDEN_METHODS:
        yield f"{node.lineno}: {called}"
    if called in REQUIRED:
        argument, value = REQUIRED[called]
        if given.get(argument) is not value:
            yield f"{node.lineno}: {called} without {argument}={value}"
    if called == "yaml.load":
        loader = next((k.value for k in node.keywords if k.arg == "Loader"), None)
        if loader is None or name_of(loader) not in loaders:
            yield f"{node.lineno}: yaml.load without a safe loader"
    if called.endswith(".from_pretrained") and given.get("local_files_only") is not True:
        yield f"{node.lineno}: {called} may download"
    for argument, value in given.items():
        if (argument, value) in FORBIDDEN_ARGUMENTS:
            yield f"{node.lineno}: {argument}={value}"


def test_no_file_of_the_tree_is_loaded_as_a_program() -> None:
    files = [path for folder in FOLDERS for path in sorted((TREE / folder).rglob("*.py"))]
    found = [
        f"{path.relative_to(TREE)}:{problem}"
        for path in files
        for problem in problems(path.read_text(encoding="utf-8"))
    ]
    assert len(files) > 400
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib.numpy_pickle",
        "from pickle import loads",
        "from torch import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "numpy.load(path, mmap_mode='r')",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "class L(yaml.Loader): pass\nyaml.load(text, Loader=L)",
        "yaml.unsafe_load(text)",
        "eval(text)",
        "archive.extractall(folder)",
        "frame.to_pickle(path)",
        "pd.read_pickle(path)",
        "AutoModel.from_pretrained(name)",
        "AutoModel.from_pretrained(name, local_files_only=True, trust_remote_code=True)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_each_way_to_run_a_file_is_found(source) -> None:
    assert list(problems(source))


@pytest.mark.parametrize(
    "source",
    [
        "from pickle import UnpicklingError",
        "torch.load(path, map_location='cpu', weights_only=True)",
        "np.load(path, allow_pickle=False)",
        "yaml.safe_load(text)",
        "class L(yaml.SafeLoader): pass\nyaml.load(text, Loader=L)",
        "AutoModel.from_pretrained(name, local_files_only=True)",
        "json.load(file)",
    ],
)
def test_what_is_safe_is_not_complained_of(source) -> None:
    assert list(problems(source)) == []
