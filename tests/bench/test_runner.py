import logging
from dataclasses import replace

import pandas as pd
import pytest

from spotweave import InputError
from spotweave.bench import Running, run_task


def test_every_set_and_method_and_the_run_goes_on_after_a_failure(fake, running, said):
    sets = [fake.FakeSet("one"), fake.FakeSet("two", broken=True)]
    methods = {"bad": {"fails_at": 1, "how": "kill"}, "good": {}}
    table = run_task(fake.TASK, sets, methods, [1], running)
    killed = "killed by SIGKILL (out of memory?)"
    assert table[["dataset", "method", "truth", "error"]].fillna("").to_numpy().tolist() == [
        ["one", "bad", "", killed],
        ["one", "good", "a", ""],
        ["one", "good", "b", ""],
        ["two", "bad", "", "OSError: no file file"],
        ["two", "good", "", "OSError: no file file"],
    ]
    assert said[0] == f"[1/4] one bad seed 1: failed: {killed}"
    assert said[1].startswith("[2/4] one a good seed 1: score 0.100, ")
    assert said[-1] == "4 processes; 3 rows are of failed runs"
    written = pd.read_csv(running.output / "fake.csv", keep_default_na=False)
    assert list(written["error"]) == list(table["error"])
    assert list(written["seed"]) == [1] * 5


def test_resume_does_only_what_is_missing_or_failed(fake, running, tmp_path):
    log = tmp_path / "log"
    sets, broken = [fake.FakeSet("one")], {"how": "raise", "fails_at": 1}
    run_task(fake.TASK, sets, {"m": {"log": str(log), **broken}}, range(2), running)
    log.unlink()
    table = run_task(fake.TASK, sets, {"m": {"log": str(log)}}, range(3), replace(running, resume=True))
    assert log.read_text().split() == ["1", "2"]
    assert list(table["seed"]) == [0, 0, 1, 1, 2, 2]
    assert (table["error"] == "").all()


@pytest.mark.parametrize(("fast", "groups"), [(False, [[0], [100], [100]]), (True, [[100], [0, 100]])])
def test_methods_may_have_seeds_of_their_own(fake, running, monkeypatch, fast, groups):
    jobs = []

    def run_job(job, *, timeout_s):
        jobs.append(job)
        return [
            {"dataset": "one", "method": job.method, "seed": s, "wall_s": 1, "cpu_s": 1, "peak_mb": 1}
            for s in job.seeds
        ]

    monkeypatch.setattr("spotweave.bench._runner.run_job", run_job)
    seeds = {"once": [100], "often": [0, 100]}
    table = run_task(fake.TASK, [fake.FakeSet("one")], {"once": {}, "often": {}}, seeds, replace(running, fast=fast))
    assert [list(job.seeds) for job in jobs] == groups
    assert list(zip(table["method"], table["seed"], strict=True)) == [("often", 0), ("often", 100), ("once", 100)]


def test_without_resume_asked_runs_are_replaced_and_others_stay(fake, running, tmp_path):
    one = [fake.FakeSet("one")]
    run_task(fake.TASK, one, {"m": {}, "other": {}}, range(1), running)
    table = run_task(fake.TASK, one, {"m": {"fails_at": 0, "how": "raise"}}, range(1), running)
    assert [(m, e != "") for m, e in zip(table["method"], table["error"], strict=True)] == [
        ("m", True),
        ("other", False),
        ("other", False),
    ]


def test_fast_costs_do_not_stand_for_those_of_a_process_of_its_own(fake, running, tmp_path):
    log = tmp_path / "log"
    arguments = fake.TASK, [fake.FakeSet("one")], {"m": {"log": str(log)}}
    run_task(*arguments, range(1), replace(running, fast=True))
    table = run_task(*arguments, range(1), replace(running, resume=True))
    assert set(table["mode"]) == {"single"}
    run_task(*arguments, range(1), replace(running, resume=True, fast=True))
    assert log.read_text().split() == ["0", "0"]


def test_sets_that_are_not_there_are_left_out_with_a_reason(fake, running, caplog):
    sets = [fake.FakeSet("one"), fake.FakeSet("gone", fake.FakeSource(there=False))]
    with caplog.at_level(logging.WARNING, "spotweave"):
        table = run_task(fake.TASK, sets, {"m": {}}, range(1), running)
    assert set(table["dataset"]) == {"one"}
    assert caplog.messages == ["gone left out: not there"]
    with pytest.raises(InputError, match=r"data sets in .*found none of \['gone'\]"):
        run_task(fake.TASK, sets[1:], {"m": {}}, range(1), running)


def test_results_that_cannot_be_read_stop_it_before_any_run(fake, running, tmp_path):
    running.output.mkdir()
    (running.output / "fake.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="table of results"):
        run_task(fake.TASK, [fake.FakeSet("one")], {"m": {"log": str(tmp_path / "log")}}, range(1), running)
    assert not (tmp_path / "log").exists()
    with pytest.raises(InputError, match="a file of that name"):
        run_task(fake.TASK, [fake.FakeSet("one")], {}, [], replace(running, output=running.output / "fake.csv"))


@pytest.mark.parametrize("options", [{"threads": 0}, {"threads": 1.5}, {"timeout_s": -1}])
def test_running_is_checked(options):
    with pytest.raises(InputError):
        Running(**options)
