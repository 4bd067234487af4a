"""The box: what is wanted, how it comes, where it lies, when it runs, and whether it stays."""
