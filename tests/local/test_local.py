"""What the local stack's scripts make of lines and of the template; `make test` runs them."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "infra" / "local"))

import template  # noqa: E402
from logs import FileLog, Line, as_medusa, in_full  # noqa: E402

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


class Template(unittest.TestCase):
    """What is read of infra/template.yaml."""

    def test_the_routes_of_cargo_lambda_are_those_of_the_template(self) -> None:
        template.check_router()

    def test_the_queue_has_its_consumer_and_the_outbox_its_schedule(self) -> None:
        self.assertEqual(template.consumer(), template.Consumer("sync-brand", "BrandEventsQueue", 10))
        self.assertEqual(template.schedules(), {"republish-brands": "rate(1 minute)"})

    def test_what_keeps_state_can_be_deployed_alone(self) -> None:
        alone, variables = template.state_alone()
        types = {resource["Type"] for resource in alone["Resources"].values()}
        self.assertEqual(types, {"AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SecretsManager::Secret"})
        self.assertIn("BRANDS_TABLE", variables.values())
        self.assertNotIn("ApiId", alone["Outputs"])


if __name__ == "__main__":
    unittest.main()
