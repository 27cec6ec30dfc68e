"""What the README says is so."""

import re
import shlex
from pathlib import Path

import pytest

from guide import approaches, rules
from trainers import backbones
from trainers.cli.main import thaw
from trainers.datasets import catalog

README = (Path(__file__).parents[1] / "README.md").read_text()
COMMANDS = re.findall(r"^```sh\n(.*?)\n```$", README, re.M | re.S)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("rules", rules.to_markdown()),
        ("approaches", approaches.to_markdown()),
        ("backbones", backbones.format_table()),
        ("online", catalog.to_markdown()),
    ],
)
def test_tables_are_written_from_the_rows(name, rows):
    shown = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README, re.S)
    assert shown.group(1) == rows


def test_there_are_two_commands_and_each_makes_its_own_environment():
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install")


def test_first_command_ends_with_the_app_and_the_second_with_the_tests():
    start, test = COMMANDS
    assert start.endswith("streamlit run app.py")
    assert test.endswith("pytest")
    assert "ruff check" in test
    assert "ruff format --check" in test


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_to_files(target):
    assert (Path(__file__).parents[1] / target).exists()


@pytest.mark.parametrize("line", [line for line in README.splitlines() if line.startswith("thaw ")])
def test_terminal_lines_are_understood(line, capsys):
    words = shlex.split(re.split(r"\s{2,}", line)[0])
    group = thaw.make_context("thaw", words[1:])
    name, command, rest = thaw.resolve_command(group, words[1:])
    command.make_context(name, rest, parent=group)
    assert capsys.readouterr().err == ""  # no old names
