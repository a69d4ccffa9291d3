"""What a Temporal server must know before it is worked with: our namespace and our search attributes."""

from collections.abc import Awaitable
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from relay.outages import namespace_is_missing
from workflows import starts

RETENTION = timedelta(days=30)


async def prepare(client: Client) -> None:
    """The namespace is there, keeps histories for `RETENTION` or longer, and knows our search attributes.

    Raises RPCError while the server is away, or has not noticed yet that the namespace is new.
    """
    await _ensure_namespace(client)
    await _ensure_search_attributes(client)


async def _ensure_namespace(client: Client) -> None:
    service, name = client.workflow_service, client.namespace
    retention = Duration(seconds=int(RETENTION.total_seconds()))
    try:
        found = await service.describe_namespace(DescribeNamespaceRequest(namespace=name))
    except RPCError as error:
        if not namespace_is_missing(error):
            raise
        request = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=retention)
        await _unless_exists(service.register_namespace(request))
        return
    if found.config.workflow_execution_retention_ttl.seconds < retention.seconds:
        config = NamespaceConfig(workflow_execution_retention_ttl=retention)
        await service.update_namespace(UpdateNamespaceRequest(namespace=name, config=config))


async def _ensure_search_attributes(client: Client) -> None:
    service, name = client.operator_service, client.namespace
    known = await service.list_search_attributes(ListSearchAttributesRequest(namespace=name))
    missing = {key.name for key in starts.SEARCH_ATTRIBUTES} - known.custom_attributes.keys()
    if missing:
        keywords = dict.fromkeys(sorted(missing), IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)
        request = AddSearchAttributesRequest(namespace=name, search_attributes=keywords)
        await _unless_exists(service.add_search_attributes(request))


async def _unless_exists(request: Awaitable[object]) -> None:
    """Another worker may have been first."""
    try:
        await request
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
