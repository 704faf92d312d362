"""The Boss service: its REST API, tokens, jobs and keys."""
