"""The commands a person types: each says things, asks things, and decides nothing."""
