"""What Python code means: scopes, names, types, calls, constants, imports, layers."""
