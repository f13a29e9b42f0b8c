"""`python -m zhixing`, and the command `zhixing`: the command line, with Ctrl-C heard from the first import on."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit."""
    try:
        from zhixing import cli
    except KeyboardInterrupt:
        print("zhixing: error: interrupted", file=sys.stderr)
        sys.exit(1)
    cli.main()


if __name__ == "__main__":
    main()
