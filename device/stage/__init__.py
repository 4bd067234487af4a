"""The player from inside: what to say next, mouths ahead of time, the present loop."""
