"""Videos for people: uint8 frames to an H.264 file that browsers play, by the ffmpeg that imageio-ffmpeg ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FPS = 20
LEAST = 256  # pixels on the short side; small pictures are enlarged by whole factors


def write(path: Path, frames: np.ndarray) -> None:
    """Write frames, uint8 [T, H, W, 3], to `path` (.mp4)."""
    import imageio_ffmpeg

    factor = max(1, -(-LEAST // min(frames.shape[1:3])))
    large = frames.repeat(factor, axis=1).repeat(factor, axis=2)
    large = large[:, : large.shape[1] // 2 * 2, : large.shape[2] // 2 * 2]  # H.264 wants even sides
    path.parent.mkdir(parents=True, exist_ok=True)
    size = large.shape[2], large.shape[1]
    writer = imageio_ffmpeg.write_frames(str(path), size, fps=FPS, macro_block_size=1, ffmpeg_log_level="error")
    writer.send(None)
    for frame in large:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
