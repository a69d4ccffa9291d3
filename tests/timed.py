"""Run one part of the checks and say how long it took: python -m tests.timed NAME BUDGET_SECONDS COMMAND..."""

import subprocess
import sys
import time


def main(name: str, budget_seconds: str, *command: str) -> int:
    """The command's own exit status; being slow is said, not punished, since machines differ."""
    began = time.monotonic()
    status = subprocess.run(command, check=False).returncode
    seconds = time.monotonic() - began
    verdict = "failed" if status else "over its budget" if seconds > float(budget_seconds) else "ok"
    sys.stdout.write(f"{name}: {verdict}, {seconds:.1f} s of {budget_seconds} s\n")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
