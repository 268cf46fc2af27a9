"""Async performance: what runs on the event loop, background work, clients, caches."""

from async_performance import background, blocking, clients, loops, responses, tasks
from async_performance.dimension import performance

__all__ = ["background", "blocking", "clients", "loops", "performance", "responses", "tasks"]
