"""`python -m boss_ingest`, the same as the `boss-ingest` command."""

from boss_ingest.cli.main import main

if __name__ == "__main__":
    main()
