"""The networks of an avatar: their shapes, training data, training, INT8."""
