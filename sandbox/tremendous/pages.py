"""What people would see: the inbox of delivered cards, the page behind a claim link, and pictures of products."""

from decimal import Decimal
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sandbox.tremendous.catalog import PRODUCTS, number
from sandbox.tremendous.store import Store

INBOX_MAX = 200
_PRODUCTS = {product.id: product for product in PRODUCTS}
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
body{color:#1b1f24;background:#f6f7f9}
article{background:#fff;border:1px solid #d8dde3;border-radius:.6rem;padding:1rem 1.25rem;margin:1rem 0;display:flex;
gap:1.25rem}article.bounced{border-color:#c62828}img{width:10rem;height:6.25rem}h2{margin:0;font-size:1.1rem}
p{margin:.2rem 0}.quiet{color:#57606a;font-size:.9rem}
"""


class Pages:
    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        return [
            Route("/inbox", self.inbox, methods=["GET"]),
            Route("/rewards/payout/{token}", self.claim, methods=["GET"]),
            Route("/images/{id}.svg", self.image, methods=["GET"]),
        ]

    async def inbox(self, request: Request) -> Response:
        """The e-mails, newest first; `?email=` shows one person's."""
        email = request.query_params.get("email")
        rows = self._store.all(
            "SELECT e.email AS sent_to, e.sent_at, e.bounced, e.token, r.*, o.external_id FROM emails e"
            " JOIN rewards r ON r.id = e.reward_id JOIN orders o ON o.id = r.order_id"
            " WHERE ?1 IS NULL OR e.email = ?1 ORDER BY e.n DESC LIMIT ?2",
            email,
            INBOX_MAX,
        )
        entries = "".join(_entry(row) for row in rows) or "<p>No card has been delivered yet.</p>"
        return _page("Inbox", f"<h1>Inbox</h1><p class=quiet>Cards that this sandbox delivered.</p>{entries}")

    async def claim(self, request: Request) -> Response:
        row = self._store.one(
            "SELECT r.* FROM links l JOIN rewards r ON r.id = l.reward_id WHERE token = ?", request.path_params["token"]
        )
        if row is None:
            return _page("No such link", "<h1>No such link</h1>", 404)
        return _page("Your card", f"<h1>Your card</h1><article>{_picture(row)}<div>{_summary(row)}</div></article>")

    async def image(self, request: Request) -> Response:
        product = _PRODUCTS.get(request.path_params["id"])
        if product is None:
            return Response(status_code=404)
        hue = sum(map(ord, product.id)) * 47 % 360
        picture = (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 200">'
            f'<rect width="320" height="200" rx="16" fill="hsl({hue} 45% 38%)"/>'
            f'<text x="24" y="108" font-family="sans-serif" font-size="24" fill="#fff">{escape(product.name)}</text>'
            '<text x="24" y="176" font-family="sans-serif" font-size="13" fill="#fff">sample card</text></svg>'
        )
        return Response(picture, media_type="image/svg+xml")


def _entry(row: Any) -> str:
    fate = f"bounced ({escape(row['bounced'])})" if row["bounced"] else "delivered"
    details = f"To {escape(row['sent_to'])}, {fate} {row['sent_at']}, order {escape(str(row['external_id']))}"
    link = f'<p><a href="/rewards/payout/{escape(row["token"])}">Open the card</a></p>' if row["token"] else ""
    text = f"{_summary(row)}<p class=quiet>{details}</p>{link}"
    return f"<article class={'bounced' if row['bounced'] else 'sent'}>{_picture(row)}<div>{text}</div></article>"


def _summary(row: Any) -> str:
    amount = f"{number(Decimal(row['denomination'])):,} {row['currency_code']}"
    sender = f"<p>From {escape(row['sender_name'])}</p>" if row["sender_name"] else ""
    message = f"<p>{escape(row['message'])}</p>" if row["message"] else ""
    state = "<p><strong>Cancelled</strong></p>" if row["cancelled"] else ""
    return f"<h2>{escape(_PRODUCTS[row['product_id']].name)}, {amount}</h2>{sender}{message}{state}"


def _picture(row: Any) -> str:
    return f'<img src="/images/{row["product_id"]}.svg" alt="">'


def _page(title: str, content: str, status: int = 200) -> Response:
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
    return HTMLResponse(f"{head}<main>{content}</main></html>", status, _HEADERS)
