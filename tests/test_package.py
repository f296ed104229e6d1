"""The package as it is installed: public names, metadata, console scripts, data files."""

from __future__ import annotations

import ast
import importlib
import os
import pathlib
import re
import runpy
import subprocess
import sys

import pytest
import setuptools

import tfwavenet

REPOSITORY = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="module")
def metadata():
    """What setup.py tells setuptools."""
    told = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", told.update)
        patch.chdir(REPOSITORY)
        runpy.run_path("setup.py")
    return told


def test_public_names_are_sorted_and_complete():
    assert tfwavenet.__all__ == sorted(tfwavenet.__all__)
    assert set(tfwavenet.__all__) == {"__version__", *tfwavenet._HOMES}
    assert set(tfwavenet.__all__) <= set(dir(tfwavenet))


def test_type_checkers_see_the_public_names():
    tree = ast.parse(pathlib.Path(tfwavenet.__file__).read_text())
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.name: statement.module for statement in blocks[0].body for alias in statement.names
    }
    assert ast.unparse(blocks[0].test) == "TYPE_CHECKING"
    assert seen == {**dict.fromkeys(tfwavenet._SUBPACKAGES, "tfwavenet"), **tfwavenet._HOMES}


# What a type checker must say of each line: part of an error, or nothing.
USES = {
    "tfwavenet.WaveNett": 'has no attribute "WaveNett"; maybe "WaveNet"?',
    "tfwavenet.Categorical(clases=3)": 'Unexpected keyword argument "clases" for "Categorical"',
    'tfwavenet.Records("data").dataset("dev", batch_size=1, crop_frames=1)': "incompatible type",
    'tfwavenet.WaveNet(num_layers="3")': 'expected "int"',
    "tfwavenet.WaveNet(num_layrs=3)": 'Unexpected keyword argument "num_layrs" for "WaveNet"',
    "tfwavenet.DiffWave(num_layrs=3)": 'Unexpected keyword argument "num_layrs" for "DiffWave"',
    "tfwavenet.ParallelWaveNet(flows=3)": 'Unexpected keyword argument "flows" for "Parallel',
    "tfwavenet.WaveNet(num_layers=3, name='voice')": "",
    "tfwavenet.models.WaveNet(num_layers=3).generate(samples=8)": "",
    **{f"tfwavenet.{name}": "" for name in tfwavenet.__all__},
}


def type_errors(folder, lines):
    """What mypy says of each line of a program that imports the package."""
    program = folder / "program.py"
    program.write_text("\n".join(["import tfwavenet", *lines]) + "\n")
    command = [sys.executable, "-m", "mypy", "--no-pretty", str(program)]
    environment = {**os.environ, "MYPYPATH": str(REPOSITORY)}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, check=False, capture_output=True, text=True
    )
    found = re.findall(r"program\.py:(\d+): (?:error|note): (.*)", done.stdout)
    said = dict.fromkeys(lines, "")
    for number, message in found:
        said[lines[int(number) - 2]] += message
    return said


@pytest.mark.slow
def test_wrong_uses_of_the_public_names_are_type_errors(tmp_path):
    pytest.importorskip("mypy")
    for line, message in type_errors(tmp_path, list(USES)).items():
        assert message == USES[line] or (USES[line] and USES[line] in message), line


@pytest.mark.slow
def test_types_of_the_public_names_are_known(tmp_path):
    lines = [f"reveal_type(tfwavenet.{name})" for name in tfwavenet.__all__]
    for line, message in type_errors(tmp_path, lines).items():
        assert message and '"Any"' not in message, line


@pytest.mark.parametrize("name", tfwavenet.__all__)
def test_public_name_is_the_one_at_home(name):
    value = getattr(tfwavenet, name)
    if name in tfwavenet._HOMES:
        assert value is getattr(importlib.import_module(tfwavenet._HOMES[name]), name)
    assert value


def test_subpackages_are_attributes_without_having_been_imported():
    folders = {p.parent.name for p in (REPOSITORY / "tfwavenet").glob("*/__init__.py")}
    assert {*tfwavenet._SUBPACKAGES, "launch"} == folders
    assert set(tfwavenet._SUBPACKAGES) <= set(dir(tfwavenet))
    code = (
        "import tfwavenet; names = tfwavenet._SUBPACKAGES; "
        "assert [getattr(tfwavenet, n).__name__ for n in names] == [f'tfwavenet.{n}' for n in names]"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'tfwavenet' has no attribute 'WaveNett'"):
        tfwavenet.WaveNett  # noqa: B018


@pytest.mark.parametrize("module", ["tfwavenet", "tfwavenet.version", "tfwavenet.files"])
def test_import_loads_no_tensorflow(module):
    code = f"import sys, {module}; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


def test_version_is_the_packages(metadata):
    assert metadata["version"] == tfwavenet.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", tfwavenet.__version__)


def test_console_scripts_lead_to_a_main(metadata):
    scripts = metadata["entry_points"]["console_scripts"]
    for script in scripts:
        name, target = script.split(" = ")
        module, function = target.split(":")
        # `import` is no name for a module.
        command = module.rsplit(".", 1)[1].replace("import_checkpoint", "import")
        assert name == ("tfwavenet" if command == "main" else f"tfwavenet-{command}")
        assert callable(getattr(importlib.import_module(module), function))


def test_every_package_is_installed(metadata):
    folders = {path.parent for path in (REPOSITORY / "tfwavenet").rglob("*.py")}
    names = {".".join(folder.relative_to(REPOSITORY).parts) for folder in folders}
    assert names | {"tfwavenet.configs"} == set(metadata["packages"])


def test_every_data_file_is_installed(metadata):
    kept = {
        file
        for package, patterns in metadata["package_data"].items()
        for pattern in patterns
        for file in REPOSITORY.joinpath(*package.split(".")).glob(pattern)
    }
    files = {
        file
        for file in (REPOSITORY / "tfwavenet").rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc")
    }
    assert files == kept


def test_licence_and_extras(metadata):
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text()
    assert set(metadata["extras_require"]) == {
        "docs",
        "evaluate",
        "gpu",
        "huggingface",
        "notebooks",
        "serving",
        "test",
    }
