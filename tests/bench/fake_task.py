"""A task that does what its settings say: takes memory, time or processor, or fails in some way."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spotweave.bench import Task


@dataclass(frozen=True)
class FakeSource:
    there: bool = True

    def missing(self, data: Path) -> str | None:
        return None if self.there else "not there"

    def locate(self, data: Path, cache: Path) -> Path:
        return data / "file"


@dataclass(frozen=True)
class FakeSet:
    name: str
    source: FakeSource = FakeSource()
    broken: bool = False


def load(dataset: FakeSet, file: Path) -> str:
    if dataset.broken:
        msg = f"no file\n{file.name}"
        raise OSError(msg)
    return str(file)


def fit(data: str, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    if "log" in settings:
        with Path(settings["log"]).open("a") as file:
            file.write(f"{seed}\n")
    if settings.get("fails_at") == seed:
        how = settings["how"]
        if how == "raise":
            msg = "two\nlines"
            raise ValueError(msg)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(2, b"the library died\n\n")
        os._exit(3)
    block = bytearray(settings.get("mb", 0) * 1_000_000)
    block[::4096] = b"x" * len(block[::4096])
    workers = [threading.Thread(target=burn, args=(settings.get("burn_s", 0),))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    time.sleep(settings.get("sleep_s", 0))
    return {"score": seed / 10, "pid": os.getpid(), "omp": int(os.environ["OMP_NUM_THREADS"]), "read": data}


def burn(seconds: float) -> None:
    start = time.thread_time()
    while time.thread_time() - start < seconds:
        pass


def score(data: str, result: dict[str, Any]) -> list[dict[str, Any]]:
    ballast = bytearray(b"x") * 250_000_000  # scoring must not count
    del ballast
    return [{"truth": "a", **result}, {"truth": "b", **result}]


TASK = Task("fake", load, fit, score, headline="score")
