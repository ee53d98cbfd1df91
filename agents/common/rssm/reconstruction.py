"""The objective that draws what was seen."""

from __future__ import annotations

from torch import Tensor

from bench.agents.common.representation import Representation
from bench.agents.common.rssm.images import Decoder


class Reconstruction(Representation):
    """-ln p(o | s) by a decoder."""

    decoder: Decoder

    def losses(self, state: Tensor, tokens: Tensor, seen: dict[str, Tensor]) -> dict[str, Tensor]:
        errors = self.decoder.losses(self.decoder(state), seen)
        return {f"reconstruction_{key}": error.mean() for key, error in errors.items()}
