"""Async performance: what runs on the event loop, background work, clients, caches."""

from async_performance import blocking, clients, loops, tasks
from async_performance.dimension import performance

__all__ = ["blocking", "clients", "loops", "performance", "tasks"]
