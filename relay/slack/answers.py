"""What comes of a request of Slack: what is said to who made it, and what a form answers at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connectors.slack import blocks
from domain.slack import RESPONSE_URL, MessageKind, Outgoing, way_back
from relay.slack.context import Context


@dataclass(frozen=True, slots=True)
class Answered:
    """`answer` is what the form is answered, None closes it; `messages` are said afterwards; a `refusal` is words."""

    messages: Sequence[Outgoing] = ()
    answer: Mapping[str, Any] | None = None
    refusal: str | None = None

    def beside(self, field: str) -> "Answered":
        """A refusal is shown beside this field of the form, which stays open.

        Else nothing is said: the form closes, and the card that it was opened from is edited to say what was decided.
        """
        return errors(field, self.refusal) if self.refusal else replace(self, messages=())


def errors(field: str, text: str) -> Answered:
    """The form stays open, with this beside the field."""
    return Answered(answer={"response_action": "errors", "errors": {field: text}})


def said(context: Context, text: str, *, is_refusal: bool = False) -> Answered:
    """Said to who asked, directly."""
    return Answered([direct(context, blocks.message(text))], refusal=text if is_refusal else None)


def direct(context: Context, content: Mapping[str, Any], n: int = 0) -> Outgoing:
    """A direct message to who asked."""
    assert context.asker_id is not None, "somebody has asked"
    return Outgoing(f"{context.envelope_key}/{n}", context.connection.id, context.asker_id, content)


def reply(context: Context, body: Mapping[str, Any], content: Mapping[str, Any]) -> Outgoing:
    """An answer to who asked alone, where they did; directly, where nothing can be said, as in a Home."""
    if not body.get(RESPONSE_URL):
        return direct(context, content)
    alone = {"response_type": "ephemeral", "replace_original": False, **way_back(body, context.asked_at)}
    return replace(direct(context, {**content, **alone}), kind=MessageKind.RESPOND)


def home(context: Context) -> Outgoing:
    """Their Home as it will be when it is shown."""
    assert context.asker_id is not None, "somebody has asked"
    key = f"{context.envelope_key}/home"
    return Outgoing(key, context.connection.id, context.asker_id, kind=MessageKind.HOME)
