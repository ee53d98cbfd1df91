"""The contrastive Dreamer: DreamerV1's agent, whose states tell their observation from others instead of drawing it."""
