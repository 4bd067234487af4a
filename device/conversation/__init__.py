"""What the kiosk says next: pure steps from events to cues, and question to answer."""
