"""The review as a page: orders that wait for a person, with their evidence, decided through the API of everybody.

Whoever opens it names an API key, which stays in the page's memory.
"""

import json
from html import escape

from api.sites import site, text
from domain.vendors import MINOR_DIGITS

FILES = {name: name for name in ("palette.css", "base.css", "review.css", "review.js", "laurel.svg")}

router = site("/admin/review", text("review.html").replace("{minor_digits}", escape(json.dumps(MINOR_DIGITS))), FILES)
