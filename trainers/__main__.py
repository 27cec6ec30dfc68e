"""`python -m trainers`: the same commands as `thaw`."""

from trainers.cli.main import main, run_as_program

__all__ = ["main"]

if __name__ == "__main__":
    run_as_program("python -m trainers")
