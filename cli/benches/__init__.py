"""One file a suite: each measures figures as ratios to a peer, or against a limit, in one run."""
