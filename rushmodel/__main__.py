"""``python -m rushmodel``."""

from .cli import main

if __name__ == "__main__":
    main()
