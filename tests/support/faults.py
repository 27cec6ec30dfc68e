"""What goes wrong in a worker, brought about in it by its own hand: real signals, real limits."""

import os
import signal
import time
from pathlib import Path

from sqlalchemy import event as sql_event

from tests.support import toys
from trainers import jobs
from trainers.events import Stage, ValidationDone
from trainers.store import Store, resume
from trainers.training import checkpoint, run


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(when: str) -> None:
    """kill -9, in one phase of a run."""
    match when:
        case "reading the data":
            toys.colours = lambda *_: _die()
        case "loading the backbone":
            run.new_encoder = lambda *_, **__: _die()
        case "features":
            _after(lambda event: isinstance(event, Stage) and event.key == "features")
        case "training":
            _after(lambda event: isinstance(event, ValidationDone) and event.step > 5)
        case "measuring the test":
            _after(lambda event: isinstance(event, Stage) and event.key == "test")
        case "writing the weights":
            _half_written("model.safetensors.part")
        case "writing where it stands":
            _half_written("standing.safetensors.part", times=3)
        case "naming the weights":
            replace = Path.replace
            Path.replace = lambda self, to: (
                _die() if Path(to).name == "model.safetensors" else replace(self, to)
            )
        case "after the end":
            resume.discard_checkpoint = lambda *_: _die()


def _after(chosen) -> None:
    perform = jobs.run_job

    def performed(*given, **named):
        for event in perform(*given, **named):
            yield event
            if chosen(event):
                time.sleep(0.3)  # the heart has written what was told
                _die()

    jobs.run_job = performed


def _half_written(name: str, times: int = 1) -> None:
    save, seen = checkpoint.save_file, []

    def saved(tensors, file, *more) -> None:
        save(tensors, file, *more)
        seen.append(Path(file).name)
        if seen.count(name) == times:
            os.truncate(file, Path(file).stat().st_size // 2)
            _die()

    checkpoint.save_file = saved


def slow(seconds: float) -> None:
    """Each forward pass takes so long."""
    toys.SLOW["seconds"] = seconds


def impatient(milliseconds: int) -> None:
    """The database is asked for a lock no longer than that: else a test takes half a minute."""
    made = Store.__init__

    def init(self, url: str) -> None:
        made(self, url)
        listener = lambda connection, _: connection.execute(  # noqa: E731
            f"PRAGMA busy_timeout = {milliseconds}"
        )
        sql_event.listen(self.engine, "connect", listener)
        self.engine.dispose()

    Store.__init__ = init


def clock(seconds: float) -> None:
    """Jumps by so much at the third look."""
    real = time.time
    _at(3, lambda: setattr(time, "time", lambda: real() + seconds))


def _at(look: int, do) -> None:
    perform = jobs.run_job

    def performed(*given, **named):
        looks = 0
        for event in perform(*given, **named):
            looks += isinstance(event, ValidationDone)
            if looks == look and isinstance(event, ValidationDone):
                do()
            yield event

    jobs.run_job = performed


def hungry(needs: dict) -> None:
    """An example takes so many MB while it is learned from, so many while it is looked at; and
    there are so many MB more than are taken now."""
    import resource

    import psutil
    import torch

    from trainers.system import memory_limit

    forward = toys.ToyEye.forward

    def fed(self, images):
        megabytes = needs["learning"] if torch.is_grad_enabled() else needs["looking"]
        torch.empty(len(images) * megabytes * 2**20, dtype=torch.uint8).fill_(1)
        return forward(self, images)

    toys.ToyEye.forward = fed
    taken = psutil.Process().memory_info().data
    os.environ["THAW_WORKER_MEMORY_GB"] = str((taken + needs["there"] * 2**20) / 1e9)
    memory_limit.apply()
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] < 2**40


def no_room_for(name: str) -> None:
    """Where no small disk may be mounted: writing this file fails as it does on a full one."""
    from trainers.system.atomic import PARTIAL_SUFFIX
    from trainers.training import baselines

    for module in (checkpoint, baselines):
        save = module.save_file

        def saved(tensors, file, *more, save=save) -> None:
            if Path(file).name == name + PARTIAL_SUFFIX:
                Path(file).write_bytes(b"half")
                raise OSError(28, os.strerror(28))
            save(tensors, file, *more)

        module.save_file = saved
