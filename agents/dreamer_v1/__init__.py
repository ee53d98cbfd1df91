"""DreamerV1: Gaussian latents, states learnt by reconstruction, an actor that learns by gradients through the dynamics."""
