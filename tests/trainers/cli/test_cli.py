"""`thaw`."""

import json
import subprocess
import sys

import pytest

from trainers import backbones, datasets
from trainers.__main__ import main
from trainers.datasets import catalog
from trainers.events import JobFailed, from_json
from trainers.plan import Plan
from trainers.store import CANCELLED, FINISHED, get_store, rows

LAST = {
    "type",
    "approach",
    "data",
    "backbone",
    "classes",
    "train_examples",
    "test_examples",
    "test_accuracy",
    "test_accuracy_low",
    "test_accuracy_high",
    "macro_f1",
    "seconds",
    "learnable_parameters",
    "parameters",
    "epochs",
}


def test_json_is_one_event_a_line_the_last_one_finished(capfd):
    command = (
        "run --data digits --approach hybrid --examples-per-class 5 --seconds 2 --seed 1 --json"
    )
    assert main(command.split()) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [from_json(line).as_json() for line in lines] == lines
    assert lines[0]["type"] == "started"
    last = lines[-1]
    assert last["type"] == "finished"
    assert last.keys() >= LAST
    assert (last["approach"], last["data"], last["backbone"]) == (
        "hybrid",
        "digits",
        "small_resnet",
    )
    assert last["train_examples"] == lines[0]["train_examples"] + lines[0]["validation_examples"]
    assert 40 <= last["train_examples"] <= 50  # a busy machine looks at fewer
    assert last["repeat"]["seed"] == 1
    assert {line["phase"] for line in lines if line["type"] == "phase_started"} == {0, 1}


@pytest.mark.parametrize("approach", ["simple", "transfer"])
def test_drawn_for_people_it_ends_with_the_score_in_words(approach, toy, capsys):
    data = "colours"
    assert main(["run", "--data", data, "--approach", approach, "--seconds", "3"]) == 0
    out = capsys.readouterr().out
    assert f"on {data}" in out
    assert "of 60 right" in out
    assert "macro-F1" in out


def test_a_run_from_a_terminal_is_kept_like_any_other(toy, capsys):
    assert main(["run", "--data", "colours", "--approach", "none", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (run,) = get_store().list_runs("terminal")
    assert run.state == FINISHED
    assert run.result == lines[-1]


def test_a_comparison_from_a_terminal_is_kept_with_its_runs_as_parts(toy, capsys):
    command = "compare --data colours --approaches none,simple --pilot-seconds 0 --seconds 3 --json"
    assert main(command.split()) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (past,), _ = get_store().list_history("terminal")
    assert (past.kind, past.state) == ("compare", FINISHED)
    assert get_store().get_run(past.id).result == lines[-1]
    lanes = {run["run"] for run in lines[-1]["runs"]}
    assert {one.id for one in get_store().list_history("terminal", parts=True)[0]} == {
        past.id,
        *lanes,
    }
    own = [event.as_json() for _, event in get_store().read_events(past.id)]
    assert own == [line for line in lines if line in own]
    told = [line["type"] for line in lines]
    assert told.count("finished") == 2  # printed in its place, and kept in its own run
    assert "finished" not in {event["type"] for event in own}


@pytest.mark.parametrize("as_json", [["--json"], []], ids=["json", "drawn"])
def test_a_comparison_of_which_no_run_ends_is_cancelled_and_exit_1(as_json, toy, capsys):
    command = "compare --data one_class --approaches transfer --pilot-seconds 0"
    assert main([*command.split(), *as_json]) == 1
    told = capsys.readouterr()
    assert "needs at least two" in told.out + told.err
    (past,), _ = get_store().list_history("terminal")
    assert past.state == CANCELLED


@pytest.mark.parametrize("as_json", [["--json"], []], ids=["json", "drawn"])
def test_data_that_cannot_be_learned_from_is_said_and_exit_1(as_json, toy, capsys):
    assert main(["run", "--data", "one_class", "--approach", "transfer", *as_json]) == 1
    told = capsys.readouterr()
    assert "needs at least two" in told.out + told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--data", "digit", "--approach", "transfer"], "Did you mean 'digits'?"),
        (["--data", "digits", "--approach", "tranfer"], "Did you mean 'transfer'?"),
        (["--data", "digits", "--approach", "transfer", "--backbone", "minilm"], "reads text"),
        (["--data", "digits", "--approach", "transfer", "--seconds", "0"], "budget"),
        (
            ["--data", "digits", "--approach", "transfer", "--examples-per-class", "0"],
            "Give 1 or more",
        ),
    ],
    ids=["data", "approach", "backbone", "seconds", "per-class"],
)
def test_what_cannot_be_asked_for_is_one_line_and_exit_2(wrong, words, capsys):
    assert main(["run", *wrong, "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert words in line


@pytest.mark.parametrize(
    ("command", "registry"),
    [("samples", datasets.BUNDLED_DATASETS | catalog.CATALOG), ("backbones", backbones.BACKBONES)],
)
def test_the_lists_have_every_row(command, registry, capsys):
    assert main([command]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(registry)
    for line, row in zip(lines, registry.values(), strict=True):
        assert row.modality in line


def test_lists_and_wrong_options_do_not_wait_for_torch(root):
    code = (
        "import sys\nfrom trainers.__main__ import main\n"
        "main(['samples']); main(['backbones'])\n"
        "assert main(['run', '--data', 'x', '--approach', 'none']) == 2\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_plan_from_a_file_repeats_the_run(toy, tmp_path, capsys):
    asked = "run --data colours --approach transfer --examples-per-class 6 --seconds 5 --json"
    assert main(asked.split()) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(first["repeat"]))
    assert main(["run", "--plan", str(file), "--json"]) == 0
    second = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert second["confusion"] == first["confusion"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"data": "digits"}', '{"data": 1}'])
def test_a_file_that_is_no_plan_is_refused_in_a_line(text, tmp_path, capsys):
    file = tmp_path / "plan.json"
    file.write_text(text)
    assert main(["run", "--plan", str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_without_data_is_refused_in_a_line(capsys):
    assert main(["run", "--approach", "transfer"]) == 2
    assert "--data" in capsys.readouterr().err


def test_the_list_says_what_is_here_and_how_large_the_rest_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / backbones.pick("resnet18").weights_file).touch()
    main(["backbones"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "47 MB" in lines["resnet18"]
    assert "not here" not in lines["resnet18"]
    assert "14 MB           not here" in lines["mobilenet_v2"]
    assert "comes with Thaw here" in lines["minilm"]


@pytest.mark.parametrize("as_json", [["--json"], []], ids=["json", "drawn"])
def test_curves_end_with_what_more_data_would_bring(as_json, toy, capsys):
    command = "curve --data colours --seconds 4 --approaches transfer,none --examples-per-class 20"
    assert main([*command.split(), *as_json]) == 0
    out = capsys.readouterr().out
    if as_json:
        lines = [json.loads(line) for line in out.splitlines()]
        assert [from_json(line).as_json() for line in lines] == lines
        assert lines[-1]["type"] == "curved"
        assert lines[-1]["points"] == [line for line in lines if line["type"] == "point"]
    else:
        assert "of 60 test examples right" in out


@pytest.mark.parametrize(
    ("wrong", "code", "word"),
    [
        ("--approaches nun", 2, "No approach 'nun'"),
        ("--seconds -1", 2, "The budget is -1"),
        ("--examples-per-class 2", 1, "add examples"),
    ],
)
def test_curves_that_cannot_be_drawn_say_why(wrong, code, word, toy, capsys):
    assert main(["curve", "--data", "colours", *wrong.split()]) == code
    assert word in capsys.readouterr().err


# --- runs -----------------------------------------------------------------------------------------


def test_runs_are_listed_exported_and_imported(capsys, tmp_path):
    runs = get_store()
    key = runs.enqueue(Plan(data="digits", approach="transfer"), "ann", worker="w")
    runs.append(key, [JobFailed("It broke.", 2.0)])
    runs.annotate(key, "ann", name="bad \x1b[2J name", note="")
    assert main(["runs"]) == 0
    listed = capsys.readouterr().out
    assert key in listed
    assert "\x1b" not in listed
    assert main(["runs", "--json", "--search", "digits", "--limit", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == key
    assert main(["runs", "--search", "nothing"]) == 0
    assert capsys.readouterr().out == ""
    file = tmp_path / "run.json"
    assert main(["runs", "export", key, "--to", str(file)]) == 0
    assert main(["runs", "import", str(file)]) == 0
    back = capsys.readouterr().out.rpartition("run=")[2].strip()
    assert runs.read_events(back) == runs.read_events(key)
    assert runs.get_run(back).visitor == "terminal"


@pytest.mark.parametrize("words", ["export nothing", "import nothing.json", "import README.md"])
def test_a_run_that_is_not_there_is_one_line(words, capsys, root, monkeypatch):
    monkeypatch.chdir(root)
    assert main(["runs", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize("words", [["report", "--to", "x"], ["export", "--to", "x"], ["resume"]])
def test_an_id_may_begin_with_a_dash(words, capsys):
    """Those of version 0.1.0 did, one in 64."""
    assert main([*words, "-h1_dc5hKZbGOnMEWu_m2g"]) == 2
    assert "There is no such run" in capsys.readouterr().err


def test_new_ids_begin_with_no_dash(monkeypatch):
    ids = iter(["-" + "a" * 21, "b" * 22])
    monkeypatch.setattr(rows.secrets, "token_urlsafe", lambda _: next(ids))
    assert rows.new_run_id() == "b" * 22
