"""PlaNet: a recurrent state-space model, and planning in it by the cross-entropy method."""
