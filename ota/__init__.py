"""The floor of the box: durable writes, trusted time, trust, slots and updates."""
