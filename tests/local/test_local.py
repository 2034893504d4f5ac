"""What the local stack's scripts make of lines, the template and the developer's variables; `make test` runs them."""

import json
import re
import sys
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "infra" / "local"))

import cms  # noqa: E402
import template  # noqa: E402
from logs import FileLog, FunctionLog, Line, as_medusa, in_full, in_order  # noqa: E402
from project import Problem  # noqa: E402
from run import is_synced  # noqa: E402

INFO = {
    "timestamp": "2026-11-24T15:08:22.731562Z",
    "level": "INFO",
    "fields": {"message": "run ended: done", "attempts": 2},
    "target": "sync_brand::subscribers",
    "span": {"step": "sync-brand-to-cms", "attempt": 1, "name": "step"},
    "spans": [
        {"requestId": "r", "name": "Lambda runtime invoke"},
        {"message": "m-1", "receive": 1, "name": "message"},
        {"step": "sync-brand-to-cms", "attempt": 1, "name": "step"},
    ],
}


class Lines(unittest.TestCase):
    """A line, as it is shown."""

    def test_a_line_in_full_has_time_level_source_spans_and_fields(self) -> None:
        head, text = "15:08:22.731 info  sync-brand", "run ended: done attempts=2"
        shown = in_full(Line("sync-brand", json.dumps(INFO)))
        self.assertEqual(shown, f"{head}       message=m-1 step=sync-brand-to-cms attempt=1 {text}")

    def test_a_line_has_its_own_time_and_not_that_of_its_arrival(self) -> None:
        line = Line("sync-brand", json.dumps(INFO), logged="2026-11-24T15:08:30.000+00:00")
        self.assertTrue(in_full(line).startswith("15:08:22.731 "), in_full(line))

    def test_a_line_without_time_and_spans_is_shown_all_the_same(self) -> None:
        bare = {"level": "ERROR", "fields": {"message": "message parked", "reason": "why"}}
        shown = in_full(Line("sync-brand", json.dumps(bare)))
        self.assertEqual(shown.split(), ["error", "sync-brand", "message", "parked", "reason=why"])
        self.assertIn("thread panicked", in_full(Line("sync-brand", "thread panicked")))

    def test_medusas_lines_have_fields_only_where_something_is_wrong(self) -> None:
        self.assertEqual(as_medusa(Line("sync-brand", json.dumps(INFO))), "info:    run ended: done")
        wrong = json.dumps(INFO | {"level": "WARN"})
        self.assertEqual(as_medusa(Line("sync-brand", wrong)), "warn:    run ended: done attempts=2")
        self.assertEqual(as_medusa(Line("cms", "info: API Key: ***")), "cms:     API Key: ***")

    def test_a_file_is_read_on_line_by_line_and_metrics_are_left_out(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "log"
            log = FileLog(file, "f")
            self.assertEqual(log.read(), [])
            file.write_text('one\n{"_aws": 1}\ntw')
            self.assertEqual([line.text for line in log.read()], ["one"])
            with file.open("a") as more:
                more.write("o\n")
            self.assertEqual([line.text for line in log.read()], ["two"])
            self.assertEqual(log.read(), [])

    def test_a_line_of_a_file_without_a_time_has_that_of_the_line_before(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "log"
            file.write_text(f"{json.dumps(INFO)}\nthread panicked\n")
            self.assertEqual([line.time for line in FileLog(file, "f").read()], [INFO["timestamp"]] * 2)


    def test_all_logs_have_one_order_by_the_lines_own_times(self) -> None:
        def said(text: str, second: str) -> str:
            about = {"timestamp": f"2026-11-24T15:08:{second}Z", "level": "INFO", "fields": {"message": text}}
            return json.dumps(about)

        def event(stream: str, message: str) -> dict[str, Any]:
            return {"logStreamName": stream, "message": message, "timestamp": 1795532915000}  # 15:08:35

        events = [
            event("1", "START RequestId"),
            event("1", said("third", "22.731562")),
            event("1", "thread panicked"),
            event("2", said("second", "22.731")),
            event("3", "without a time"),
        ]
        emulator = SimpleNamespace(filter_log_events=lambda **_: {"events": events})
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "log"
            file.write_text(said("fifth", "23.0") + "\n" + said("first", "21.9999999") + "\nbehind the first\n")
            logs = [FileLog(file, "f"), FunctionLog(emulator, "g", "group")]
            self.assertEqual(
                [in_full(line)[32:].strip() for line in in_order(logs)],
                ["first", "behind the first", "second", "third", "thread panicked", "fifth", "without a time"],
            )
            self.assertEqual(in_order(logs), [], "read twice")

    def test_what_has_no_time_is_shown_with_that_of_its_reading(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "log"
            file.write_text("before\n")
            log = FileLog(file, "cms")
            self.assertEqual([line.time for line in log.read()], [""])
            with file.open("a") as more:
                more.write("new\n")
            self.assertRegex(in_full(log.read()[0]), r"^\d\d:\d\d:\d\d\.\d{3} +cms +new$")

    def test_a_function_that_runs_its_new_build_is_said_to_be_ready(self) -> None:
        line = Line("cargo", "     Running `sh infra/local/watched.sh target/x/debug/create-brand`")
        self.assertEqual(as_medusa(line), "ready:   create-brand runs its newest build")
        self.assertTrue(in_full(line).endswith(" create-brand runs its newest build"))
        compiling = Line("cargo", "   Compiling create-brand v0.1.0")
        self.assertEqual(as_medusa(compiling), compiling.text)


class ChosenCms(unittest.TestCase):
    """The CMS that the developer's environment names."""

    def test_it_is_the_stub_where_neither_url_nor_key_is_set(self) -> None:
        self.assertIsNone(cms.of_the_developer({"CMS_COLLECTION": "makers"}))
        self.assertIsNone(cms.of_the_developer({"CMS_URL": "", "CMS_API_KEY": ""}))

    def test_its_url_and_key_are_the_templates_parameters_and_no_stub_is_started(self) -> None:
        for scheme in ("http", "https", "payload+http", "payload+https", "strapi+http", "strapi+https"):
            for rest in ("cms.example.com", "127.0.0.1:1337/", "[::1]:3000/base"):
                url = f"{scheme}://{rest}"
                chosen = cms.of_the_developer({"CMS_URL": url, "CMS_API_KEY": "k"})
                assert chosen
                self.assertEqual(chosen.parameters(), {"CmsUrl": url, "CmsApiKey": "k"})
                self.assertFalse(chosen.is_stub)
                self.assertNotIn("'k'", repr(chosen))

    def test_a_url_without_a_key_and_a_key_without_a_url_are_refused(self) -> None:
        with self.assertRaisesRegex(Problem, "CMS_URL is set, but CMS_API_KEY is not"):
            cms.of_the_developer({"CMS_URL": "http://127.0.0.1:1337"})
        with self.assertRaisesRegex(Problem, "CMS_API_KEY is set, but CMS_URL is not"):
            cms.of_the_developer({"CMS_API_KEY": "k"})

    def test_another_url_is_refused_with_what_is_allowed_and_without_what_it_holds(self) -> None:
        allowed = r"http://, https://, payload\+http://, payload\+https://, strapi\+http:// or strapi\+https://, and"
        for url in (
            "stub:",
            "cms.example.com",
            "ftp://secret",
            "payload+ftp://secret",
            "payload://secret",
            "http://",
            "http:///secret",
            "https://me:secret@cms.example.com",
            "https://cms.example.com/?token=secret",
            "https://cms.example.com/#secret",
            "https://cms.example.com/a secret",
        ):
            with self.subTest(url), self.assertRaisesRegex(Problem, allowed) as refused:
                cms.of_the_developer({"CMS_URL": url, "CMS_API_KEY": "k"})
            self.assertNotIn("secret", str(refused.exception))

    def test_its_other_parameters_are_passed_where_they_are_set(self) -> None:
        variables = {
            "CMS_COLLECTION": "makers",
            "CMS_ID_FIELD": "brand_id",
            "CMS_NAME_FIELD": "title",
            "CMS_ENTRY_STATUS": "draft",
            "CMS_ON_DELETE": "unpublish",
            "CMS_USERS_COLLECTION": "robots",
            "CMS_EDITS": "accept",
            "CMS_STUB_ADDRESS": "127.0.0.1:4601",
            "CMS_API_KEY_SECRET_ID": "other",
            "CMS_HOOK_SECRET_ID": "other",
        }
        expected = {
            "CmsCollection": "makers",
            "CmsIdField": "brand_id",
            "CmsNameField": "title",
            "CmsEntryStatus": "draft",
            "CmsOnDelete": "unpublish",
            "CmsUsersCollection": "robots",
            "CmsEdits": "accept",
        }
        self.assertEqual(cms.options(variables), expected)
        unlimited = {"CMS_ID_FIELD": "", "CMS_REQUESTS_PER_SECOND": "0"}
        self.assertEqual(cms.options(unlimited), {"CmsRequestsPerSecond": "0"})

    def test_a_rate_comes_with_a_number_of_processes_that_share_it(self) -> None:
        shared = {"CmsRequestsPerSecond": "5", "SyncBrandMaximumConcurrency": "2"}
        self.assertEqual(cms.options({"CMS_REQUESTS_PER_SECOND": "5"}), shared)
        self.assertEqual(cms.stub("127.0.0.1:1", shared).parameters().items() & shared.items(), shared.items())


class ABrandInTheLogs(unittest.TestCase):
    """How the arrival in a CMS is seen that is not the stub."""

    def said(self, message: str, brand: str = "b") -> Line:
        fields = {"message": message, "brand.id": brand}
        return Line("sync-brand", json.dumps({"level": "INFO", "fields": fields}))

    def test_it_is_synced_when_its_own_line_says_so(self) -> None:
        lines = [Line("sync-brand", "thread panicked"), self.said("sync waits"), self.said("brand synced", "another")]
        self.assertFalse(is_synced("b", lines))
        self.assertTrue(is_synced("b", [*lines, self.said("brand synced")]))

    def test_a_refusal_ends_the_wait(self) -> None:
        with self.assertRaisesRegex(Problem, "the CMS refused the brand"):
            is_synced("b", [self.said("sync refused, and undone")])


class Template(unittest.TestCase):
    """What is read of infra/template.yaml."""

    def test_the_routes_of_cargo_lambda_are_those_of_the_template(self) -> None:
        template.check_router()

    def test_the_queue_has_its_consumer_and_what_runs_each_minute_its_schedule(self) -> None:
        self.assertEqual(template.consumer(), template.Consumer("sync-brand", "BrandEventsQueue", 10))
        minutely = [
            template.Schedule("republish-brands", "rate(1 minute)", None),
            template.Schedule("reconcile-brands", "rate(1 minute)", "{}"),
        ]
        self.assertEqual(template.schedules(), minutely)

    def test_what_keeps_state_can_be_deployed_alone(self) -> None:
        alone, variables = template.state_alone()
        types = {resource["Type"] for resource in alone["Resources"].values()}
        self.assertEqual(types, {"AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SecretsManager::Secret"})
        self.assertIn("BRANDS_TABLE", variables.values())
        self.assertNotIn("ApiId", alone["Outputs"])
        conditions = re.findall(r'"(?:Fn::If": \[|Condition": )"(\w+)"', json.dumps(alone["Resources"]))
        self.assertIn("HasTablesKey", conditions)
        self.assertLessEqual(set(conditions), set(alone["Conditions"]))


if __name__ == "__main__":
    unittest.main()
