"""Starting the process of a run, and what becomes of it."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ._task import Job

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")


def run_job(job: Job, *, timeout_s: float | None = None) -> list[dict[str, Any]]:
    """Run `job` in a process of its own and return its rows.

    Every seed has at least one: where the process died or took too long, one that says so. Each row names its data
    set, method, seed and mode.
    """
    with TemporaryDirectory(prefix="spotweave-bench-") as folder:
        results, log = Path(folder, "rows.jsonl"), Path(folder, "log.txt")
        results.touch()
        end = _run(job, results, log, timeout_s)
        rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        done = {row["seed"] for row in rows}
        rows += [{"seed": seed, "error": end or "the process gave no result"} for seed in job.seeds if seed not in done]
    names = {"dataset": job.dataset.name, "method": job.method}
    mode = {"mode": "fast" if job.fast else "single", "threads": job.threads}
    return [{**names, "seed": row.pop("seed"), **mode, **row} for row in rows]


def _run(job: Job, results: Path, log: Path, timeout_s: float | None) -> str:
    """Run the process to its end; return what went wrong, or nothing."""
    command = [sys.executable, "-m", "spotweave.bench._run", str(results)]
    with log.open("wb") as stream:
        try:
            done = subprocess.run(
                command,
                input=pickle.dumps((time.time(), job)),
                stdout=stream,
                stderr=stream,
                env=_environment(job.threads),
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"took more than {timeout_s:g} s"
    return cause(done.returncode, log)


def _environment(threads: int) -> dict[str, str]:
    """Environment of the process: `threads` for every numeric library, and the modules that this process sees."""
    modules = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, **dict.fromkeys(THREADS, str(threads)), "PYTHONPATH": modules}


def cause(status: int, log: Path) -> str:
    """Why a process ended with `status`: the signal, or the last line that it wrote."""
    if status == 0:
        return ""
    if status < 0:
        name = signal.Signals(-status).name
        return f"killed by {name}" + (" (out of memory?)" if -status == signal.SIGKILL else "")
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"exit status {status}: {last}"[:300]
