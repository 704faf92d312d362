"""A plugin whose library is not installed."""

import no_such_package

Tiles = no_such_package.Tiles
