"""`python -m zhixing`."""

from zhixing.cli import main

if __name__ == "__main__":
    main()
