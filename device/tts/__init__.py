"""Offline speech synthesis: text made speakable, split into sentences, spoken with timings."""
