"""Where the data comes from: the contract of a plugin, the loader, and one file per layout."""
