"""A Boss on your own machine: for trying, for testing, for learning."""
