"""Deletes a throw-away stack and everything that outlives a stack, then checks that nothing is left."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

import steps
from releases import Releases
from stacks import Target

TABLE = "AWS::DynamoDB::Table"
# The call that finds a resource, by type. All other types are parts of these: routes, permissions, versions …
_PROBES = {
    TABLE: ("dynamodb", "describe_table", "TableName"),
    "AWS::ApiGatewayV2::Api": ("apigatewayv2", "get_api", "ApiId"),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "describe_alarms", "AlarmNames"),
    "AWS::CloudWatch::Dashboard": ("cloudwatch", "get_dashboard", "DashboardName"),
    "AWS::CodeDeploy::Application": ("codedeploy", "get_application", "applicationName"),
    "AWS::Events::Rule": ("events", "describe_rule", "Name"),
    "AWS::IAM::Role": ("iam", "get_role", "RoleName"),
    "AWS::Lambda::EventSourceMapping": ("lambda", "get_event_source_mapping", "UUID"),
    "AWS::Lambda::Function": ("lambda", "get_function", "FunctionName"),
    "AWS::Logs::LogGroup": ("logs", "describe_log_streams", "logGroupName"),
    "AWS::SNS::Topic": ("sns", "get_topic_attributes", "TopicArn"),
    "AWS::SQS::Queue": ("sqs", "get_queue_attributes", "QueueUrl"),
    "AWS::Scheduler::Schedule": ("scheduler", "get_schedule", "Name"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "describe_secret", "SecretId"),
}
_GONE = re.compile("NotFound|NonExistent|NoSuch|NotExist")


@dataclass(frozen=True)
class Resource:
    """A resource of the stack: its type, its logical id as the name, and its physical id."""

    type: str
    name: str
    id: str


def resources(target: Target) -> list[Resource]:
    """Lists all resources of the stack; empty if there is no stack."""
    if not target.find():
        return []
    pages = target.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=target.stack)
    found = [one for page in pages for one in page["StackResourceSummaries"] if one.get("PhysicalResourceId")]
    return [Resource(one["ResourceType"], one["LogicalResourceId"], one["PhysicalResourceId"]) for one in found]


def delete_stack(target: Target) -> None:
    """Deletes the stack once no update is under way. An interrupted update is cancelled first."""
    cloudformation = target.client("cloudformation")
    while (stack := target.find()) and re.search("^(UPDATE|ROLLBACK).*_IN_PROGRESS$", stack.status):
        if stack.status == "UPDATE_IN_PROGRESS":
            cloudformation.cancel_update_stack(StackName=target.stack)
        time.sleep(0.2 if target.is_local else 5)
    if stack:
        steps.delete(target, target.stack)


def delete_tables(target: Target, ids: Sequence[str]) -> None:
    """Deletes the tables that outlived the stack."""
    dynamodb = target.client("dynamodb")
    for id in ids:
        with suppress(dynamodb.exceptions.ResourceNotFoundException):
            # The emulator protects tables even if the template's parameter is false.
            if dynamodb.describe_table(TableName=id)["Table"].get("DeletionProtectionEnabled"):
                dynamodb.update_table(TableName=id, DeletionProtectionEnabled=False)
                dynamodb.get_waiter("table_exists").wait(TableName=id)
            dynamodb.delete_table(TableName=id)


def delete_objects(target: Target, with_bucket: bool) -> int:
    """Deletes the stack's objects in the bucket of releases and counts them; on request deletes the empty bucket."""
    releases = Releases(target)
    count = releases.delete() if releases.find_bucket() else 0
    if with_bucket:
        releases.delete_bucket()
    return count


def left(target: Target, deleted: Sequence[Resource]) -> tuple[int, list[Resource]]:
    """Returns the number of resources it checked, and those that still exist after two minutes."""
    asked = waiting = [one for one in deleted if one.type in _PROBES]
    deadline = time.monotonic() + 120  # a deleted queue may still answer, and a mapping or a table still be deleting
    while (waiting := [one for one in waiting if _is_there(target, one)]) and time.monotonic() < deadline:
        time.sleep(0.5 if target.is_local else 5)
    return len(asked), waiting


def _is_there(target: Target, resource: Resource) -> bool:
    service, operation, parameter = _PROBES[resource.type]
    id: Any = [resource.id] if parameter.endswith("Names") else resource.id
    try:
        found = getattr(target.client(service), operation)(**{parameter: id})
    except ClientError as error:
        if _GONE.search(error.response["Error"]["Code"]):
            return False
        raise
    # The response omits alarms that do not exist; a deleted secret is kept for a while, with a date of deletion.
    return bool(found.get("MetricAlarms", True)) and "DeletedDate" not in found
