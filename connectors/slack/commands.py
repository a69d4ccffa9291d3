"""Commands: what somebody typed after `/laurel`, read as an ask. Whatever was typed gives one.

    /laurel VERB …        the verb in English, German or French, or its letter; a question mark after it is fine
    /laurel               help
    thanks PEOPLE [+N] [#VALUE] [private] [for] REASON
                          people are mentions, in any number; the amount, the value and --private may also come last,
                          and the verb may be left out
    nominate [PERSON]
    balance
    why [REFERENCE | nothing]
    streak
    board [NAME | week | month | ever]
    challenges
    rewards
    settings
    help [VERB]

Slack sends a mention as <@U012AB3CD|anna>, a channel (which a #value becomes if one has its name) as
<#C012AB3CD|teamwork>, and &, < and > as entities: https://docs.slack.dev/interactivity/implementing-slash-commands
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import takewhile

from domain.asks import (
    Ask,
    Balance,
    Board,
    Challenges,
    Help,
    Nominate,
    Rewards,
    Settings,
    Streak,
    Thanks,
    Topic,
    Unknown,
    Why,
)
from domain.game import Window

MAX_TEXT = 4_000  # characters that are read
MAX_WORD = 50  # characters of a word that is told back

# By topic the words that ask for it, without accents; the letter is its short form.
WORDS: Mapping[Topic, tuple[str, ...]] = {
    Topic.THANKS: (
        "thanks", "t", "thank", "thankyou", "thx", "ty", "kudos", "give", "danke", "dank", "danken", "merci",
        "remercier", "donner",
    ),
    Topic.NOMINATE: (
        "nominate", "n", "nomination", "nominieren", "vorschlagen", "nominierung", "nommer", "nominer", "proposer",
    ),
    Topic.BALANCE: (
        "balance", "b", "points", "me", "punkte", "guthaben", "kontostand", "stand", "konto", "solde", "compte",
    ),
    Topic.WHY: ("why", "w", "explain", "warum", "wieso", "weshalb", "pourquoi"),
    Topic.STREAK: ("streak", "s", "streaks", "serie", "serien", "series"),
    Topic.BOARD: (
        "board", "l", "leaderboard", "leaderboards", "boards", "rank", "ranking", "top", "rangliste", "bestenliste",
        "rang", "platz", "classement",
    ),
    Topic.CHALLENGES: (
        "challenges", "c", "challenge", "herausforderung", "herausforderungen", "wettbewerb", "wettbewerbe", "defi",
        "defis",
    ),
    Topic.REWARDS: (
        "rewards", "r", "reward", "redeem", "catalog", "catalogue", "shop", "gift", "gifts", "pramie", "pramien",
        "praemien", "belohnung", "belohnungen", "einlosen", "einloesen", "katalog", "gutschein", "gutscheine",
        "recompense", "recompenses", "cadeau", "cadeaux", "echanger", "boutique",
    ),
    Topic.SETTINGS: (
        "settings", "p", "preferences", "notifications", "setting", "einstellungen", "benachrichtigungen",
        "mitteilungen", "parametres", "reglages",
    ),
    Topic.HELP: ("help", "h", "?", "commands", "hilfe", "befehle", "aide"),
}  # fmt: skip

_TOPICS = {word: topic for topic, words in WORDS.items() for word in words}
_NOTHING = {"nothing", "none", "no", "zero", "0", "nichts", "kein", "keine", "rien", "aucun", "aucune", "pas"}
_WINDOWS = {
    **dict.fromkeys(("week", "weekly", "woche", "wochentlich", "semaine"), Window.WEEK),
    **dict.fromkeys(("month", "monthly", "monat", "monats", "monatlich", "mois"), Window.MONTH),
    **dict.fromkeys(("ever", "lifetime", "all", "alltime", "immer", "gesamt", "toujours", "total"), Window.LIFETIME),
}
_FILLERS = {
    "this", "the", "of", "for", "in", "time", "der", "die", "das", "des", "diese", "dieser", "dieses", "ce", "cette",
    "la", "le", "de", "du",
}  # fmt: skip
_FOR = {"for", "because", "fur", "weil", "pour", "parce"}
_PRIVATE = {"private", "privat", "prive", "privee"}
_BEFORE_THE_REASON = _PRIVATE | {"and", "und", "et", "&", "&amp", "+"}

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|([^<>]*))?>")
_CHANNEL = re.compile(r"<#[A-Z0-9]+(?:\|([^<>]*))?>")
_LINK = re.compile(r"<(?![@#!])([^<>|]+)(?:\|([^<>]*))?>")
_SPECIAL = re.compile(r"<![^<>|]*(?:\|([^<>]*))?>")
_TAG = re.compile(r"#([^\W\d_][\w-]*)")
_AMOUNT = re.compile(r"\+([0-9]{1,9})")
_REFERENCE = re.compile(r"(?:evt|txn|rwd)_[0-9a-z]+")
# What stands between blanks; the name in a mention may have some.
_TOKEN = re.compile(r"(?:<[^<>]*>|\S)+")
_TOGETHER = re.compile(r">(?=<[@#])")
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“”", "«": "»", "‘": "’", "»": "«"}  # noqa: RUF001
_AFTER_A_WORD = "?!.,:;¿¡…"


def parse(text: str) -> Ask:
    """The ask in the text; never raises."""
    tokens = _tokens(text)
    if not tokens:
        return Help()
    if _starts_thanks(tokens[0]):
        return _thanks(tokens)
    match topic_of(tokens[0]):
        case Topic.THANKS:
            return _thanks(tokens[1:])
        case Topic.NOMINATE:
            return Nominate(next(filter(None, map(_mentioned, tokens[1:])), None))
        case Topic.BALANCE:
            return Balance()
        case Topic.WHY:
            return _why(tokens[1:])
        case Topic.STREAK:
            return Streak()
        case Topic.BOARD:
            return _board(tokens[1:])
        case Topic.CHALLENGES:
            return Challenges()
        case Topic.REWARDS:
            return Rewards()
        case Topic.SETTINGS:
            return Settings()
        case Topic.HELP:
            return Help(topic_of(tokens[1]) if len(tokens) > 1 else None)
        case None:
            return _unknown(tokens[0])


def topic_of(word: str) -> Topic | None:
    """What a word asks for, in any of the languages, whatever its case and accents."""
    return _TOPICS.get(_plain(word))


# -- Words ---------------------------------------------------------------------------------------------------------


def _tokens(text: str) -> list[str]:
    """What was typed, between blanks of any kind."""
    seen = _INVISIBLE.sub("", text[:MAX_TEXT])
    printable = "".join(" " if unicodedata.category(one) in ("Cc", "Cs") else one for one in seen)
    return _TOKEN.findall(_TOGETHER.sub("> ", printable))


def _plain(word: str) -> str:
    """A word as words are compared: without case, accents and the marks that end a sentence."""
    bare = word if set(word) <= set(_AFTER_A_WORD) else word.strip(_AFTER_A_WORD)
    decomposed = unicodedata.normalize("NFKD", bare.casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one))


def _unquoted(text: str) -> str:
    """The text without the pair of quotes around it."""
    text = text.strip()
    closing = _QUOTES.get(text[:1], "")
    return text[1:-1].strip() if len(text) > 1 and closing and text[-1] in closing else text


def _readable(token: str) -> str:
    """A token as it looked when it was typed: mentions and links are plain words again."""
    token = _MENTION.sub(lambda found: f"@{found[2] or found[1]}", token)
    token = _CHANNEL.sub(lambda found: f"#{found[1] or ''}", token)
    token = _LINK.sub(lambda found: found[2] or found[1], token)
    token = _SPECIAL.sub(lambda found: found[1] or "", token)
    return token.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _unknown(word: str) -> Unknown:
    spoken = [known for known in _TOPICS if len(known) > 2]
    close = get_close_matches(_plain(word)[:MAX_WORD], spoken, n=1, cutoff=0.7)
    return Unknown((_readable(word) or word)[:MAX_WORD], close[0] if close else None)


# -- Questions -----------------------------------------------------------------------------------------------------


def _why(tokens: Sequence[str]) -> Why:
    reference = next((token for token in tokens if _REFERENCE.fullmatch(token)), None)
    return Why(reference, nothing=reference is None and any(_plain(token) in _NOTHING for token in tokens))


def _board(tokens: Sequence[str]) -> Board:
    words = [plain for token in tokens if (plain := _plain(token)) not in _FILLERS]
    if len(set(words)) == 1 and words[0] in _WINDOWS:
        return Board(window=_WINDOWS[words[0]])
    return Board(_unquoted(" ".join(_readable(token) for token in tokens)) or None)


# -- Thanks --------------------------------------------------------------------------------------------------------


def _starts_thanks(token: str) -> bool:
    return bool(_mentioned(token) or _AMOUNT.fullmatch(token))


def _thanks(tokens: Sequence[str]) -> Thanks:
    """What stands around the words of the reason says how, and before them whom."""
    first = list(takewhile(_stands_first, tokens))
    rest = tokens[len(first) :]
    if rest and _plain(rest[0]) in _FOR:
        rest = rest[1:]
    last = len(list(takewhile(_stands_around, reversed(rest))))
    words = rest[: len(rest) - last]
    around = [*first, *rest[len(words) :]]
    return Thanks(
        receivers=tuple(dict.fromkeys(filter(None, map(_mentioned, first)))),
        amount=next((int(found[1]) for token in around if (found := _AMOUNT.fullmatch(token))), None),
        value=next(filter(None, map(_value, tokens)), None),
        reason=_unquoted(" ".join(filter(None, map(_readable, words)))),
        private=any(_plain(token) in _PRIVATE for token in first) or any(map(_is_private_option, around)),
    )


def _stands_first(token: str) -> bool:
    is_mark = set(token) <= set(_AFTER_A_WORD)
    return bool(_mentioned(token)) or is_mark or _plain(token) in _BEFORE_THE_REASON or _stands_around(token)


def _stands_around(token: str) -> bool:
    return bool(_AMOUNT.fullmatch(token) or _value(token)) or _is_private_option(token)


def _is_private_option(token: str) -> bool:
    return token.startswith("--") and _plain(token[2:]) in _PRIVATE


def _mentioned(token: str) -> str | None:
    """The person whom the token mentions."""
    found = _MENTION.fullmatch(token.strip(_AFTER_A_WORD))
    return found[1] if found else None


def _value(token: str) -> str | None:
    """The value that the token names."""
    bare = token.strip(_AFTER_A_WORD)
    if found := _CHANNEL.fullmatch(bare):
        return found[1] or None
    found = _TAG.fullmatch(bare)
    return found[1] if found else None
