"""Boxes of one shop share what they fetched: found by beacon, proved by mTLS, judged by hash."""
