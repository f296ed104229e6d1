"""The package as it is installed: public names, metadata, console scripts, data files."""

from __future__ import annotations

import importlib
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
        assert name == "tfwavenet-" + module.rsplit(".", 1)[1].replace(
            "import_checkpoint", "import"
        )
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
        "evaluate",
        "gpu",
        "notebooks",
        "serving",
        "test",
    }
