"""Speech recognisers on the build side and at provisioning: list, add, remove, compare."""
