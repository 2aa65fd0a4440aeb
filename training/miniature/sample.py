"""Pictures from a checkpoint in batches, to look at and to measure while training goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.miniature.adapter import EMBEDDING, AdapterStage, FaceScales, predict
from training.miniature.base import BLOCKS, BaseStage, time_ids
from training.miniature.bundle import newest
from training.miniature.checkpoint import averaged_weights, checkpoint_of
from training.miniature.codec import PATCH, SIDE, Components, assembled, new_autoencoder
from training.miniature.noise import new_scheduler
from training.miniature.text import encode, load_tokenizer, tokenised


class Sampler:
    """The newest weights (moving averages) of a run; the faces take part once the adapter has a checkpoint."""

    def __init__(self, out: Path) -> None:
        self.tokenizer = load_tokenizer(out / "prepared" / "tokenizer")
        self.components = Components.load(out / "components.npz")
        weights, face = newest(out)
        base = BaseStage(out / "prepared", len(self.tokenizer))
        network = base.build()
        network.load_state_dict(weights)
        self.text_encoders = network["text_encoder"].eval(), network["text_encoder_2"].eval()  # type: ignore[index]
        self.network: nn.Module = network
        self.faces = any(checkpoint_of(out / name) is not None for name in ("joint", "adapter"))
        if self.faces:
            self.network = AdapterStage(out / "prepared", out / "base.safetensors").build()
            unet = {name: value for name, value in weights.items() if name.startswith("unet.")}
            self.network.load_state_dict(unet | face)
        self.network.eval()
        self.decoder = None
        if checkpoint_of(out / "decoder") is not None:
            channels = len(self.components.deviation)
            halves = new_autoencoder(channels).state_dict() | averaged_weights(out / "decoder")
            self.decoder = assembled(halves, channels)

    @torch.inference_mode()
    def draw(
        self,
        prompts: Sequence[str],
        *,
        negative: str = "",
        embeddings: np.ndarray | None = None,
        landmarks: np.ndarray | None = None,
        adapter_scale: float = 1.0,
        net_scale: float = 1.0,
        guidance: float = 2.5,
        steps: int = 20,
        seed: int = 0,
    ) -> np.ndarray:
        """(n, side, side, 3) uint8 RGB.

        embeddings: (n, 512) raw. landmarks: (n, side, side, 3) uint8 RGB. Without them the faces are zero and the
        landmark pictures black, and both scales 0.
        """
        n = len(prompts)
        words, pooled = encode(
            *self.text_encoders, torch.from_numpy(tokenised(self.tokenizer, [negative] * n + list(prompts)))
        )
        scheduler = new_scheduler()
        scheduler.set_timesteps(steps)
        noise = torch.Generator().manual_seed(seed)
        latents = torch.randn(n, len(self.components.deviation), SIDE // PATCH, SIDE // PATCH, generator=noise)
        network = self.network
        if self.faces:
            if embeddings is None or landmarks is None:
                embeddings, landmarks = np.zeros((n, EMBEDDING), np.float32), np.zeros((n, SIDE, SIDE, 3), np.uint8)
                adapter_scale = net_scale = 0.0
            face = torch.from_numpy(np.concatenate([np.zeros_like(embeddings), embeddings]).astype(np.float32))
            shown = torch.from_numpy(landmarks.astype(np.float32) / 255).permute(0, 3, 1, 2).repeat(2, 1, 1, 1)
            each = torch.ones(2 * n)
            scales = FaceScales.of(
                net_scale * each, adapter_scale * each, each[:, None, None, None], SIDE // PATCH, len(BLOCKS)
            )
        added = {"text_embeds": pooled, "time_ids": time_ids(2 * n)}
        for moment in scheduler.timesteps:
            both, when = torch.cat([latents, latents]), moment.expand(2 * n)
            with torch.autocast("cpu", torch.bfloat16):
                if self.faces:
                    made = predict(network, both, when, words, pooled, face, shown, scales)
                else:
                    made = network["unet"](both, when, words, added_cond_kwargs=added).sample  # type: ignore[operator, index]
            without, with_text = made.float().chunk(2)
            latents = scheduler.step(without + guidance * (with_text - without), moment, latents).prev_sample
        if self.decoder is None:
            return self.components.decode(latents.numpy())
        pictures = self.decoder.decode(latents).sample
        return ((pictures + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
