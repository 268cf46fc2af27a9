"""What a project is built with: versions, tools, containers, CI, read from configuration files."""
