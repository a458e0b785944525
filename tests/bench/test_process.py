import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spotweave.bench._process import run_job
from spotweave.bench._run import run
from spotweave.bench._task import Job, Task


@pytest.fixture
def job(fake):
    def make(seeds=(0,), *, fast=False, broken=False, threads=1, **settings):
        dataset = fake.FakeSet("set", broken=broken)
        return Job(fake.TASK, dataset, Path("/file"), "method", settings, seeds, threads, fast)

    return make


def test_a_row_for_each_truth_with_names_scores_and_costs(job):
    first, second = run_job(job([3], threads=2))
    assert {k: first[k] for k in ("dataset", "method", "seed", "truth", "score", "mode", "threads", "omp")} == {
        "dataset": "set",
        "method": "method",
        "seed": 3,
        "truth": "a",
        "score": 0.3,
        "mode": "single",
        "threads": 2,
        "omp": 2,
    }
    assert (first["read"], second["truth"], second["wall_s"]) == ("/file", "b", first["wall_s"])
    assert first["pid"] != os.getpid()
    assert "error" not in first


def test_memory_of_one_run_or_of_the_parent_is_not_in_the_next(job):
    large = np.ones(50_000_000)  # 400 MB resident here
    (big, _), (small, _) = run_job(job(mb=400)), run_job(job())
    assert big["peak_mb"] - small["peak_mb"] == pytest.approx(400, abs=30)
    assert small["peak_mb"] < 250
    assert large.nbytes == 400_000_000


def test_processor_time_counts_threads_and_not_waiting(job):
    row = run_job(job(burn_s=0.3, sleep_s=0.5))[0]
    assert 0.28 < row["fit_cpu_s"] < 0.6
    assert row["fit_s"] > 0.78
    assert row["fit_s"] <= row["wall_s"] < row["process_s"]
    assert row["fit_cpu_s"] <= row["cpu_s"] < row["process_cpu_s"]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("raise", "ValueError: two lines"),
        ("kill", "killed by SIGKILL (out of memory?)"),
        ("exit", "exit status 3: the library died"),
    ],
)
def test_a_failure_is_a_row(job, how, expected):
    (row,) = run_job(job([2], fails_at=2, how=how))
    assert (row["dataset"], row["method"], row["seed"], row["error"]) == ("set", "method", 2, expected)
    assert "score" not in row


def test_a_file_that_cannot_be_read_fails_every_seed(job):
    rows = run_job(job([0, 1], fast=True, broken=True))
    assert [(row["seed"], row["error"]) for row in rows] == [(0, "OSError: no file file"), (1, "OSError: no file file")]


def test_a_run_that_takes_too_long(job):
    (row,) = run_job(job(sleep_s=60), timeout_s=1.5)
    assert row["error"] == "took more than 1.5 s"


def test_fast_seeds_share_a_process_and_one_that_fails_does_not_stop_the_others(job):
    rows = run_job(job([0, 1, 2], fast=True, fails_at=1, how="raise", sleep_s=0.1))
    assert [row["seed"] for row in rows] == [0, 0, 1, 2, 2]
    assert [row["mode"] for row in rows] == ["fast"] * 5
    assert rows[2]["error"] == "ValueError: two lines"
    assert rows[0]["pid"] == rows[3]["pid"]
    assert rows[3]["wall_s"] == rows[3]["fit_s"] >= 0.1
    assert "process_s" not in rows[3]


def test_a_fast_process_that_dies_keeps_what_it_had(job):
    rows = run_job(job([0, 1, 2], fast=True, fails_at=1, how="kill"))
    assert [row["seed"] for row in rows] == [0, 0, 1, 2]
    assert [bool(row.get("error")) for row in rows] == [False, False, True, True]


def test_preparing_is_not_timed_and_scores_may_tell_costs(fake):
    """As for a split of the counts by the seed, and a method that runs elsewhere."""

    def prepare(data, settings, seed):
        time.sleep(0.2)
        return f"{data} {settings['part']} {seed}"

    task = Task(
        "prepared",
        load=lambda dataset, file: "read",
        fit=lambda data, settings, seed: f"fitted {data}",
        score=lambda data, result: [{"data": data, "result": result, "peak_mb": 7.0}],
        prepare=prepare,
    )
    rows: list[dict[str, Any]] = []
    run(Job(task, fake.FakeSet("set"), Path("/file"), "m", {"part": "half"}, (3, 4)), rows.append, started=time.time())
    assert [(row["data"], row["result"], row["peak_mb"]) for row in rows] == [
        ("read half 3", "fitted read half 3", 7.0),
        ("read half 4", "fitted read half 4", 7.0),
    ]
    assert all(row["wall_s"] < 0.1 for row in rows)
