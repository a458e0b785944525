"""The program: runs a command, and turns whatever goes wrong into an exit status and one line."""

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from cyclopts import CycloptsError, Parameter

from ._commands import app

app.meta.suppress_keyboard_interrupt = False  # Ctrl-C is told apart in _explain


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 when all went well, 2 with one line on standard error when the input or an option does not fit, 130 after
    Ctrl-C, 1 when the program itself failed. ``SPOTWEAVE_DEBUG=1`` shows the traceback.
    """
    try:
        app.meta(sys.argv[1:] if tokens is None else tokens, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 (told apart in _explain)
        if os.environ.get("SPOTWEAVE_DEBUG", "0") not in {"", "0"}:
            traceback.print_exc()
        status, message = _explain(error)
        if message:
            sys.stderr.write(f"spotweave: {' '.join(message.split())}\n")
        return status
    return 0


def _explain(error: BaseException) -> tuple[int, str]:
    """Exit status and message of an exception."""
    from ._check import InputError

    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 2, ""
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted"
    if isinstance(error, BrokenPipeError):  # `spotweave info FILE | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141, ""
    if isinstance(error, CycloptsError | InputError | OSError):
        return 2, f"error: {error}"
    if isinstance(error, MemoryError):
        return 1, "error: out of memory"
    name = type(error).__name__
    return 1, f"internal error: {name}: {error} (SPOTWEAVE_DEBUG=1 shows where; please report it)"


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative="", show_default=False)] = False,
) -> Any:
    """Run a command.

    Parameters
    ----------
    verbose
        Say on standard error what is done.
    """
    with _logging(verbose=verbose):
        return app(tokens, exit_on_error=False, print_error=False)


@contextmanager
def _logging(*, verbose: bool) -> Iterator[None]:
    """Log to standard error; hush the warnings of other libraries, which are not for the user of a program."""
    logger, handler = logging.getLogger("spotweave"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        with warnings.catch_warnings():
            if not verbose:
                warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
