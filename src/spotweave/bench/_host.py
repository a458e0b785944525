"""What the machine is, for the foot of a page."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def host() -> str:
    """One line: cores, processor, memory, versions of what the times depend on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    versions = ", ".join(f"{name} {version(name)}" for name in ("spotweave", "numpy", "scipy", "torch"))
    return f"{cores} cores ({_processor()}), {memory:.0f} GB; Python {platform.python_version()}, {versions}."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
