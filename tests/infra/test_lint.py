"""The lint finds exactly the mistakes in a template that was broken in several ways."""

import json
import tempfile
import unittest
from pathlib import Path

import lint
import template
from lint import Finding, failures


class TheLint(unittest.TestCase):
    def test_finds_exactly_the_mistakes(self) -> None:
        broken = template.written()
        resources = broken["Resources"]
        resources["OpenQueue"] = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeOut": 30}}
        resources["CreateBrandRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"] += [
            {"Effect": "Allow", "Action": "sqs:SendMessages", "Resource": {"Fn::GetAtt": ["BrandEventsQueue", "Arn"]}},
            {
                "Effect": "Allow",
                "Action": "dynamodb:GetItem",
                "Resource": {"Fn::Sub": "${BrandEventsQueue.Arn}/index/due"},
            },
            {
                "Fn::If": [
                    "IsGradual",
                    {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": {"Ref": "BrandEventsQueue"}},
                    {"Ref": "AWS::NoValue"},
                ]
            },
        ]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "template.json"
            file.write_text(json.dumps(broken))
            found = lint.findings(file, Path(folder))
        self.assertEqual(
            {finding[:3] for finding in failures(found, lint.exceptions())},
            {
                ("cfn-lint", "E3002", "OpenQueue"),  # the property does not exist
                ("checkov", "CKV_AWS_27", "OpenQueue"),  # not encrypted
                ("cfn-lint", "W3037", "CreateBrandRole"),  # the action does not exist
                ("parliament", "UNKNOWN_ACTION", "CreateBrandRole"),
                ("parliament", "RESOURCE_MISMATCH", "CreateBrandRole"),  # GetItem does not apply to a queue
                ("parliament", "INVALID_ARN", "CreateBrandRole"),  # a queue's URL
            },
        )


class Exceptions(unittest.TestCase):
    accepted = {"checkov": {"RULE": {"*Queue": "a reason"}}}

    def test_accept_only_the_findings_that_they_match(self) -> None:
        one = Finding("checkov", "RULE", "FirstQueue", "")
        others = [one._replace(tool="cfn-lint"), one._replace(rule="RULE_2"), one._replace(id="Queues")]
        self.assertEqual(list(failures([one], self.accepted)), [])
        self.assertCountEqual(failures([one, *others], self.accepted), others)

    def test_that_match_no_finding_fail(self) -> None:
        [stale] = failures([], self.accepted)
        self.assertEqual(stale[:3], ("checkov", "RULE", "*Queue"))

    def test_state_their_reasons(self) -> None:
        for rules in lint.exceptions().values():
            for rule, reasons in rules.items():
                for pattern, reason in reasons.items():
                    self.assertGreater(len(reason), 20, f"{rule} {pattern}")


if __name__ == "__main__":
    unittest.main()
