"""The exception tree. Every error that a user can cause is one line: what is wrong, where, and what to do.

ZhixingError            exit code 1: failed while running
|- Interrupted          exit code 1: stopped by SIGINT or SIGTERM after saving
|- MissingPackage       exit code 1: an optional package is not installed
'- UserError            exit code 2: bad usage or bad input
   |- InputError        a file, a line or a value inside the user's data
   |- SettingError      a setting or a command-line word
   '- ArtifactError     a data, run or export folder: absent, foreign, newer, damaged or in use
"""

from __future__ import annotations


class ZhixingError(Exception):
    """Base of all errors raised on purpose; its text is one line that a user can act on."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class Interrupted(ZhixingError):
    """The work was stopped by a signal, after what was done had been saved."""


class MissingPackage(ZhixingError):
    """An optional package is needed for this; says what to install."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}; install it with: pip install 'zhixing[{extra}]'")


class UserError(ZhixingError):
    """Bad usage or bad input."""

    exit_code = 2


class InputError(UserError):
    """Something is wrong in the user's data; `where` is a file, optionally with a line: `reviews.tsv:17`."""

    def __init__(self, where: object, what: str) -> None:
        super().__init__(f"{where}: {what}")


class SettingError(UserError):
    """A setting is unknown, of the wrong type, out of range, or contradicts another."""

    def __init__(self, setting: str, what: str) -> None:
        super().__init__(f"setting {setting}: {what}")


class ArtifactError(UserError):
    """A data, run or export folder is absent, foreign, made by a newer version, damaged or in use."""

    def __init__(self, where: object, what: str) -> None:
        super().__init__(f"{where}: {what}")
