"""A package of plugins as a lab wrote it for the original client 0.12.0, bad habits included."""
