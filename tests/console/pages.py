"""What the console's tests share: a browser, a page that is signed in, and what may never happen on it."""

import os
import re
import unittest
from pathlib import Path
from typing import ClassVar

import system
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright, expect, sync_playwright

APP = f"{system.API_URL}/app"
STORED = "brand-sync-token"  # where the page keeps the token, in sessionStorage
WIDE = (1280, 900)
NARROW = (320, 700)  # as on the smallest telephone, and WCAG's 400 %

_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
_AXE = Path(os.environ["AXE"]).read_text()

expect.set_options(timeout=20_000)


class ConsoleTest(unittest.TestCase):
    """One browser for all tests of a class, one page for each. An error on the browser's console fails the test, also a violation of the policy."""

    width, height = WIDE
    scheme = "light"
    _playwright: ClassVar[Playwright]
    _browser: ClassVar[Browser]

    @classmethod
    def setUpClass(cls) -> None:
        started = sync_playwright()
        cls._playwright = started.start()
        cls.addClassCleanup(cls._playwright.stop)
        cls._browser = cls._playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=_FLAGS)
        cls.addClassCleanup(cls._browser.close)

    def setUp(self) -> None:
        self.errors: list[str] = []
        self.page = self.new_page()
        self.addCleanup(system.set_faults)

    def tearDown(self) -> None:
        self.assertEqual(self.errors, [], "on the browser's console")

    def new_page(self, width: int | None = None, height: int | None = None, scheme: str | None = None) -> Page:
        """A page in a context of its own, which knows no token."""
        context: BrowserContext = self._browser.new_context(
            viewport={"width": width or self.width, "height": height or self.height},
            color_scheme=scheme or self.scheme,  # type: ignore[arg-type]
            locale="en-GB",
            reduced_motion="reduce",
        )
        self.addCleanup(context.close)
        context.add_init_script(_AXE)
        page = context.new_page()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page

    def _on_console(self, message: ConsoleMessage) -> None:
        # That a request was answered with an error is no mistake of the page's.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.errors.append(message.text)

    def open(self, hash: str = "", page: Page | None = None) -> Page:
        """Opens the console signed in, without the form."""
        page = page or self.page
        page.add_init_script(f"if (location.host) sessionStorage.setItem({STORED!r}, {system.TOKEN!r})")
        page.goto("about:blank")
        page.goto(f"{APP}{hash}")
        self.loaded(page)
        return page

    def loaded(self, page: Page | None = None) -> None:
        """Waits until the page shows what its address says."""
        page = page or self.page
        expect(page.get_by_text("Updated at")).to_be_visible()
        expect(page.locator("#main")).to_have_attribute("aria-busy", "false")

    def sign_in(self, password: str = system.PASSWORD, keeps: bool = False) -> None:
        """Fills in the form and sends it."""
        self.page.get_by_label("Email").fill(system.EMAIL)
        self.page.get_by_label("Password").fill(password)
        if keeps:
            self.page.get_by_label("Stay signed in").check()
        self.button("Sign in").click()

    def button(self, name: str) -> Locator:
        """The button of that name, in the dialog if one is open."""
        dialog = self.page.get_by_role("dialog")
        scope = dialog if dialog.count() else self.page
        return scope.get_by_role("button", name=name, exact=True)

    def name_field(self) -> Locator:
        """The name in a dialog."""
        return self.page.get_by_role("dialog").get_by_label("Name")

    def heading(self, text: str) -> Locator:
        """The page's heading."""
        return self.page.get_by_role("heading", level=1, name=text, exact=True)

    def row(self, name: str) -> Locator:
        """The row of that brand."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=name, exact=True))

    def toast(self, text: str) -> None:
        """Waits until the page says that."""
        expect(self.page.locator("#notice")).to_contain_text(text)

    def state(self, word: str) -> None:
        """Waits until the brand's page shows that state."""
        expect(self.page.locator("#main .state .badge")).to_have_text(re.compile(word))

    def check_accessibility(self, what: str, page: Page | None = None) -> None:
        """Fails where axe-core finds something, or where the page scrolls sideways."""
        page = page or self.page
        found = page.evaluate("() => axe.run({ resultTypes: ['violations'] })")["violations"]
        told = [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in found]
        self.assertEqual(told, [], what)
        self.check_width(what, page)

    def check_width(self, what: str, page: Page | None = None) -> None:
        """Fails where the page scrolls sideways, or something sticks out of it."""
        page = page or self.page
        wider = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        self.assertLessEqual(wider, 0, what)
