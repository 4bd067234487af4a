"""Runs neural networks: one file for each runtime."""
