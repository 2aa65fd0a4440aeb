"""On a processor the decoder's convolutions read the channels of a pixel together; the picture is the same."""

import torch

from generation.loading import placed
from generation.memory import Plan
from tests import tiny_pipeline, tiny_sdxl
from tests.tiny_engine import tiny_pipeline as whole_pipeline


@torch.no_grad()
def test_channels_last_on_a_processor_with_the_same_pixels():
    pipeline = placed(whole_pipeline(), Plan("cpu", torch.float32, torch.float32))
    kernels = [layer.weight for layer in pipeline.vae.modules() if isinstance(layer, torch.nn.Conv2d)]
    wide = [kernel for kernel in kernels if kernel.shape[1] > 1 and kernel.shape[2] > 1]
    assert wide and all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in wide)
    latents, pixels = tiny_sdxl.noise("latents", 2, 4, 6, 5), tiny_sdxl.noise("pixels", 1, 3, 64, 48)
    usual = tiny_sdxl.vae()
    ours, theirs = (vae.decode(latents).sample for vae in (pipeline.vae, usual))
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert tiny_pipeline.relative_error(ours, theirs) < 1e-5
    ours, theirs = (vae.encode(pixels).latent_dist.mode() for vae in (pipeline.vae, usual))
    assert tiny_pipeline.relative_error(ours, theirs) < 1e-5
