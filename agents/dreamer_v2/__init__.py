"""DreamerV2: categorical latents, a balanced KL, and an actor trained by REINFORCE or through the dynamics."""
