"""A live release whose experts are drawn at random: composed without any training."""

from collections.abc import Callable

import torch

from contributions.models import Expert
from mosaic_site.members.models import User
from tests.training_workers.makers import make_live_release
from training_workers.engine.adapters import PREFIX, write_adapter
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import load_base
from training_workers.engine.devtable import DevTable
from training_workers.engine.routing import Router
from training_workers.engine.strategies import Strategy
from training_workers.engine.strategies.strategy import save_strategy

QUESTIONS = ["what colour is the sky", "how many legs has a cat", "who keeps the owl"]


def compose_at_random(
    owner: User, steward: User, strategy_of: Callable[[Router], Strategy]
) -> list[Expert]:
    """Put a release of three random experts live. The strategy gets a router whose table says that
    each of them, in their order, was right on one of QUESTIONS, and so warm that all have a say in
    every answer."""
    release = make_live_release(owner, steward, experts=3)
    experts = [member.expert for member in release.members.all()]
    base = load_base(str(POCKET), device="cpu")
    for expert in experts:
        draws = torch.Generator().manual_seed(expert.pk)
        tensors = {}
        for layer, module in base.model.named_modules():
            if isinstance(module, torch.nn.Linear) and "lm_head" not in layer:
                down, up = (4, module.in_features), (module.out_features, 4)
                tensors[f"{PREFIX}{layer}.lora_A.weight"] = torch.randn(down, generator=draws)
                tensors[f"{PREFIX}{layer}.lora_B.weight"] = torch.randn(up, generator=draws) / 9
        write_adapter(expert.adapter_path, tensors, 0.3, base)
    right = {
        str(expert.pk): [row == number for row in range(3)] for number, expert in enumerate(experts)
    }
    table = DevTable(QUESTIONS, ["all"] * 3, {"": [False] * 3, **right})
    save_strategy(strategy_of(Router(table, k=3, temperature=9.0)), release.strategy_path)
    return experts
