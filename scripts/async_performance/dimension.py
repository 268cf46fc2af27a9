"""The dimension that the checks of this package register with."""

from check import Dimension

performance = Dimension("ASY", "async_performance", "Async Performance", "ASYNC_PERFORMANCE.md")
