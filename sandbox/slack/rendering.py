"""Block Kit as simple HTML, near enough to Slack to judge what people will see; nothing is loaded from elsewhere."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape, unescape
from typing import Any

from sandbox.slack.blocks import MULTI_SELECTS, SELECTS

Json = dict[str, Any]
Names = Mapping[str, str]  # of users and channels, by id

EMOJI = {
    "tada": "🎉", "fire": "🔥", "star": "⭐", "star2": "🌟", "sparkles": "✨", "trophy": "🏆", "medal": "🏅",
    "gift": "🎁", "clap": "👏", "raised_hands": "🙌", "heart": "❤️", "wave": "👋", "rocket": "🚀", "muscle": "💪",
    "pray": "🙏", "+1": "👍", "thumbsup": "👍", "-1": "👎", "eyes": "👀", "white_check_mark": "✅", "x": "❌",
    "warning": "⚠️", "hourglass": "⌛", "hourglass_flowing_sand": "⏳", "calendar": "📆", "date": "📅",
    "birthday": "🎂", "cake": "🍰", "bell": "🔔", "moneybag": "💰", "dart": "🎯", "bulb": "💡", "seedling": "🌱",
    "herb": "🌿", "laurel": "🌿", "chart_with_upwards_trend": "📈", "lock": "🔒", "speech_balloon": "💬",
    "mega": "📣", "question": "❓", "first_place_medal": "🥇", "second_place_medal": "🥈",
    "third_place_medal": "🥉", "snowflake": "❄️", "zap": "⚡", "point_right": "👉", "smile": "😄",
    "credit_card": "💳", "shopping_bags": "🛍️", "confetti_ball": "🎊", "arrow_up": "⬆️", "arrow_down": "⬇️",
    "coffee": "☕", "no_bell": "🔕", "pencil2": "✏️", "memo": "📝", "crown": "👑", "handshake": "🤝",
    "house": "🏠", "gear": "⚙️", "taco": "🌮",
}  # fmt: skip
_LITERAL = re.compile(r"```(.+?)```|`([^`\n]+)`|<([^<>\n]+)>", re.DOTALL)
_STYLES = (
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w_])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_])"), r"<em>\1</em>"),
    (re.compile(r"(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])"), r"<s>\1</s>"),
)
_KEPT = re.compile("\x00(\\d+)\x00")
_EMOJI = re.compile(r":([a-z0-9_+-]+):")


# -- Texts ---------------------------------------------------------------------------------------------------------


def text_object(text: Json, names: Names) -> str:
    return mrkdwn(text["text"], names) if text["type"] == "mrkdwn" else plain(text["text"])


def plain(text: str) -> str:
    return _emoji(_escaped(text)).replace("\n", "<br>")


def mrkdwn(text: str, names: Names) -> str:
    """Slack's own markup: code, links and mentions stay as they are, the rest is styled line by line."""
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        pre, code, reference = match.groups()
        kept.append(f"<pre>{_escaped(pre)}</pre>" if pre else f"<code>{_escaped(code)}</code>" if code else "")
        kept[-1] = kept[-1] or _reference(reference, names)
        return f"\x00{len(kept) - 1}\x00"

    styled = _emoji(_escaped(_LITERAL.sub(keep, text.replace("\x00", ""))))
    for pattern, tag in _STYLES:
        styled = pattern.sub(tag, styled)
    lines = [f"<q>{line[4:].strip()}</q>" if line.startswith("&gt;") else f"{line}<br>" for line in styled.split("\n")]
    return _KEPT.sub(lambda match: kept[int(match[1])], "".join(lines).removesuffix("<br>"))


def _reference(reference: str, names: Names) -> str:
    """What stands between angle brackets: somebody, a channel, everybody, a moment, a link."""
    target, _, label = reference.partition("|")
    if target[0] in "@#":
        return f"<b class=mention>{target[0]}{_escaped(names.get(target[1:], label or target[1:]))}</b>"
    if target.startswith("!date^"):
        return _escaped(label or target.split("^")[1])
    if target.startswith("!"):
        return f"<b class=mention>@{_escaped(target[1:])}</b>"
    return f'<a href="{_escaped(target)}" rel=noreferrer>{_escaped(label or target)}</a>'


def _escaped(text: str) -> str:
    """Apps escape three characters themselves; here they are escaped once."""
    return escape(unescape(text))


def _emoji(text: str) -> str:
    return _EMOJI.sub(lambda match: EMOJI.get(match[1], match[0]), text)


# -- Elements ------------------------------------------------------------------------------------------------------


def _button(element: Json, names: Names) -> str:
    shown = f"<span class='button {escape(element.get('style', ''))}'>{plain(element['text']['text'])}</span>"
    return f"{shown}{_dialog(element['confirm'], names)}" if "confirm" in element else shown


def _dialog(confirm: Json, names: Names) -> str:
    """What Slack asks when the button is pressed, to be unfolded."""
    answers = " / ".join(plain(confirm[name]["text"]) for name in ("confirm", "deny"))
    title, text = plain(confirm["title"]["text"]), text_object(confirm["text"], names)
    return f"<details><summary>{title}</summary><p>{text}</p><small>{answers}</small></details>"


def _select(element: Json, names: Names) -> str:
    chosen = element.get("initial_option")
    shown = plain(chosen["text"]["text"]) if chosen else _chosen_names(element, names) or _placeholder(element)
    return f"<span class=select>{shown}</span>{_offered(element)}"


def _chosen_names(element: Json, names: Names) -> str:
    one = [element[name] for name in ("initial_user", "initial_channel", "initial_conversation") if name in element]
    several = element.get("initial_users", []) + element.get("initial_conversations", [])
    options = [option["text"]["text"] for option in element.get("initial_options", [])]
    return ", ".join([_escaped(names.get(each, each)) for each in one + several] + [plain(each) for each in options])


def _offered(element: Json) -> str:
    """What can be chosen, to be unfolded."""
    groups = element.get("option_groups") or [{"options": element.get("options", [])}]
    items = "".join(
        (f"<li><strong>{plain(group['label']['text'])}</strong>" if "label" in group else "")
        + "".join(f"<li>{plain(option['text']['text'])}" for option in group["options"])
        for group in groups
    )
    count = sum(len(group["options"]) for group in groups)
    told = "1 choice" if count == 1 else f"{count} choices"
    return f"<details><summary>{told}</summary><ul>{items}</ul></details>" if items else ""


def _placeholder(element: Json) -> str:
    text = element.get("placeholder", {}).get("text", "")
    return f"<i>{plain(text)}</i>" if text else "&nbsp;"


def _field(element: Json, names: Names) -> str:
    given = element.get("initial_value") or element.get("initial_date") or element.get("initial_time")
    shown = plain(given) if given else _placeholder(element)
    return f"<span class='field{' tall' if element.get('multiline') else ''}'>{shown}</span>"


def _choices(element: Json, names: Names) -> str:
    first = [element.get("initial_option"), *element.get("initial_options", [])]
    marks = "○●" if element["type"] == "radio_buttons" else "☐☑"
    return "".join(
        f"<p class=choice>{marks[option in first]} {text_object(option['text'], names)}"
        + (f"<small>{text_object(option['description'], names)}</small>" if "description" in option else "")
        + "</p>"
        for option in element["options"]
    )


def _overflow(element: Json, names: Names) -> str:
    return f"<span class=button>⋯</span>{_offered(element)}"


def _image(element: Json, names: Names) -> str:
    """Nothing is loaded from elsewhere: a frame with what is to be read instead."""
    return f"<span class=image>{plain(element['alt_text'])}</span>"


def _words(element: Json, names: Names) -> str:
    return f"<span>{text_object(element, names)}</span>"


ELEMENTS: dict[str, Callable[[Json, Names], str]] = {
    "button": _button,
    "overflow": _overflow,
    "image": _image,
    "plain_text": _words,
    "mrkdwn": _words,
    "radio_buttons": _choices,
    "checkboxes": _choices,
    **dict.fromkeys(("plain_text_input", "number_input", "email_text_input", "url_text_input"), _field),
    **dict.fromkeys(("datepicker", "timepicker"), _field),
    **dict.fromkeys((*SELECTS, *MULTI_SELECTS), _select),
}


def _element(element: Json, names: Names) -> str:
    return ELEMENTS[element["type"]](element, names)


def _elements(elements: Iterable[Json], names: Names) -> str:
    return "".join(_element(one, names) for one in elements)


# -- Blocks --------------------------------------------------------------------------------------------------------


def _header(block: Json, names: Names) -> str:
    return f"<h4>{plain(block['text']['text'])}</h4>"


def _section(block: Json, names: Names) -> str:
    text = f"<p>{text_object(block['text'], names)}</p>" if "text" in block else ""
    fields = "".join(f"<p>{text_object(one, names)}</p>" for one in block.get("fields", []))
    body = text + (f"<div class=fields>{fields}</div>" if fields else "")
    accessory = f"<div class=accessory>{_element(block['accessory'], names)}</div>" if "accessory" in block else ""
    return f"<div class=section><div>{body}</div>{accessory}</div>"


def _context(block: Json, names: Names) -> str:
    return f"<div class=context>{_elements(block['elements'], names)}</div>"


def _actions(block: Json, names: Names) -> str:
    return f"<div class=actions>{_elements(block['elements'], names)}</div>"


def _input(block: Json, names: Names) -> str:
    optional = " <small>(optional)</small>" if block.get("optional") else ""
    hint = f"<small>{plain(block['hint']['text'])}</small>" if "hint" in block else ""
    label = plain(block["label"]["text"])
    return f"<div class=input><label>{label}{optional}</label>{_element(block['element'], names)}{hint}</div>"


def _picture(block: Json, names: Names) -> str:
    title = f"<p>{plain(block['title']['text'])}</p>" if "title" in block else ""
    return f"<div class=picture>{title}{_image(block, names)}</div>"


def _rich_text(block: Json, names: Names) -> str:
    return f"<p>{plain(' '.join(_rich_words(block, names)))}</p>"


def _rich_words(element: Json, names: Names) -> list[str]:
    inside = [word for one in element.get("elements", []) for word in _rich_words(one, names)]
    own = {"user": names.get(element.get("user_id", ""), ""), "emoji": f":{element.get('name')}:"}
    said = own.get(element["type"]) or element.get("text") or element.get("url")
    return ([said] if said else []) + inside


BLOCKS: dict[str, Callable[[Json, Names], str]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "divider": lambda block, names: "<hr>",
    "actions": _actions,
    "input": _input,
    "image": _picture,
    "rich_text": _rich_text,
}


def blocks(given: Sequence[Json], names: Names) -> str:
    return "".join(BLOCKS[block["type"]](block, names) for block in given)


# -- Messages and views --------------------------------------------------------------------------------------------


def message(one: Json, names: Names) -> str:
    """Who said it when, what was said, and who reacted."""
    author = names.get(one["user"], one["user"])
    content = blocks(one["blocks"], names) if one.get("blocks") else f"<p>{mrkdwn(one['text'], names)}</p>"
    private = f"<small>Only visible to {_escaped(names[one['to']])}</small>" if "to" in one else ""
    reactions = "".join(
        f"<span class=reaction>{_emoji(':' + _escaped(each['name']) + ':')} {each['count']}</span>"
        for each in one.get("reactions", [])
    )
    edited = " <small>(edited)</small>" if "edited" in one else ""
    kinds = ["message", *(["private"] if "to" in one else []), *(["reply"] if _is_reply(one) else [])]
    initial = f"<b class='initial {'bot' if 'bot_id' in one or 'to' in one else ''}'>{_escaped(author[:1])}</b>"
    head = f"<p class=author><strong>{_escaped(author)}</strong> <time>{_clock(one['ts'])}</time>{edited}</p>"
    return f"<article class='{' '.join(kinds)}'>{initial}<div>{private}{head}{content}{reactions}</div></article>"


def _is_reply(one: Json) -> bool:
    return bool(one.get("thread_ts", one["ts"]) != one["ts"])


def _clock(ts: str) -> str:
    return datetime.fromtimestamp(float(ts), UTC).strftime("%-d %b, %H:%M UTC")


def home(view: Json, names: Names) -> str:
    return f"<div class=home>{blocks(view['blocks'], names)}</div>"


def modal(view: Json, names: Names) -> str:
    close = plain(view["close"]["text"]) if view.get("close") else "Cancel"
    submit = f"<span class='button primary'>{plain(view['submit']['text'])}</span>" if view.get("submit") else ""
    return (
        f"<div class=modal><h4>{plain(view['title']['text'])}</h4><div>{blocks(view['blocks'], names)}</div>"
        f"<footer><span class=button>{close}</span>{submit}</footer></div>"
    )
