"""The diffusers pipelines on OpenVINO: an export opened for a device, as the components of a pipeline."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

from errors import RequestError, WeightsCorrupt, WeightsMissing
from openvino_backend.compiled import Device, Network
from openvino_backend.export import graphs_now, read_configs
from openvino_backend.manifest import Manifest
from openvino_backend.modules import (
    CompiledControlNet,
    CompiledIdentityNet,
    CompiledResampler,
    CompiledText,
    CompiledTinyVAE,
    CompiledUNet,
    CompiledVAE,
)


class Export:
    """A folder of exported networks, opened for a device.

    Args:
        folder: of one precision.
        device: for all of them.

    Attributes:
        opened: name -> every network compiled so far.

    Raises WeightsMissing when there is none, or one that was stopped half way.
    """

    def __init__(self, folder: Path, device: Device) -> None:
        manifest = Manifest.read(folder)
        if manifest is None or not manifest.networks:
            raise WeightsMissing(
                f"There is no OpenVINO export at {folder}.",
                field="backend",
                cure="Run: python cli.py openvino export",
            )
        if missing := manifest.missing():
            raise WeightsMissing(
                f"The OpenVINO export at {folder} is not complete: {', '.join(missing)} missing.",
                field="backend",
                cure="Run the command that made it once more; it goes on where it stopped.",
            )
        self.manifest = manifest
        self.folder = folder
        self.device = device
        self._configs = read_configs(folder)
        self.opened: dict[str, Network] = {}

    def config(self, name: str) -> dict[str, Any]:
        """What was written down of a network."""
        return self._configs[name]

    def check_sources(self, name: str, files: tuple[Path, ...]) -> None:
        """Raises WeightsCorrupt when a network was made of other files than these, or by older code."""
        entry = self.manifest.networks.get(name)
        if entry is None:
            return
        if entry.made.get("graphs", graphs_now()) != graphs_now():
            raise WeightsCorrupt(
                f"{name} was exported by another version of this program, which runs it otherwise.",
                field=name,
                cure=self.manifest.cure(changed=True),
            )
        if len(entry.sources) != len(files) or not all(
            source.same_as(file) for source, file in zip(entry.sources, files, strict=True)
        ):
            raise WeightsCorrupt(
                f"The weights behind {name} have changed since they were exported.",
                field=name,
                cure=self.manifest.cure(changed=True),
            )

    def network(self, name: str, dtype: str | None = None) -> Network:
        """Checked and compiled. Raises WeightsMissing, WeightsCorrupt, RequestError."""
        rows = name in ("unet", "identity_net") or name.startswith("control_")
        streams = self.device.streams if rows else 1
        self.opened[name] = Network(self.manifest.check(self.folder, name), self.device, dtype, streams)
        return self.opened[name]

    def remarks(self) -> tuple[str, ...]:
        """What should be known of the pictures made so far, in plain words."""
        return tuple(
            f"{name} lost the picture at {network.lost_at} on {', '.join(network.devices)}; it is computed at 32 bits."
            for name, network in self.opened.items()
            if network.lost_at is not None
        )

    def running(self) -> dict[str, str]:
        """Where the UNet runs, and the precision of its arithmetic as it is now."""
        unet = self.opened["unet"]
        return {"device": ", ".join(unet.devices), "arithmetic": unet.arithmetic}

    def components(self) -> dict[str, Any]:
        """Modules for a pipeline, without tokenizers and scheduler."""
        resampler = CompiledResampler.behind(self._configs["resampler"], network=self.network("resampler"))
        unet = CompiledUNet.behind(self._configs["unet"], network=self.network("unet"))
        unet.wear_face(resampler)
        return {
            "text_encoder": CompiledText(self._configs["text_encoder"], self.network("text_encoder")),
            "text_encoder_2": CompiledText(self._configs["text_encoder_2"], self.network("text_encoder_2")),
            "unet": unet,
            "controlnet": CompiledIdentityNet.behind(
                self._configs["identity_net"], network=self.network("identity_net")
            ),
            "vae": self._vae(),
        }

    def control(self, kind: str) -> CompiledControlNet:
        """A further ControlNet. Raises RequestError when it was not exported."""
        name = f"control_{kind}"
        if name not in self.manifest.networks:
            raise RequestError(
                f"The ControlNet for {kind} was not exported.",
                field="controls",
                cure=f"Run: python cli.py openvino export --control {kind}",
            )
        return CompiledControlNet.behind(self._configs[name], network=self.network(name))

    def _vae(self) -> Any:
        """At 32 bits whatever the others do: half precision overflows in SDXL's own, which shows as a black picture."""
        config = self._configs["vae_decoder"]
        stages = {stage: self.network(f"vae_{stage}", "float32") for stage in ("encoder", "decoder")}
        gc.collect()
        kind = CompiledTinyVAE if config["_class_name"] == "AutoencoderTiny" else CompiledVAE
        return kind.behind(config, **stages)
