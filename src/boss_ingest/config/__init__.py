"""The job file: its models, its rules, and what of it the server is told."""
