"""The moving average of the weights that learn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffusers.training_utils import EMAModel


class Average(EMAModel):
    """diffusers' average, which stays on its device when a checkpoint is read: accelerate reads those onto the CPU."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        device = self.shadow_params[0].device
        super().load_state_dict(state_dict)
        self.to(device)

    @contextmanager
    def in_place_of(self, parameters: list[Any]) -> Iterator[None]:
        """Within the block, the parameters hold the average."""
        self.store(parameters)
        self.copy_to(parameters)
        try:
            yield
        finally:
            self.restore(parameters)
