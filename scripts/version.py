"""Name and version of this tool, and the name of its fingerprints, as outputs say them."""

NAME = "backend-architecture-design"
VERSION = "0.1.0"
FINGERPRINT = "backendArchitectureDesign/v1"
