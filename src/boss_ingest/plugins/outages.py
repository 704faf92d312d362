"""Whether a file is bad, or the disk or server it lies on is away: told by the number of its error."""

from __future__ import annotations

import errno

from boss_ingest.errors import MissingSourceError, SourceAwayError, SourceError

_MISSING = {errno.ENOENT, errno.ENOTDIR}
_OF_THE_FILE = {
    errno.EACCES,
    errno.EPERM,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.EFBIG,
    errno.EOVERFLOW,
}


def kind_of(number: int | None) -> type[SourceError]:
    """The kind of error that a number of the system's (errno; None: it is not known) means for a task.

    Of the many that a network file system has for being away (EIO, ESTALE, ETIMEDOUT, ENOTCONN, …) no list is
    complete; of those that blame the file itself one is.
    """
    if number in _MISSING:
        return MissingSourceError
    return SourceAwayError if number and number not in _OF_THE_FILE else SourceError
