"""Linear Q-learning on random Fourier features: a learner without torch."""
