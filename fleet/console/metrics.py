"""`/metrics` in the Prometheus text format (exposition format 0.0.4)."""

from __future__ import annotations

from datetime import datetime

from fleet.console.ask import Answer, Ask
from fleet.console.console import Console
from ota.clock import utc_now


def seconds_of(moment: str | None) -> int:
    """Unix time of an ISO moment, 0 for none."""
    return round(datetime.fromisoformat(moment).timestamp()) if moment else 0


def metrics(console: Console, _ask: Ask) -> Answer:
    """Gauges and counters of the server."""
    counts = console.boxes.counts()
    preparing, pruned = console.publisher.preparing, console.pruner.told()
    values = (
        ("vitrine_boxes", "gauge", "Enrolled boxes", counts.total),
        ("vitrine_boxes_on_air", "gauge", "Boxes with a live connection", counts.on_air),
        ("vitrine_boxes_silent", "gauge", "Boxes without a connection", counts.silent),
        ("vitrine_boxes_drifted", "gauge", "Reported is not desired", counts.drifted),
        ("vitrine_boxes_unlabelled", "gauge", "On air without AI label", counts.unlabelled),
        ("vitrine_broker_up", "gauge", "The console's line is up", int(console.line.is_up)),
        ("vitrine_broker_connections_total", "counter", "Connects", console.line.connections),
        ("vitrine_messages_total", "counter", "Messages stored", console.inbox.taken),
        ("vitrine_messages_unreadable_total", "counter", "Dropped", console.inbox.unreadable),
        ("vitrine_events_duplicate_total", "counter", "Seen before", console.inbox.duplicates),
        ("vitrine_pages_open", "gauge", "Listening pages", console.hub.listeners),
        ("vitrine_publisher_ready", "gauge", "Voice is warm", int(preparing.ready)),
        (
            "vitrine_lines_played_today",
            "gauge",
            "Proof of play of this UTC day",
            console.journal.played_total(utc_now().date().isoformat()),
        ),
        ("vitrine_repository_bytes", "gauge", "All signed files and content", pruned["bytes"]),
        ("vitrine_repository_waiting_bytes", "gauge", "Needed no longer, in their grace time",
         pruned["waiting_bytes"]),
        ("vitrine_repository_freed_bytes_total", "counter", "Pruned", pruned["freed_total_bytes"]),
        ("vitrine_repository_lost_files", "gauge", "Signed, and missing", pruned["lost_files"]),
        ("vitrine_repository_pruned_seconds", "gauge", "When (Unix time), 0: never",
         seconds_of(pruned["pruned_at"])),
        ("vitrine_repository_prune_failed", "gauge", "The last try failed",
         int(bool(pruned["trouble"]))),
    )
    lines = [
        f"# HELP {name} {text}.\n# TYPE {name} {kind}\n{name} {value}"
        for name, kind, text, value in values
    ]
    return Answer("\n".join(lines).encode() + b"\n", media_type="text/plain; version=0.0.4")
