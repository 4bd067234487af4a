"""The console: pages for people, `/api/v1` for programs, `/enrol` and `/tuf/` for boxes."""
