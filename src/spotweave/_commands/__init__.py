"""Commands, one for each verb. Heavy imports happen inside them, so that help is instant."""

from ._app import app
from ._domains import domains
from ._report import info, report
from ._simulate import demo, simulate

__all__ = ["app", "demo", "domains", "info", "report", "simulate"]
