"""Import this, or give it to pytest as ``-p``, before nbformat: that spares two seconds.

jsonschema, which nbformat imports, would build a grammar of international web addresses for an
optional check that nothing here uses.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # so that it is "missing"
