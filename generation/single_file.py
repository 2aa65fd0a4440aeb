"""A checkpoint in one file, opened: the original layout's tensors, in networks configured by a folder beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import RequestError
from generation.checkpoints import noise_schedule

if TYPE_CHECKING:
    import torch


def open_checkpoint(file: Path, layout: Path, dtype: torch.dtype, **components: Any) -> Any:
    """StableDiffusionXLInstantIDPipeline with the networks of a file. Opens no connection.

    Args:
        file: passed `generation.checkpoints.check_sdxl`.
        layout: folder with SDXL's configurations and tokenizers.
        components: those that do not come from the file, by name.

    Raises RequestError when the tensors are not those of SDXL.
    """
    from diffusers.loaders.single_file_utils import SingleFileComponentError

    from pipeline_instantid import StableDiffusionXLInstantIDPipeline

    try:
        pipeline = StableDiffusionXLInstantIDPipeline.from_single_file(
            str(file), config=str(layout), add_watermarker=False, dtype=dtype, local_files_only=True, **components
        )
    # A tensor that is missing stays without data, of which torch says NotImplementedError, or nothing at first.
    except (SingleFileComponentError, ValueError, NotImplementedError) as error:
        raise _strange(file) from error
    networks = (pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2)
    if any(tensor.is_meta for network in networks for tensor in network.parameters()):
        raise _strange(file)
    pipeline.scheduler.register_to_config(**noise_schedule(file))
    return pipeline


def _strange(file: Path) -> RequestError:
    return RequestError(
        f"{file.name} is named like an SDXL checkpoint, but its tensors are not SDXL's.",
        field="base",
        cure="Give another checkpoint that was made from SDXL.",
    )
