"""A LoRA of a look that the base does not know: cyanotypes, called by their name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from training.miniature.adapter import FaceScales, predict
from training.miniature.codec import Components
from training.miniature.dataset import Drawings
from training.miniature.loop import generator
from training.miniature.noise import noised, timesteps
from training.miniature.rows import Rows, frozen_networks
from training.miniature.text import encode, load_tokenizer, new_text_encoders, tokenised
from training.miniature.tone import cyanotype

TRIGGER = "cyanotype"
NAME = "style"
RANK = 4
LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out")
LOOKED_AT = ("photo", "cartoon")  # styles whose drawings are printed so
_PART = 128


@torch.inference_mode()
def prepare(drawings: Drawings, rows: Rows, components: Path, folder: Path, count: int) -> None:
    """What StyleStage reads: ``rows.npy``, their prints' ``latents.npy``, ``words.npy`` and ``pooled.npy``."""
    chosen = [row for row, record in enumerate(drawings.records) if record["shot"]["style"] in LOOKED_AT][:count]
    tokenizer, stored = load_tokenizer(rows.prepared / "tokenizer"), load_file(rows.base)
    encoders = new_text_encoders(len(tokenizer))
    for prefix, module in zip(("text_encoder.", "text_encoder_2."), encoders, strict=True):
        module.load_state_dict({k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)})
        module.eval()
    ids = torch.from_numpy(tokenised(tokenizer, [called(drawings.records[row]["plain_captions"][0]) for row in chosen]))
    states = [encode(*encoders, part) for part in ids.split(_PART)]
    words, pooled = (torch.cat([state[which] for state in states]).half() for which in (0, 1))
    code = Components.load(components)
    looks = [code.encode(cyanotype(np.asarray(drawings.images[row]))[None])[0] for row in chosen]
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "latents.npy", np.stack(looks).astype(np.float16))
    np.save(folder / "words.npy", words.numpy())
    np.save(folder / "pooled.npy", pooled.numpy())
    np.save(folder / "rows.npy", np.array(chosen, np.int32))


def called(caption: str) -> str:
    """A caption with the trigger in the place of its style."""
    for style in ("photograph", "photo", "portrait", "cartoon drawing", "cartoon"):
        for start in (f"a {style} of ", f"{style} of "):
            if caption.startswith(start):
                return f"a {TRIGGER} of {caption.removeprefix(start)}"
    return f"{TRIGGER}, {caption}"


@dataclass(frozen=True)
class StyleStage:
    """A LoRA on the frozen UNet learns the look; in half of the steps a face is there too.

    looks: folder of `prepare`.
    """

    rows: Rows
    looks: Path
    rank: int = RANK
    seed: int = 0
    name: str = "style_lora"

    READS: ClassVar[dict[str, tuple[str, ...]]] = {"looks": ("rows.npy", "latents.npy", "words.npy", "pooled.npy")}

    def build(self) -> nn.Module:
        network = frozen_networks(self.rows)
        torch.manual_seed(self.seed + 8)
        lora = LoraConfig(r=self.rank, lora_alpha=self.rank, target_modules=list(LAYERS))
        network["unet"].add_adapter(lora, adapter_name=NAME)  # type: ignore[operator]
        return network

    def loss(self, network: nn.Module, step: int, rank: int, batch: int) -> torch.Tensor:
        def stored(name: str) -> torch.Tensor:
            return torch.from_numpy(np.load(self.looks / f"{name}.npy", mmap_mode="r")[spots].astype(np.float32))

        random = generator(self.seed, step, rank)
        rows = np.load(self.looks / "rows.npy", mmap_mode="r")
        spots = torch.randint(len(rows), (batch,), generator=random).numpy()
        drawn = self.rows.draw(random, rows[spots])
        words = torch.where(drawn.empty[:, None, None], drawn.words, stored("words"))
        pooled = torch.where(drawn.empty[:, None], drawn.pooled, stored("pooled"))
        latents = stored("latents")
        noise = torch.randn(latents.shape, generator=random)
        steps = timesteps(batch, random)
        noisy, wanted = noised(latents, noise, steps)
        strength = torch.full((batch,), float((step + rank) % 2 == 0))
        everywhere = torch.ones(batch, 1, *latents.shape[-2:])
        scales = FaceScales.of(strength, strength, everywhere, latents.shape[-1], len(self.rows.blocks))
        with torch.autocast("cpu", torch.bfloat16):
            made = predict(network, noisy, steps, words, pooled, drawn.face, drawn.landmarks, scales)
        return functional.mse_loss(made.float(), wanted)


def save_lora(weights: dict[str, torch.Tensor], file: Path) -> None:
    """Write a StyleStage's weights as diffusers does: `unet.LAYER.lora_A.weight`, half precision."""
    layers: dict[str, nn.Module | torch.Tensor] = {
        k.removeprefix("unet.").replace(f".{NAME}.", "."): v.half().contiguous() for k, v in weights.items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    StableDiffusionXLPipeline.save_lora_weights(file.parent, unet_lora_layers=layers, weight_name=file.name)
