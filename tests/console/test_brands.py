"""Brands: the list, creating, changing, deleting, and how their sync shows."""

import re
import unittest
from collections.abc import Callable
from datetime import UTC, datetime

import system
from pages import APP, NARROW, ConsoleTest
from playwright.sync_api import Route, expect

HTML = '<img src=x onerror="document.title=1"><script>document.title=1</script><b>bold</b>'
EMOJI = "\N{GRINNING FACE}"
MANY = 10_000


class Brands(ConsoleTest):
    """What an administrator does with brands."""

    def create(self, name: str) -> None:
        """Creates a brand on the page and arrives at its own page."""
        self.button("New brand").click()
        self.name_field().fill(name)
        self.button("Create").click()
        expect(self.heading(name)).to_be_visible()

    def test_a_brand_is_created_and_becomes_synced_while_one_looks(self) -> None:
        self.open()
        name = system.unique("Acme")
        self.create(name)
        expect(self.heading(name)).to_be_focused()
        self.state("Synced")
        in_the_cms = self.page.locator(".card", has=self.page.get_by_role("heading", name="In the CMS"))
        expect(in_the_cms.get_by_text(name, exact=True)).to_be_visible()
        timeline = self.page.locator(".timeline")
        expect(timeline).to_contain_text("Began")
        expect(timeline).to_contain_text("Done")
        self.page.get_by_role("link", name="All brands").click()
        expect(self.row(name)).to_contain_text("Synced")

    def test_a_refusal_says_why_and_syncing_again_after_it_ends_succeeds(self) -> None:
        name = system.unique("Doomed")
        system.set_faults({"operation": "create", "name": name, "kind": "permanent"})
        self.open()
        self.create(name)
        self.state("Refused")
        timeline = self.page.locator(".timeline")
        expect(timeline).to_contain_text("Attempt failed")
        expect(timeline).to_contain_text("422")
        self.page.get_by_role("link", name="All brands").click()
        self.page.get_by_role("link", name="Refused", exact=True).click()
        expect(self.row(name)).to_contain_text("422")
        self.row(name).get_by_role("link").click()
        system.set_faults()
        self.button("Sync again …").click()
        self.page.get_by_label("Reason").fill("the CMS takes it now")
        self.button("Sync again").click()
        self.state("Synced")

    def test_a_brand_is_renamed_and_one_that_changed_meanwhile_is_not_overwritten(self) -> None:
        name = system.unique("Before")
        id = system.create(name)
        self.open(f"#/brands/{id}")
        self.button("Rename …").click()
        expect(self.name_field()).to_have_value(name)
        meanwhile = system.unique("Meanwhile")
        system.api("POST", f"admin/brands/{id}", {"name": meanwhile})
        after = system.unique("After")
        self.name_field().fill(after)
        self.button("Save").click()
        expect(self.page.get_by_role("alert")).to_contain_text(meanwhile)
        self.assertEqual(system.api("GET", f"admin/brands/{id}")["brand"]["name"], meanwhile)
        self.button("Save").click()
        expect(self.heading(after)).to_be_visible()
        self.state("Synced")

    def test_a_brand_is_deleted_after_a_question(self) -> None:
        name = system.unique("Short-lived")
        id = system.create(name)
        system.until_state(id, "synced")
        self.open(f"#/brands/{id}")
        self.button("Delete …").click()
        self.button("Cancel").click()
        expect(self.button("Delete …")).to_be_focused()
        self.button("Delete …").click()
        self.button("Delete").click()
        expect(self.page.locator("#main .state")).to_contain_text("Deleted")
        self.state("Synced")
        expect(self.page.get_by_text("The CMS has no entry of this brand any more.")).to_be_visible()
        expect(self.button("Rename …")).to_have_count(0)

    def test_an_answer_that_was_lost_makes_no_second_brand(self) -> None:
        self.open()
        name = system.unique("Once")

        def lost(route: Route) -> None:
            self.assertTrue(route.fetch().ok)
            route.abort()

        self.page.route("**/admin/brands", lost, times=1)
        self.button("New brand").click()
        self.name_field().fill(name)
        self.button("Create").click()
        expect(self.page.get_by_role("alert")).to_contain_text("not known whether")
        self.button("Create").click()
        expect(self.heading(name)).to_be_visible()
        self.assertEqual(system.count(name), 1)

    def test_html_in_a_name_is_text_everywhere(self) -> None:
        name = f"{HTML} {system.unique('')}".strip()
        self.open()
        self.create(name)
        self.toast(name)
        self.state("Synced")
        self.button("Delete …").click()
        expect(self.page.get_by_role("dialog")).to_contain_text(name)
        self.button("Cancel").click()
        self.page.get_by_role("link", name="All brands").click()
        expect(self.row(name)).to_be_visible()
        self.assertEqual(self.page.locator("#main img, #main script, #main b").count(), 0)
        self.assertIn("Brand sync", self.page.title())

    def test_255_emoji_fit_and_so_does_a_word_of_255_letters(self) -> None:
        mark = system.unique("").strip()
        names = [character * (255 - len(mark)) + mark for character in (EMOJI, "W")]
        ids = {name: system.create(name) for name in names}
        for size in ((self.width, self.height), NARROW):
            page = self.open("", self.new_page(*size))
            for name in names:
                expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
            self.check_width(f"the list, {size}", page)
            for name, id in ids.items():
                page.goto(f"{APP}#/brands/{id}")
                expect(page.get_by_role("heading", level=1)).to_have_text(name)
                self.check_width(f"one brand, {size}", page)
        self.open()
        self.button("New brand").click()
        self.name_field().fill(names[0] + EMOJI)
        self.button("Create").click()
        expect(self.page.get_by_role("alert")).to_contain_text("255")

    def test_a_list_of_10000_brands_is_paged_searched_and_reloaded(self) -> None:
        mark = system.unique("Many")
        names = [f"{mark} {number:05}" for number in range(MANY)]
        # Older than what other tests create.
        self.addCleanup(system.delete_rows, system.write_synced_brands(names, datetime(2020, 1, 1, tzinfo=UTC)))
        self.open("#/brands?order=created_at")
        cell = self.page.get_by_role("rowheader")
        expect(cell).to_have_text(names[:20])
        for begin in (20, 40):
            self.page.get_by_role("link", name="Next page").click()
            expect(cell).to_have_text(names[begin : begin + 20])
        self.page.reload()
        expect(cell).to_have_text(names[40:60])
        self.page.go_back()
        expect(cell).to_have_text(names[20:40])
        self.page.get_by_role("link", name="First page").click()
        expect(cell).to_have_text(names[:20])
        search = self.page.get_by_label("Search names")
        search.fill(names[-1])
        expect(cell).to_have_text(names[-1:])
        expect(search).to_be_focused()
        self.page.reload()
        expect(cell).to_have_text(names[-1:])
        search.fill(f"{mark} no such")
        expect(self.page.get_by_text("No brand’s name has")).to_be_visible()

    def test_brands_are_created_and_opened_with_the_keyboard_alone(self) -> None:
        self.open()
        name = system.unique("Typed")
        self.press_until("New brand")
        self.page.keyboard.press("Enter")
        self.page.keyboard.type(name)
        self.page.keyboard.press("Enter")
        expect(self.heading(name)).to_be_focused()
        self.page.keyboard.press("Shift+Tab")
        self.assertEqual(self.focused(), "← All brands")
        self.page.keyboard.press("Enter")
        expect(self.heading("Brands")).to_be_focused()
        expect(self.row(name)).to_be_visible()
        self.press_until(name)
        self.page.keyboard.press("Enter")
        expect(self.heading(name)).to_be_focused()
        self.press_until("Rename …")
        self.page.keyboard.press("Space")
        expect(self.name_field()).to_be_focused()
        self.page.keyboard.press("Escape")
        expect(self.button("Rename …")).to_be_focused()

    def test_the_first_tab_leads_past_the_navigation(self) -> None:
        self.open("#/cms")
        self.page.get_by_role("link", name="Skip to the content").focus()
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("main")).to_be_focused()
        self.assertTrue(self.page.url.endswith("#/cms"), self.page.url)

    def focused(self) -> str:
        """The text of what has the focus."""
        return self.page.evaluate("() => document.activeElement.textContent")

    def press_until(self, text: str) -> None:
        """Presses Tab until something of that text has the focus."""
        for _ in range(60):
            self.page.keyboard.press("Tab")
            if self.focused() == text:
                return
        self.fail(f"Tab does not lead to {text!r}")


class Updates(ConsoleTest):
    """The page keeps itself up to date, and no more than that."""

    def setUp(self) -> None:
        super().setUp()
        self.reads = 0
        self.page.on("request", self._count)

    def _count(self, request: object) -> None:
        self.reads += "/admin/" in request.url  # type: ignore[attr-defined]

    def test_nothing_is_asked_while_the_tab_is_hidden_or_a_dialog_is_open(self) -> None:
        self.page.clock.install()
        self.open()
        self.await_update(lambda: self.page.clock.run_for(6_000))
        self.set_hidden(True)
        asked = self.reads
        self.page.clock.run_for(120_000)
        self.assertEqual(self.reads, asked, "while hidden")
        self.await_update(lambda: self.set_hidden(False))
        self.button("New brand").click()
        self.name_field().fill("half a na")
        asked = self.reads
        self.page.clock.run_for(120_000)
        self.assertEqual(self.reads, asked, "while a dialog is open")
        expect(self.name_field()).to_have_value("half a na")
        with self.page.expect_request(re.compile("/admin/brands")):
            self.button("Cancel").click()

    def await_update(self, cause: Callable[[], object]) -> None:
        """Causes an update of the page and waits until it is complete: the time of the last one, in seconds, is another."""
        freshness = self.page.locator(".freshness")
        before = freshness.text_content() or ""
        cause()
        expect(freshness).not_to_have_text(before)

    def set_hidden(self, is_hidden: bool) -> None:
        """Has the page believe that its tab is hidden or shown."""
        self.page.evaluate(
            "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
            " document.dispatchEvent(new Event('visibilitychange')) }",
            is_hidden,
        )

    def test_a_slow_answer_is_awaited_and_requests_do_not_pile_up(self) -> None:
        self.page.clock.install()
        self.open()
        self.page.route("**/admin/brands?*", lambda route: None)  # never answered
        with self.page.expect_request(re.compile("/admin/brands")):
            self.page.clock.run_for(6_000)
        asked = self.reads
        self.page.clock.run_for(30_000)
        self.assertEqual(self.reads, asked)

    def test_focus_and_a_selection_survive_an_update(self) -> None:
        name = system.unique("Stays")
        system.create(name)
        self.page.clock.install()
        self.open()
        link = self.row(name).get_by_role("link")
        link.focus()
        self.page.evaluate("name => getSelection().selectAllChildren(document.activeElement)", name)
        above = system.unique("Above")
        system.create(above)
        self.page.clock.run_for(6_000)
        expect(self.row(above)).to_be_visible()
        expect(link).to_be_focused()
        self.assertEqual(self.page.evaluate("() => getSelection().toString()"), name)

    def test_a_network_that_fails_is_told_and_the_page_recovers(self) -> None:
        self.open()
        self.page.context.set_offline(True)
        self.button("Refresh").click()
        expect(self.page.get_by_text("The server cannot be reached.")).to_be_visible()
        expect(self.page.get_by_text("may be out of date")).to_be_visible()
        self.page.context.set_offline(False)
        self.button("Try again").click()
        self.loaded()

    def test_the_policy_stops_code_that_is_not_served_and_the_tests_see_it(self) -> None:
        self.open()
        self.page.evaluate("() => { const style = document.createElement('style'); document.head.append(style); style.textContent = 'p { color: red }' }")
        self.assertRegex(" ".join(self.errors), "Content Security Policy")
        self.errors.clear()


if __name__ == "__main__":
    unittest.main()
