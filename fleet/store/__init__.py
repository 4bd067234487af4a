"""What the console remembers, in one SQLite file: boxes, versions, orders, audit, events."""
