"""What the commands print, and the check of a written report."""
