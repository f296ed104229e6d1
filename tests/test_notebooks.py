"""The notebooks are tidy, which is checked here, and run, which the slow tier does."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_LINES = 29
# What one cell may take on a busy machine; all cells of a notebook take about a minute.
CELL_SECONDS = 1200

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def cells(path, kind):
    """Each cell of that kind: its place and its text."""
    found = enumerate(read(path)["cells"])
    return [(place, "".join(cell["source"])) for place, cell in found if cell["cell_type"] == kind]


def test_there_are_ten_in_order():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number}_" for number in range(10)]


def test_the_page_of_tutorials_lists_each_in_order():
    page = (FOLDER.parent / "docs" / "tutorials.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `notebooks/([^`]+)`", page, flags=re.MULTILINE)
    assert listed == [path.name for path in NOTEBOOKS]


@every_notebook
def test_format(path):
    # Imported here: it takes a second, and the other tests do without.
    import nbformat

    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    assert notebook.nbformat == 4
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


@every_notebook
def test_outputs_are_stripped(path):
    for place, cell in enumerate(read(path)["cells"]):
        assert cell["metadata"] == {}, place
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], place
            assert cell["execution_count"] is None, place


@every_notebook
def test_first_cell_is_the_title(path):
    first = read(path)["cells"][0]
    assert first["cell_type"] == "markdown"
    assert "".join(first["source"]).startswith(f"# {path.name[0]}. ")


@every_notebook
def test_title_says_what_will_be_understood(path):
    first = "".join(read(path)["cells"][0]["source"])
    assert "**After this notebook you know**" in first


@every_notebook
def test_ends_with_two_exercises_whose_answers_are_hidden(path):
    place, last = cells(path, "markdown")[-1]
    assert place == len(read(path)["cells"]) - 1
    assert last.startswith("## Exercises\n")
    assert re.findall(r"^\*\*(\d)\.\*\*", last, flags=re.MULTILINE) == ["1", "2"]
    # GitHub and Jupyter render Markdown inside of <details> only after an empty line.
    opened = last.count("<details><summary>Answer</summary>\n\n")
    assert (opened, last.count("\n\n</details>")) == (2, 2)
    assert last.index("<details>") > last.index("**1.**")


def installing_cells():
    return {cells(path, "code")[0][1] for path in NOTEBOOKS}


def test_first_code_cell_is_the_same_everywhere():
    assert len(installing_cells()) == 1


@pytest.mark.parametrize("installed", [True, False])
def test_first_code_cell_installs_only_what_is_missing(installed, monkeypatch):
    import importlib.util
    import subprocess

    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    exec(compile(installing_cells().pop(), "first cell", "exec"), {})
    expected = [] if installed else [["-m", "pip", "install"]]
    assert [command[1:4] for command in commands] == expected


@every_notebook
def test_keras_is_imported_by_its_own_name(path):
    # `tf.keras` is another Keras than the package's where two are installed.
    for place, text in cells(path, "code"):
        assert "tf.keras" not in text, place


@every_notebook
def test_no_log_lines_are_asked_for(path):
    for place, text in cells(path, "code"):
        for call in re.findall(r"\.fit\(.*?\n\)|\.fit\(.*", text, flags=re.DOTALL):
            assert "verbose=0" in call, place


@every_notebook
def test_cells_are_short(path):
    for kind in ("markdown", "code"):
        for place, text in cells(path, kind):
            lines = text.splitlines()
            assert 0 < len(lines) <= MOST_LINES, place
            assert max(map(len, lines)) <= 100, place


@every_notebook
def test_code_compiles(path):
    for place, text in cells(path, "code"):
        compile(text, f"{path.name}, cell {place}", "exec")


@every_notebook
def test_markdown_stands_between_code(path):
    # A reader is told what comes, but for a figure or a player that belongs to the cell above.
    kinds = "".join(cell["cell_type"][0] for cell in read(path)["cells"])
    assert "cccc" not in kinds
    assert kinds.count("m") * 2 >= kinds.count("c")


@pytest.mark.slow
@every_notebook
def test_runs(path, monkeypatch, tmp_path):
    import nbclient
    import nbformat

    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))  # the package may not be installed
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))  # nobody's own start-up files
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    # Said by tqdm where the widgets of Jupyter are missing, which the tests do without.
    monkeypatch.setenv("PYTHONWARNINGS", "ignore:IProgress not found")
    notebook = nbformat.read(path, as_version=4)
    before = {item.name for item in FOLDER.iterdir()}
    # In a process of its own, in the folder in which Jupyter would start it.
    nbclient.NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
    ).execute()
    assert {item.name for item in FOLDER.iterdir()} == before
    assert log_lines(notebook) == []


def log_lines(notebook):
    """All that the cells wrote to the error stream: warnings, progress bars, messages."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.text for output in outputs if output.get("name") == "stderr"]
