"""One member's points, live: a page, and its script, which other sites put into pages of their own.

A member token opens the balance, for pages of the program's origins. Where sites of others embed the script, their own
policies hold.
"""

from api.sites import site, text

FILES = {
    "points.js": "points.js",
    "page.js": "points-page.js",
    "palette.css": "palette.css",
    "points.css": "points.css",
    "laurel.svg": "laurel.svg",
}

# Also for pages that take nothing from elsewhere that does not say so.
router = site("/points", text("points.html"), FILES, Cross_Origin_Resource_Policy="cross-origin")
