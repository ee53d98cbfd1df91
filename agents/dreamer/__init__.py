"""DreamerV3: a recurrent state-space model with categorical latents, and an actor-critic trained in its imagination."""
