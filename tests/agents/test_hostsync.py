"""The host-synchronisation check catches each kind of wait, and lets clean code pass unchanged."""

import pytest
import torch

from bench.agents.common.hostsync import HostSync, no_host_sync

X = torch.arange(6.0)

WAITS = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x.sum()),
    "if": lambda x: 1 if x.sum() > 0 else 0,
    "tolist": lambda x: x.tolist(),
    "equal": lambda x: torch.equal(x, x),
    "allclose": lambda x: torch.allclose(x, x),
    "isfinite": lambda x: bool(torch.isfinite(x).all()),
    "nonzero": lambda x: x.nonzero(),
    "where with one argument": lambda x: torch.where(x > 2),
    "argwhere": lambda x: torch.argwhere(x),
    "masked_select": lambda x: x.masked_select(x > 2),
    "unique": lambda x: x.unique(),
    "mask indexing": lambda x: x[x > 2],
    "uint8 mask indexing": lambda x: x[(x > 2).byte()],
    "mask assignment": lambda x: x.clone().__setitem__(x > 2, torch.zeros(3)),
    "mask index_put": lambda x: x.clone().index_put_((x > 2,), torch.zeros(3)),
    "tensor bound of a slice": lambda x: x[: x.sum().int()],
    "repeat_interleave": lambda x: x.repeat_interleave(x.long()),
    "cpu": lambda x: x.cpu(),
    "to cpu": lambda x: x.to("cpu"),
    "to cpu by keyword": lambda x: x.to(device="cpu"),
    "numpy": lambda x: x.numpy(),
}


@pytest.mark.parametrize("name", WAITS)
def test_it_catches(name):
    with pytest.raises(HostSync), no_host_sync():
        WAITS[name](X)


@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8")
def test_each_caught_call_is_a_legal_one():
    for name, call in WAITS.items():
        call(X)
        assert name


def test_clean_code_passes_and_computes_the_same():
    def update(model, optimizer):
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(4, 6, generator=generator)
        out = model(noise)
        loss = (
            torch.where(out > 0, out, out.square()).mean()
            + out[:, torch.tensor([0, 1])].gather(1, out.argmax(1, True) * 0).sum()
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    results = []
    for guarded in (False, True):
        torch.manual_seed(0)
        model = torch.nn.Linear(6, 3)
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        if guarded:
            with no_host_sync():
                results.append(update(model, optimizer))
        else:
            results.append(update(model, optimizer))
    assert torch.equal(*results)


def test_the_check_ends_with_its_block():
    with no_host_sync():
        total = X.sum()
    assert total.item() == 15
