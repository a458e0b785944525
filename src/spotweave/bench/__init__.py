"""Methods x data sets x seeds, each run in a process of its own: scores, times and memory in tidy tables."""

from ._align import align
from ._deconvolve import deconvolve
from ._deconvolve_scaling import deconvolve_scaling
from ._denoise import denoise
from ._denoise_false import denoise_false
from ._denoise_scaling import denoise_scaling
from ._domains import domains
from ._genes import genes
from ._genes_domains import genes_domains
from ._genes_test import genes_test
from ._histology import histology
from ._histology_scaling import histology_scaling
from ._impute import impute
from ._impute_domains import impute_domains
from ._impute_scaling import impute_scaling
from ._integrate import integrate
from ._runner import Running, run_task
from ._scaling import scaling
from ._section import section
from ._task import Task

__all__ = [
    "Running",
    "Task",
    "align",
    "deconvolve",
    "deconvolve_scaling",
    "denoise",
    "denoise_false",
    "denoise_scaling",
    "domains",
    "genes",
    "genes_domains",
    "genes_test",
    "histology",
    "histology_scaling",
    "impute",
    "impute_domains",
    "impute_scaling",
    "integrate",
    "run_task",
    "scaling",
    "section",
]
