"""What the tests of this family share."""

AS_PUBLISHED = {"bins": 255, "horizon": 333.0, "rec_scale": 1.0, "starts": 0}  # where tiny differs
