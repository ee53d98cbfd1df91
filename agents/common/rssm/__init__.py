"""What agents on a recurrent state-space model share: PlaNet, DreamerV1 and V2, contrastive Dreamer."""
