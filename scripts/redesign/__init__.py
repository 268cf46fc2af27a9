"""A draft of a better layout, from facts: domains, target, moves, cycles to cut, routes to split, order of steps."""
