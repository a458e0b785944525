"""Published encoders of tiles: how each is built, normalised and pooled, under which licence, and where it lies.

Arguments, normalisation, pooling and length of the vectors are those of the model cards; they agree with at least one
public tool that loads the same weights (TRIDENT, lazyslide-models, eva). Nothing is bundled: weights are looked for by
`find_weights` and loaded with every key accounted for, so that a wrong architecture cannot pass in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class EncoderRecord:
    """One published encoder."""

    name: str
    hub_id: str
    """Repository on the Hugging Face hub; empty for torchvision's own weights."""
    timm_name: str
    """Architecture: a name of timm's (of torchvision's, when that is the builder)."""
    licence: str
    n_features: int | None
    timm_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the architecture; `mlp_layer` and `act_layer` are named by a string."""
    builder: Literal["timm", "torchvision", "callable"] = "timm"
    """``"callable"``: needs a package of its own, to be built there and passed as a callable."""
    pooling: Literal["cls", "cls+mean", "mean", "none"] = "cls"
    """What becomes of the tokens: the class token, the mean of the patch tokens, both; ``"none"``: already a vector."""
    tile_px: int = 224
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    weights_file: str = "model.safetensors"
    gated: bool = False
    """The hub gives the weights only to accounts which accepted the licence."""
    layout: Literal["timm", "transformers"] = "timm"
    """Whose names the tensors in the file carry."""
    url: str = ""
    """Address of the file, for torchvision's own weights."""
    package: str = ""
    """For ``"callable"``: how to get the package."""

    @property
    def page(self) -> str:
        """Address of the licence (and of the gate, when there is one)."""
        return f"https://huggingface.co/{self.hub_id}" if self.hub_id else "https://docs.pytorch.org/vision/models"


_SWIGLU = {"mlp_layer": "SwiGLUPacked", "act_layer": "SiLU"}
_BIOPTIMUS: dict[str, Any] = {
    "mean": (0.707223, 0.578729, 0.703617),
    "std": (0.211883, 0.230117, 0.177517),
    "gated": True,
}
_KAIKO: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "licence": "kaiko non-commercial"}
_LUNIT: dict[str, Any] = {
    "mean": (0.70322989, 0.53606487, 0.66096631),
    "std": (0.21716536, 0.26081574, 0.20723464),
    "licence": "Lunit non-commercial",
    "timm_kwargs": {"img_size": 224},
}
_HIBOU: dict[str, Any] = {
    "mean": (0.7068, 0.5755, 0.722),
    "std": (0.195, 0.2316, 0.1816),
    "licence": "Apache-2.0",
    "gated": True,
    "layout": "transformers",
}
_BIN: dict[str, Any] = {"weights_file": "pytorch_model.bin", "gated": True}
_VIRCHOW: dict[str, Any] = {**_SWIGLU, "img_size": 224, "init_values": 1e-5, "mlp_ratio": 5.3375}
_NC = "CC-BY-NC-ND-4.0"


def _kaiko(size: str, timm_name: str, tag: str, n_features: int, **timm_kwargs: Any) -> EncoderRecord:
    hub_id = f"1aurent/{tag}.kaiko_ai_towards_large_pathology_fms"
    return EncoderRecord(f"kaiko-{size}", hub_id, timm_name, n_features=n_features, timm_kwargs=timm_kwargs, **_KAIKO)


_UNI2 = {
    **_SWIGLU, "img_size": 224, "patch_size": 14, "depth": 24, "num_heads": 24, "init_values": 1e-5,
    "embed_dim": 1536, "mlp_ratio": 5.33334, "no_embed_class": True, "reg_tokens": 8,
}  # fmt: skip
_GIGAPATH = {
    "img_size": 224, "patch_size": 16, "embed_dim": 1536, "depth": 40, "num_heads": 24, "mlp_ratio": 5.33334,
}  # fmt: skip
_H0_MINI = {**_SWIGLU, "img_size": 224, "mlp_ratio": 5.33334}

RECORDS = (
    EncoderRecord(
        "uni", "MahmoodLab/UNI", "vit_large_patch16_224", _NC, 1024, {"img_size": 224, "init_values": 1e-5}, **_BIN
    ),
    EncoderRecord("uni2-h", "MahmoodLab/UNI2-h", "vit_giant_patch14_224", _NC, 1536, _UNI2, **_BIN),
    EncoderRecord(
        "conch", "MahmoodLab/CONCH", "", _NC, 512, builder="callable", pooling="none", tile_px=448,
        package="pip install git+https://github.com/mahmoodlab/CONCH.git", **_BIN,
    ),
    EncoderRecord(
        "conch-v1.5", "MahmoodLab/conchv1_5", "", _NC, 768, builder="callable", pooling="none", tile_px=448,
        gated=True, weights_file="pytorch_model_vision.bin",
        package="transformers, whose AutoModel.from_pretrained('MahmoodLab/TITAN', ...).return_conch() gives it",
    ),
    EncoderRecord(
        "virchow", "paige-ai/Virchow", "vit_huge_patch14_224", "Apache-2.0", 2560, _VIRCHOW, pooling="cls+mean", **_BIN
    ),
    EncoderRecord(
        "virchow2", "paige-ai/Virchow2", "vit_huge_patch14_224", _NC, 2560, {**_VIRCHOW, "reg_tokens": 4},
        pooling="cls+mean", **_BIN,
    ),
    EncoderRecord(
        "phikon", "owkin/phikon", "vit_base_patch16_224", "Owkin non-commercial", 768, {"norm_eps": 1e-12},
        layout="transformers",
    ),
    EncoderRecord(
        "phikon-v2", "owkin/phikon-v2", "vit_large_patch16_224", "Owkin non-commercial", 1024, {"init_values": 1.0},
        layout="transformers",
    ),
    EncoderRecord(
        "h-optimus-0", "bioptimus/H-optimus-0", "vit_giant_patch14_reg4_dinov2", "Apache-2.0", 1536,
        {"img_size": 224}, weights_file="pytorch_model.bin", **_BIOPTIMUS,
    ),
    EncoderRecord(
        "h-optimus-1", "bioptimus/H-optimus-1", "vit_giant_patch14_reg4_dinov2", _NC, 1536,
        {"img_size": 224}, weights_file="pytorch_model.bin", **_BIOPTIMUS,
    ),
    EncoderRecord(
        "h0-mini", "bioptimus/H0-mini", "vit_base_patch14_reg4_dinov2", _NC, 1536, _H0_MINI, pooling="cls+mean",
        **_BIOPTIMUS,
    ),
    EncoderRecord(
        "prov-gigapath", "prov-gigapath/prov-gigapath", "vit_giant_patch14_dinov2", "Apache-2.0 with conditions", 1536,
        _GIGAPATH, **_BIN,
    ),
    EncoderRecord(
        "hibou-b", "histai/hibou-b", "vit_base_patch14_reg4_dinov2", n_features=768,
        timm_kwargs={**_SWIGLU, "img_size": 224, "mlp_ratio": 2 * 2048 / 768}, **_HIBOU,
    ),
    EncoderRecord(
        "hibou-l", "histai/hibou-L", "vit_large_patch14_reg4_dinov2", n_features=1024,
        timm_kwargs={**_SWIGLU, "img_size": 224, "mlp_ratio": 2 * 2736 / 1024}, **_HIBOU,  # 8/3 * 1024, to eights
    ),
    EncoderRecord(
        "gpfm", "majiabo/GPFM", "vit_large_patch14_dinov2", "CC-BY-NC-ND-4.0", 1024,
        {"img_size": 224, "init_values": 1e-5}, weights_file="GPFM.pth",
    ),
    _kaiko("vits16", "vit_small_patch16_224", "vit_small_patch16_224", 384),
    _kaiko("vits8", "vit_small_patch8_224", "vit_small_patch8_224", 384),
    _kaiko("vitb16", "vit_base_patch16_224", "vit_base_patch16_224", 768),
    _kaiko("vitb8", "vit_base_patch8_224", "vit_base_patch8_224", 768),
    # its positions are those of 518 pixels; timm brings them to the size of the tile
    _kaiko("vitl14", "vit_large_patch14_reg4_dinov2", "vit_large_patch14_reg4_224", 1024, img_size=518),
    EncoderRecord(
        "lunit-dino-s8", "1aurent/vit_small_patch8_224.lunit_dino", "vit_small_patch8_224", n_features=384, **_LUNIT
    ),
    EncoderRecord(
        "lunit-dino-s16", "1aurent/vit_small_patch16_224.lunit_dino", "vit_small_patch16_224", n_features=384, **_LUNIT
    ),
    EncoderRecord("resnet50", "timm/resnet50.tv_in1k", "resnet50", "BSD-3-Clause", 2048, pooling="none"),
    EncoderRecord("densenet121", "timm/densenet121.tv_in1k", "densenet121", "Apache-2.0", 1024, pooling="none"),
    EncoderRecord(
        "dinov2-s", "timm/vit_small_patch14_dinov2.lvd142m", "vit_small_patch14_dinov2", "Apache-2.0", 384,
        {"img_size": 518},
    ),
)  # fmt: skip


def known_encoders() -> list[EncoderRecord]:
    """Records of the published encoders by name; ``"handcrafted"`` needs no weights and is not among them.

    Returns
    -------
    Records, sorted by name.
    """
    return sorted(RECORDS, key=lambda record: record.name)


def find_record(name: str) -> EncoderRecord | None:
    """Look a name up; letter case, spaces and underscores do not count."""
    wanted = name.lower().replace("_", "-").replace(" ", "-")
    return next((record for record in RECORDS if record.name == wanted), None)
