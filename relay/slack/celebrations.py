"""Celebrations in Slack: colleagues add their words in a form, and the post is edited."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import forms
from domain.celebrations import MAX_WORDS, MAX_WORDS_LENGTH, WordsRefused
from relay.slack.answers import Answered, errors
from relay.slack.context import Context
from storage import celebrations


async def add(session: AsyncSession, context: Context, view: Mapping[str, Any]) -> Answered:
    """The words stand beneath the celebration, or what is wrong with them is said beside their field."""
    words = forms.written(view["state"]["values"], "words") or ""
    assert context.member_id is not None, "only members have forms"
    try:
        await celebrations.add_words(
            session, context.program_id, view["private_metadata"], context.member_id, words, now=context.as_of
        )
    except WordsRefused:
        most = {"length": MAX_WORDS_LENGTH, "writers": MAX_WORDS}
        told = context.texts.say("Words have 1 to {length} characters, and {writers} people write at most.", **most)
        return errors("words", told)
    except LookupError:
        return errors("words", context.texts.say("It is not there any more."))
    return Answered()
