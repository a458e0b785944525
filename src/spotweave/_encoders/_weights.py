"""Find the weights of a published encoder: a path, the local Hugging Face cache, or a download that was asked for."""

import hashlib
import os
from pathlib import Path

from .._check import InputError, fail, listing
from ._registry import EncoderRecord

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
STANDARD_FILES = ("model.safetensors", "pytorch_model.bin")

_hashes: dict[tuple[str, int, int], str] = {}


def find_weights(record: EncoderRecord, weights: str | Path | None = None, *, download: bool = False) -> Path:
    """Find the file with the weights of `record`.

    Parameters
    ----------
    record
        The encoder.
    weights
        File (.safetensors, .pth, .pt, .bin), or folder that holds the expected file. When given, nothing else is tried.
    download
        Ask the hub when the local cache lacks the file.

    Returns
    -------
    Path of an existing file.

    Raises
    ------
    InputError
        There are no weights; names the file, the page of the licence and the ways to supply it.
    """
    if weights is not None:
        return _from_path(record, Path(weights).expanduser())
    if record.url:
        return _from_torch(record, download=download)
    cached = cached_file(record.hub_id, file_names(record))
    if cached is not None:
        return cached
    if download:
        return download_file(record, file_names(record))
    raise no_weights(record, f"none in the local Hugging Face cache {hub_cache()}")


def file_names(record: EncoderRecord) -> list[str]:
    """Names under which the weights may lie, the expected one first."""
    return list(dict.fromkeys([record.weights_file, *STANDARD_FILES]))


def no_weights(record: EncoderRecord, found: str) -> InputError:
    """The one error about absent weights."""
    what = f"weights of encoder {record.name!r} ({record.weights_file}{' of ' * bool(record.hub_id)}{record.hub_id})"
    gate = (
        f"Accept its licence ({record.licence}) at {record.page}"
        if record.gated
        else f"Licence: {record.licence}, {record.page}"
    )
    login = " (after `hf auth login`)" if record.gated else ""
    return fail(what, found, f"{gate}. Then pass weights=PATH (the file or its folder), or download=True{login}.")


def _from_path(record: EncoderRecord, path: Path) -> Path:
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise fail(f"weights in a file that ends in one of {list(SUFFIXES)}", str(path))
        return path
    if not path.is_dir():
        raise no_weights(record, f"no file or folder {path}")
    named = [path / name for name in file_names(record) if (path / name).is_file()]
    others = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES)
    if not named and len(others) != 1:
        raise no_weights(record, f"{listing(p.name for p in others)} in folder {path}")
    return (named or others)[0]


def _from_torch(record: EncoderRecord, *, download: bool) -> Path:
    """Weights of torchvision's own: in the cache of torch's hub, or from their address, the hash in the name checked."""
    from torch import hub

    path = Path(hub.get_dir()) / "checkpoints" / record.weights_file
    if not path.is_file() and not download:
        raise no_weights(record, f"none in torch's cache {path.parent}")
    try:
        if not path.is_file():
            hub.load_state_dict_from_url(record.url, map_location="cpu", progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise no_weights(record, f"no download: {_first_line(error)}") from None
    return path


def hub_cache() -> Path:
    """Folder of the local Hugging Face cache, by the variables that huggingface_hub reads."""
    env = os.environ
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if env.get(variable):
            return Path(env[variable]).expanduser()
    default = Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return (Path(env.get("HF_HOME") or default) / "hub").expanduser()


def cached_file(hub_id: str, names: list[str]) -> Path | None:
    """Find the first of `names` in the cached snapshots of a repository, that of ``main`` first, else the newest.

    The folders are read directly (``models--ORG--NAME/snapshots/REVISION/FILE``): no package is needed and no network
    is asked. Letter case does not count, since the hub forgives it and the cache keeps what was asked for.
    """
    wanted, cache = f"models--{hub_id.replace('/', '--')}".lower(), hub_cache()
    folders = [p for p in cache.iterdir() if p.name.lower() == wanted] if cache.is_dir() else []
    snapshots = [s for folder in sorted(folders) for s in _snapshots(folder)]
    found = (snapshot / name for snapshot in snapshots for name in names)
    return next((path for path in found if path.is_file()), None)


def _snapshots(folder: Path) -> list[Path]:
    main = folder / "refs" / "main"
    current = main.read_text().strip() if main.is_file() else ""
    snapshots = [p for p in folder.glob("snapshots/*") if p.is_dir()]
    return sorted(snapshots, key=lambda p: (p.name != current, -p.stat().st_mtime_ns))


def download_file(record: EncoderRecord, names: list[str]) -> Path:
    """Download the first of `names` that the repository has."""
    try:
        from huggingface_hub import errors, hf_hub_download
    except ImportError as error:
        raise missing_package("huggingface_hub", error) from None
    for name in names:
        try:
            return Path(hf_hub_download(repo_id=record.hub_id, filename=name))
        except errors.LocalEntryNotFoundError as error:  # the hub was not reached
            raise no_weights(record, f"no answer from the hub: {_first_line(error)}") from None
        except errors.EntryNotFoundError:
            continue
        except (errors.HfHubHTTPError, OSError, ValueError) as error:
            raise no_weights(record, f"a refusal by the hub: {_first_line(error)}") from None
    raise no_weights(record, f"no file {' or '.join(names)} in the repository")


def _first_line(error: BaseException) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    text = next((line for line in str(error).splitlines() if line.strip()), "").strip().rstrip(".")
    return f"{type(error).__name__}{f' {status}' * bool(status)}: {text}"


def missing_package(name: str, error: BaseException) -> InputError:
    """The error for a package that is not installed, or that does not load."""
    found = "it is not installed" if isinstance(error, ModuleNotFoundError) else f"it does not load: {error}"
    return fail(f"the package {name}", found, 'Install it with: pip install "spotweave[histology]".')


def weight_hash(path: str | Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a file, remembered for its path, size and time of change."""
    path = Path(path).resolve()
    state = path.stat()
    key = (str(path), state.st_size, state.st_mtime_ns)
    if key not in _hashes:
        with path.open("rb") as file:
            _hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return _hashes[key]
