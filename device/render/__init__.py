"""The picture: base video, mouth, overlays, and the sinks that show them."""
