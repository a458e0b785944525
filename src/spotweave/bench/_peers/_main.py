"""``python -I _main.py METHOD.py FUNCTION IN.npz OUT.npy COSTS.json``: run by another Python, which lacks spotweave.

IN holds counts (``data``, ``indices``, ``indptr``, ``shape`` of a CSR matrix), ``xy`` and ``seed``. OUT gets what the
function returns: of ``denoise`` expected counts ``[n, g]`` at each cell's own depth, float32; of ``test_genes`` p value
and statistic ``[2, g]``. COSTS get the seconds and memory of the method, without imports and without ``warm()``, which
a file has where its package compiles code at the first call.
"""

import json
import resource
import runpy
import sys
import time

import numpy as np
import scipy.sparse as sp

TYPES = {"denoise": np.float32}


def main(method: str, name: str, given: str, result: str, costs: str) -> None:
    """Read, run the function ``name(X, xy, seed)`` of the file `method`, write."""
    functions = runpy.run_path(method)
    if "warm" in functions:
        functions["warm"]()
    with np.load(given) as parts:
        X = sp.csr_matrix((parts["data"], parts["indices"], parts["indptr"]), shape=parts["shape"])
        xy, seed = parts["xy"], int(parts["seed"])
    wall, cpu = time.perf_counter(), time.process_time()
    found = functions[name](X, xy, seed)
    taken = {"fit_s": time.perf_counter() - wall, "fit_cpu_s": time.process_time() - cpu, "peak_mb": peak_mb()}
    np.save(result, np.asarray(found, dtype=TYPES.get(name, np.float64)))
    with open(costs, "w", encoding="utf-8") as file:  # noqa: PTH123 (as plain as can be)
        json.dump(taken, file)


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
