"""Least privilege: the template's policies, and whether the check of them can fail."""

import copy
import unittest
from collections.abc import Callable
from typing import Any

import template
from policies import problems


class TheTemplate(unittest.TestCase):
    def test_allows_nothing_that_is_not_written_out(self) -> None:
        self.assertEqual(problems(template.written()), [])

    def test_allows_no_more_once_sam_has_transformed_it(self) -> None:
        for deployment in ("none", "Canary10Percent5Minutes"):
            with self.subTest(deployment):
                self.assertEqual(problems(template.transformed(GradualDeployment=deployment)), [])


class TheCheck(unittest.TestCase):
    """Each spoils the good template in one way; the check has to say so."""

    def test_finds_a_pattern_of_actions(self) -> None:
        self.spoiled(
            self.statement(Effect="Allow", Action="dynamodb:*", Resource="arn:aws:dynamodb:::table/a"), "is a pattern"
        )
        self.spoiled(self.statement(Effect="Allow", Action=["sqs:Send?essage"], Resource="arn"), "is a pattern")

    def test_finds_a_pattern_of_resources(self) -> None:
        self.spoiled(self.statement(Effect="Allow", Action="dynamodb:PutItem", Resource="*"), "dynamodb:PutItem on *")
        wide = {"Fn::Sub": "${BrandsTable.Arn}/index/*"}
        self.spoiled(self.statement(Effect="Allow", Action="dynamodb:Query", Resource=["arn", wide]), "/index/*")

    def test_excuses_no_other_action_beside_the_traces(self) -> None:
        actions = ["xray:PutTraceSegments", "xray:GetTraceSummaries"]
        self.spoiled(self.statement(Effect="Allow", Action=actions, Resource="*"), "xray:GetTraceSummaries on *")
        wide = {"Fn::Sub": "arn:${AWS::Partition}:xray:*"}
        self.spoiled(self.statement(Effect="Allow", Action="xray:PutTraceSegments", Resource=wide), "xray:*")

    def test_finds_what_is_allowed_by_not_naming_it(self) -> None:
        self.spoiled(self.statement(Effect="Allow", NotAction="iam:PassRole", Resource="arn"), "NotAction")
        self.spoiled(self.statement(Effect="Allow", Action="sqs:SendMessage", NotResource="arn"), "NotResource")

    def test_finds_managed_policies(self) -> None:
        def managed(resources: dict[str, Any]) -> None:
            resources["SyncBrandRole"]["Properties"]["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]

        self.spoiled(managed, "managed policy")

    def test_finds_a_function_whose_role_sam_would_make(self) -> None:
        def without(resources: dict[str, Any]) -> None:
            del resources["SignInFunction"]["Properties"]["Role"]

        self.spoiled(without, "SignInFunction: its role is not one that the template writes out")

    def test_finds_sams_policy_templates_and_events(self) -> None:
        def crud(resources: dict[str, Any]) -> None:
            resources["SignInFunction"]["Properties"]["Policies"] = [{"DynamoDBCrudPolicy": {"TableName": "a"}}]

        def event(resources: dict[str, Any]) -> None:
            resources["SyncBrandFunction"]["Properties"]["Events"] = {"Queue": {"Type": "SQS"}}

        self.spoiled(crud, "SignInFunction: policies at the function")
        self.spoiled(event, "SyncBrandFunction: for an event")

    def test_finds_two_functions_with_one_role(self) -> None:
        def shared(resources: dict[str, Any]) -> None:
            resources["SignInFunction"]["Properties"]["Role"] = {"Fn::GetAtt": ["SyncBrandRole", "Arn"]}

        self.spoiled(shared, "shares its role")

    def test_finds_a_role_that_others_than_a_service_may_take(self) -> None:
        def trusting(resources: dict[str, Any]) -> None:
            document = resources["SyncBrandRole"]["Properties"]["AssumeRolePolicyDocument"]
            document["Statement"][0]["Principal"] = {"AWS": "*"}

        self.spoiled(trusting, "others than a service")

    def test_finds_a_queue_that_is_open_to_everybody(self) -> None:
        def opened(resources: dict[str, Any]) -> None:
            document = resources["BrandEventsQueuePolicy"]["Properties"]["PolicyDocument"]
            document["Statement"][0] |= {"Effect": "Allow", "Action": "sqs:SendMessage"}

        self.spoiled(opened, "allows everybody sqs:SendMessage")

    def test_finds_a_service_that_may_invoke_on_anybodys_behalf(self) -> None:
        def unbound(resources: dict[str, Any]) -> None:
            del resources["HealthPermission"]["Properties"]["SourceArn"]

        self.spoiled(unbound, "HealthPermission")

    def statement(self, **statement: Any) -> Callable[[dict[str, Any]], None]:
        """Adds a statement to a function's role."""

        def add(resources: dict[str, Any]) -> None:
            policy = resources["CreateBrandRole"]["Properties"]["Policies"][0]
            policy["PolicyDocument"]["Statement"].append(statement)

        return add

    def spoiled(self, spoil: Callable[[dict[str, Any]], None], expected: str) -> None:
        found = copy.deepcopy(template.written())
        spoil(found["Resources"])
        said = problems(found)
        self.assertTrue(any(expected in problem for problem in said), f"{expected!r} is not among {said}")


if __name__ == "__main__":
    unittest.main()
