"""The state of a training run on disk: one safetensors file, replaced as a whole."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

FILE = "checkpoint.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class Checkpoint:
    """How far a run has come. Batch order and pace follow from the step, so no more is needed."""

    folder: Path
    fingerprint: str
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    # Rows read at a time, where the memory was found not to hold more.
    micro_batch: int | None = None

    @classmethod
    def resume(
        cls,
        folder: Path,
        fingerprint: str,
        parameters: Mapping[str, Tensor],
        optimizer: torch.optim.AdamW,
    ) -> "Checkpoint":
        """Put the last saved state of this run into place; the beginning if there is none."""
        checkpoint = cls(folder, fingerprint)
        path = folder / FILE
        if not path.is_file():
            return checkpoint
        try:
            with safe_open(path, framework="pt") as file:
                state = json.loads((file.metadata() or {})["state"])
                if state.pop("fingerprint") != fingerprint:
                    return checkpoint
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, ValueError):
            return checkpoint  # A damaged checkpoint costs time, not the run.
        checkpoint.step, checkpoint.tokens = state["step"], state["tokens"]
        checkpoint.seconds = state["seconds"]
        checkpoint.micro_batch = state.get("micro_batch")
        checkpoint.losses = [(step, loss) for step, loss in state["losses"]]
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(tensors[f"adapter.{name}"])
                optimizer.state[parameter] = {
                    "step": torch.tensor(float(checkpoint.step), device=parameter.device),
                    **{m: tensors[f"{m}.{name}"].to(parameter.device) for m in MOMENTS},
                }
        return checkpoint

    def record(self, step: int, loss: float, tokens: int, seconds: float) -> None:
        """Note a finished step; `seconds` since the run began."""
        self.step, self.seconds = step, seconds
        self.tokens += tokens
        self.losses.append((step, loss))

    def save(self, parameters: Mapping[str, Tensor], optimizer: torch.optim.AdamW) -> None:
        """Write the state; a kill at any moment leaves the old file or the new one.

        Raises OSError or SafetensorError where there is no room; the old file stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {}
        for name, parameter in parameters.items():
            tensors[f"adapter.{name}"] = parameter.detach()
            for moment in MOMENTS:
                tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment]
        state = {
            "fingerprint": self.fingerprint,
            "step": self.step,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "losses": self.losses,
            "micro_batch": self.micro_batch,
        }
        arriving = self.folder / f"{FILE}.tmp"
        try:
            save_file(tensors, arriving, metadata={"state": json.dumps(state)})
        except (OSError, SafetensorError):
            arriving.unlink(missing_ok=True)
            raise
        os.replace(arriving, self.folder / FILE)

    def discard(self) -> None:
        """Remove the state once the run is complete."""
        (self.folder / FILE).unlink(missing_ok=True)
