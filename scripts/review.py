#!/usr/bin/env python3
"""Command line of the reviewer: python3 review.py COMMAND [PATH] [options]. Nothing is written into PATH."""

# This file must parse on interpreters older than 3.10, far enough to say that they are too old: no annotations here.

import os
import sys

sys.dont_write_bytecode = True

if sys.version_info < (3, 10):
    found = "%d.%d" % sys.version_info[:2]
    sys.stderr.write("review.py needs Python 3.10 or newer, this is %s: run it with a newer python3\n" % found)
    sys.exit(2)

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import cache

    cache.use(sys.argv[1:])

    from commands import main

    # commands.main has flushed; tearing down the trees of a large project takes as long as building them
    os._exit(main(sys.argv[1:]))
