"""The errors of the product, sorted by who must act. Each text is one sentence with the way out."""

from __future__ import annotations


class VitrineError(Exception):
    """Something that a person should read; the command line prints it without a traceback."""


class Retry(VitrineError):
    """The world is not ready (network, busy device): wait and try again."""


class Refused(VitrineError):
    """The input is bad or not trusted: trying again will not help, tell its sender."""


class Broken(VitrineError):
    """This process cannot do its work any more: leave, and let the supervisor restart it."""
