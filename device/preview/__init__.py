"""The live preview: a page on loopback with picture and sound, only at work when watched."""
