"""Thaw from a terminal: `python -m trainers run --data digits --approach hybrid`."""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TextIO

from guide.approaches import APPROACHES
from guide.claims import CLAIMS
from trainers import backbones, claims, samples, storage_told
from trainers.events import (
    Baseline,
    Cancelled,
    ClaimRunDone,
    Compared,
    Curved,
    Event,
    Failed,
    Finished,
    Judged,
    Notice,
    PhaseDone,
    PhaseStarted,
    Point,
    Progress,
    Stage,
    Started,
    Tried,
    Validated,
)
from trainers.jobs import ClaimTest, Comparison, Curve
from trainers.plan import WHAT_LEARNS, BadPlan, Plan
from trainers.registry import UnknownKey
from trainers.samples import online, own
from trainers.samples.own import BadUpload


def main(arguments: list[str] | None = None) -> int:
    """0; 1 when the run ended without a score; 2, and one line, when it could not be asked for."""
    parser = argparse.ArgumentParser(prog="python -m trainers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run one approach on one sample")
    _data_options(run)
    run.add_argument("--approach", metavar="|".join(APPROACHES))
    run.add_argument(
        "--plan",
        metavar="FILE",
        help="a file with a plan (`repeat` of a run's last event), or -; in place of the others",
    )
    run.add_argument("--backbone", default="", metavar="|".join(backbones.BACKBONES))
    run.add_argument("--per-class", type=int, help="examples of each class; all by default")
    run.add_argument("--seconds", type=float, default=30, help="budget of wall time (30)")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--mends", type=_keys, default=(), metavar="KEY,KEY",
                     help="of own-… data: findings whose mends are made, see `advise`")  # fmt: skip
    run.add_argument("--what-learns", default="auto", metavar="|".join(WHAT_LEARNS))
    run.add_argument("--json", action="store_true", help="one event a line")
    compare = commands.add_parser("compare", help="run several approaches on the same split")
    _data_options(compare)
    compare.add_argument("--approaches", type=_keys, default=Comparison.approaches,
                         metavar=",".join(APPROACHES), help="all by default")  # fmt: skip
    compare.add_argument("--backbone", default="", metavar="|".join(backbones.BACKBONES))
    compare.add_argument("--per-class", type=int, help="examples of each class; all by default")
    compare.add_argument("--seconds", type=float, default=30, help="budget of each run (30)")
    compare.add_argument("--seed", type=int, default=0)
    compare.add_argument("--trial-seconds", type=float, default=20,
                         help="of a trial on parts of the training (20); 0: none")  # fmt: skip
    compare.add_argument("--json", action="store_true", help="one event a line")
    curve = commands.add_parser("curve", help="learning curves: would more data help?")
    _data_options(curve)
    curve.add_argument("--approaches", type=_keys, default=Curve.approaches,
                       metavar=",".join(APPROACHES),
                       help=f"{','.join(Curve.approaches)} by default")  # fmt: skip
    curve.add_argument("--backbone", default="", metavar="|".join(backbones.BACKBONES))
    curve.add_argument("--per-class", type=int, help="examples of each class; all by default")
    curve.add_argument("--seconds", type=float, default=60, help="budget in all (60)")
    curve.add_argument("--seed", type=int, default=0)
    curve.add_argument("--json", action="store_true", help="one event a line")
    bench = commands.add_parser("bench-advice", help="how often is the advice right?")
    bench.add_argument("--data", action="append", metavar="SAMPLE|PATH",
                       help="again for each more; all bundled samples by default")  # fmt: skip
    bench.add_argument("--volumes", type=_numbers, default=(10, 50), metavar="10,50",
                       help="examples of each class")  # fmt: skip
    bench.add_argument("--seeds", type=_numbers, default=(0, 1), metavar="0,1")
    bench.add_argument("--seconds", type=float, default=20, help="budget of each run (20)")
    bench.add_argument("--trial-seconds", type=float, default=20, help="of each trial (20)")
    bench.add_argument("--full", action="store_true",
                       help="5, 20, 100 of each class, 3 seeds, 60 s each: hours")  # fmt: skip
    bench.add_argument("--table", action="store_true", help="print what is known, run nothing")
    advise = commands.add_parser("advise", help="look a data set over and say what suits it")
    _data_options(advise)
    advise.add_argument("--backbone", default="", help="that a run would use; its speed is timed")
    advise.add_argument("--seconds", type=float, default=60, help="budget of a run (60)")
    advise.add_argument("--json", action="store_true", help="print the advice as JSON")
    claim = commands.add_parser("claims", help="put the article's claims to the test")
    claim.add_argument("keys", nargs="*", metavar="|".join(CLAIMS), help="all by default")
    claim.add_argument("--seconds", type=float, help="for all runs of a claim together, at most; "
                        "by default what its experiment asks for")  # fmt: skip
    claim.add_argument("--json", action="store_true", help="one event a line")
    claim.add_argument("--write", action="store_true", help="make them the results that ship")
    runs = commands.add_parser("runs", help="list what was run, or take runs along as files")
    runs.add_argument("--search", default="", metavar="WORDS", help="in name, note, approach, data")
    runs.add_argument("--limit", type=int, default=20, help="how many (20), the newest first")
    runs.add_argument("--json", action="store_true", help="one run a line")
    files = runs.add_subparsers(dest="what")
    export = files.add_parser("export", help="write a run to a file")
    export.add_argument("id", help="as `runs` lists it, or out of a page's address")
    export.add_argument("--to", metavar="FILE", default="-", help="- (default): print it")
    files.add_parser("import", help="keep the run in a file").add_argument("file", help="or -")
    take = commands.add_parser("export", help="pack a finished run's model, to use without Thaw")
    take.add_argument("run", help="its id, or `last`: the newest that this terminal finished")
    take.add_argument("--to", type=Path, required=True, metavar="FILE.zip")
    take.add_argument("--onnx", action="store_true", help="the model as ONNX, too")
    ask = commands.add_parser("try", help="ask a finished run's model")
    ask.add_argument("run", help="its id, or `last`: the newest that this terminal finished")
    ask.add_argument("--text", action="append", default=[], help="again for each more")
    ask.add_argument("--file", action="append", default=[], type=Path, help="a picture, or a text")
    ask.add_argument("--csv", type=Path, metavar="IN", help="a table with a column of texts")
    ask.add_argument("--column", help="of the table; guessed by default")
    ask.add_argument("--to", type=Path, metavar="OUT", help="where the answered table goes")
    ask.add_argument("--precision", type=float, default=90,
                     help="percent of the answers that should be right (90), else: not sure; "
                     "0: answer always")  # fmt: skip
    told = commands.add_parser("forgot", help="what the backbone of a finished run forgot")
    told.add_argument("run", help="its id, or `last`: the newest that this terminal finished")
    told.add_argument("--json", action="store_true", help="one event a line")
    fair = commands.add_parser("fairness", help="a finished run's score for each class and group")
    fair.add_argument("run", help="its id, or `last`: the newest that this terminal finished")
    fair.add_argument("--json", action="store_true", help="print the scores as JSON")
    told = commands.add_parser("report", help="write a finished run as one page, to print or send")
    told.add_argument("run", help="its id, or `last`: the newest that this terminal finished")
    told.add_argument("--to", type=Path, required=True, metavar="FILE.html")
    commands.add_parser("samples", help="list the data that comes with Thaw")
    commands.add_parser("backbones", help="list the pre-trained models")
    fetch = commands.add_parser("fetch", help="download a backbone or a data set")
    fetch.add_argument("key", help="of `backbones` or `samples`, or hf:organisation/model")
    fetch.add_argument("--json", action="store_true", help="one event a line")
    fetch.add_argument("--parent", type=int, help="end when the process of this number ends")
    forget = commands.add_parser("forget", help="delete data of your own, or that was downloaded")
    forget.add_argument("key", metavar="|".join(["own-…", *online.ONLINE]))
    work = commands.add_parser("work", help="work on the runs of the app")
    work.add_argument("--name")
    work.add_argument("--threads", type=int)
    work.add_argument("--light", action="store_true", help="no training: read and download")
    work.add_argument("--parent", type=int, help="end when the process of this number ends")
    storage_told.add(commands)
    given = vars(parser.parse_args(arguments))
    if "text_column" in given:
        given["columns"] = tuple(given.pop(f"{what}_column") for what in COLUMNS)
    match given.pop("command"):
        case "run":
            return _run(as_json=given.pop("json"), **given)
        case "compare":
            return _compare(as_json=given.pop("json"), **given)
        case "curve":
            return _curve(as_json=given.pop("json"), **given)
        case "bench-advice":
            return _bench_advice(**given)
        case "advise":
            return _advise(as_json=given.pop("json"), **given)
        case "claims":
            return _claims(as_json=given.pop("json"), **given)
        case "runs":
            return _runs(as_json=given.pop("json"), **given)
        case "export":
            return _export(**given)
        case "try":
            from trainers.answering.terminal import try_it

            return try_it(**given)
        case "forgot":
            from trainers.terminal_forgot import tell

            return tell(given["run"], as_json=given["json"])
        case "fairness":
            from trainers.fairness_told import tell

            return tell(given["run"], as_json=given["json"])
        case "report":
            from trainers.report import write

            return write(**given)
        case "forget":
            return _forget(**given)
        case "fetch":
            return _fetch(as_json=given.pop("json"), **given)
        case "storage":
            return storage_told.run(**given)
        case "work":
            from trainers.engine.work import work as begin

            begin(**given)
        case "samples":
            for sample in samples.SAMPLES.values():
                print(f"{sample.key:17} {sample.modality:7} {sample.classes:3} classes  "
                      f"up to {sample.train_per_class} each, {sample.test} to test  "
                      f"{sample.about} ({sample.made})")  # fmt: skip
            for row in online.ONLINE.values():
                here = "downloaded" if online.is_here(row.key) else online.size(row.download_bytes)
                print(f"{row.key:17} {row.modality:7} {row.classes:3} classes  {here:>10}  "
                      f"{row.about} ({row.source}; licence: {row.licence})")  # fmt: skip
        case "backbones":
            for backbone in backbones.BACKBONES.values():
                here = "here" if backbones.is_here(backbone) else "not here"
                print(f"{backbone.key:18} {backbone.modality:7} {backbone.parameters:>11,} "
                      f"parameters  {backbone.size:15} {here:9} {backbone.good_for} "
                      f"({backbone.source})")  # fmt: skip
    return 0


def _data_options(command: argparse.ArgumentParser) -> None:
    """What to look at: a sample, or one's own."""
    command.add_argument("--data", metavar="|".join([*samples.SAMPLES, "PATH", "own-…"]),
                         help="a sample, or your own: a zip, a table or a folder")  # fmt: skip
    guessed = "of your table, by name or number; guessed by default"
    command.add_argument("--text-column", help=guessed)
    command.add_argument("--label-column", help=guessed)
    command.add_argument("--group-column", help="of your table: scores are compared by it")


def _run(
    *,
    as_json: bool,
    columns: tuple[str | None, ...],
    plan: str | None = None,
    **settings: object,
) -> int:
    try:
        plan = _planned(plan, settings, columns, sys.stderr if as_json else sys.stdout)
    except (BadPlan, BadUpload) as error:
        print(error, file=sys.stderr)
        return 2
    # Imported only now: a wrong option should not wait for torch.
    from trainers.engine.execute import execute
    from trainers.home import run_folder
    from trainers.run import run
    from trainers.store import store

    runs = store()
    name = "terminal"
    key = runs.start(plan, visitor=name, worker=name)
    stream = execute(runs, key, plan, run, run_folder(key))
    code = _played(stream, Finished, None if as_json else partial(_drawn, plan=plan))
    if not code and not as_json:
        print(f"Take it away: python -m trainers export {key} --to model.zip")
    return code


def _compare(
    *,
    as_json: bool,
    approaches: tuple[str, ...],
    columns: tuple[str | None, ...],
    **settings: object,
) -> int:
    try:
        told = sys.stderr if as_json else sys.stdout
        trial_seconds = settings.pop("trial_seconds")
        first = settings | {"approach": approaches[0] if approaches else None}
        plan = _planned(None, first, columns, told)
        settings |= {"data": plan.data, "trial_seconds": trial_seconds}
        job = Comparison(**settings, approaches=approaches, visitor="terminal")
        for plan in job.plans():
            backbones.pick(plan.backbone).check_here()
    except (BadPlan, BadUpload, backbones.NotHere) as error:
        print(error, file=sys.stderr)
        return 2
    from trainers.compare import lanes

    return _played(lanes(job, stop=lambda: False), Compared, None if as_json else _race)


def _played(
    stream: Iterator[Event], end: type[Event], drawn: Callable[[Iterator[Event]], Event] | None
) -> int:
    """0 where the stream ends with an `end`; one event a line, or as `drawn` shows it."""
    from trainers.engine.execute import reason

    try:
        last = drawn(stream) if drawn else _as_lines(stream)
    except KeyboardInterrupt:
        stream.close()
        print("\nCancelled.", file=sys.stderr)
        return 130
    except Exception as error:  # it must end with a word, whatever happened in it
        last = Failed(reason(error), 0.0)
        if drawn:
            print(last.text, file=sys.stderr)
        else:
            print(json.dumps(last.as_json()))
    return 0 if isinstance(last, end) else 1


def _bench_advice(*, data: list[str] | None, full: bool, table: bool, **grid: object) -> int:
    try:
        keys = [
            _read(one, NO_COLUMNS, sys.stderr) if _is_path(one) else samples.pick(one).key
            for one in data or samples.SAMPLES
        ]
    except (UnknownKey, BadUpload) as error:
        print(error, file=sys.stderr)
        return 2
    from trainers.bench_advice import FULL, as_table, cells, known

    grid |= FULL if full else {}
    if not table:
        for told in cells(keys, **grid):
            print(told, flush=True)
    print(as_table(known(keys, **grid)))
    return 0


def _race(stream: Iterator[Event]) -> Event:
    """A comparison as a table, a line for each run as it ends; hands back its last event."""
    print(f"{'':22}{'right':>12}  {'95 % interval':16}{'macro-F1':>8}{'time':>9}{'learned':>13}")
    for event in stream:
        match event:
            case Finished():
                interval = f"{event.test_accuracy_low:.1%} to {event.test_accuracy_high:.1%}"
                print(f"{APPROACHES[event.approach].title:22}{event.test_accuracy:>12.1%}  "
                      f"{interval:16}{event.macro_f1:>8.2f}{event.seconds:>8.1f}s"
                      f"{event.learnable_parameters:>13,}", flush=True)  # fmt: skip
            case Failed():
                print(event.text, file=sys.stderr)
            case Tried():
                print(event.words)
            case Compared():
                print(f"\nThe article's rules, on answers measured from the data: "
                      f"{APPROACHES[event.advised_article].title}.")  # fmt: skip
                print(f"Advised: {APPROACHES[event.advised].title}. {event.verdict}")
                for title, text in ("What misled", event.why_wrong), ("What to do", event.to_do):
                    if text:
                        print("\n  - ".join([f"\n{title}:", *text.splitlines()]))
    return event


def _curve(
    *,
    as_json: bool,
    approaches: tuple[str, ...],
    columns: tuple[str | None, ...],
    **settings: object,
) -> int:
    try:
        told = sys.stderr if as_json else sys.stdout
        first = settings | {"approach": approaches[0] if approaches else None}
        plan = _planned(None, first, columns, told)
        job = Curve(**settings | {"data": plan.data}, approaches=approaches, visitor="terminal")
        for plan in job.plans():
            backbones.pick(plan.backbone).check_here()
        # Imported only now: a wrong option should not wait for torch.
        from trainers.curve import curve
    except (BadPlan, BadUpload, backbones.NotHere) as error:
        print(error, file=sys.stderr)
        return 2
    return _played(curve(job, stop=lambda: False), Curved, None if as_json else _points)


def _points(stream: Iterator[Event]) -> Event:
    """Learning curves as a table, a line for each run as it ends; hands back the last event."""
    print(f"{'':22}{'of each class':>14}{'choice':>8}{'right':>8}  {'95 % interval':16}{'time':>8}")
    for event in stream:
        match event:
            case Point():
                interval = f"{event.low:.1%} to {event.high:.1%}"
                mark = "" if event.whole else "  (too short a time for all of them)"
                print(f"{APPROACHES[event.approach].title:22}{event.per_class:>14,}"
                      f"{event.draw + 1:>8}{event.right / event.tests:>8.1%}  {interval:16}"
                      f"{event.seconds:>7.1f}s{mark}", flush=True)  # fmt: skip
            case Notice() | Failed():
                print(event.text, file=sys.stderr)
            case Curved():
                print(f"\n{event.words}")
    return event


def _advise(*, as_json: bool, columns: tuple[str | None, ...], **settings: object) -> int:
    """Answers from the data with their evidence, and the advice that follows from them."""
    try:
        told = sys.stderr if as_json else sys.stdout
        settings |= {"approach": "transfer"}  # any: what cannot be run cannot be advised on
        plan = _planned(None, settings, columns, told)
        backbones.pick(plan.backbone).check_here()
        # Imported only now: a wrong option should not wait for torch.
        from trainers.advise import as_document, as_page, look

        found = look(plan.data, plan.backbone, plan.seconds)
    except (BadPlan, BadUpload, backbones.NotHere) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nCancelled.", file=sys.stderr)
        return 130
    document = as_json and json.dumps(as_document(found), indent=2)
    print(document or as_page(found, plan.backbone))
    return 0


def _claims(*, keys: list[str], seconds: float | None, as_json: bool, write: bool) -> int:
    try:
        for key in keys:
            claims.plans(key, seconds)
    except (UnknownKey, BadPlan) as error:
        print(error, file=sys.stderr)
        return 2
    # Imported only now: a wrong option should not wait for torch.
    from trainers.engine.execute import execute
    from trainers.jobs import perform
    from trainers.store import store

    runs, failed = store(), False
    for key in keys or CLAIMS:
        job = ClaimTest(key=key, seconds=seconds or claims.ceiling(key))
        run = runs.start(job, visitor="terminal", worker="terminal")
        stream = execute(runs, run, job, perform)
        try:
            last = _as_lines(stream) if as_json else _tested(stream, key)
        except KeyboardInterrupt:
            stream.close()
            print("\nCancelled.", file=sys.stderr)
            return 130
        if not isinstance(last, Judged):
            failed = True
        elif write:
            given = ["claims", key, *(["--seconds", f"{seconds:g}"] if seconds else []), "--write"]
            claims.ship(last.as_json() | {"command": " ".join(["python -m trainers", *given])})
    return int(failed)


def _tested(stream: Iterable[Event], key: str) -> Event:
    """The test of a claim as text, a line for each run as it ends; hands back its last event."""
    print(f"{CLAIMS[key].title}\n{CLAIMS[key].experiment}", flush=True)
    for event in stream:
        match event:
            case ClaimRunDone():
                print(f"  {event.number + 1:2} of {event.total}  {event.data:10}"
                      f"{APPROACHES[event.approach].title:22}{event.per_class:3} of each"
                      f"{event.right / event.tests:>8.1%} of {event.tests}"
                      f"{event.seconds:>8.1f} s", flush=True)  # fmt: skip
            case Judged():
                print(f"{event.words}\n")
            case Failed():
                print(event.text, file=sys.stderr)
    return event


def _planned(
    file: str | None, settings: dict, columns: tuple[str | None, ...], told: TextIO
) -> Plan:
    """The plan in `file`, or of `settings`; data of one's own is read, and `told` what it holds.
    Raises `BadPlan` and `BadUpload`."""
    if file is None:
        for name in ("data", "approach"):
            if settings[name] is None:
                raise BadPlan(f"Nothing was said about --{name}. Give it, or a --plan.")
        if not _is_path(settings["data"]):
            return Plan(**settings)
        # All else is checked before: reading may take a while.
        unknown = {"backbone": "", "per_class": None, "mends": ()}
        Plan(**settings | unknown | {"data": next(iter(samples.SAMPLES))})
        data = _read(settings["data"], columns, told)
        return Plan(**settings | {"data": data})
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return Plan.from_json(json.loads(text))
    except BadPlan:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadPlan(f"{file} holds no plan ({error}). Save `repeat` of a run's end.") from None


def _keys(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _is_path(data: str) -> bool:
    """Whether `data` is meant as a file or folder; a sample of that name goes first."""
    if data in samples.SAMPLES or (data in online.ONLINE and online.is_here(data)):
        return False
    return Path(data).exists() or os.sep in data or bool(Path(data).suffix)


def _read(path: str, columns: tuple[str | None, ...], told: TextIO) -> str:
    """Reads and keeps data of one's own, tells what it holds, and hands back its key. `columns`
    are those of `COLUMNS`. What was read before and has not changed is not read again."""
    from tqdm import tqdm

    if Path(path).exists() and (known := own.again(Path(path), *columns)):
        print(f"{known.title}: read before, as {known.key}. {known.about}", file=told)
        return known.key
    named = {f"{what}_column": name for what, name in zip(COLUMNS, columns, strict=True)}
    reading = own.read(Path(path), **named)
    with tqdm(total=1.0, bar_format="{desc} |{bar:30}|", leave=False, disable=None) as bar:
        while True:
            try:
                progress = next(reading)
            except StopIteration as end:
                key = f"own-{end.value}"
                break
            bar.n = progress.share
            bar.set_description(f"Reading: {progress.text}")
    found = samples.pick(key)
    print(f"{found.title}: {found.about}", file=told)
    for name, learn, test in found.counts[:CLASSES_TOLD]:
        print(f"  {name}: {learn:,} to learn from, {test:,} to test", file=told)
    if len(found.counts) > CLASSES_TOLD:
        print(f"  … and {len(found.counts) - CLASSES_TOLD:,} more classes", file=told)
    for line in found.notices:
        print(f"  {line}", file=told)
    print(
        f"  Kept on this computer as {key}; python -m trainers forget {key} deletes it.", file=told
    )
    return key


def _runs(*, as_json: bool, search: str, limit: int, what: str | None = None, **given: str) -> int:
    """The runs of everyone on this computer, or one of them from or to a file."""
    from trainers.run_file import MAX_BYTES, BadFile, as_text, bring_in
    from trainers.store import NoSuchRun, store

    try:
        if what == "export":
            text = as_text(store(), given["id"])
            if given["to"] == "-":
                print(text)
            else:
                Path(given["to"]).write_text(text, encoding="utf-8")
                print(f"Written to {given['to']}, {len(text) / 1e6:.1f} MB.")
            return 0
        if what == "import":
            with sys.stdin.buffer if given["file"] == "-" else open(given["file"], "rb") as file:
                content = file.read(MAX_BYTES + 1)  # of more, that it is too much is all we need
            key = bring_in(store(), content, visitor="terminal")
            past = store().past(key)
            kind = "run" if past.kind == "run" else "compare"
            print(f"{past.title} is kept as {key}. In the app: /{kind}?{kind}={key}")
            return 0
    except (NoSuchRun, BadFile, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    page, total = store().history(None, search=search, limit=max(1, limit))
    for past in page:
        if as_json:
            print(json.dumps(asdict(past) | {"title": past.title}))
            continue
        score = "" if past.score is None else f"{past.score:.0%} right"
        took = "" if past.seconds is None else f"{past.seconds:.0f} s"
        when = f"{datetime.fromtimestamp(past.created):%Y-%m-%d %H:%M}"
        print(f"{past.id}  {when}  {past.state:9}  {score:>10}  {took:>6}  {_one_line(past.title)}")
    if not total:
        print("Nothing is found." if search else "Nothing was run yet.", file=sys.stderr)
    if not as_json and total > len(page):
        print(f"… and {total - len(page):,} more: --limit {total}, or --search WORDS")
    return 0


def _one_line(text: str) -> str:
    """A visitor's words such that they cannot steer the terminal."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def _export(run: str, to: Path, onnx: bool) -> int:
    from trainers.store import FINISHED, NoSuchRun, store

    if run == "last":
        done = [one for one in store().of_visitor("terminal") if one.state == FINISHED]
        if not done:
            print("No run was finished in this terminal yet. Start one: python -m trainers run",
                  file=sys.stderr)  # fmt: skip
            return 2
        run = done[0].id
    try:
        store().find(run)
    except NoSuchRun as error:
        print(error, file=sys.stderr)
        return 2
    # Imported only now: a wrong name should not wait for torch.
    from trainers.engine.execute import reason
    from trainers.export import export

    try:
        export(run, to, onnx=onnx)
    except Exception as error:  # it must end with a word, whatever happened in it
        print(reason(error), file=sys.stderr)
        return 1
    print(f"{to}: {to.stat().st_size / 1e6:,.1f} MB. Unpack it; its README.md says how to use it.")
    return 0


def _forget(key: str) -> int:
    from trainers.store import store

    try:
        if key in online.ONLINE:
            online.forget(key)
        else:
            own.forget(key)
            store().forget_examples(key)
    except UnknownKey as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Deleted {key}.")
    return 0


def _fetch(*, key: str, as_json: bool, parent: int | None) -> int:
    from trainers.engine.execute import reason
    from trainers.fetch import end_with, found

    # A download's own threads would hold the process: ended from outside, it clears up and goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if parent:
        threading.Thread(target=end_with, args=(parent,), daemon=True).start()
    out = sys.stdout
    try:
        stream = found(key)()
    except UnknownKey as error:
        print(error, file=sys.stderr)
        return 2
    try:
        with redirect_stdout(sys.stderr):  # torch.hub prints as it downloads
            for event in stream if as_json else _with_bar(stream):
                if as_json:
                    print(json.dumps(event.as_json()), file=out, flush=True)
    except KeyboardInterrupt:
        stream.close()
        print("\nCancelled; nothing half was kept.", file=sys.stderr, flush=True)
        os._exit(130)
    except Exception as error:  # it must end with a word, whatever happened in it
        if as_json:
            print(json.dumps(Failed(reason(error), 0.0).as_json()), file=out, flush=True)
        else:
            print(reason(error), file=sys.stderr)
        return 1
    if not as_json:
        print(f"{key} is here.")
    return 0


def _with_bar(stream: Iterator[Event]) -> Iterator[Event]:
    """The events of a download, drawn as they pass."""
    from tqdm import tqdm

    with tqdm(unit="B", unit_scale=True, leave=False, disable=None) as bar:
        for event in stream:
            match event:
                case Stage() | Notice():
                    bar.write(event.text, file=sys.stderr)
                case Progress():
                    bar.unit = "B" if event.unit == "bytes" else f" {event.unit}"
                    bar.total, bar.n = event.total, event.done
                    bar.refresh()
            yield event


def _as_lines(stream: Iterable[Event]) -> Event:
    for event in stream:
        print(json.dumps(event.as_json()), flush=True)
    return event


def _drawn(stream: Iterator[Event], plan: Plan) -> Event:
    """The same run as text with a progress bar; hands back its last event."""
    from tqdm import tqdm

    from guide.narrator import ACTIONS
    from trainers.narrate import narrated

    bar = tqdm(total=plan.seconds, bar_format=BAR, leave=False, disable=None)
    classes, shown, events = [], 0.0, []
    for event in stream:
        events.append(event)
        bar.n = min(event.seconds, plan.seconds) if hasattr(event, "seconds") else 0
        bar.refresh()
        match event:
            case Started():
                classes = event.classes
                bar.write(
                    f"{APPROACHES[event.approach].title} on {event.data}: "
                    f"{event.train_examples + event.validation_examples:,} to learn from, "
                    f"{event.validation_examples:,} of them to check by first, "
                    f"{event.test_examples:,} test. {len(classes)} classes."
                )
            case Stage() | Notice():
                bar.write(event.text)
            case Baseline():
                bar.write(f"  without any training ({event.method}): {event.accuracy:.0%}")
            case PhaseStarted():
                shown = 0.0
                bar.write(f"  {event.learnable_parameters:,} numbers learn")
            case Validated() if event.accuracy > shown:
                shown = event.accuracy
                bar.write(f"  {event.seconds:5.1f} s  epoch {event.epoch:5.1f}  "
                          f"{event.accuracy:4.0%} of the checks right")  # fmt: skip
            case PhaseDone():
                bar.write(f"  {event.epochs:.1f} epochs, {event.why}")
    bar.close()
    match event:
        case Finished():
            print(
                f"{event.test_right} of {event.test_examples} right: {event.test_accuracy:.1%} "
                f"({event.test_accuracy_low:.1%} to {event.test_accuracy_high:.1%}), "
                f"macro-F1 {event.macro_f1:.2f}, {event.seconds:.1f} s"
            )
            told = narrated(events)
            print(_one_line(told.words))
            if told.do:
                print(f"What to do: {ACTIONS[told.do]}.")
        case Failed():
            print(event.text, file=sys.stderr)
        case Cancelled():
            print("Cancelled.", file=sys.stderr)
    return event


COLUMNS = ("text", "label", "group")  # of a table
NO_COLUMNS = (None, None, None)  # then they are guessed
CLASSES_TOLD = 12  # of one's own data, before the run
BAR = "{n:.0f} of {total:.0f} s |{bar:30}|"

if __name__ == "__main__":
    # Read when torch is loaded. OpenMP's threads spin while they wait for each other: beside other
    # work, and an app's browser is that, one step then took over 20 times as long (two cores).
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    logging.captureWarnings(True)
    sys.exit(main())
