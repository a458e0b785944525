"""``python -I _main.py METHOD.py FUNCTION IN.npz OUT.npy COSTS.json``: run by another Python, which lacks spotweave.

IN holds the arguments of the function by name: arrays, numbers, words, and CSR matrices (``X.data``, ``X.indices``,
``X.indptr``, ``X.shape``). OUT gets what it returns: of ``denoise`` expected counts ``[n, g]`` at each cell's own
depth, float32; of ``impute`` expected counts ``[n, t]`` up to one factor a gene, float32; of ``test_genes`` p value and
statistic ``[2, g]``; of ``deconvolve`` shares or abundances ``[n, t]``; of ``integrate`` components ``[n, d]``, after
the domains where a package has its own. COSTS get the seconds and memory of the method, without imports and without
``warm()``, which a file has where its package compiles code at the first call.
"""

import json
import resource
import runpy
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

TYPES = {"denoise": np.float32, "impute": np.float32}


def main(method: str, name: str, given: str, result: str, costs: str) -> None:
    """Read, run the function `name` of the file `method`, write."""
    functions = runpy.run_path(method)
    if "warm" in functions:
        functions["warm"]()
    with np.load(given) as parts:
        arguments = {key: argument(parts, key) for key in {key.partition(".")[0] for key in parts}}
    wall, cpu = time.perf_counter(), time.process_time()
    found = functions[name](**arguments)
    taken = {"fit_s": time.perf_counter() - wall, "fit_cpu_s": time.process_time() - cpu, "peak_mb": peak_mb()}
    np.save(result, np.asarray(found, dtype=TYPES.get(name, np.float64)))
    with open(costs, "w", encoding="utf-8") as file:  # noqa: PTH123 (as plain as can be)
        json.dump(taken, file)


def argument(parts: Mapping[str, np.ndarray], key: str) -> Any:
    """Put an argument together."""
    if key not in parts:
        data, indices, indptr, shape = (parts[f"{key}.{part}"] for part in ("data", "indices", "indptr", "shape"))
        return sp.csr_matrix((data, indices, indptr), shape=shape)
    return parts[key] if parts[key].ndim else parts[key].item()


def peak_mb() -> float:
    """Largest resident memory of this process so far, in 10^6 bytes; see `bench._measure`."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:  # noqa: PTH123
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024 / 1e6
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
