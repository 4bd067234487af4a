"""Hearing: voice activity, turns of speech, and recognisers behind one seam."""
