"""The uniform policy: the floor every score is measured from."""
