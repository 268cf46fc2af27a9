"""Files of the reviewed project: found, read, parsed, whatever grammar they are written in."""
