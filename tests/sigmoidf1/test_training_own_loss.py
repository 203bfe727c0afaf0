"""The loss of one's own in docs/python.md trains packed, word by word as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "python.md"

# What the page's earlier blocks leave behind, on small data; then its block, its value kept.
PROGRAM = """
import ast, types
import torch
from sigmoidf1 import HeadConfig, train_heads

generator = torch.Generator().manual_seed(0)
embeddings = torch.randn(300, 16, generator=generator)
rows = torch.arange(300)
films = types.SimpleNamespace(
    embeddings=embeddings,
    targets=(embeddings[:, :4] > 0.8).to(torch.uint8),
    split={"train": rows[:200], "validation": rows[200:250], "test": rows[250:]},
)
block = ast.parse(BLOCK)
assert isinstance(block.body[-1], ast.Expr)
block.body[-1] = ast.Assign([ast.Name("trained", ast.Store())], block.body[-1].value)
exec(compile(ast.fix_missing_locations(block), "python.md", "exec"))
assert trained.shape == (3, 5) and (trained.states == "complete").all()
untrained = trained.train_loss[..., 0].mean(1)
assert (trained.train_loss[..., -1].mean(1) < untrained).all()
assert (untrained[1:] > untrained[:-1]).all()  # a larger margin is a larger loss
print("trained")
"""


def test_the_loss_of_ones_own_in_the_documentation_trains():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "register_loss(" in block]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"BLOCK = {block!r}\n{PROGRAM}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.strip() == "trained", done.stderr
