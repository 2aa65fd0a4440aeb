"""A base model of the user's own in the place of a profile's: any SDXL checkpoint, by file or repository."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from errors import RequestError, WeightsMissing
from generation.checkpoints import TEXT_WIDTH, check_sdxl
from weights.published import SDXL_LAYOUT, UNVERIFIED, VAE_FP16_FIX, File, Part, Weight, sdxl_layout
from weights.registry import PROFILES, Profile
from weights.store import Progress, Store

OWN_VAE = "own"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
_LIBRARIES = ("diffusers", "transformers")
_FAMILIES = {
    "StableDiffusionPipeline": "Stable Diffusion 1.5 or 2",
    "StableDiffusion3Pipeline": "Stable Diffusion 3",
    "FluxPipeline": "FLUX",
}
_CURE = "Choose a repository or a .safetensors file of a base that was made from SDXL."


def with_base(
    profile: Profile,
    base: str | None,
    vae: str | None,
    store: Store,
    progress: Progress | None = None,
) -> Profile:
    """The profile with another base, another decoder, or both.

    Args:
        base: path of a `.safetensors` checkpoint, or `owner/repository` in diffusers' layout; None keeps the profile's.
        vae: "own" for the one that came with the base, `owner/repository` for another; None for the one that stays
            finite at half precision.

    Raises:
        RequestError: says what is wrong with the base or the decoder.
        WeightsMissing: the repository is not here and cannot be reached.
    """
    if base is not None:
        if not profile.half_precision:  # the drawn world's IdentityNet and adapter fit no SDXL
            profile = PROFILES["sdxl"]
        if _is_file(base):
            profile = _with_file(profile, Path(base), own_vae=vae == OWN_VAE)
        else:
            profile = _with_repo(profile, base, store, progress)
    if vae is None:
        return profile
    if not profile.half_precision:
        raise RequestError("The miniature has one decoder.", field="vae", cure="Leave --vae out.")
    return replace(profile, vae=None if vae == OWN_VAE else _vae(vae, store, progress))


def _with_file(profile: Profile, file: Path, *, own_vae: bool) -> Profile:
    check_sdxl(file, own_vae=own_vae or profile.vae is None)
    name = file.stem[:60]
    return replace(profile, name=name, title=f"{name} (your file)", base=Part(SDXL_LAYOUT), checkpoint=file.absolute())


def _with_repo(profile: Profile, repo: str, store: Store, progress: Progress | None) -> Profile:
    if not _REPO.fullmatch(repo):
        raise RequestError(
            f"The base {Path(repo).name[:80]} is neither a file here nor a repository.", field="base", cure=_CURE
        )
    about = _fetched(_weight(repo, (File("model_index.json"), File("unet/config.json"))), store, progress)
    index, unet = (_table(repo, about / name) for name in ("model_index.json", "unet/config.json"))
    _check(repo, str(index.get("_class_name")), unet)
    _check_libraries(repo, index)
    try:
        weight = _weight(repo, sdxl_layout("fp16"), "fp16")
        _fetched(weight, store, progress)
    except WeightsMissing:
        weight = _weight(repo, sdxl_layout(None))
        _fetched(weight, store, progress)
    name = repo.split("/")[1]
    return replace(profile, name=name, title=f"{name} (your choice)", base=Part(weight), checkpoint=None)


def _check(repo: str, pipeline: str, unet: dict[str, object]) -> None:
    if not pipeline.startswith("StableDiffusionXL"):
        family = _FAMILIES.get(pipeline, f"another family ({pipeline[:60]})")
        raise RequestError(f"{repo} belongs to {family}, not to SDXL.", field="base", cure=_CURE)
    width = unet.get("cross_attention_dim")
    if TEXT_WIDTH.get(width if isinstance(width, int) else 0) != "sdxl" or unet.get("in_channels") != 4:
        raise RequestError(
            f"{repo} is a relative of SDXL whose networks InstantID does not fit (a refiner, or made for inpainting).",
            field="base",
            cure=_CURE,
        )


def _table(repo: str, file: Path) -> dict[str, object]:
    try:
        table = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise RequestError(f"{repo} has a {file.name} that cannot be read.", field="base", cure=_CURE)
    return table


def _check_libraries(repo: str, index: dict[str, object]) -> None:
    """A list in model_index.json says where a part's class comes from: of nothing but these two is code ever run."""
    for part, source in index.items():
        if isinstance(source, list) and (not source or source[0] not in (None, *_LIBRARIES)):
            raise RequestError(
                f"{repo} brings code of its own for its {part[:60]}, which is never run.", field="base", cure=_CURE
            )


def _vae(repo: str, store: Store, progress: Progress | None) -> Part:
    if repo in (VAE_FP16_FIX.name, VAE_FP16_FIX.repo):
        return Part(VAE_FP16_FIX)
    if not _REPO.fullmatch(repo):
        raise RequestError(
            "The decoder is not understood.",
            field="vae",
            cure=f"Give {OWN_VAE}, or owner/repository of a VAE for SDXL.",
        )
    weight = _weight(repo, (File("config.json"), File("diffusion_pytorch_model.safetensors")))
    _fetched(weight, store, progress, "vae")
    return Part(weight)


def _weight(repo: str, files: tuple[File, ...], variant: str | None = None) -> Weight:
    return Weight(
        name=f"hub/{repo}",
        repo=repo,
        revision=None,
        files=files,
        licence=UNVERIFIED,
        licence_note="Chosen by the user; read its model card.",
        purpose="chosen by the user",
        variant=variant,
    )


def _fetched(weight: Weight, store: Store, progress: Progress | None, field: str = "base") -> Path:
    try:
        return store.fetch(weight, progress)
    except WeightsMissing as error:
        raise WeightsMissing(
            f"{weight.repo} is not on this machine and could not be fetched: {error.message}",
            field=field,
            cure="Check the name and the network.",
        ) from error


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # a name too long, or with characters that no file system holds
        return False
