"""The eye: is somebody coming? A size on the bus is all that ever leaves it."""
