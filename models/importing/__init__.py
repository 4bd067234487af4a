"""Avatars from what users have: a talking-head video and a lip-sync network of a known layout."""
