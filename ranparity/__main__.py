"""`python -m ranparity` is the command `ranparity`."""

import sys

from ranparity.cli import main

sys.exit(main())
