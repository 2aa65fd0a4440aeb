"""A base model's folder as one file in the layout of SDXL's original code, for autoencoders without attention."""

import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

UNET = (
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^add_embedding\.linear_1", "label_emb.0.0"),
    (r"^add_embedding\.linear_2", "label_emb.0.2"),
    (r"^conv_in", "input_blocks.0.0"),
    (r"^conv_norm_out", "out.0"),
    (r"^conv_out", "out.2"),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
)
RESNET = {
    ".norm1.": ".in_layers.0.",
    ".conv1.": ".in_layers.2.",
    ".time_emb_proj.": ".emb_layers.1.",
    ".norm2.": ".out_layers.0.",
    ".conv2.": ".out_layers.3.",
    ".conv_shortcut.": ".skip_connection.",
}
VAE = (
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"down_blocks\.(\d)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.(\d)\.resnets", r"up.\1.block"),
    (r"up_blocks\.(\d)\.upsamplers\.0", r"up.\1.upsample"),
)
OPEN_CLIP = (
    (r"^text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"^text_model\.embeddings\.token_embedding", "token_embedding"),
    (r"^text_model\.final_layer_norm", "ln_final"),
    (r"^text_model\.encoder\.layers\.", "transformer.resblocks."),
    (r"layer_norm", "ln_"),
    (r"\.fc1\.", ".c_fc."),
    (r"\.fc2\.", ".c_proj."),
    (r"\.self_attn\.", ".attn."),
)


def write_single_file(base: Path, file: Path) -> None:
    """base: folder in diffusers' layout."""
    state = {f"model.diffusion_model.{name}": tensor for name, tensor in _unet(base / "unet").items()}
    state |= {f"first_stage_model.{name}": tensor for name, tensor in _vae(base / "vae").items()}
    first = load_file(base / "text_encoder/model.safetensors")
    state |= {
        f"conditioner.embedders.0.transformer.text_model.{name.removeprefix('text_model.')}": tensor
        for name, tensor in first.items()
    }
    second = _open_clip(load_file(base / "text_encoder_2/model.safetensors"))
    state |= {f"conditioner.embedders.1.model.{name}": tensor for name, tensor in second.items()}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, other in rules:
        name = re.sub(pattern, other, name)
    return name


def _unet(folder: Path) -> dict[str, torch.Tensor]:
    layers = json.loads((folder / "config.json").read_text())["layers_per_block"]
    state = load_file(folder / "diffusion_pytorch_model.safetensors")
    attended = {int(name.split(".")[1]) for name in state if re.match(r"up_blocks\.\d\.attentions", name)}

    def place(name: str) -> str:
        found = re.match(r"(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.*)", name)
        if found is None:
            return _renamed(name, UNET)
        way, block, kind, number, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
        if kind == "downsamplers":
            return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{rest.removeprefix('conv.')}"
        if kind == "upsamplers":
            return f"output_blocks.{block * (layers + 1) + layers}.{1 + (block in attended)}.{rest}"
        blocks = f"input_blocks.{block * (layers + 1) + number + 1}"
        if way == "up":
            blocks = f"output_blocks.{block * (layers + 1) + number}"
        return f"{blocks}.{int(kind == 'attentions')}.{rest}"

    renamed = {}
    for name, tensor in state.items():
        told = place(name)
        if "resnets" in name:
            for ours, theirs in RESNET.items():
                told = told.replace(ours, theirs)
        renamed[told] = tensor
    return renamed


def _vae(folder: Path) -> dict[str, torch.Tensor]:
    levels = len(json.loads((folder / "config.json").read_text())["block_out_channels"])
    state = load_file(folder / "diffusion_pytorch_model.safetensors")

    def upward(found: re.Match[str]) -> str:
        return f"up_blocks.{levels - 1 - int(found[1])}."

    return {_renamed(re.sub(r"up_blocks\.(\d)\.", upward, name), VAE): tensor for name, tensor in state.items()}


def _open_clip(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = {"text_projection": state.pop("text_projection.weight").T}
    for name in [name for name in state if ".q_proj." in name]:
        kind = name.rpartition(".")[2]
        parts = [state.pop(name.replace("q_proj", part)) for part in ("q_proj", "k_proj", "v_proj")]
        renamed[_renamed(name.replace(f"q_proj.{kind}", f"in_proj_{kind}"), OPEN_CLIP)] = torch.cat(parts)
    return renamed | {_renamed(name, OPEN_CLIP): tensor for name, tensor in state.items()}
