"""Definitions of any shape, for properties; they need not pass the checks."""

from collections.abc import Callable
from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from domain.configuration import (
    Aggregate,
    Award,
    Budget,
    Calendar,
    Cap,
    CatalogItem,
    Combining,
    Condition,
    Conversion,
    EventType,
    Expiry,
    ExpiryPolicy,
    Field,
    Group,
    Milestone,
    Period,
    Refill,
    Reward,
    Rounding,
    Rule,
    RuleState,
    Source,
    Stacking,
    Transferring,
    Unit,
    UnitKind,
)
from domain.definitions import Definitions
from domain.game import (
    Absorbed,
    Badge,
    Board,
    Cadence,
    Challenge,
    Fairness,
    Freezes,
    Goal,
    Grace,
    Level,
    OnMiss,
    Prize,
    Qualifying,
    StreakPolicy,
    TierLadder,
    Window,
)
from domain.nominations import Chain, Needs, NominationCategory, NominatorLimit
from domain.nominations import Level as ApprovalLevel
from domain.notifications import Celebrations, ChallengePosts, NotificationPolicy
from domain.recognitions import PairCap, RecognitionPolicy

# Few, so that what is made twice meets under the same key.
keys = st.sampled_from(("a", "b", "deal-won", "x9", "in-the-first-quarter"))
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
whole = st.integers(-(2**53), 2**53)
maybe_whole = st.none() | whole
versions = st.integers(1, 1_000)
moments = st.datetimes(timezones=st.just(UTC))
instants = st.none() | moments
maybe_text = st.none() | texts

fields = st.builds(
    Field,
    type=texts,
    required=st.booleans(),
    description=texts,
    enum=st.lists(texts, max_size=3).map(tuple),
    minimum=maybe_whole,
    maximum=maybe_whole,
    max_length=whole,
)
awards = st.builds(
    Award, expression=texts, unit=texts, rounding=st.sampled_from(Rounding), expires_after_days=maybe_whole
)
caps = st.builds(Cap, per=st.none() | st.sampled_from(Period), points=maybe_whole, times=maybe_whole)
budgets = st.builds(Budget, points=whole, per=st.sampled_from(Period))
conditions = st.builds(Condition, name=texts, expression=texts)
lists = st.lists(texts, max_size=3).map(tuple)
expiries = st.builds(
    Expiry,
    policy=st.sampled_from(ExpiryPolicy),
    days=maybe_whole,
    at=instants,
    per=st.none() | st.sampled_from(Calendar),
    warn_days=st.lists(whole, max_size=3).map(tuple),
)
transferring = st.builds(Transferring, at_once=maybe_whole, per_day=maybe_whole, per_month=maybe_whole)
refills = st.builds(
    Refill, amount=whole, per=st.sampled_from(Calendar), by_role=st.dictionaries(texts, whole, max_size=2)
)


def _event_type(key: str) -> st.SearchStrategy[EventType]:
    return st.builds(
        EventType, st.just(key), versions, fields=st.dictionaries(keys, fields, max_size=3), description=texts
    )


def _aggregate(key: str) -> st.SearchStrategy[Aggregate]:
    return st.builds(
        Aggregate,
        st.just(key),
        event_type=texts,
        per=st.none() | st.sampled_from(Period),
        field=st.none() | texts,
        days=maybe_whole,
    )


def _rule(key: str) -> st.SearchStrategy[Rule]:
    return st.builds(
        Rule,
        st.just(key),
        versions,
        event_type=texts,
        title=texts,
        when=st.lists(conditions, max_size=3).map(tuple),
        award=st.none() | awards,
        reward=st.none() | texts,
        caps=st.lists(caps, max_size=3).map(tuple),
        starts_at=instants,
        ends_at=instants,
        state=st.sampled_from(RuleState),
        audience=st.none() | texts,
        multiplier=st.none() | texts,
        group=st.none() | texts,
        priority=whole,
        budgets=st.lists(budgets, max_size=2).map(tuple),
    )


def _group(key: str) -> st.SearchStrategy[Group]:
    return st.builds(
        Group,
        st.just(key),
        versions,
        title=texts,
        stacking=st.sampled_from(Stacking),
        within=st.none() | texts,
        priority=whole,
        combining=st.sampled_from(Combining),
        ceiling=st.none() | texts,
        rounding=st.sampled_from(Rounding),
        caps=st.lists(caps, max_size=3).map(tuple),
    )


def _milestone(key: str) -> st.SearchStrategy[Milestone]:
    return st.builds(
        Milestone,
        st.just(key),
        versions,
        reward=texts,
        on=texts,
        every=maybe_whole,
        at=maybe_whole,
        unit=texts,
        title=texts,
    )


def _reward(key: str) -> st.SearchStrategy[Reward]:
    return st.builds(
        Reward,
        st.just(key),
        versions,
        title=texts,
        items=lists,
        value_minor=whole,
        currency=texts,
        automatic=st.booleans(),
        price_points=whole,
        offer_days=whole,
        remind_days=whole,
    )


def _item(key: str) -> st.SearchStrategy[CatalogItem]:
    return st.builds(
        CatalogItem,
        st.just(key),
        versions,
        name=texts,
        vendor=texts,
        product=texts,
        description=texts,
        category=texts,
        images=lists,
        countries=lists,
        currency=texts,
        denominations=st.lists(whole, max_size=3).map(tuple),
        points_per_unit=whole,
        terms=texts,
        available=st.booleans(),
    )


def _unit(key: str) -> st.SearchStrategy[Unit]:
    return st.builds(
        Unit,
        st.just(key),
        versions,
        title=texts,
        kind=st.sampled_from(UnitKind),
        currency=texts,
        exponent=whole,
        expiry=expiries,
        debt=st.booleans(),
        renew_days=maybe_whole,
        transfer=st.none() | transferring,
        refill=st.none() | refills,
        approval_above=maybe_whole,
        backdate_days=whole,
    )


def _conversion(key: str) -> st.SearchStrategy[Conversion]:
    return st.builds(
        Conversion, st.just(key), versions, from_unit=texts, to_unit=texts, from_amount=whole, to_amount=whole
    )


def _streak(key: str) -> st.SearchStrategy[StreakPolicy]:
    return st.builds(
        StreakPolicy,
        st.just(key),
        versions,
        cadence=st.sampled_from(Cadence),
        qualifying=st.lists(
            st.builds(
                Qualifying,
                event_type=texts,
                when=st.lists(conditions, max_size=2).map(tuple),
                field=st.none() | texts,
            ),
            max_size=2,
        ).map(tuple),
        title=texts,
        at_least=texts,
        working_days=lists,
        holidays=st.booleans(),
        sources=lists,
        grace=st.builds(Grace, missed=whole, window=whole, hours=whole),
        freezes=st.builds(Freezes, granted=whole, every=maybe_whole, at_most=whole),
        on_miss=st.sampled_from(OnMiss),
        decay=whole,
        restore_days=whole,
        reached=st.lists(whole, max_size=3).map(tuple),
        reached_every=maybe_whole,
        absorbed=st.sampled_from(Absorbed),
        remind_hours=whole,
        worth_protecting=whole,
    )


def _ladder(key: str) -> st.SearchStrategy[TierLadder]:
    levels = st.builds(Level, key=texts, at=whole, keep=maybe_whole, title=texts)
    return st.builds(
        TierLadder,
        st.just(key),
        versions,
        levels=st.lists(levels, max_size=3).map(tuple),
        title=texts,
        unit=texts,
        days=maybe_whole,
    )


def _badge(key: str) -> st.SearchStrategy[Badge]:
    return st.builds(
        Badge,
        st.just(key),
        versions,
        title=texts,
        description=texts,
        aggregate=st.none() | texts,
        at_least=whole,
        streak=st.none() | texts,
        challenge=st.none() | texts,
        badges=lists,
    )


def _board(key: str) -> st.SearchStrategy[Board]:
    return st.builds(
        Board,
        st.just(key),
        versions,
        title=texts,
        unit=texts,
        by=lists,
        window=st.sampled_from(Window),
        per_working_day=st.booleans(),
        working_days=lists,
        least_members=whole,
    )


def _recognition(key: str) -> st.SearchStrategy[RecognitionPolicy]:
    pair_caps = st.builds(PairCap, per=st.sampled_from(Period), times=maybe_whole, amount=maybe_whole)
    return st.builds(
        RecognitionPolicy,
        st.just(key),
        versions,
        unit=texts,
        title=texts,
        amount=whole,
        values=lists,
        reason_at_least=whole,
        receivers=whole,
        pair_caps=st.lists(pair_caps, max_size=2).map(tuple),
        emoji=st.dictionaries(texts, whole, max_size=2),
        channels=lists,
        external=st.booleans(),
    )


def _source(key: str) -> st.SearchStrategy[Source]:
    return st.builds(Source, st.just(key), versions, late_hours=whole, title=texts)


goals = st.builds(Goal, target=whole, field=maybe_text, team=maybe_text, streak=maybe_text, points=whole)
prizes = st.builds(Prize, first=whole, last=whole, points=whole)


def _challenge(key: str) -> st.SearchStrategy[Challenge]:
    return st.builds(
        Challenge,
        st.just(key),
        versions,
        starts_at=moments,
        ends_at=moments,
        event_types=lists,
        title=texts,
        description=texts,
        when=st.lists(conditions, max_size=3).map(tuple),
        audience=maybe_text,
        multiplier=maybe_text,
        bonus=maybe_text,
        rounding=st.sampled_from(Rounding),
        late_hours=whole,
        first=maybe_whole,
        fairness=st.sampled_from(Fairness),
        once=st.booleans(),
        member_points=maybe_whole,
        budget_points=maybe_whole,
        exceptions_points=maybe_whole,
        stacking=st.sampled_from(Stacking),
        priority=whole,
        goal=st.none() | goals,
        prizes=st.lists(prizes, max_size=3).map(tuple),
        repeats=st.none() | st.sampled_from(Calendar),
        origin=st.sampled_from(["file", "page"]),
        extended_to=instants,
        cancelled_at=instants,
        dropped=st.booleans(),
    )


def _section(definition: Callable[[str], st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sets(keys, max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: definition(name) for name in sorted(names)})
    )


def _policy(key: str) -> st.SearchStrategy[NotificationPolicy]:
    celebrated = st.builds(
        Celebrations, hour=whole, channel=texts, anniversaries=st.booleans(), birthdays=st.booleans()
    )
    return st.builds(
        NotificationPolicy,
        st.just(key),
        versions,
        quiet_from=texts,
        quiet_until=texts,
        quiet_days=lists,
        daily_limit=whole,
        digest_hour=whole,
        weekly_digest=st.booleans(),
        workspace=texts,
        admin_channel=texts,
        celebrations=celebrated,
        challenges=st.builds(ChallengePosts, channel=texts),
    )


def _category(key: str) -> st.SearchStrategy[NominationCategory]:
    levels = st.builds(
        ApprovalLevel,
        approver=st.none() | st.sampled_from(Chain),
        members=lists,
        audience=maybe_text,
        needs=st.sampled_from(Needs),
        quorum=maybe_whole,
        from_amount=whole,
        remind_hours=whole,
        escalate_hours=whole,
        expire_hours=whole,
    )
    return st.builds(
        NominationCategory,
        st.just(key),
        versions,
        title=texts,
        levels=st.lists(levels, max_size=3).map(tuple),
        description=texts,
        default_amount=whole,
        max_amount=whole,
        min_reason=whole,
        limit=st.none() | st.builds(NominatorLimit, times=whole, per=st.sampled_from(Calendar)),
    )


definitions = st.builds(
    Definitions,
    event_types=_section(_event_type),
    aggregates=_section(_aggregate),
    rules=_section(_rule),
    milestones=_section(_milestone),
    rewards=_section(_reward),
    catalog=_section(_item),
    units=_section(_unit),
    conversions=_section(_conversion),
    challenges=_section(_challenge),
    groups=_section(_group),
    streaks=_section(_streak),
    tiers=_section(_ladder),
    badges=_section(_badge),
    boards=_section(_board),
    recognition=_section(_recognition),
    sources=_section(_source),
    nominations=_section(_category),
    notifications=_section(_policy),
)
