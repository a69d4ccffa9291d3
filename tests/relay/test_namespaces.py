"""A Temporal server is made ready, whatever it knows already."""

from datetime import timedelta

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from relay import namespaces


async def test_a_new_temporal_gets_namespace_retention_and_search_attributes(client: Client) -> None:
    namespace = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    attributes = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )

    assert namespace.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=30)
    assert {"LaurelProgram", "LaurelStatus", "LaurelRef"} <= attributes.custom_attributes.keys()


async def test_preparing_again_changes_nothing_and_fails_at_nothing(client: Client) -> None:
    await namespaces.prepare(client)
