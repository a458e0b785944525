"""Package-wide settings: four plain fields and a context manager."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass
class Settings:
    """Defaults that every verb reads when its own argument is left out.

    Each field can be set by an environment variable of the same name with the prefix ``SPOTWEAVE_``.
    """

    device: str = "auto"
    """``"auto"`` (CUDA when there is one, else CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``."""
    progress: bool = True
    """Show progress bars when standard error is a terminal."""
    chunk_size: int = 10_000
    """Rows read at once from a matrix that is streamed."""
    cache_dir: Path = Path.home() / ".cache" / "spotweave"
    """Where fetched data sets and image features are kept."""

    @contextmanager
    def override(self, **changes: Any) -> Iterator[None]:
        """Change fields within a ``with`` block."""
        before = replace(self)
        for name, value in changes.items():
            if not hasattr(self, name):
                msg = f"Expected a setting out of {sorted(vars(self))}; found {name!r}."
                raise AttributeError(msg)
            setattr(self, name, value)
        try:
            yield
        finally:
            vars(self).update(vars(before))


def _from_environment() -> Settings:
    env, default = os.environ, Settings()
    return Settings(
        device=env.get("SPOTWEAVE_DEVICE", default.device),
        progress=env.get("SPOTWEAVE_PROGRESS", "1") not in {"0", "false", "no"},
        chunk_size=int(env.get("SPOTWEAVE_CHUNK_SIZE", default.chunk_size)),
        cache_dir=Path(env.get("SPOTWEAVE_CACHE_DIR", default.cache_dir)),
    )


settings = _from_environment()
