"""`python -m cli`: what the `vitrine` script at the repository's root runs."""

from cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
