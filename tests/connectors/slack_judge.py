"""Slack's own library as the judge of what we render: every block and view passes its models and their limits."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.models.basic_objects import JsonObject
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from connectors.slack.blocks import MESSAGE_BLOCKS, VIEW_BLOCKS


def judge_blocks(blocks: Sequence[Mapping[str, Any]], most: int = MESSAGE_BLOCKS) -> None:
    """Raises or fails at what Slack would refuse."""
    parsed = Block.parse_all([dict(block) for block in blocks])
    assert len(parsed) == len(blocks) <= most
    for given, block in zip(blocks, parsed, strict=True):
        _judge(block)
        assert block.to_dict() == given, "Slack's model knows another block"
    _judge_texts(blocks)
    named = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(named) == len(set(named)), "block ids are unique in a message or view"


def judge_view(view: Mapping[str, Any]) -> None:
    """Raises or fails at what Slack would refuse."""
    View(**view).validate_json()
    judge_blocks(view["blocks"], VIEW_BLOCKS)
    assert len(json.dumps(view)) <= 250_000  # bytes: more is view_too_large


def _judge(part: Any) -> None:
    """The models check only themselves, so each part is asked."""
    if isinstance(part, JsonObject):
        part.validate_json()
        for one in vars(part).values():
            _judge(one)
    elif isinstance(part, list | tuple):
        for one in part:
            _judge(one)


def _judge_texts(part: Any) -> None:
    """No text object is empty or longer than the longest that Slack takes."""
    if isinstance(part, Mapping):
        if part.get("type") in ("plain_text", "mrkdwn"):
            assert 1 <= len(part["text"]) <= 3_000
        for one in part.values():
            _judge_texts(one)
    elif isinstance(part, list | tuple):
        for one in part:
            _judge_texts(one)
