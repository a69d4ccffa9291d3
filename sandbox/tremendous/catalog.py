"""What the sandbox sells: invented products in several countries, some in fixed amounts, some in ranges.

The exchange rates are invented as well; they only have to be constant.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

US_CENTS_FOR_ONE = {
    "USD": Decimal(100),
    "CAD": Decimal(73),
    "GBP": Decimal(128),
    "EUR": Decimal(109),
    "INR": Decimal("1.2"),
    "JPY": Decimal("0.7"),
}
EURO_COUNTRIES = ("AT", "BE", "DE", "ES", "FR", "IE", "IT", "NL", "PT")
DISCLOSURE = "<p>Sample product of a local sandbox: it is worth nothing and can be used nowhere.</p>"


@dataclass(frozen=True, slots=True)
class Product:
    """`bands` are (least, most) in major units of `currency`; equal ends make a fixed amount."""

    id: str
    name: str
    subcategory: str
    countries: tuple[str, ...]
    currency: str
    bands: tuple[tuple[Decimal, Decimal], ...]
    category: str = "merchant_card"

    def accepts(self, denomination: Decimal, currency: str) -> bool:
        return currency == self.currency and any(least <= denomination <= most for least, most in self.bands)

    def wire(self, base_url: str) -> dict[str, Any]:
        """The product as the API shows it; `base_url` is where its pictures are."""
        shown = {
            "id": self.id,
            "name": self.name,
            "description": f"A gift card for {self.name}, delivered by e-mail or as a link.",
            "category": self.category,
            "disclosure": DISCLOSURE,
            "skus": [
                {"min": number(least), "max": number(most), "currency_code": self.currency}
                for least, most in self.bands
            ],
            "currency_codes": [self.currency],
            "countries": [{"abbr": country} for country in self.countries],
            "images": [{"src": f"{base_url}/images/{self.id}.svg", "type": "card", "content_type": "image/svg+xml"}],
            "usage_instructions": "<p>Show the code at the till.</p>",
            "documents": {},
        }
        return shown | ({"subcategory": self.subcategory} if self.category == "merchant_card" else {})


def _fixed(*amounts: int) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(amount), Decimal(amount)) for amount in amounts)


def _between(least: int, most: int) -> tuple[tuple[Decimal, Decimal], ...]:
    return ((Decimal(least), Decimal(most)),)


PRODUCTS = (
    Product("SMPLCOFFEEUS", "Example Coffee", "food_and_drink", ("US",), "USD", _between(5, 200)),
    Product("SMPLBOOKSXUS", "Example Books", "entertainment", ("US",), "USD", _fixed(10, 25, 50, 100)),
    Product("SMPLGROCERUS", "Example Grocer", "grocery_and_supermarkets", ("US",), "USD", _between(10, 500)),
    Product("SMPLCINEMAUS", "Example Cinema", "entertainment", ("US", "CA"), "USD", _fixed(15, 30)),
    Product("SMPLGARDENUS", "Example Garden", "home_and_living", ("US",), "USD", _between(25, 250)),
    Product("SMPLCHARITYX", "Example Reforestation Fund", "", ("US", "CA", "GB"), "USD", _between(1, 1000), "charity"),
    Product("SMPLCOFFEECA", "Example Coffee Canada", "food_and_drink", ("CA",), "CAD", _between(5, 200)),
    Product("SMPLHIGHSTGB", "Example High Street", "general_merchandise", ("GB",), "GBP", _between(1, 250)),
    Product("SMPLBOOKSXGB", "Example Booksellers", "entertainment", ("GB", "IE"), "GBP", _fixed(10, 20, 50)),
    Product("SMPLRAILXXGB", "Example Rail", "travel_and_hospitality", ("GB",), "GBP", _between(10, 150)),
    Product("SMPLMARKTXDE", "Beispielmarkt", "grocery_and_supermarkets", ("DE", "AT"), "EUR", _between(5, 150)),
    Product("SMPLBUCHXXDE", "Beispielbuch", "entertainment", ("DE",), "EUR", _fixed(10, 15, 25, 50)),
    Product(
        "SMPLSPORTXEU", "Example Sports Europe", "sports_and_outdoor_gear", EURO_COUNTRIES, "EUR", _between(10, 300)
    ),
    Product("SMPLBAZAARIN", "Example Bazaar", "general_merchandise", ("IN",), "INR", _between(100, 10_000)),
    Product("SMPLMOVIESIN", "Example Movies", "entertainment", ("IN",), "INR", _fixed(250, 500, 1000)),
    Product("SMPLDEPATOJP", "Example Depato", "general_merchandise", ("JP",), "JPY", _between(500, 50_000)),
)


def us_cents(denomination: Decimal, currency: str) -> int:
    """What an amount costs the account, which is held in US dollars."""
    return int((denomination * US_CENTS_FOR_ONE[currency]).quantize(Decimal(1), ROUND_HALF_UP))


def number(amount: Decimal) -> int | float:
    """A JSON number as the API writes it."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)
