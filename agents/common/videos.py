"""Reality and what a model makes of it, one above the other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def beside(reality: Tensor, model: Tensor) -> np.ndarray:
    """Two batches of videos [B, T, H, W, C], values 0 to 255, as one: uint8 [T, 3 H, B W, 3], reality above, the
    model's below it, then what differs, grey where nothing does."""
    seen = reality.float()
    rows = torch.cat([seen, model, (model - seen) / 2 + 128], dim=2)
    frames = rows.permute(1, 2, 0, 3, 4).flatten(2, 3).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return np.repeat(frames, 3, axis=-1) if frames.shape[-1] == 1 else frames[..., :3]
