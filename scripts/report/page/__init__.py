"""A written report as one self-contained HTML page: no network, everything from the report and the project escaped."""
