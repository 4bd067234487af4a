"""The box looks at itself: one finding a part, in words that a shop understands."""
