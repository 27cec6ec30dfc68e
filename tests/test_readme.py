"""What the README and the documents say is so."""

import re
import shlex
from pathlib import Path

import pytest

from guide import approaches, rules
from trainers import backbones
from trainers.cli.main import thaw
from trainers.datasets import catalog

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / ".github").rglob("*.md"))]
LINKS = [
    (document, target)
    for document in DOCUMENTS
    for target in re.findall(r"\]\(([^)#:]+)[)#]", document.read_text("utf-8"))
]
COMMAND_LINE = (ROOT / ".github" / "docs" / "command-line.md").read_text("utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)\n```$", README, re.M | re.S)


@pytest.mark.parametrize(
    ("document", "name", "rows"),
    [
        ("README.md", "rules", rules.to_markdown()),
        ("README.md", "approaches", approaches.to_markdown()),
        (".github/docs/downloads.md", "backbones", backbones.format_table()),
        (".github/docs/downloads.md", "online", catalog.to_markdown()),
    ],
)
def test_tables_are_written_from_the_rows(document, name, rows):
    text = (ROOT / document).read_text("utf-8")
    table = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", text, re.S)
    assert table.group(1) == rows


def test_the_readme_is_a_screenful_and_a_half():
    assert len(README.splitlines()) <= 150


def test_there_are_two_commands_and_each_makes_its_own_environment():
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install")


def test_first_command_ends_with_the_app_and_the_second_with_the_tests():
    start, test = COMMANDS
    assert start.endswith(".venv/bin/thaw")
    assert test.endswith("pytest")
    assert "ruff check" in test
    assert "ruff format --check" in test


@pytest.mark.parametrize(
    ("document", "target"), LINKS, ids=[f"{d.name}-{target}" for d, target in LINKS]
)
def test_links_lead_to_files(document, target):
    assert (document.parent / target).exists()


@pytest.mark.parametrize(
    "line", [line for line in COMMAND_LINE.splitlines() if line.startswith("thaw ")]
)
def test_terminal_lines_are_understood(line, capsys):
    words = shlex.split(re.split(r"\s{2,}", line)[0])
    group = thaw.make_context("thaw", words[1:])
    name, command, rest = thaw.resolve_command(group, words[1:])
    command.make_context(name, rest, parent=group)
    assert capsys.readouterr().err == ""  # no old names
