"""The publisher's machine: keys, releases, and the folder of signed files that boxes fetch from."""
