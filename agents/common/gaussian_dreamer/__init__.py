"""DreamerV1's agent, whatever its states are learnt from."""
