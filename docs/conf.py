"""Settings of Sphinx. Pages are plain Markdown: nothing is executed, nothing is fetched."""

import shutil
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

project = "spotweave"
author = "the spotweave developers"
copyright = "2026, the spotweave developers"
version = release = installed_version("spotweave")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "_templates", "generated/results"]
templates_path = ["_templates"]

nb_execution_mode = "off"
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"  # signatures carry defaults, docstrings carry shapes and units
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "sphinx_book_theme"
html_title = "spotweave"
html_static_path = ["_static"]
html_theme_options = {"show_toc_level": 2, "show_navbar_depth": 1}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Tables of benchmarks are included where they were run; a checkout without them still builds.
RESULTS = {
    "domains": "spotweave bench domains",
    "ablations": "spotweave bench domains --sets all --methods all --seeds 3 -o FOLDER",
    "section": "spotweave bench section",
    "scaling": "spotweave bench scaling",
    "denoise": "spotweave bench denoise",
    "denoise_false": "spotweave bench denoise-false",
    "denoise_scaling": "spotweave bench denoise-scaling",
    "genes": "spotweave bench genes --methods all",
    "genes_domains": "spotweave bench genes-domains",
    "genes_test": "spotweave bench genes-test",
    "impute": "spotweave bench impute --sets all",
    "impute_domains": "spotweave bench impute-domains",
    "impute_scaling": "spotweave bench impute-scaling",
    "integrate": "spotweave bench integrate",
    "align": "spotweave bench align",
    "deconvolve": "spotweave bench deconvolve",
    "deconvolve_scaling": "spotweave bench deconvolve-scaling",
    "histology": "spotweave bench histology",
    "histology_scaling": "spotweave bench histology-scaling",
}


def collect_results(here: Path) -> None:
    """Copy the pages of ``benchmarks/results`` beside the docs, or say how to make them."""
    folder = here / "generated" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    for name, command in RESULTS.items():
        source = here.parent / "benchmarks" / "results" / f"{name}.md"
        absent = f"# {name.replace('_', ' ').capitalize()}\n\nNot measured yet: `{command}`.\n"
        text = source.read_text() if source.exists() else absent
        (folder / f"{name}.md").write_text(text)


shutil.rmtree(Path(__file__).parent / "generated", ignore_errors=True)  # pages of names that are gone would warn
collect_results(Path(__file__).parent)


_kept: list[str] = []


def _keep(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Keep the text of a field from napoleon, which takes what stands before a colon for its type."""
    _kept[:] = lines


def _restore(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    if what in {"attribute", "property"}:
        lines[:] = _kept


def _signature(app: Any, what: str, *rest: Any) -> tuple[str, None] | None:
    """Leave out the signature of a class: its fields and their defaults are listed below it."""
    return ("", None) if what == "class" else None


def setup(app: Any) -> None:
    """Called by Sphinx; napoleon's own handler has priority 500."""
    app.connect("autodoc-process-docstring", _keep, priority=400)
    app.connect("autodoc-process-docstring", _restore, priority=600)
    app.connect("autodoc-process-signature", _signature)
