"""The build side: makes, quantises, compares and checks avatars (never runs on a box)."""
