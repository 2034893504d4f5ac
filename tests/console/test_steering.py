"""Steering the sync: the circuit, bulk, cancelling, and parked messages."""

import re
import unittest

import system
from pages import ConsoleTest
from playwright.sync_api import expect


class Steering(ConsoleTest):
    """What an administrator does about the sync."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(system.close_circuit)
        self.addCleanup(system.set_faults)

    def open_circuit(self, reason: str) -> None:
        """Opens the circuit on the CMS's page."""
        self.open("#/cms")
        self.button("Open the circuit …").click()
        self.page.get_by_label("Reason").fill(reason)
        self.button("Open the circuit").click()
        expect(self.page.get_by_role("region", name="Outage")).to_be_visible()

    def test_an_outage_shows_on_every_page_until_the_circuit_is_closed(self) -> None:
        # A process of sync-brand looks at the circuit once a minute, so that a brand would not wait for it at once.
        name = system.unique("Waits for the CMS")
        id = system.create_waiting(name)
        self.open_circuit("The CMS is being <b>moved</b>")
        outage = self.page.get_by_role("region", name="Outage")
        for link, heading in (("Parked", "Parked messages"), ("Brands", "Brands")):
            self.page.get_by_role("link", name=link, exact=True).click()
            expect(self.heading(heading)).to_be_visible()
            expect(outage).to_contain_text("The CMS is being <b>moved</b>")
        expect(self.row(name)).to_contain_text("Waiting")
        outage.get_by_role("button").click()
        self.page.get_by_label("Reason").fill("moved")
        self.button("Close the circuit").click()
        expect(outage).to_have_count(0)
        system.set_faults()
        system.sync_again(id)
        system.until_state(id, "synced")
        expect(self.row(name)).to_contain_text("Synced")

    def test_the_focus_stays_on_its_button_when_another_one_goes(self) -> None:
        id = system.create_waiting(system.unique("Focus"))
        self.open(f"#/brands/{id}")
        expect(self.button("Cancel the run …")).to_be_visible()
        self.button("Rename …").focus()
        system.set_faults()
        system.sync_again(id)
        self.state("Synced")
        expect(self.button("Cancel the run …")).to_have_count(0)
        expect(self.button("Rename …")).to_be_focused()

    def test_a_run_is_cancelled_with_a_reason(self) -> None:
        id = system.create_waiting(system.unique("Cancelled"))
        self.open(f"#/brands/{id}")
        self.state("Waiting")
        self.button("Cancel the run …").click()
        self.page.get_by_label("Reason").fill("a mistake")
        self.button("Cancel the run").click()
        self.state("Cancelled")
        expect(self.page.locator(".timeline")).to_contain_text("a mistake")

    def test_brands_of_a_filter_are_synced_again_in_bulk(self) -> None:
        mark = system.unique("Bulk")
        names = [f"{mark} {number}" for number in range(3)]
        system.set_faults(*({"operation": "create", "name": name, "kind": "permanent"} for name in names))
        ids = [system.create(name) for name in names]
        for id in ids:
            system.until_state(id, "refused")
        system.set_faults()
        self.open("#/brands?state=refused")
        self.page.get_by_label("Search names").fill(mark)
        expect(self.page.get_by_role("rowheader")).to_have_count(3)
        self.button("Sync all again …").click()
        dialog = self.page.get_by_role("dialog")
        expect(dialog).to_contain_text("3 brands")
        self.button("Sync all again").click()
        self.assertEqual(self.page.evaluate("() => document.activeElement.validity?.valueMissing"), True, "a reason")
        self.page.get_by_label("Reason").fill("the CMS takes them now")
        self.button("Sync all again").click()
        expect(dialog).to_contain_text("3 brands of 3 taken up again.")
        self.button("Close").click()
        expect(self.page.get_by_text("No brand’s name has")).to_be_visible()
        # The sweep comes once a minute.
        for id in ids:
            system.until_state(id, "synced")
        for name in names:
            self.page.goto(self.page.url.split("#")[0] + f"#/brands?q={name}")
            expect(self.row(name)).to_contain_text("Synced")

    def test_a_parked_message_says_why_and_is_deleted_after_a_question(self) -> None:
        body = f"<i>no event</i> {system.unique('')}"
        system.send_message(body)
        self.await_parked(body)
        message = self.page.get_by_role("listitem").filter(has_text=body)
        expect(self.page.get_by_role("heading", name=re.compile("^Malformed"))).to_be_visible()
        message.get_by_role("button", name=re.compile("^Delete")).click()
        expect(self.page.get_by_role("dialog")).to_contain_text(body)
        self.button("Delete").click()
        self.toast("The message is deleted.")
        expect(message).to_have_count(0)

    def test_parked_messages_are_redriven(self) -> None:
        body = f"still no event {system.unique('')}"
        system.send_message(body)
        self.await_parked(body)
        message = self.page.get_by_role("listitem").filter(has_text=body)
        message.get_by_role("button", name=re.compile("^Redrive")).click()
        self.toast("1 message moved back to the queue")
        # It is no event now either, so it comes back. It is not left for other tests.
        self.await_parked(body)
        message.get_by_role("button", name=re.compile("^Delete")).click()
        self.button("Delete").click()
        expect(message).to_have_count(0)

    def test_what_an_editor_has_changed_in_the_cms_is_found(self) -> None:
        name, edited = system.unique("Agreed"), system.unique("<b>Edited</b>")
        id = system.create(name)
        system.until_state(id, "synced")
        system.rename_in_cms(id, edited)
        self.open("#/cms")
        self.button("Look for differences").click()
        self.toast("Begins within a minute.")
        # The page looks again every ten seconds, and the function each minute.
        difference = self.page.get_by_role("listitem").filter(has_text=edited)
        expect(difference).to_contain_text(f"edited there: {id} here “{name}”, there “{edited}”", timeout=150_000)
        difference.get_by_role("link", name=id).click()
        expect(self.heading(name)).to_be_visible()

    def await_parked(self, body: str) -> None:
        """Waits until the message is parked, and shows it."""
        system.until(
            "the message is parked",
            lambda: any(one["body"].startswith(body) for one in system.api("GET", "admin/parked?limit=100")["parked"]),
        )
        self.open("#/parked")
        expect(self.page.get_by_text(body)).to_be_visible()


if __name__ == "__main__":
    unittest.main()
