"""How well the bundle draws people whom it has never seen, measured through its own pipeline and face pack.

``python -m training.miniature.evaluate --people 48 --out report.json --sheet sheet.png``

Every person gets one reference picture in photo style; the wanted picture has another pose, light, style, place and
clothes. Identity is the cosine between the embedding of the reference and that of the made face, aligned by the
wanted keypoints; rank-1 is the share of made faces that are nearest to their own reference among all people. The
keypoint error is the detector's, over the distance between the eyes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from diffusers import AutoencoderKL, ControlNetModel
from PIL import Image

from face.analyzer import FaceAnalyzer
from face.keypoints import draw_keypoints, keypoint_error
from face.region import face_region
from pipeline_instantid import StableDiffusionXLInstantIDPipeline
from training.miniature.__main__ import ASSETS, LIMITS, PICTURE_STYLES
from training.miniature.caption import caption
from training.miniature.codec import signal_to_noise
from training.miniature.draw import render
from training.miniature.face_pack import DET_SIZE, Recogniser
from training.miniature.person import EVALUATION_SEEDS, Person
from training.miniature.prepared import KEYPOINT_BASE
from training.miniature.shot import Shot

VARIANTS: dict[str, tuple[float, float]] = {  # adapter scale, IdentityNet scale
    "both": (1.0, 1.0),
    "at 0.8": (0.8, 0.8),
    "adapter alone": (1.0, 0.0),
    "IdentityNet alone": (0.0, 1.0),
    "neither": (0.0, 0.0),
}


@dataclass(frozen=True, eq=False)
class Case:
    """One unseen person: the picture that is given and the picture that is asked for, both drawn."""

    reference: np.ndarray  # (side, side, 3) uint8 RGB
    reference_keypoints: np.ndarray  # (5, 2) float32 px
    wanted: np.ndarray
    wanted_keypoints: np.ndarray
    prompt: str
    shot: Shot

    @classmethod
    def draw(cls, number: int, seed: int) -> Case:
        person = Person.from_seed(EVALUATION_SEEDS.start + number)
        rng = np.random.default_rng([seed, number, 77])
        limits = dict(LIMITS)
        given = render(person, Shot.sample(rng, style="photo", **limits))  # type: ignore[arg-type]
        shot = Shot.sample(rng, style_shares=PICTURE_STYLES, **limits)  # type: ignore[arg-type]
        wanted = render(person, shot)
        prompt = caption(person, shot, rng, identity_words=False)
        return cls(given.image, given.keypoints, wanted.image, wanted.keypoints, prompt, shot)


def identity(references: np.ndarray, made: np.ndarray) -> dict[str, float]:
    """Cosine to one's own reference, to the others' and rank-1, of embeddings (people, 512) in the same order."""
    given = references / np.linalg.norm(references, axis=1, keepdims=True)
    found = made / np.linalg.norm(made, axis=1, keepdims=True)
    cosine = found @ given.T
    own = np.diag(cosine)
    others = (cosine.sum() - own.sum()) / (cosine.size - len(own))
    nearest = cosine.argmax(1) == np.arange(len(own))
    return {"own": float(own.mean()), "others": float(others), "rank1": float(nearest.mean())}


def load_pipeline(bundle: Path) -> StableDiffusionXLInstantIDPipeline:
    net = ControlNetModel.from_pretrained(bundle / "ControlNetModel", dtype=torch.float32)
    pipeline = StableDiffusionXLInstantIDPipeline.from_pretrained(bundle / "base", controlnet=net, dtype=torch.float32)
    pipeline.load_ip_adapter_instantid(bundle)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def through_codec(vae: AutoencoderKL, pictures: np.ndarray) -> np.ndarray:
    """Pictures (n, side, side, 3) uint8 encoded and decoded again."""
    with torch.inference_mode():
        tensor = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        made = vae.decode(vae.encode(tensor).latent_dist.mode()).sample
    return ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def measure(
    bundle: Path, people: int, *, steps: int, guidance: float, seed: int, region: bool, variants: list[str]
) -> tuple[dict[str, dict[str, float]], np.ndarray]:
    """The table's rows by name, and a picture sheet: reference, wanted, and one row a variant."""
    cases = [Case.draw(number, seed) for number in range(people)]
    recogniser = Recogniser(bundle / "face")
    analyzer = FaceAnalyzer(bundle / "face", det_size=DET_SIZE)
    pipeline = load_pipeline(bundle)
    points = np.stack([case.wanted_keypoints for case in cases])
    references = recogniser.embed_faces(
        [case.reference for case in cases], np.stack([case.reference_keypoints for case in cases])
    )
    wanted = np.stack([case.wanted for case in cases])

    def row(pictures: np.ndarray) -> dict[str, float]:
        errors = []
        for picture, target in zip(pictures, points, strict=True):
            found = analyzer.find(Image.fromarray(picture))
            if found:
                errors.append(keypoint_error(found[0].keypoints, target))
        result = identity(references, recogniser.embed_faces(pictures, points))
        result["found"] = len(errors) / len(pictures)
        result["keypoint_error"] = float(np.mean(errors)) if errors else float("nan")
        return result

    copies = through_codec(pipeline.vae, wanted)
    rows = {"drawn": row(wanted), "drawn, through the codec": row(copies)}
    rows["drawn, through the codec"]["psnr"] = signal_to_noise(wanted, copies)
    sheet = [np.stack([case.reference for case in cases]), wanted]
    side = wanted.shape[1]
    for variant in variants:
        adapter_scale, net_scale = VARIANTS[variant]
        made = []
        for number, case in enumerate(cases):
            landmarks = draw_keypoints(case.wanted_keypoints, (side, side), scale=side / KEYPOINT_BASE)
            mask = face_region(case.wanted_keypoints, (side, side)) if region else None
            picture = pipeline(
                case.prompt, negative_prompt="", image=landmarks, image_embeds=references[number], control_mask=mask,
                ip_adapter_scale=adapter_scale, controlnet_conditioning_scale=net_scale, num_inference_steps=steps,
                guidance_scale=guidance, generator=torch.Generator().manual_seed(seed + number),
            ).images[0]  # fmt: skip
            made.append(np.asarray(picture.convert("RGB")))
        rows[variant] = row(np.stack(made))
        sheet.append(np.stack(made))
    return rows, np.concatenate([np.concatenate(list(part[:16]), axis=1) for part in sheet])


def main(
    bundle: Annotated[Path, typer.Option(help="The folder of the bundle.")] = ASSETS,
    people: int = 48,
    steps: int = 20,
    guidance: float = 2.5,
    seed: int = 0,
    region: Annotated[bool, typer.Option(help="Keep the face to its region, as the app does.")] = False,
    variant: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(VARIANTS)}; all if none.")] = None,
    out: Path | None = None,
    sheet: Path | None = None,
) -> None:
    """Print the table, and write it and a sheet of pictures where asked."""
    rows, picture = measure(
        bundle, people, steps=steps, guidance=guidance, seed=seed, region=region, variants=variant or list(VARIANTS)
    )
    print("| pictures | own | others | rank-1 | found | keypoint error |\n|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(
            f"| {name} | {row['own']:.3f} | {row['others']:.3f} | {row['rank1']:.2f} | {row['found']:.2f} "
            f"| {row['keypoint_error']:.3f} |"
        )
    print(f"codec {rows['drawn, through the codec']['psnr']:.2f} dB")
    if out:
        out.write_text(json.dumps(rows, indent=1))
    if sheet:
        Image.fromarray(picture).save(sheet)


if __name__ == "__main__":
    typer.run(main)
