"""From a name, a network or a function to an encoder."""

import difflib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._check import fail, listing
from ._callable import CallableEncoder
from ._handcrafted import HandcraftedEncoder
from ._network import NetworkEncoder, import_timm, import_torchvision
from ._protocol import Encoder
from ._registry import RECORDS, EncoderRecord, find_record
from ._weights import cached_file, download_file, no_weights


def get_encoder(
    encoder: str | Encoder | Callable[[Any], Any],
    *,
    weights: str | Path | None = None,
    download: bool = False,
    device: str = "auto",
) -> Encoder:
    """Make an encoder of tiles.

    Parameters
    ----------
    encoder
        ``"handcrafted"`` (colour and texture, no weights); a name of `known_encoders`; ``"timm:NAME"``,
        ``"torchvision:NAME"`` or ``"hf-hub:ORG/NAME"`` (a repository in timm's format) for any other network; an
        `Encoder`; a ``torch.nn.Module`` or a function from tiles to vectors (`CallableEncoder`).
    weights
        File, or folder that holds the expected file. Without it the local Hugging Face cache is searched.
    download
        Download the weights when they are not in that cache. Nothing is downloaded unasked, and no network ever runs
        with random weights.
    device
        Where a named network runs; ``"auto"``: `settings.device`.

    Returns
    -------
    The encoder.

    Raises
    ------
    InputError
        The name is unknown, the weights or a package are absent, or `weights` are given to what has its own.
    """
    if isinstance(encoder, str) and encoder != "handcrafted":
        return _named(encoder, weights=weights, download=download, device=device)
    if weights is not None or download:
        raise fail("`weights` and `download` only with the name of a network", f"encoder={encoder!r}")
    if isinstance(encoder, str):
        return HandcraftedEncoder()
    if isinstance(encoder, Encoder):
        return encoder
    if callable(encoder):
        return CallableEncoder(encoder)
    raise fail("an encoder: a name, an Encoder, a torch.nn.Module or a function of tiles", repr(encoder))


def _named(name: str, *, weights: str | Path | None, download: bool, device: str) -> Encoder:
    kind, _, rest = name.partition(":")
    if rest and kind in {"timm", "torchvision", "hf-hub"}:
        record = _generic(kind, rest, weights=weights, download=download)
    else:
        found = find_record(name)
        if found is None:
            raise _unknown(name)
        record = found
    if record.builder == "callable":
        raise fail(
            f"a function for encoder {record.name!r}, whose network comes with a package of its own",
            "its name",
            f"Get it by {record.package} (licence: {record.licence}, {record.page}), build it, and pass "
            f"encoder=function, tiles uint8 [b, h, w, 3] -> [b, {record.n_features}].",
        )
    return NetworkEncoder(record, weights=weights, download=download, device=device)


def _unknown(name: str) -> Exception:
    names = sorted(["handcrafted", *(record.name for record in RECORDS)])
    close = difflib.get_close_matches(name.lower(), names, n=4, cutoff=0.5)
    remedy = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    other = "Any other network: 'timm:NAME', 'torchvision:NAME' or 'hf-hub:ORG/NAME'."
    return fail(f"an encoder out of {listing(names, most=len(names))}", repr(name), remedy + other)


def _generic(kind: str, name: str, *, weights: str | Path | None, download: bool) -> EncoderRecord:
    if kind == "timm":
        return _of_timm(name)
    return _of_torchvision(name) if kind == "torchvision" else _of_hub(name, weights=weights, download=download)


def _of_timm(name: str) -> EncoderRecord:
    timm = import_timm()
    try:
        config = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    except RuntimeError:  # an architecture that it knows, with weights that it does not
        config = None
    if config is None:
        raise fail("a network that timm knows", repr(name), f"Close: {timm.list_models(f'*{name}*')[:5]}.")
    config = config.to_dict()
    return EncoderRecord(
        f"timm:{name}", config.get("hf_hub_id") or "", name, str(config.get("license") or "see its page"), None,
        builder="timm", pooling="none", tile_px=config["input_size"][1], mean=config["mean"], std=config["std"],
    )  # fmt: skip


def _of_torchvision(name: str) -> EncoderRecord:
    models = import_torchvision().models
    if name not in models.list_models(module=models):
        raise fail("a classifier that torchvision knows", repr(name))
    url = models.get_model_weights(name).DEFAULT.url
    return EncoderRecord(
        f"torchvision:{name}", "", name, "see its page", None, builder="torchvision", pooling="none",
        weights_file=Path(url).name, url=url,
    )  # fmt: skip


def _of_hub(hub_id: str, *, weights: str | Path | None, download: bool) -> EncoderRecord:
    """Read the architecture from the repository's ``config.json``, as timm writes it."""
    bare = EncoderRecord(f"hf-hub:{hub_id}", hub_id, "", "see its page", None, pooling="none", gated=True)
    if weights is not None:
        folder = Path(weights).expanduser()
        path: Path | None = (folder if folder.is_dir() else folder.parent) / "config.json"
    else:
        path = cached_file(hub_id, ["config.json"]) or (download_file(bare, ["config.json"]) if download else None)
    if path is None or not path.is_file():
        raise no_weights(bare, f"no config.json ({path or 'not in the local Hugging Face cache'})")
    config = json.loads(path.read_text())
    if "architecture" not in config:
        raise fail("a config.json in timm's format (with `architecture`)", f"{sorted(config)[:6]} in {path}")
    details = {**config, **config.get("pretrained_cfg", {})}
    shape: dict[str, Any] = {k: tuple(details[k]) for k in ("mean", "std") if k in details}
    return EncoderRecord(
        bare.name, hub_id, config["architecture"], str(details.get("license", "see its page")), None,
        config.get("model_args") or {}, pooling="none", gated=True,
        tile_px=details.get("input_size", [3, 224, 224])[1], **shape,
    )  # fmt: skip
