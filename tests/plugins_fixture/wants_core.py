"""A plugin that uses a part of the original client that we don't have."""

from ingestclient.core.config import Configuration

Tiles = Configuration
