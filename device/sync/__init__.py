"""From the broker to the disk and back: line, outbox, desired state, plan and content."""
