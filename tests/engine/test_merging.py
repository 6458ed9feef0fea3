from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from torch import Tensor

from tests.engine.conftest import AdapterMaker
from training_workers.engine.adapters import PREFIX, Adapter, read_adapter
from training_workers.engine.bases import Base
from training_workers.engine.merging import compressed, ties, weighted_sum

SHAPES = {"one": (7, 5), "two": (4, 9), "three": (6, 6)}
Update = dict[str, Tensor]


def drawn(seed: int, rank: int, layers: Sequence[str]) -> Adapter:
    draws = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in layers:
        outputs, inputs = SHAPES[layer]
        tensors[f"{PREFIX}{layer}.lora_A.weight"] = torch.randn(rank, inputs, generator=draws)
        tensors[f"{PREFIX}{layer}.lora_B.weight"] = torch.randn(outputs, rank, generator=draws)
    return Adapter(rank, tensors)


def dense(adapter: Adapter) -> Update:
    """dW of every layer, 0 where the adapter has none; checks its rank on the way."""
    updates = {layer: torch.zeros(shape) for layer, shape in SHAPES.items()}
    for layer in adapter.layers:
        down = adapter.tensors[f"{PREFIX}{layer}.lora_A.weight"]
        up = adapter.tensors[f"{PREFIX}{layer}.lora_B.weight"]
        assert len(down) == up.shape[1] == adapter.rank
        updates[layer] = up @ down
    return updates


def matrix(values: Sequence[Sequence[float]]) -> Adapter:
    """An adapter of one 2 x 2 layer whose update is `values`."""
    return Adapter(
        2,
        {
            f"{PREFIX}square.lora_A.weight": torch.eye(2),
            f"{PREFIX}square.lora_B.weight": torch.tensor(values).float(),
        },
    )


def square(adapter: Adapter) -> list[list[float]]:
    up, down = (adapter.tensors[f"{PREFIX}square.lora_{f}.weight"] for f in "BA")
    rounded: list[list[float]] = (up @ down).mul(1e4).round().div(1e4).tolist()
    return rounded


def assert_equal(one: Update, other: Update) -> None:
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


adapters = st.builds(
    drawn,
    st.integers(0, 10**6),
    st.integers(1, 5),
    st.lists(st.sampled_from(list(SHAPES)), min_size=1, unique=True),
)
shares = st.floats(0.1, 2)
weighted = st.lists(st.tuples(adapters, shares), min_size=1, max_size=4)


@given(st.lists(st.tuples(adapters, shares | st.floats(-2, -0.1)), min_size=1, max_size=4))
def test_a_weighted_sum_is_the_sum_of_the_updates(parts: list[tuple[Adapter, float]]) -> None:
    merged = weighted_sum(*zip(*parts, strict=True))
    assert merged.rank == sum(adapter.rank for adapter, _ in parts)
    expected = {
        layer: sum((w * dense(a)[layer] for a, w in parts), torch.zeros(shape))
        for layer, shape in SHAPES.items()
    }
    assert_equal(dense(merged), expected)


@given(adapters, adapters)
def test_one_adapter_gives_itself_back(adapter: Adapter, unused: Adapter) -> None:
    assert_equal(dense(weighted_sum([adapter, unused], [1, 0])), dense(adapter))
    assert weighted_sum([adapter, unused], [1, 0]).rank == adapter.rank
    same, error = compressed(adapter, adapter.rank)
    assert error == 0
    assert_equal(dense(same), dense(adapter))
    merged, error = ties([adapter, unused], [1, 0], density=1, rank=adapter.rank)
    assert error < 1e-5
    assert_equal(dense(merged), dense(adapter))


@given(weighted)
def test_the_order_of_experts_does_not_matter(parts: list[tuple[Adapter, float]]) -> None:
    experts, weights = zip(*parts, strict=True)
    back = experts[::-1], weights[::-1]
    assert_equal(dense(weighted_sum(experts, weights)), dense(weighted_sum(*back)))
    one, other = ties(experts, weights, 0.5, rank=9)[0], ties(*back, 0.5, rank=9)[0]
    assert_equal(dense(one), dense(other))


@given(adapters, st.floats(0.1, 1))
def test_two_identical_experts_are_one(adapter: Adapter, density: float) -> None:
    assert_equal(dense(weighted_sum([adapter] * 2, [0.5, 0.5])), dense(adapter))
    twice, _ = ties([adapter] * 2, [0.5, 0.5], density, rank=9)
    once, _ = ties([adapter], [1], density, rank=9)
    assert_equal(dense(twice), dense(once))


@given(adapters, adapters, st.integers(1, 12))
def test_compression_is_as_good_as_the_dense_decomposition(
    one: Adapter, other: Adapter, rank: int
) -> None:
    merged = weighted_sum([one, other], [0.3, 0.7])
    small, error = compressed(merged, rank)
    assert small.rank == min(rank, merged.rank)
    updates, near = dense(merged), dense(small)
    lost, total = 0.0, 0.0
    for layer, update in updates.items():
        squares = torch.linalg.svdvals(update.double()).square()
        lost += float(squares[rank:].sum())
        total += float(squares.sum())
        best = float(squares[rank:].sum().sqrt())
        assert float((update - near[layer]).norm()) == pytest.approx(best, abs=1e-4)
    assert error == pytest.approx((lost / total) ** 0.5, abs=1e-5)


def test_compression_of_a_sum_that_cancels_is_zero() -> None:
    adapter = drawn(0, 2, ["one"])
    small, error = compressed(weighted_sum([adapter, adapter], [1, -1]), 1)
    assert 0 <= error <= 1
    assert_equal(dense(small), {layer: torch.zeros(shape) for layer, shape in SHAPES.items()})
    nothing = Adapter(2, {name: tensor * 0 for name, tensor in adapter.tensors.items()})
    assert compressed(nothing, 1)[1] == 0
    assert_equal(dense(ties([nothing], [1], 0.5, rank=1)[0]), dense(nothing))


def test_ties_worked_by_hand() -> None:
    one = matrix([[4, 1], [-2, 3]])  # half of it: [[4, 0], [0, 3]]
    two = matrix([[-1, 2], [5, -6]])  # half of it: [[0, 0], [5, -6]]
    half, _ = ties([one, two], [0.5, 0.5], density=0.5, rank=2)
    assert square(half) == [[4, 0], [5, -6]]
    # All of it, mass of two three times: + 4 against - 3; 1 and 2 agree, (1 + 3 * 2) / 4;
    # - 2 against + 15; 3 against - 18. The scale is 0.25 + 0.75 = 1.
    full, error = ties([one, two], [0.25, 0.75], density=1, rank=2)
    assert square(full) == [[4, 1.75], [5, -6]]
    assert error == 0
    doubled, _ = ties([one, two], [0.5, 1.5], density=1, rank=2)
    assert square(doubled) == [[8, 3.5], [10, -12]]


def test_ties_leaves_out_what_is_contested_by_equals() -> None:
    merged, _ = ties([matrix([[2, 1], [1, 0]]), matrix([[-2, 1], [3, 0]])], [1, 1], 1, rank=2)
    assert square(merged) == [[0, 2], [4, 0]]


def test_ties_says_what_the_cut_to_a_rank_costs() -> None:
    merged, error = ties([matrix([[4, 0], [0, 3]])], [1], 1, rank=1)
    assert square(merged) == [[4, 0], [0, 0]]
    assert error == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0, 0], "base itself"),
        ([1], "2 adapters and 1 weights"),
        ([1, float("nan")], "not a finite number"),
    ],
)
def test_weights_that_mean_nothing_are_refused(weights: list[float], message: str) -> None:
    experts = [drawn(0, 2, ["one"]), drawn(1, 2, ["one"])]
    with pytest.raises(ValueError, match=message):
        weighted_sum(experts, weights)
    with pytest.raises(ValueError, match=message):
        ties(experts, weights, 0.5, rank=2)


def test_no_rank_no_density_and_negative_mass_are_refused() -> None:
    expert = drawn(0, 2, ["one"])
    with pytest.raises(ValueError, match="rank"):
        compressed(expert, 0)
    with pytest.raises(ValueError, match="rank"):
        ties([expert], [1], 0.5, rank=0)
    for density in (0, 1.5):
        with pytest.raises(ValueError, match="density"):
            ties([expert], [1], density, rank=1)
    with pytest.raises(ValueError, match="negative"):
        ties([expert], [-1], 0.5, rank=1)


def test_a_linear_merge_of_factors_has_cross_terms_and_ours_has_none(
    llama: Base, random_adapter: AdapterMaker
) -> None:
    """Ours is a merge as exact as concatenation in PEFT; averaging factors is far off."""
    folders = {name: random_adapter(llama, name) for name in ("red", "blue")}
    model = PeftModel.from_pretrained(llama.twin(), str(folders["red"]), adapter_name="red")
    model.load_adapter(str(folders["blue"]), "blue")
    for kind in ("linear", "cat"):
        model.add_weighted_adapter(["red", "blue"], [0.5, 0.5], kind, combination_type=kind)
    ours = weighted_sum([read_adapter(folder, llama) for folder in folders.values()], [0.5, 0.5])
    off = {"linear": 0.0, "cat": 0.0}
    for layer in ours.layers:
        target = model.get_submodule(f"{PREFIX}{layer}")
        exact = sum(0.5 * target.get_delta_weight(name) for name in folders)
        up, down = (ours.tensors[f"{PREFIX}{layer}.lora_{f}.weight"] for f in "BA")
        torch.testing.assert_close(up @ down, exact)
        for kind in off:
            distance = (target.get_delta_weight(kind) - exact).norm() / exact.norm()
            off[kind] = max(off[kind], float(distance))
    assert off["cat"] < 1e-5
    assert off["linear"] > 0.5
