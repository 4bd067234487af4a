"""Sound: out (speaker, clock) and in (capture), and the files they come from."""
