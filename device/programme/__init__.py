"""What a screen says and shows: the format, its reading, checking, building and choosing."""
