"""Promises about every resource of a kind, including those added later."""

import json
import re
import unittest
from typing import Any

import template
from template import ROOT, of_type

WRITTEN = template.written()
FUNCTIONS = of_type(WRITTEN, "AWS::Serverless::Function")
ALARMS = of_type(WRITTEN, "AWS::CloudWatch::Alarm")
# State that makes itself anew: neither kept nor recoverable nor protected.
PASSING = {"SignInAttemptsTable", "CircuitsTable"}


def properties(id: str) -> dict[str, Any]:
    found: dict[str, Any] = WRITTEN["Resources"][id]["Properties"]
    return found


def statements(function: str) -> list[dict[str, Any]]:
    """The statements of a function's role, without those for its logs and traces."""
    policies = properties(f"{function}Role")["Policies"]
    found = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    return [one for one in found if not {"logs:PutLogEvents", "xray:PutTraceSegments"} & {*listed(one["Action"])}]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _seconds(source: str, constant: str, count: int = 2) -> list[float]:
    """The durations that follow a constant's name in a source file of the functions."""
    text = (ROOT / source).read_text()
    behind = text[text.index(constant) :]
    found = re.findall(r"Duration::from_(secs|millis)\((\d+)\)", behind)[:count]
    return [int(number) / (1000 if unit == "millis" else 1) for unit, number in found]


class TheTemplate(unittest.TestCase):
    def test_describes_each_parameter(self) -> None:
        for name, parameter in WRITTEN["Parameters"].items():
            self.assertGreater(len(parameter.get("Description", "")), 20, name)

    def test_bounds_each_number_and_keeps_its_default_within(self) -> None:
        for name, parameter in WRITTEN["Parameters"].items():
            if parameter["Type"] == "Number":
                values = parameter.get("AllowedValues", [])
                least, most = parameter.get("MinValue", 0), parameter.get("MaxValue", float("inf"))
                self.assertTrue(values or "MinValue" in parameter, name)
                self.assertTrue(parameter["Default"] in values or least <= parameter["Default"] <= most, name)

    def test_names_only_the_access_logs_group_and_after_its_stack(self) -> None:
        names = {
            "FunctionName",
            "TableName",
            "QueueName",
            "RoleName",
            "TopicName",
            "AlarmName",
            "LogGroupName",
            "DashboardName",
        }
        for id, resource in WRITTEN["Resources"].items():
            if resource["Type"] not in ("AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping"):
                named = names & resource.get("Properties", {}).keys()
                self.assertEqual(named, {"LogGroupName"} if id == "HttpApiLogGroup" else set(), id)
        # Log groups with this prefix take no space in the account's resource policy for log deliveries.
        expected = "/aws/vendedlogs/apigateway/${AWS::StackName}"
        self.assertEqual(properties("HttpApiLogGroup")["LogGroupName"], {"Fn::Sub": expected})

    def test_omits_a_property_only_if_that_resets_it(self) -> None:
        """Omitting a property in an update leaves most of them unchanged; only these may be `AWS::NoValue`."""

        def places(value: Any, path: str) -> list[str]:
            match value:
                case {"Ref": "AWS::NoValue"}:
                    return [path]
                case dict():
                    return [one for key, inner in value.items() for one in places(inner, f"{path}/{key}")]
                case list():
                    return [one for inner in value for one in places(inner, path)]
            return []

        reset = {"/ReservedConcurrentExecutions/Fn::If", "/DeploymentPreference/Role/Fn::If"}
        found = {
            place
            for one in (WRITTEN["Globals"]["Function"], *(one.get("Properties", {}) for one in WRITTEN["Resources"].values()))
            for place in places(one, "")
        }
        self.assertEqual(found, reset)

    def test_resets_cors_to_an_origin_that_cannot_exist(self) -> None:
        origins = properties("HttpApi")["CorsConfiguration"]["AllowOrigins"]["Fn::If"]
        self.assertEqual((origins[0], origins[2]), ("HasCorsAllowedOrigins", ["https://none.invalid"]))

    def test_resets_the_limit_of_the_queues_consumers_with_an_empty_configuration(self) -> None:
        scaling = properties("SyncBrandEventSource")["ScalingConfig"]["Fn::If"]
        limit = {"MaximumConcurrency": {"Ref": "SyncBrandMaximumConcurrency"}}
        self.assertEqual(scaling, ["HasSyncBrandMaximumConcurrency", limit, {}])

    def test_accepts_as_that_limit_0_and_what_lambda_accepts(self) -> None:
        parameter = WRITTEN["Parameters"]["SyncBrandMaximumConcurrency"]
        for taken in ("0", "2", "9", "10", "99", "100", "999", "1000", parameter["Default"]):
            self.assertRegex(taken, parameter["AllowedPattern"])
        for refused in ("", "1", "01", "00", "1.0", "-2", "1001", "10000", "2 "):
            self.assertNotRegex(refused, parameter["AllowedPattern"])


class TheParametersOfTheCms(unittest.TestCase):
    def test_reach_the_functions_that_call_it(self) -> None:
        both = {
            "CMS_URL": "CmsUrl",
            "CMS_COLLECTION": "CmsCollection",
            "CMS_ID_FIELD": "CmsIdField",
            "CMS_NAME_FIELD": "CmsNameField",
            "CMS_ENTRY_STATUS": "CmsEntryStatus",
            "CMS_ON_DELETE": "CmsOnDelete",
            "CMS_USERS_COLLECTION": "CmsUsersCollection",
            "CMS_REQUESTS_PER_SECOND": "CmsRequestsPerSecond",
            "SYNC_BRAND_MAXIMUM_CONCURRENCY": "SyncBrandMaximumConcurrency",
            "CMS_CONFLICTS": "CmsConflicts",
        }
        found_by_a_comparison = {"CMS_EDITS": "CmsEdits", "CMS_MADE": "CmsMade", "CMS_ORPHANS": "CmsOrphans"}
        for function, expected in (("SyncBrand", both), ("ReconcileBrands", both | found_by_a_comparison)):
            variables = properties(f"{function}Function")["Environment"]["Variables"]
            of_the_cms = {*both, *(name for name in variables if name.startswith("CMS_"))} - {"CMS_API_KEY_SECRET_ID"}
            found = {name: variables[name]["Ref"] for name in of_the_cms}
            self.assertEqual(found, expected, function)
        [group] = [
            group["Parameters"]
            for group in WRITTEN["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
            if group["Label"]["default"] == "The CMS"
        ]
        self.assertEqual(set(group), {name for name in WRITTEN["Parameters"] if name.startswith("Cms")})

    def test_take_the_url_of_each_kind_of_cms_and_no_other(self) -> None:
        pattern = WRITTEN["Parameters"]["CmsUrl"]["AllowedPattern"]
        schemes = ("http", "https", "payload+http", "payload+https", "strapi+http", "strapi+https")
        for url in ("stub:", *(f"{scheme}://cms.example.com/base" for scheme in schemes)):
            self.assertRegex(url, pattern)
        wrong = ("", "stub", "cms.example.com", "ftp://x", "contentful+https://x", "payload+stub:", "http:// x")
        for url in (*wrong, "https://me:secret@x", "strapi+https://me@x/y"):
            self.assertNotRegex(url, pattern)

    def test_take_a_rate_only_with_a_number_of_processes_to_share_it(self) -> None:
        for rate, processes, taken in (
            ("0", "0", True),
            ("0", "20", True),
            ("5", "2", True),
            ("5", "20", True),
            ("5", "0", False),
        ):
            given = {"CmsRequestsPerSecond": rate, "SyncBrandMaximumConcurrency": processes}
            with self.subTest(given):
                self.assertEqual(template.broken_rules(**given) == [], taken)


class TheSchedules(unittest.TestCase):
    def test_of_reconcile_brands_go_on_each_minute_and_begin_when_a_parameter_says_so(self) -> None:
        on, begin = (WRITTEN["Resources"][f"ReconcileBrands{name}Schedule"] for name in ("", "Daily"))
        found = [(one["Properties"]["ScheduleExpression"], json.loads(one["Properties"]["Target"]["Input"])) for one in (on, begin)]
        self.assertEqual(found, [("rate(1 minute)", {}), ({"Ref": "ReconcileSchedule"}, {"begin": True})])
        self.assertEqual((on.get("Condition"), begin.get("Condition")), (None, "HasReconcileSchedule"))

    def test_take_as_the_time_to_begin_an_expression_of_scheduler_or_none(self) -> None:
        parameter = WRITTEN["Parameters"]["ReconcileSchedule"]
        for taken in ("", "rate(7 days)", "cron(30 2 ? * MON-FRI *)", "cron(0 */6 L * ? 2027)", parameter["Default"]):
            self.assertRegex(taken, parameter["AllowedPattern"])
        for refused in (" ", "daily", "0 3 * * ? *", "cron()", "at(2027-01-01T00:00:00)", "rate(1 day) "):
            self.assertNotRegex(refused, parameter["AllowedPattern"])


class EachTable(unittest.TestCase):
    def test_is_encrypted_and_unless_short_lived_recoverable_protected_and_kept(self) -> None:
        tables = of_type(WRITTEN, "AWS::DynamoDB::Table")
        self.assertGreaterEqual(len(tables), 4)
        for id, table in tables.items():
            # Without a customer managed key, AWS owns the key. The third kind, AWS managed keys, costs a fee per call.
            theirs = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": {"Ref": "TablesKeyArn"}}
            expected = {"Fn::If": ["HasTablesKey", theirs, {"SSEEnabled": False}]}
            self.assertEqual(table["Properties"]["SSESpecification"], expected, id)
            if id in PASSING:
                continue
            recovery = table["Properties"]["PointInTimeRecoverySpecification"]
            self.assertIs(recovery["PointInTimeRecoveryEnabled"], True, id)
            self.assertEqual(table["Properties"]["DeletionProtectionEnabled"], {"Ref": "DeletionProtection"}, id)
            # One that was never used, since the stack could not be made, is not kept.
            self.assertEqual(table["DeletionPolicy"], "RetainExceptOnCreate", id)
            self.assertEqual(table["UpdateReplacePolicy"], "Retain", id)


class EachQueue(unittest.TestCase):
    def test_is_encrypted_and_refuses_whoever_comes_without_tls(self) -> None:
        policies = of_type(WRITTEN, "AWS::SQS::QueuePolicy").values()
        for id, queue in of_type(WRITTEN, "AWS::SQS::Queue").items():
            self.assertIs(queue["Properties"]["SqsManagedSseEnabled"], True, id)
            mine = [policy["Properties"] for policy in policies if policy["Properties"]["Queues"] == [{"Ref": id}]]
            [statement] = mine[0]["PolicyDocument"]["Statement"]
            self.assertEqual(
                (statement["Effect"], statement["Principal"], statement["Action"]), ("Deny", "*", "sqs:*"), id
            )
            self.assertEqual(statement["Resource"], {"Fn::GetAtt": [id, "Arn"]})
            self.assertEqual(statement["Condition"], {"Bool": {"aws:SecureTransport": "false"}}, id)

    def test_that_invokes_a_function_leaves_it_the_time_and_the_deliveries_that_lambda_recommends(self) -> None:
        queue, timeout = properties("BrandEventsQueue"), properties("SyncBrandFunction")["Timeout"]
        self.assertEqual(queue["VisibilityTimeout"], 6 * timeout)
        self.assertGreaterEqual(queue["RedrivePolicy"]["maxReceiveCount"], 5)


class TheIndexesOfBrands(unittest.TestCase):
    def test_hold_what_their_readers_need_and_no_more(self) -> None:
        indexes = {
            index["IndexName"]: (
                [key["AttributeName"] for key in index["KeySchema"]],
                index["Projection"].get("NonKeyAttributes", []),
            )
            for index in properties("BrandsTable")["GlobalSecondaryIndexes"]
        }
        expected = {
            "due": (["due_shard", "due_at"], ["due_since"]),
            "attention": (["attention_shard", "attention_since"], []),
            "listed": (["listed_shard", "created_at"], ["name", "updated_at"]),
        }
        self.assertEqual(indexes, expected)


class EachFunction(unittest.TestCase):
    def test_has_a_folder_a_log_group_with_an_end_and_its_own_memory(self) -> None:
        folders = {path.parent.name for path in (ROOT / "functions").glob("*/Cargo.toml")}
        code = {function["Properties"]["CodeUri"].strip("/").rpartition("/")[2] for function in FUNCTIONS.values()}
        self.assertEqual(code, folders)
        for id, function in FUNCTIONS.items():
            name = id.removesuffix("Function")
            self.assertEqual(function["Properties"]["LoggingConfig"]["LogGroup"], {"Ref": f"{name}LogGroup"}, id)
            self.assertEqual(function["Properties"]["MemorySize"], {"Ref": f"{name}Memory"}, id)
        for id, group in of_type(WRITTEN, "AWS::Logs::LogGroup").items():
            self.assertEqual(group["Properties"]["RetentionInDays"], {"Ref": "LogRetentionDays"}, id)

    def test_reads_of_the_users_table_the_list_of_changed_passwords_alone_but_for_sign_in(self) -> None:
        for name in ("ChangeBrand", "CreateBrand", "QueryBrands", "SignIn", "SteerSync"):
            of_users = [
                statement.get("Condition")
                for statement in statements(name)
                if statement["Resource"] == {"Fn::GetAtt": ["AdminUsersTable", "Arn"]}
            ]
            only = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["#password-changes"]}}
            self.assertEqual(of_users, [None if name == "SignIn" else only], name)

    def test_writes_only_what_its_work_is_about(self) -> None:
        reads = {
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:Query",
            "secretsmanager:GetSecretValue",
            "sqs:GetQueueAttributes",
        }
        written = {
            id.removesuffix("Function"): {
                one["Resource"]["Fn::GetAtt"][0]
                for one in statements(id.removesuffix("Function"))
                if not {*listed(one["Action"])} <= reads
            }
            for id in FUNCTIONS
        }
        brands, circuits, queue, parked = "BrandsTable", "CircuitsTable", "BrandEventsQueue", "BrandEventsDeadLetterQueue"
        expected = {
            "ApiRoot": set(),
            "ChangeBrand": {brands, queue},
            "Console": set(),
            "CreateBrand": {brands, queue},
            "QueryBrands": set(),
            "ReconcileBrands": {brands, circuits},
            "RepublishBrands": {brands, circuits, queue},
            "SignIn": {"SignInAttemptsTable"},
            "SteerSync": {brands, circuits, queue, parked},
            "SyncBrand": {brands, circuits, queue, parked},
        }
        self.assertEqual(written, expected)

    def test_that_serves_the_console_is_granted_and_told_nothing(self) -> None:
        self.assertEqual(statements("Console"), [])
        self.assertNotIn("Environment", properties("ConsoleFunction"))

    def test_logs_json_of_which_lambda_drops_no_line(self) -> None:
        for id, function in of_type(template.transformed(), "AWS::Lambda::Function").items():
            logging = function["Properties"]["LoggingConfig"]
            self.assertEqual((logging["LogFormat"], logging["ApplicationLogLevel"]), ("JSON", "TRACE"), id)

    def test_has_time_for_all_its_requests_to_aws_even_if_each_is_sent_twice(self) -> None:
        attempt, operation = _seconds("shared/aws/src/limits.rs", "pub const SHORT")
        page, _ = _seconds("shared/aws/src/limits.rs", "pub const LONG")
        [backoff] = _seconds("shared/aws/src/limits.rs", "const BACKOFF", 1)
        twice, page_twice = 2 * attempt + backoff, 2 * page + backoff
        [answer] = _seconds("shared/admin-api/src/deadline.rs", "const ANSWER", 1)
        [announce] = _seconds("shared/admin-api/src/change.rs", "const ANNOUNCE", 1)
        [revocations] = _seconds("shared/auth/src/revocations.rs", "const PATIENCE", 1)
        needed = {
            "ApiRoot": answer,
            # Writing has the time of all attempts; the announcement comes last.
            "ChangeBrand": revocations + operation + announce + answer,
            "Console": answer,
            "CreateBrand": revocations + operation + announce + answer,
            "QueryBrands": revocations + page_twice + answer,
            # The brand's row read and written, and the announcement; work in bulk ends itself in time.
            "SteerSync": revocations + twice + operation + announce + answer,
            # Two requests to begin, the user, and two at once to end.
            "SignIn": 4 * twice + answer,
            # The row, the run's beginning and its end.
            "SyncBrand": 3 * twice,
            # Due rows, rows that need attention, the circuit, the queue's length, and a chunk of reminders.
            "RepublishBrands": 2 * page_twice + 4 * twice,
            # The reconciliation and the circuit; a page of brands; what it notes at the end. Work in between ends itself in time.
            "ReconcileBrands": page_twice + 4 * twice,
        }
        timeouts = {id.removesuffix("Function"): properties(id)["Timeout"] for id in FUNCTIONS}
        self.assertEqual(timeouts.keys(), needed.keys())
        for name, timeout in timeouts.items():
            self.assertLessEqual(needed[name], timeout, name)

    def test_is_told_whether_to_use_fips_endpoints(self) -> None:
        for id, function in of_type(template.transformed(UseFipsEndpoints="true"), "AWS::Lambda::Function").items():
            variables = function["Properties"]["Environment"]["Variables"]
            self.assertEqual(variables["AWS_USE_FIPS_ENDPOINT"], {"Ref": "UseFipsEndpoints"}, id)

    def test_is_traced(self) -> None:
        for id, function in of_type(template.transformed(), "AWS::Lambda::Function").items():
            self.assertEqual(function["Properties"]["TracingConfig"], {"Mode": "Active"}, id)

    def test_is_invoked_by_its_alias_alone(self) -> None:
        made = template.transformed()["Resources"]
        aliases = {id for id, resource in made.items() if resource["Type"] == "AWS::Lambda::Alias"}
        self.assertEqual(len(aliases), len(FUNCTIONS))
        invoked = [
            *((id, one["Properties"]["IntegrationUri"]) for id, one in made.items() if "Integration" in one["Type"]),
            *(
                (id, one["Properties"]["FunctionName"])
                for id, one in made.items()
                if one["Type"] == "AWS::Lambda::Permission"
            ),
            ("SyncBrandEventSource", made["SyncBrandEventSource"]["Properties"]["FunctionName"]),
            *((id, one["Properties"]["Target"]["Arn"]) for id, one in made.items() if one["Type"] == "AWS::Scheduler::Schedule"),
        ]
        self.assertGreater(len(invoked), 10)
        for id, target in invoked:
            self.assertIn(target.get("Ref"), aliases, id)

    def test_is_sent_back_to_its_old_version_when_its_errors_alarm_rings(self) -> None:
        made = template.transformed(GradualDeployment="Canary10Percent5Minutes")
        groups = of_type(made, "AWS::CodeDeploy::DeploymentGroup")
        self.assertEqual(set(groups), {f"{id}DeploymentGroup" for id in FUNCTIONS})
        for id, group in groups.items():
            name = id.removesuffix("FunctionDeploymentGroup")
            alarms = group["Properties"]["AlarmConfiguration"]["Alarms"]
            self.assertIn({"Name": {"Ref": f"{name}ErrorsAlarm"}}, alarms)
            self.assertEqual(group["Properties"]["AutoRollbackConfiguration"]["Enabled"], True)
        for id, alias in of_type(made, "AWS::Lambda::Alias").items():
            self.assertIn("CodeDeployLambdaAliasUpdate", alias["UpdatePolicy"], id)

    def test_is_deployed_without_codedeploy_where_nothing_gradual_is_asked_for(self) -> None:
        self.assertFalse(
            of_type(template.transformed(), "AWS::CodeDeploy::DeploymentGroup", "AWS::CodeDeploy::Application")
        )

    def test_on_a_schedule_is_not_retried_by_lambda(self) -> None:
        made = template.transformed()
        no_retries = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}
        invoked = set()
        for id, schedule in of_type(made, "AWS::Scheduler::Schedule").items():
            target = schedule["Properties"]["Target"]
            self.assertEqual(target["RetryPolicy"], no_retries, id)
            invoked.add(target["Arn"]["Ref"].removesuffix("Aliaslive"))
        configured = set()
        for id, config in of_type(made, "AWS::Lambda::EventInvokeConfig").items():
            properties = config["Properties"]
            self.assertEqual(properties["Qualifier"], "live", id)
            self.assertEqual({name: properties[name] for name in no_retries}, no_retries, id)
            configured.add(properties["FunctionName"]["Ref"])
        self.assertEqual(configured, invoked)
        self.assertEqual(len(configured), 2)

    def test_changes_with_each_release_as_lambda_publishes_only_changed_functions(self) -> None:
        for id, function in of_type(template.transformed(), "AWS::Lambda::Function").items():
            self.assertEqual(function["Properties"]["Environment"]["Variables"]["RELEASE"], {"Ref": "Release"}, id)

    def test_gets_a_new_version_with_each_release(self) -> None:
        versions = [
            set(of_type(template.transformed(Release=id), "AWS::Lambda::Version"))
            for id in ("aaaaaaaaaaaa", "bbbbbbbbbbbb")
        ]
        self.assertFalse(versions[0] & versions[1])


class EachAlarm(unittest.TestCase):
    def test_publishes_when_it_begins_and_states_how_to_treat_missing_data(self) -> None:
        others = {"RepublishSilentAlarm": "breaching", "DeadLettersAlarm": "ignore", "DriftAlarm": "ignore"}
        for id, alarm in ALARMS.items():
            self.assertEqual(alarm["Properties"]["AlarmActions"], [{"Ref": "AlarmTopic"}], id)
            self.assertEqual(alarm["Properties"]["TreatMissingData"], others.get(id, "notBreaching"), id)

    def test_has_no_ok_action_because_new_alarms_would_run_it(self) -> None:
        for id, alarm in ALARMS.items():
            self.assertFalse({"OKActions", "InsufficientDataActions"} & alarm["Properties"].keys(), id)
            # AlarmEndRule recognises this stack's alarms by this prefix.
            description = alarm["Properties"]["AlarmDescription"]["Fn::Sub"]
            self.assertTrue(description.startswith("${AWS::StackName} (${Stage}): "), id)

    def test_and_the_rule_for_its_end_are_the_only_publishers(self) -> None:
        statements = properties("AlarmTopicPolicy")["PolicyDocument"]["Statement"]
        principals = [(one["Effect"], one["Principal"]["Service"], one["Action"]) for one in statements]
        services = ("cloudwatch.amazonaws.com", "events.amazonaws.com")
        self.assertEqual(principals, [("Allow", service, "sns:Publish") for service in services])

    def test_does_not_use_a_queues_age_which_ignores_messages_received_three_times(self) -> None:
        self.assertNotIn("ApproximateAgeOfOldestMessage", {one["Properties"]["MetricName"] for one in ALARMS.values()})

    def test_is_explained_to_operators(self) -> None:
        explained = (ROOT / "infra" / "OPERATIONS.md").read_text()
        for id in ALARMS:
            kind = id if not id.endswith(("ErrorsAlarm", "ThrottlesAlarm")) or id == "ApiServerErrorsAlarm" else ""
            name = kind or ("…ErrorsAlarm" if id.endswith("ErrorsAlarm") else "…ThrottlesAlarm")
            self.assertIn(f"`{name}`", explained)

    def test_is_there_for_each_function(self) -> None:
        for id in FUNCTIONS:
            for kind, metric in (("ErrorsAlarm", "Errors"), ("ThrottlesAlarm", "Throttles")):
                alarm = properties(f"{id.removesuffix('Function')}{kind}")
                self.assertEqual((alarm["MetricName"], alarm["Dimensions"][0]["Value"]), (metric, {"Ref": id}))


class TheDashboard(unittest.TestCase):
    def test_is_json_that_names_only_resources_of_the_template(self) -> None:
        body = properties("Dashboard")["DashboardBody"]["Fn::Sub"]
        widgets = json.loads(body)["widgets"]
        self.assertGreaterEqual(len(widgets), 9)
        for part in body.split("${")[1:]:
            id = part.partition("}")[0].partition(".")[0]
            self.assertTrue(id in WRITTEN["Resources"] or id.startswith("AWS::"), id)


if __name__ == "__main__":
    unittest.main()
