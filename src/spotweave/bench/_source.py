"""Files that benchmarks read: those of the folder of real data, and simulated ones made on first use."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def data_folder(given: Path | None = None) -> Path:
    """Folder of the real data sets: `given`, else ``SPOTWEAVE_DATA``, else ``../shared/data``."""
    return Path(given or os.environ.get("SPOTWEAVE_DATA") or "../shared/data").expanduser()


def cache_folder() -> Path:
    """Folder in which simulated files are kept between benchmarks, made when missing."""
    folder = Path(tempfile.gettempdir(), f"spotweave-bench-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@dataclass(frozen=True)
class RealFile:
    """A file in the folder of real data."""

    name: str

    def missing(self, data: Path) -> str | None:
        """Say why the file cannot be had; None when it can."""
        return None if (data / self.name).is_file() else f"no file {data / self.name}"

    def locate(self, data: Path, cache: Path) -> Path:
        """Return its path."""
        return (data / self.name).absolute()


@dataclass(frozen=True)
class Files:
    """Several files of the folder of real data, used together."""

    names: tuple[str, ...]

    def missing(self, data: Path) -> str | None:
        """Say which file cannot be had; None when all are there."""
        absent = [str(data / name) for name in self.names if not (data / name).is_file()]
        return f"no file {absent[0]}" if absent else None

    def locate(self, data: Path, cache: Path) -> Path:
        """Return the folder."""
        return data.absolute()


@dataclass(frozen=True)
class SimulatedFile:
    """A tissue of `datasets.simulate_to_disk` with these arguments."""

    options: Mapping[str, Any]
    rates: bool = False
    """With the true rates, as of `datasets.simulate_tissue`: dense, so for small tissues."""

    def missing(self, data: Path) -> None:
        """It can always be had."""

    def locate(self, data: Path, cache: Path) -> Path:
        """Return the path of the file in `cache`, simulated on first use.

        Its name tells the arguments and the simulator's code, so that a changed simulator is not mistaken for the old.
        """
        text = json.dumps({**self.options, "rates": self.rates}, sort_keys=True).encode()
        path = cache / f"{hashlib.sha256(text + simulator_code()).hexdigest()[:16]}.h5ad"
        if not path.exists():
            self._simulate(path)
        return path

    def _simulate(self, path: Path) -> None:
        from ..datasets import simulate_tissue, simulate_to_disk
        from ..io import write

        if self.rates:
            write(simulate_tissue(**self.options, rates=True), path)
        else:
            simulate_to_disk(path, **self.options)


def simulator_code() -> bytes:
    """Code of the simulators."""
    folder = Path(__file__).parents[1] / "datasets"
    return b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))
