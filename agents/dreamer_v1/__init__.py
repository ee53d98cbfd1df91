"""DreamerV1: Gaussian latents, states learnt by reconstruction, an actor trained by gradients through the dynamics."""
