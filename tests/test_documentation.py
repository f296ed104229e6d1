"""Commands and code of README and docs/ are what they claim: parsed here, executed in the slow tier."""

from __future__ import annotations

import importlib
import os
import pathlib
import re
import shlex
import subprocess
import sys
from typing import get_args

import pytest

from tfwavenet.audio.recipes import RECIPES
from tfwavenet.data.corpora import CorpusName
from tfwavenet.launch import app, config_flag

REPOSITORY = pathlib.Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
DOCS = REPOSITORY / "docs"
PAGES = {
    str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8")
    for path in (
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        *sorted(DOCS.rglob("*.md")),
    )
}
CI = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
INSTALL = ("python3 -m venv", ". .venv", "pip install")


def blocks(language, text):
    """The contents of the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands():
    """Every command of the shell blocks of all pages, once, with continued lines joined."""
    text = "\n".join(block for page in PAGES.values() for block in blocks("bash", page))
    lines = [line.split(" #")[0] for line in text.replace("\\\n", " ").splitlines()]
    found = [" ".join(c.split()) for line in lines for c in line.split("&&") if c.strip()]
    return list(dict.fromkeys(found))


def set_up():
    """The commands of the two set-up blocks: the main job and the tests."""
    main_job, tests = (block for block in blocks("bash", README) if "python3 -m venv" in block)
    return [
        [c.strip() for c in block.replace("\\\n", " ").split("&&")] for block in (main_job, tests)
    ]


def module_of(program):
    """The module of a command; `import` is no name for one."""
    name = program[len("tfwavenet-") :]
    return "tfwavenet.launch." + {"import": "import_checkpoint"}.get(name, name)


LAUNCHES = [command for command in commands() if command.startswith("tfwavenet-")]


@pytest.mark.parametrize("command", LAUNCHES)
def test_flags_and_config_keys_exist(command, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    program, *arguments = shlex.split(command)
    launcher = importlib.import_module(module_of(program))
    argv = [program, *arguments]
    if program in ("tfwavenet-train", "tfwavenet-prepare"):
        argv = config_flag.with_fine_tuning(argv)
    rest = app._parse(lambda arguments: None, launcher.FLAGS, argv)
    # What is left are inputs, which only `generate` takes.
    assert rest == [program] or program == "tfwavenet-generate"


def test_every_launcher_is_shown():
    shown = {command.split()[0] for command in LAUNCHES}
    setup = (REPOSITORY / "setup.py").read_text(encoding="utf-8")
    names = re.search(r"for name in \((.*?)\)", setup, flags=re.DOTALL).group(1)
    commands_of_setup = {f"tfwavenet-{name}" for name in re.findall(r'"(\w+)"', names)}
    assert shown == {*commands_of_setup, *re.findall(r'"(tfwavenet-\w+) = ', setup)}


MODULES = [command.split()[2] for command in commands() if command.startswith("python -m ")]


@pytest.mark.parametrize("module", sorted({name for name in MODULES if "." in name}))
def test_modules_exist(module):
    assert (REPOSITORY / module.replace(".", "/")).with_suffix(".py").exists()


def test_both_servers_are_shown_for_both_forms():
    text = PAGES["docs/guides/serve.md"].replace("\\\n", " ")
    for server in ("tensorflow_model_server --port", "docker run"):
        lines = [" ".join(x.split()) for x in text.splitlines() if x.startswith(server)]
        portable, xla = lines
        assert xla == f"{portable} --xla_cpu_compilation_enabled=true"


def test_every_experiment_is_in_the_table():
    configs = {path.stem for path in (REPOSITORY / "configs").glob("[!_]*.py")}
    table = PAGES["docs/guides/train.md"].split("## Experiments")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == configs


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        found = (REPOSITORY / page).parent / target
        assert target.startswith("https://") or found.exists(), target


def test_every_page_is_in_the_navigation():
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert set(re.findall(r": (\S+\.md)$", navigation, flags=re.MULTILINE)) == pages


def test_every_recipe_is_in_the_table():
    shown = set(re.findall(r"`(\w+)`", PAGES["docs/guides/features.md"]))
    assert set(RECIPES) <= shown


def test_every_corpus_is_in_the_table():
    shown = set(re.findall(r"`(\w+)`", PAGES["docs/guides/train.md"]))
    assert set(get_args(CorpusName)) - {"text"} <= shown


def test_test_command_is_what_ci_runs():
    _, tests = set_up()
    assert f"'{tests[2].split(chr(39))[1]}'" in CI
    assert tests[-1] in CI


def run(command, folder):
    """Runs a command with this interpreter's scripts; the package may be installed or not."""
    program, *arguments = shlex.split(command)
    script = pathlib.Path(sys.executable).parent / program
    start = [str(script)] if script.exists() else [sys.executable, "-m", module_of(program)]
    environment = dict(os.environ)
    if not script.exists():
        environment["PYTHONPATH"] = str(REPOSITORY)
    subprocess.run([*start, *arguments], cwd=folder, env=environment, check=True, timeout=2400)


@pytest.mark.slow
def test_main_job(tmp_path):
    main_job, _ = set_up()
    for command in main_job:
        if not command.startswith(INSTALL):
            run(command, tmp_path)
    evaluation = tmp_path / "quickstart" / "evaluation" / "test"
    assert (evaluation / "index.html").stat().st_size > 10_000
    assert len(list((evaluation / "audio").glob("*.wav"))) >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, id=f"{page}-{number}")
        for page, text in PAGES.items()
        for number, code in enumerate(blocks("python", text))
    ],
)
def test_python_code_runs(code, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=2400
    )
