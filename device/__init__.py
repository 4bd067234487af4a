"""The kiosk, awake: player, ear and agent."""
