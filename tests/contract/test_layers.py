"""The architecture, held in place: who may import whom, what an import may cost, what a public name must say."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import spotweave

ROOT = Path(spotweave.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

BASE = {"_check", "_keys", "_settings"}
DOOR = {*BASE, "_gene_names", "_table", "_whole", "core"}
ALLOWED = {
    "__init__": {"_check", "_settings"},
    "_check": set(),
    "_gene_names": {"_check"},
    "_keys": set(),
    "_settings": set(),
    "_whole": {"_check"},
    "_table": BASE,
    "core": {"_check", "_settings"},
    "models": {"_check", "_settings", "core"},
    "gr": DOOR,
    "_slides": {*BASE, "core"},
    "_encoders": {*BASE, "core"},
    "pp": {*DOOR, "_slides", "_encoders"},
    "io": {*DOOR, "_slides"},
    "metrics": {*BASE, "core"},
    "datasets": {*DOOR, "io"},
    "tl": {*DOOR, "_slides", "_encoders", "models", "gr", "pp", "metrics"},
    "pl": {*DOOR, "metrics"},
    "report": {*DOOR, "metrics", "pl"},
    "bench": {*DOOR, "_slides", "_encoders", "models", "gr", "pp", "io", "metrics", "datasets", "tl", "pl"},
    "cli": {
        *DOOR,
        *("__init__", "_slides", "_encoders", "gr", "pp", "io", "metrics", "datasets", "tl", "pl", "report", "bench"),
    },
}
# at module level; inside a function anything heavy may be imported
HEAVY = {
    "torch": {"core", "models"},
    "anndata": {"_table", "io", "datasets", "pl"},
    "matplotlib": {"pl", "report"},
    "scanpy": set(),
    "PIL": {"report"},
    "openslide": set(),
    "tifffile": set(),
    "tiffslide": set(),
    "zarr": set(),
    "pandas": set(ALLOWED) - {"__init__", "core", "_check", "_keys", "_settings"},
}


PRIVATE = {  # parts
    "_report": "report",
    "_commands": "cli",
    "_demo": "cli",
    "_demo_histology": "cli",
    "_demo_slices": "cli",
    "_info": "cli",
    "_gene_images": "pp",
    "_gene_kinds": "_gene_names",
    "_gene_pairing": "_gene_names",
    "_tile_encode": "pp",
    "_tile_features": "pp",
    "_tile_images": "pp",
    "_tile_scale": "pp",
}


def layer_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return PRIVATE.get(first, first)


def statements(tree: ast.AST, *, inside_functions: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements, but not those for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif inside_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from statements(node, inside_functions=inside_functions)


def imported(path: Path, source: str, *, inside_functions: bool) -> set[str]:
    """Absolute dotted names of everything that `source`, lying at `path`, imports."""
    package = ["spotweave", *path.relative_to(ROOT).parent.parts]
    names = set()
    for node in statements(ast.parse(source), inside_functions=inside_functions):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


def violations(path: Path, source: str) -> list[str]:
    layer = layer_of(path)
    own = {n for n in imported(path, source, inside_functions=True) if n.split(".")[0] == "spotweave"}
    used = {(n.split(".") + ["__init__"])[1] for n in own}
    used = {PRIVATE.get(u, u) for u in used}
    layers = {u if u in ALLOWED else "__init__" for u in used}  # `from spotweave import InputError`
    wrong = [f"{layer} imports {u}" for u in sorted(layers - ALLOWED[layer] - {layer})]
    roots = {n.split(".")[0] for n in imported(path, source, inside_functions=False)}
    return wrong + [f"{layer} imports {h} at module level" for h in sorted(roots & set(HEAVY)) if layer not in HEAVY[h]]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    assert layer_of(path) in ALLOWED, f"{layer_of(path)} has no place in DESIGN.md's layers: give it one here"
    assert violations(path, path.read_text()) == []


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("core/x.py", "from .._table import write", ["core imports _table"]),
        ("core/x.py", "from ..models.fusion import F", ["core imports models"]),
        ("core/x.py", "from .. import gr", ["core imports gr"]),
        ("core/x.py", "from .graph import knn\nimport torch", []),
        ("pl/x.py", "def f():\n    from ..tl import domains", ["pl imports tl"]),
        ("tl/deep/x.py", "from ...cli import main", ["tl imports cli"]),
        ("gr.py", "import spotweave.tl", ["gr imports tl"]),
        ("gr.py", "from spotweave import InputError", ["gr imports __init__"]),
        ("gr.py", "if True:\n    import torch", ["gr imports torch at module level"]),
        ("gr.py", "def f():\n    import scanpy\nclass A:\n    import anndata", ["gr imports anndata at module level"]),
        ("gr.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from anndata import AnnData", []),
        ("pp.py", "from ._slides import open_slide\nfrom ._encoders import encoder", []),
        ("core/x.py", "from .._slides import iter_tiles", ["core imports _slides"]),
        ("_slides/_x.py", "from .._table import write", ["_slides imports _table"]),
        ("_slides/_x.py", "from .._check import fail\nfrom PIL import Image", ["_slides imports PIL at module level"]),
        ("_encoders/_x.py", "from .._slides import Slide", ["_encoders imports _slides"]),
        ("models/x.py", "import matplotlib.pyplot as plt", ["models imports matplotlib at module level"]),
    ],
)
def test_the_import_check_can_fail(path, source, expected):
    assert violations(ROOT / path, source) == expected


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `statement`."""
    code = f"{statement}\nimport sys\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_of_the_package_is_light():
    loaded = loaded_by("import spotweave")
    assert {"spotweave", "numpy"} <= loaded
    assert loaded & {"torch", "scanpy", "anndata", "matplotlib", "pandas", "sklearn", "h5py"} == set()


@pytest.mark.parametrize("name", ["gr", "metrics"])
def test_graphs_and_metrics_need_no_torch(name):
    assert loaded_by(f"import spotweave as sw; sw.{name}") & {"torch", "scanpy", "matplotlib"} == set()


def public_names(namespace: str) -> list[str]:
    """Its ``__all__``, read without importing, so that one broken namespace cannot hide the others."""
    single, folder = ROOT / f"{namespace}.py", ROOT / namespace / "__init__.py"
    tree = ast.parse((single if single.exists() else folder).read_text())
    lists = [n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"]
    return ast.literal_eval(lists[0]) if lists else []


PRESENT = [n for n in spotweave._NAMESPACES if (ROOT / f"{n}.py").exists() or (ROOT / n / "__init__.py").exists()]
PUBLIC = [(namespace, name) for namespace in PRESENT for name in public_names(namespace)]


@pytest.mark.parametrize("namespace", PRESENT)
def test_namespace_lists_its_names(namespace):
    module = import_module(f"spotweave.{namespace}")
    assert module.__doc__
    assert list(module.__all__) == sorted(module.__all__, key=lambda n: (n[0].islower(), n)), "sorted, classes first"
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize(("namespace", "name"), PUBLIC)
def test_public_name_is_documented(namespace, name):
    thing = getattr(import_module(f"spotweave.{namespace}"), name)
    doc = inspect.getdoc(thing) or ""
    assert doc.strip(), f"{namespace}.{name} has no docstring"
    if isinstance(thing, FunctionType):
        assert undocumented(thing) == []


def undocumented(function: Any) -> list[str]:
    """Sections and arguments that the docstring lacks."""
    doc, signature = inspect.getdoc(function) or "", inspect.signature(function)
    names = [p.name for p in signature.parameters.values() if p.kind not in {p.VAR_KEYWORD, p.VAR_POSITIONAL}]
    sections = ["Parameters"] * bool(names) + ["Returns"] * (signature.return_annotation not in {None, "None"})
    lacking = [
        s for s in sections if f"{s}\n{'-' * len(s)}" not in doc and not (s == "Returns" and "Yields\n------" in doc)
    ]
    documented = {
        w.strip(" *") for line in doc.splitlines() if not line.startswith(" ") for w in line.split(":")[0].split(",")
    }
    return lacking + [n for n in names if n not in documented]


def test_the_docstring_check_can_fail():
    def bare(x: int, y: int) -> int:
        """Add.

        Parameters
        ----------
        x
            One.
        """
        return x + y

    assert undocumented(bare) == ["Returns", "y"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_readable(path):
    assert len(path.read_text().splitlines()) <= 400
