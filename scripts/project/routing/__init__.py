"""The route map: what FastAPI has at run time, its dependencies, guards, parameters and answers."""
