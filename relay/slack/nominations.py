"""Nominations in Slack: proposed and decided in a form, approved and taken back by a button."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import forms
from connectors.slack.nominations import ended
from domain.nominations import NominationRefused, Refusal, Ruling, Verdict
from relay.slack import nominators
from relay.slack.answers import Answered, errors, said
from relay.slack.context import Context
from storage import configurations, nomination_commands, nominations


async def propose(session: AsyncSession, context: Context, view: Mapping[str, Any]) -> Answered:
    """The nomination that was filled in waits for its approvers, or what is wrong with it is said beside its field."""
    values, texts = view["state"]["values"], context.texts
    chosen = forms.people(values, "nominee")
    nominee_id = context.member_of(chosen[0]) if chosen else None
    assert context.member_id is not None, "only members have forms"
    if nominee_id is None:
        return errors(*forms.nomination_fault(Refusal.MEMBER_NOT_FOUND, None, texts))
    try:
        proposal = forms.proposal(values, context.member_id, nominee_id)
    except ValueError:
        return errors("amount", forms.no_number(texts))
    try:
        nomination = await nomination_commands.nominate(session, context.program_id, proposal, now=context.as_of)
    except NominationRefused as refused:
        active = await configurations.read_active(session, context.program_id)
        category, evidence = active.nominations.get(proposal.category), proposal.evidence
        return errors(*forms.nomination_fault(refused.code, category, texts, evidence=evidence))
    return Answered(await nominators.confirm(session, context, nomination))


async def withdraw(session: AsyncSession, context: Context, nomination_id: str) -> str | None:
    """It is taken back while it waits for its approval, and what confirmed it says so afterwards; or why it is not."""
    texts = context.texts
    try:
        await nomination_commands.withdraw(
            session, context.program_id, nomination_id, member_id=context.member_id, now=context.as_of
        )
    except NominationRefused as refused:
        if refused.code is not Refusal.NOT_PENDING:
            return forms.decision_fault(refused.code, texts)
        nomination = await nominations.get(session, context.program_id, nomination_id)
        return ended(nomination.state, texts)
    except LookupError:
        return forms.decision_fault(Refusal.NOT_NOMINATOR, texts)
    return None


async def approve(session: AsyncSession, context: Context, nomination_id: str) -> Answered:
    """Approved as it was proposed."""
    return await _decide(session, context, nomination_id, Verdict.APPROVED, None, "")


async def change(session: AsyncSession, context: Context, view: Mapping[str, Any]) -> Answered:
    """Approved with another amount."""
    values = view["state"]["values"]
    try:
        amount = forms.whole(forms.written(values, "amount"))
    except ValueError:
        return errors("amount", forms.no_number(context.texts))
    comment = forms.written(values, "comment") or ""
    answered = await _decide(session, context, view["private_metadata"], Verdict.APPROVED, amount, comment)
    return answered.beside("amount")


async def decline(session: AsyncSession, context: Context, view: Mapping[str, Any]) -> Answered:
    """Declined, with the reason."""
    comment = forms.written(view["state"]["values"], "comment") or ""
    answered = await _decide(session, context, view["private_metadata"], Verdict.DECLINED, None, comment)
    return answered.beside("comment")


async def _decide(
    session: AsyncSession, context: Context, nomination_id: str, verdict: Verdict, amount: int | None, comment: str
) -> Answered:
    texts = context.texts
    actor = f"slack:{context.asker_id}"
    ruling = Ruling(verdict, context.member_id, actor, amount, comment)
    try:
        await nomination_commands.decide(session, context.program_id, nomination_id, ruling, now=context.as_of)
    except NominationRefused as refused:
        return said(context, forms.decision_fault(refused.code, texts), is_refusal=True)
    except LookupError:
        return said(context, forms.decision_fault(Refusal.NOT_APPROVER, texts), is_refusal=True)
    if verdict is Verdict.APPROVED:
        return said(context, texts.say("Thank you: approved."))
    return said(context, texts.say("Declined; who nominated is told why."))
