"""What the documents show of Python is what it says. `UPDATE_DOCS=1` writes it there."""

from __future__ import annotations

import doctest
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Runner(doctest.DocTestRunner):
    """Keeps what was said instead of what is written."""

    def __init__(self):
        super().__init__(verbose=False)
        self.differ = []

    def report_failure(self, out, test, example, got):
        self.differ.append((example, got))


@pytest.mark.parametrize("name", ["README.md", "docs/PYTHON.md"])
def test_examples_of_the_documents(name, monkeypatch):
    pytest.importorskip("pandas")
    monkeypatch.chdir(ROOT)
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    examples = doctest.DocTestParser().get_doctest(text, {}, name, name, 0)
    assert len(examples.examples) >= 4, "there are examples"
    runner = Runner()
    runner.run(examples, out=lambda _: None)
    if "UPDATE_DOCS" in os.environ:
        lines = text.splitlines(keepends=True)
        for example, got in reversed(runner.differ):
            begin = example.lineno + example.source.count("\n")
            lines[begin : begin + example.want.count("\n")] = [got]
        path.write_text("".join(lines), encoding="utf-8")
        return
    assert [(one.source, one.want, got) for one, got in runner.differ] == [], "UPDATE_DOCS=1 writes them"
    assert runner.failures == 0, "none raises what it does not show"
