"""State trees come back equal, and damage is noticed."""

import numpy as np
import pytest
import torch

from bench.results import tree


def test_everything_a_state_may_hold_comes_back_equal(tmp_path):
    generator = np.random.default_rng(3)
    state = {
        "numbers": [1, -2**130, 1.5, float("inf"), True, None, "text", b"\x00\xff"],
        "arrays": (np.arange(6).reshape(2, 3), np.zeros((0, 4), np.float32), np.array(7.0), np.array([True, False])),
        "tensors": {
            0: torch.arange(5),
            "half": torch.randn(3, 2).to(torch.bfloat16),
            "scalar": torch.tensor(2.5),
            "none": torch.zeros(0, 3),
        },
        "flipped": torch.arange(6.0).reshape(2, 3).T,
        "generator": generator.bit_generator.state,
        "scalar": np.float32(0.1),
    }  # fmt: skip
    digest, size = tree.save(tmp_path / "a.tree", state)
    back = tree.load(tmp_path / "a.tree", digest)
    assert size == (tmp_path / "a.tree").stat().st_size
    assert back["numbers"] == state["numbers"]
    for ours, theirs in zip(state["arrays"], back["arrays"], strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    for key, tensor in state["tensors"].items():
        assert back["tensors"][key].dtype == tensor.dtype
        assert torch.equal(back["tensors"][key], tensor)
    assert torch.equal(back["flipped"], state["flipped"])
    assert back["scalar"] == state["scalar"]
    assert back["scalar"].dtype == np.float32
    generator.bit_generator.state = back["generator"]


def test_an_optimizer_goes_on_bit_for_bit(tmp_path):
    def fresh():
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 2)
        return model, torch.optim.Adam(model.parameters())

    def step(model, optimizer):
        optimizer.zero_grad()
        model(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()

    model, optimizer = fresh()
    step(model, optimizer)
    tree.save(tmp_path / "o.tree", {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    other, resumed = fresh()
    state = tree.load(tmp_path / "o.tree")
    other.load_state_dict(state["model"])
    resumed.load_state_dict(state["optimizer"])
    step(model, optimizer)
    step(other, resumed)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("wrong", [object(), {1.5: 2}, np.array([object()])])
def test_what_a_tree_cannot_hold_is_refused(tmp_path, wrong):
    with pytest.raises(TypeError):
        tree.save(tmp_path / "a.tree", {"wrong": wrong})


def test_a_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "a.tree"
    digest, _ = tree.save(path, np.arange(100))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        tree.load(path, digest)
