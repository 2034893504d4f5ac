// The console: shows brands and their sync, and acts on them, through the admin API alone.
//
// A view has `load`, which asks the API, and `render`, which makes nodes of the answer. `patch` brings the document to those nodes
// and leaves alone what is the same, so focus, selection and what was typed survive an update. Data only ever becomes text nodes.

// Nodes

const SVG = "http://www.w3.org/2000/svg"
const HANDLERS = ["onclick", "onsubmit", "oninput", "onchange"]
const PROPERTIES = new Set([...HANDLERS, "value", "checked"])
const isThere = (value) => value !== null && value !== undefined && value !== false

function fill(node, parts) {
	const attributes = parts[0]?.constructor === Object ? parts.shift() : {}
	for (const [name, value] of Object.entries(attributes)) {
		if (!isThere(value)) continue
		if (PROPERTIES.has(name)) node[name] = value
		else node.setAttribute(name, value === true ? "" : value)
	}
	node.append(...parts.flat(Infinity).filter(isThere))
	return node
}

/** Makes an element of its attributes, if there are any, and its children. */
const h = (tag, ...parts) => fill(document.createElement(tag), parts)
const svg = (tag, ...parts) => fill(document.createElementNS(SVG, tag), parts)
const p = (...parts) => h("p", ...parts)
const hint = (...children) => p({ class: "hint" }, children)
const bdi = (text) => h("bdi", text)
const card = (title, ...children) => h("section", { class: "card" }, h("h2", title), children)
const actions = (...children) => h("div", { class: "actions" }, children)
const byId = (id) => document.getElementById(id)

/** Whether one node can become the other. */
const isSame = (node, wanted) => node.nodeName === wanted.nodeName && node.dataset?.key === wanted.dataset?.key

function patch(node, wanted) {
	if (node.nodeType === Node.TEXT_NODE) {
		if (node.data !== wanted.data) node.data = wanted.data
		return
	}
	for (const { name } of [...node.attributes]) {
		if (!wanted.hasAttribute(name)) node.removeAttribute(name)
	}
	for (const { name, value } of wanted.attributes) {
		if (node.getAttribute(name) !== value) node.setAttribute(name, value)
	}
	for (const name of HANDLERS) node[name] = wanted[name]
	patchChildren(node, [...wanted.childNodes])
	const isTypedIn = node === document.activeElement
	if ("value" in wanted && !isTypedIn && node.value !== wanted.value) node.value = wanted.value
}

function patchChildren(node, wanted) {
	const keyed = new Map([...node.children].map((child) => [child.dataset.key, child]))
	let next = node.firstChild
	for (const child of wanted) {
		const key = child.dataset?.key
		const found = key === undefined ? next : keyed.get(key)
		if (!found || !isSame(found, child)) {
			node.insertBefore(child, next)
			continue
		}
		if (found === next) next = next.nextSibling
		else node.insertBefore(found, next)
		patch(found, child)
	}
	while (next) {
		const last = next
		next = next.nextSibling
		last.remove()
	}
}

/** Shows the nodes in the element. Focus stays where it is, or goes to the content if its element is gone. */
function show(element, ...nodes) {
	const focused = document.activeElement
	const hadFocus = element.contains(focused)
	patchChildren(element, nodes.flat(Infinity).filter(isThere))
	if (!hadFocus || document.activeElement === focused) return
	if (focused.isConnected) focused.focus({ preventScroll: true })
	else byId("main").focus({ preventScroll: true })
}

// Words

const ICONS = {
	synced: "M3 8.5 6.5 12 13 4.5",
	syncing: "M13 3v4H9M3 13V9h4M12.6 7A5 5 0 0 0 4 5M3.4 9A5 5 0 0 0 12 11",
	waiting: "M8 4.5V8l2.5 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z",
	refused: "m4 4 8 8M12 4l-8 8",
	failed: "M8 3v6M8 12v.5",
	paused: "M5.5 3.5v9M10.5 3.5v9",
	cancelled: "M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0ZM4 12l8-8",
	alert: "M8 6v3.5M8 11.5v.5M8 2 1.5 13.5h13Z",
	logo: "M2 6h10M9 3l3 3-3 3M14 10H4m3-3-3 3 3 3",
}

const STATES = {
	synced: ["Synced", "The CMS holds the current version."],
	syncing: ["Syncing", "A worker is bringing the CMS up to date."],
	waiting: ["Waiting", "The CMS does not have the current version yet. It is tried again by itself."],
	refused: ["Refused", "The CMS refused this version, and what had been done was undone. Change the brand or the CMS, then sync again."],
	failed: ["Failed", "The CMS refused this version and also refused to undo it. Look at the entry in the CMS, then sync again."],
	paused: ["Paused", "The CMS was away for too long. Nothing is lost. Sync again once it is back."],
	cancelled: ["Cancelled", "An administrator cancelled the run, and what had been done was undone. Sync again to take it up."],
}
const isUnderWay = ({ sync }) => ["waiting", "syncing"].includes(sync.state)
const ATTENTION = ["refused", "failed", "paused", "cancelled"]

const PARKED = {
	unknown_brand: ["About an unknown brand", "The table has no such brand. Redrive after a restore; else delete."],
	malformed: ["Malformed", "The body is no event. Find out who sent it, then delete."],
	too_large: ["Too large", "The body is larger than any event. Find out who sent it, then delete."],
	unknown_type: ["Of an unknown type", "No subscriber knows this type of event. Redrive once one does; else delete."],
	undelivered: ["Not delivered", "The function died each time it got the message. Redrive once that is mended."],
}

const icon = (name) =>
	svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }))
const badge = (state) => h("span", { class: `badge ${state}` }, icon(state), STATES[state]?.[0] ?? state)
const nameOf = ({ name }) => h("bdi", { class: "name" }, name)
const plural = (count, one) => `${count.toLocaleString()} ${one}${count === 1 ? "" : "s"}`
const link = (text, path, query) => h("a", { href: hashOf(path, query) }, text)
const tag = (text) => h("span", { class: "tag" }, text)
/** A button. Its text is its key, so that no button ever becomes another one under the pointer or the focus. */
const button = (text, onclick, attributes) =>
	h("button", { type: "button", "data-key": String(text), onclick, ...attributes }, text)

// Times

const formatOf = (dateStyle, timeStyle) => new Intl.DateTimeFormat(undefined, { dateStyle, timeStyle })
const DATE_TIME = formatOf("medium", "medium")
const SHORT = formatOf("medium", "short")
const CLOCK = formatOf(undefined, "medium")
const MINUTE = formatOf(undefined, "short")

/** How far the server's clock is ahead of this one, in milliseconds. */
let skew = 0
const now = () => Date.now() + skew
const secondsUntil = (time) => Math.max(0, Math.round((Date.parse(time) - now()) / 1000))

const time = (value, format = DATE_TIME) =>
	h("time", { datetime: value, title: value }, format.format(new Date(value)))

function countdownText(until) {
	const seconds = secondsUntil(until)
	if (seconds === 0) return "any moment now"
	return `in ${new Date(seconds * 1000).toISOString().slice(11, 19).replace(/^(00:)?0?/, "")}`
}

function agoText(since) {
	const minutes = Math.floor(Math.max(0, now() - Date.parse(since)) / 60_000)
	if (minutes < 1) return "just now"
	if (minutes < 60) return `${minutes} min ago`
	if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min ago`
	return `${Math.floor(minutes / 1440)} days ago`
}

/** Times that are counted, each second. */
const COUNTED = { until: countdownText, since: agoText }
const counted = (kind, at) => h("time", { datetime: at, title: at, "data-counted": kind }, COUNTED[kind](at))
const countdown = (until) => counted("until", until)
const ago = (since) => counted("since", since)

function tick() {
	for (const node of document.querySelectorAll("[data-counted]")) {
		const text = COUNTED[node.dataset.counted](node.dateTime)
		if (node.textContent !== text) node.textContent = text
	}
}

// What is said to the user

let noticeTimer = 0

/** Shows a message in the corner and has screen readers say it. */
function tell(...nodes) {
	const dismiss = button(icon("refused"), () => show(byId("notice")), { "aria-label": "Dismiss", class: "plain" })
	show(byId("notice"), h("div", { class: "toast" }, p(nodes), dismiss))
	clearTimeout(noticeTimer)
	noticeTimer = setTimeout(() => show(byId("notice")), 15_000)
}

function announce(text) {
	byId("live").textContent = text
}

// The API

class Failure extends Error {
	constructor(status, message) {
		super(message)
		this.status = status
	}
}

const READ_ATTEMPTS = 3
const TIMEOUT = 35_000
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Sends one request. Only reads are repeated: a write may have been carried out although its answer was lost. */
async function request(method, path, options = {}) {
	for (let attempt = 1; ; attempt++) {
		try {
			return await send(method, path, options)
		} catch (failure) {
			const isRetryable = method === "GET" && failure.status === 0 && attempt < READ_ATTEMPTS
			if (!isRetryable || options.signal?.aborted) throw failure
			await pause(attempt * 700)
		}
	}
}

async function send(method, path, { query, body, headers, signal }) {
	const given = Object.entries(query ?? {}).filter(([, value]) => isThere(value))
	const url = given.length ? `${path}?${new URLSearchParams(given)}` : path
	const signals = [AbortSignal.timeout(TIMEOUT), ...(signal ? [signal] : [])]
	const sent = { ...headers }
	if (body) sent["Content-Type"] = "application/json"
	if (session.token) sent.Authorization = `Bearer ${session.token}`
	let response, text
	try {
		response = await fetch(url, {
			method,
			headers: sent,
			body: body && JSON.stringify(body),
			signal: AbortSignal.any(signals),
			credentials: "omit",
		})
		text = await response.text()
	} catch {
		throw new Failure(0, method === "GET"
			? "The server cannot be reached. Check your connection."
			: "The connection failed, so it is not known whether this was done. Check your connection, look, and try again if needed.")
	}
	const date = Date.parse(response.headers.get("Date"))
	// The header has whole seconds.
	if (date && Math.abs(date - Date.now()) > 2000) skew = date - Date.now()
	return answer(response, text, path)
}

function answer(response, text, path) {
	let data = null
	try {
		data = JSON.parse(text)
	} catch {
		// A page of a proxy: its status says enough.
	}
	const { status } = response
	if (response.ok && data) return { data, etag: response.headers.get("ETag") }
	if (status === 401 && path !== SIGN_IN) session.expire()
	throw new Failure(status, `${sentence(data?.message ?? `The server answered ${status}`)}${advice(response)}`)
}

function advice({ status, headers }) {
	if (status === 429) return ` Try again in ${plural(Number(headers.get("Retry-After")) || 60, "second")}.`
	if (status === 409) return " Try again in a moment."
	return status >= 500 ? " Try again in a moment. If it happens again, the logs say why." : ""
}

const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`)

const api = {
	get: (path, query, signal) => request("GET", path, { query, signal }),
	post: (path, body, options) => request("POST", path, { body, ...options }),
	delete: (path, options) => request("DELETE", path, options),
}
const brandPath = (id) => `admin/brands/${encodeURIComponent(id)}`
const runPath = (id) => `admin/workflows-executions/sync-brand-to-cms/${encodeURIComponent(id)}`
const FIELDS = "id,name,created_at,updated_at,deleted_at,sync"

// The session

const SIGN_IN = "auth/user/emailpass"
const STORED = "brand-sync-token"

/** The tab's storage, which the browser may refuse. */
function stored(action, ...values) {
	try {
		return sessionStorage[action](STORED, ...values)
	} catch {
		return null
	}
}

const session = {
	token: stored("getItem"),
	message: null,
	start(token, isKept) {
		session.token = token
		session.message = null
		if (isKept) stored("setItem", token)
		cms.at = cms.activityAt = 0
		navigate()
		if (dialogs.suspended) showDialog(dialogs.suspended)
		dialogs.suspended = null
	},
	end(message) {
		session.token = null
		session.message = message
		stored("removeItem")
		cms.now = cms.activity = cms.differences = null
		navigate()
	},
	expire() {
		if (!session.token) return
		dialogs.suspended = dialogs.open
		dialogs.open?.close()
		session.end("Your session is over: it lasts 24 hours, or until the password changes. Sign in again to go on where you were.")
	},
}

function signInView() {
	return h("form", { class: "card sign-in", "data-key": "sign-in", onsubmit: signIn },
		h("h1", { tabindex: "-1" }, "Sign in"),
		session.message && p({ class: "note" }, session.message),
		field({ name: "email", label: "Email", type: "email", autocomplete: "username", required: true }),
		field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", required: true }),
		h("label", { class: "check" }, h("input", { type: "checkbox", name: "keep" }),
			h("span", "Stay signed in when I reload this tab")),
		p({ class: "error", role: "alert" }),
		h("button", { class: "primary" }, "Sign in"))
}

async function signIn(event) {
	event.preventDefault()
	const form = event.currentTarget
	const { email, password, keep } = form.elements
	const error = form.querySelector("[role=alert]")
	error.textContent = ""
	setBusy(form, true)
	try {
		const { data } = await api.post(SIGN_IN, { email: email.value, password: password.value })
		session.start(data.token, keep.checked)
	} catch (failure) {
		setBusy(form, false)
		error.textContent = failure.status === 401 ? "Email or password is wrong." : failure.message
		password.focus()
	}
}

/** Marks a form as busy. Its button keeps the focus, so it is not disabled. */
function setBusy(form, isBusy) {
	form.toggleAttribute("data-busy", isBusy)
	form.querySelector("button:not([type=button])")?.setAttribute("aria-disabled", isBusy)
}

// Forms and dialogs

function field({ label, hint, tag = "input", ...attributes }) {
	const id = `field-${attributes.name}`
	const hintId = hint && `${id}-hint`
	return h("div", { class: "field" },
		h("label", { for: id }, label),
		h(tag, { id, "aria-describedby": hintId, dir: "auto", ...attributes }),
		hint && p({ class: "hint", id: hintId }, hint))
}

const nameField = (value) =>
	field({ name: "name", label: "Name", hint: "Up to 255 characters. The CMS gets it within seconds.", value, required: true, autocomplete: "off" })

const reasonField = (hint, required = true) =>
	field({ name: "reason", label: required ? "Reason" : "Reason (optional)", hint, required, maxlength: "200", autocomplete: "off" })

/** The dialog that is open, and the one that waits until the user has signed in again. */
const dialogs = { open: null, suspended: null }

function showDialog(dialog) {
	document.body.append(dialog)
	dialogs.open = dialog
	dialog.showModal()
}

/** Opens a dialog with a form, for `act` to do. What that returns is shown as the result; without one the dialog closes. */
function openDialog({ title, body, confirm, isDangerous, act }) {
	const error = p({ class: "error", role: "alert" })
	const progress = p({ class: "progress", role: "status" })
	const dismiss = button("Cancel", () => dialog.close())
	const footer = actions(dismiss,
		h("button", { class: isDangerous ? "danger" : "primary" }, confirm))
	const content = h("div", { class: "content" }, body)
	const form = h("form", { onsubmit }, h("h2", { id: "dialog-title" }, title), content, error, progress, footer)
	const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form)
	const stop = new AbortController()

	async function onsubmit(event) {
		event.preventDefault()
		if (form.hasAttribute("data-busy")) return
		error.textContent = ""
		setBusy(form, true)
		try {
			const result = await act(form.elements, { say: (text) => (progress.textContent = text), signal: stop.signal })
			if (result) finish(result)
			else dialog.close()
		} catch (failure) {
			if (!(failure instanceof Failure)) throw failure
			error.textContent = failure.status === 401 ? "" : failure.message
		} finally {
			setBusy(form, false)
			if (!error.textContent) progress.textContent = ""
		}
	}

	function finish(result) {
		content.replaceChildren(...[result].flat())
		dismiss.textContent = "Close"
		footer.replaceChildren(dismiss)
		dismiss.focus()
	}

	dialog.addEventListener("close", () => {
		dialog.remove()
		dialogs.open = null
		if (dialogs.suspended === dialog) return
		stop.abort()
		refresh()
	})
	showDialog(dialog)
	form.querySelector("input, textarea")?.select()
}

const randomKey = () =>
	Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")

// Actions

function createBrand() {
	// The key stays while the name does, so a request that is sent again makes no second brand.
	const sent = { name: null, key: null }
	openDialog({
		title: "New brand",
		body: nameField(),
		confirm: "Create",
		async act({ name: { value: name } }) {
			if (name !== sent.name) Object.assign(sent, { name, key: randomKey() })
			const { data } = await api.post("admin/brands", { name }, { headers: { "Idempotency-Key": sent.key } })
			tell("Created ", nameOf(data.brand), ".")
			location.hash = hashOf(`/brands/${data.brand.id}`)
		},
	})
}

/** Runs a write that names the version that was seen. If that is not the current one, gets it and explains. */
async function withVersion(seen, write) {
	try {
		return await write({ headers: { "If-Match": seen.etag } })
	} catch (failure) {
		if (failure.status !== 412) throw failure
		const { data, etag } = await api.get(brandPath(seen.brand.id), { fields: FIELDS })
		Object.assign(seen, { etag, brand: data.brand })
		throw new Failure(412, `Somebody has changed this brand meanwhile: its name is now “${data.brand.name}”. Nothing was overwritten. Confirm again to go on anyway, or cancel.`)
	}
}

function renameBrand(data) {
	const seen = { ...data }
	openDialog({
		title: "Rename",
		body: nameField(seen.brand.name),
		confirm: "Save",
		async act({ name: { value: name } }) {
			const { data } = await withVersion(seen, (options) => api.post(brandPath(seen.brand.id), { name }, options))
			tell("Renamed to ", nameOf(data.brand), ".")
		},
	})
}

function deleteBrand(data) {
	const seen = { ...data }
	openDialog({
		title: "Delete this brand?",
		body: p(nameOf(seen.brand), " is deleted here and then in the CMS. This cannot be undone."),
		confirm: "Delete",
		isDangerous: true,
		async act() {
			await withVersion(seen, (options) => api.delete(brandPath(seen.brand.id), options))
			tell("Deleted ", nameOf(seen.brand), ".")
		},
	})
}

function syncBrand({ brand }) {
	openDialog({
		title: "Sync again",
		body: [
			p(nameOf(brand), brand.sync.state === "synced"
				? " is synced. The CMS is read, and repaired if it differs."
				: " is taken up again now, without waiting for its next attempt."),
			reasonField("Kept with the brand and logged.", false),
		],
		confirm: "Sync again",
		async act({ reason }) {
			const body = reason.value.trim() ? { reason: reason.value.trim() } : {}
			await api.post(`${brandPath(brand.id)}/sync`, body)
			tell("Syncing ", nameOf(brand), " again.")
		},
	})
}

function cancelRun({ brand }) {
	openDialog({
		title: "Cancel the run?",
		body: [
			p("What the run has done in the CMS for ", nameOf(brand), " is undone. It then waits until somebody syncs it again."),
			reasonField("Kept with the brand and logged."),
		],
		confirm: "Cancel the run",
		isDangerous: true,
		async act({ reason }) {
			await api.post(`${runPath(brand.id)}/cancel`, { reason: reason.value.trim() })
			tell("Cancelling the run of ", nameOf(brand), ".")
		},
	})
}

/** Calls the bulk sync for all its pages, and adds up the answers. */
async function syncPages(body, { say, signal } = {}) {
	const total = { count: 0, taken_up: 0, failed: [], next: undefined }
	do {
		const page = { ...body, ...(total.next && { after: total.next }) }
		const { data } = await api.post("admin/brands/sync", page, { signal }).catch((failure) => {
			if (signal?.aborted) tell(`Stopped. ${plural(total.taken_up, "brand")} or more were taken up.`)
			throw failure
		})
		total.count += data.count
		total.taken_up += data.taken_up ?? 0
		total.failed.push(...(data.failed ?? []))
		total.next = data.next
		say?.(`${total.taken_up.toLocaleString()} taken up, ${total.failed.length.toLocaleString()} failed. Going on …`)
	} while (total.next)
	return total
}

function syncFiltered(states, q) {
	const filter = { sync: states, ...(q && { q }) }
	const words = states.map((state) => STATES[state][0].toLowerCase()).join(", ")
	const described = p({ "aria-live": "polite" }, "Counting …")
	openDialog({
		title: "Sync all of these again",
		body: [described, reasonField("Kept with each brand and logged.")],
		confirm: "Sync all again",
		async act({ reason }, { say, signal }) {
			say("Working …")
			const total = await syncPages({ filter, dry_run: false, reason: reason.value.trim() }, { say, signal })
			const done = p(`${plural(total.taken_up, "brand")} of ${total.count.toLocaleString()} taken up again.`)
			if (!total.failed.length) return done
			return [
				done,
				p({ class: "error" }, `${plural(total.failed.length, "brand")} could not be taken up. Try them again in a moment:`),
				h("ul", { class: "failures" }, total.failed.map(({ id, message }) =>
					h("li", h("a", { href: hashOf(`/brands/${id}`), onclick: () => dialogs.open.close() }, id), ` ${message}`))),
			]
		},
	})
	syncPages({ filter, dry_run: true }).then(
		({ count }) => described.replaceChildren(
			h("strong", plural(count, "brand")), ` (${words}`, q ? [", name with “", bdi(q), "”"] : "", ") ",
			count === 1 ? "is taken up again now." : "are taken up again now."),
		(failure) => (described.textContent = `The brands could not be counted. ${failure.message}`),
	)
}

function setCircuit(state) {
	const isOpening = state === "open"
	openDialog({
		title: isOpening ? "Stop calling the CMS?" : "Call the CMS again?",
		body: [
			p(isOpening
				? "Within a minute nothing is sent to the CMS any more, until somebody closes the circuit. Brands wait."
				: "Closes the circuit: all that waits is sent to the CMS, as fast as the rate limit allows."),
			reasonField("Shown to all administrators and logged."),
		],
		confirm: isOpening ? "Open the circuit" : "Close the circuit",
		isDangerous: isOpening,
		async act({ reason }) {
			await api.post("admin/cms/circuit", { state, reason: reason.value.trim() })
			cms.at = 0
		},
	})
}

async function redrive(body) {
	try {
		const { data: { moved, left } } = await api.post("admin/parked/redrive", body)
		tell(`${plural(moved, "message")} moved back to the queue${left ? `; ${left.toLocaleString()} still parked` : ""}.`)
	} catch (failure) {
		tell(failure.message)
	}
	refresh()
}

function deleteParked(message) {
	openDialog({
		title: "Delete this message?",
		body: [p("It cannot be redriven afterwards. No brand is lost: brands are in the table."),
			h("pre", { class: "body" }, message.body)],
		confirm: "Delete",
		isDangerous: true,
		async act() {
			await api.delete(`admin/parked/${encodeURIComponent(message.id)}`)
			tell("The message is deleted.")
		},
	})
}

// The CMS: its state is known to all views

const cms = { now: null, at: 0, activity: null, activityAt: 0, differences: null }
const CMS_SECONDS = 10
const ACTIVITY_SECONDS = 60
const age = (at) => (Date.now() - at) / 1000

async function loadCms(signal, wantsActivity) {
	const withActivity = wantsActivity && age(cms.activityAt) >= ACTIVITY_SECONDS
	if (!withActivity && age(cms.at) < CMS_SECONDS - 1) return
	const { data: { cms: current } } = await api.get("admin/cms", withActivity ? { fields: "+activity" } : {}, signal)
	const was = cms.now?.circuit.state
	Object.assign(cms, { now: current, at: Date.now() })
	if (current.activity) Object.assign(cms, { activity: current.activity, activityAt: cms.at })
	if (was && was !== current.circuit.state) announce(`The circuit is ${current.circuit.state}.`)
}

function circuitWords({ by, since, reason, next_probe_at: probe, failed_probes: failed, changed_by: operator }) {
	return [
		since && p("Since ", time(since), ", ", ago(since), by === "operator" && [", by ", operator ?? "an administrator"], "."),
		reason && p("Reason: ", bdi(sentence(reason))),
		by === "operator"
			? p("It stays open until somebody closes it. Brands wait; nothing is lost.")
			: p("Brands wait; nothing is lost. ", probe && ["The next probe is sent ", countdown(probe)],
				failed ? `; ${plural(failed, "probe")} failed so far.` : probe && "."),
	]
}

function banner() {
	const circuit = cms.now?.circuit
	if (circuit?.state !== "open") return null
	return h("section", { class: "banner", "aria-label": "Outage" },
		icon("alert"),
		h("div", h("h2", "The circuit is open: nothing is sent to the CMS"), circuitWords(circuit)),
		button("Close the circuit …", () => setCircuit("closed")))
}

// Charts

const sum = (minutes, key) => minutes.reduce((total, minute) => total + minute[key], 0)

const CHART = { width: 600, height: 96, gap: 2 }

/** Stacked bars, one for each minute: its numbers show when the pointer is over it. Screen readers get the summary. */
function chart({ title, minutes, series, summary, note }) {
	const total = (minute) => series.reduce((sum, { key }) => sum + minute[key], 0)
	const most = Math.max(1, ...minutes.map(total))
	const step = CHART.width / 60
	const last = Math.max(Math.floor(now() / 60_000) * 60_000, ...minutes.map(({ minute }) => Date.parse(minute)))
	const place = (minute) => CHART.width - ((last - Date.parse(minute)) / 60_000 + 1) * step
	const bars = minutes.filter((minute) => total(minute) > 0).map((minute) => {
		let y = CHART.height
		const parts = series.filter(({ key }) => minute[key] > 0).map(({ key, tone }) => {
			const height = (minute[key] / most) * CHART.height
			y -= height
			return svg("rect", { class: tone, x: place(minute.minute) + CHART.gap / 2, y, width: step - CHART.gap, height })
		})
		const numbers = series.map(({ key, label }) => `${minute[key]} ${label.toLowerCase()}`).join(", ")
		return svg("g", svg("title", `${MINUTE.format(new Date(minute.minute))}: ${numbers}`), parts)
	})
	const size = { viewBox: "0 0 600 96", preserveAspectRatio: "none" }
	return h("figure", { class: "chart" },
		h("figcaption", h("h2", title),
			h("ul", { class: "legend" }, series.map(({ label, tone }) => h("li", { class: tone }, label)))),
		h("div", { class: "plot" },
			h("span", { class: "most" }, most.toLocaleString()),
			svg("svg", { ...size, role: "img", "aria-label": summary },
				svg("path", { class: "grid", d: "M0 .5h600M0 48h600M0 95.5h600" }),
				bars)),
		p({ class: "axis", "aria-hidden": "true" }, h("span", "an hour ago"), h("span", "now")),
		note && hint(note))
}

function activityChart() {
	if (!cms.activity) return null
	const { minutes, complete } = cms.activity
	return chart({
		title: "Brands created in the last hour",
		minutes,
		series: [
			{ key: "synced", label: "Synced", tone: "synced" },
			{ key: "waiting", label: "Waiting", tone: "waiting" },
			{ key: "needs_attention", label: "Need attention", tone: "refused" },
		],
		summary: `${plural(sum(minutes, "created"), "brand")} created in the last hour, by their state now: ${sum(minutes, "synced")} synced, ${sum(minutes, "waiting")} waiting, ${sum(minutes, "needs_attention")} need attention.`,
		note: !complete && "There were too many to count them all.",
	})
}

function callsChart({ calls }) {
	const minutes = calls.map((minute) => ({ ...minute, good: minute.calls - minute.errors, failed: minute.errors - minute.limited, spent: minute.calls * (minute.latency_ms ?? 0) }))
	const summary = `${plural(sum(minutes, "calls"), "call")}, ${sum(minutes, "errors")} of them errors (${sum(minutes, "limited")} limited); ${Math.round(sum(minutes, "spent") / Math.max(1, sum(minutes, "calls")))} ms each on average.`
	return chart({
		title: "Calls in the last hour",
		minutes,
		series: [
			{ key: "good", label: "Answered", tone: "synced" },
			{ key: "limited", label: "Limited", tone: "waiting" },
			{ key: "failed", label: "Errors", tone: "refused" },
		],
		summary,
		note: `As far as reported: ${summary}`,
	})
}

// View: the brands

// An order by name would read all brands for each page; a cursor reads about a page.
const ORDERS = { "-created_at": "Newest first", created_at: "Oldest first" }
const FILTERS = [["", "All"], ["attention", "Need attention"], ...Object.entries(STATES).slice(1).map(([state, [word]]) => [state, word])]
const PAGE = 20
const PAGES_AT_ONCE = 5

/** The cursor of the page before each, as far as this tab has seen them. */
const before = new Map()

const statesOf = (filter) => (filter === "attention" ? ATTENTION : [filter])

/** A page of a filter may have few brands or none, and yet a next one: such pages are put together. */
async function listFiltered({ state, q, after }, signal) {
	const brands = []
	let next = after ?? ""
	for (let pages = 0; pages < PAGES_AT_ONCE && next !== null && brands.length < PAGE; pages++) {
		const query = { sync: statesOf(state).join(","), limit: PAGE - brands.length, after: next, q, fields: FIELDS }
		const { data } = await api.get("admin/brands", query, signal)
		brands.push(...data.brands)
		next = data.next
	}
	return { brands, next }
}

async function listByTime({ q, order = "-created_at", after = "" }, signal) {
	const { data } = await api.get("admin/brands", { limit: PAGE, after, order, q, fields: FIELDS }, signal)
	return data
}

const brandsView = {
	title: () => "Brands",
	wantsActivity: true,
	// A search reads on until its page is full: where nothing is under way, it is rarely repeated.
	seconds: ({ query }, data) => (query.q && !data?.brands.some(isUnderWay) ? 30 : 5),
	async load({ query }, signal) {
		const page = await (query.state ? listFiltered : listByTime)(query, signal)
		if (page.next) before.set(page.next, query.after)
		return page
	},
	said: ({ brands }) => `${plural(brands.length, "brand")} on this page.`,
	render({ query }, data) {
		return [
			heading("Brands", button("New brand", createBrand, { class: "primary" })),
			overview(),
			filters(query),
			toolbar(query),
			data && (data.brands.length ? brandTable(data.brands) : nothingFound(query, data)),
			data && pager(query, data),
		]
	},
}

function overview() {
	const brands = cms.now?.brands
	const tile = (count, text, state) => h("a", { class: `tile ${count ? state : ""}`, href: hashOf("/brands", { state }) },
		h("strong", count.toLocaleString()), h("span", text))
	return h("section", { class: "overview", "aria-label": "Overview" },
		brands && h("div", { class: "tiles" }, tile(brands.waiting, "waiting", "waiting"),
			tile(brands.needs_attention, brands.needs_attention === 1 ? "needs attention" : "need attention", "attention")),
		h("div", { class: "card" }, activityChart() ?? hint("Loading the last hour …")))
}

function filters({ state = "", q }) {
	return h("nav", { "aria-label": "Filter by sync state" }, h("ul", { class: "filters" }, FILTERS.map(([key, word]) =>
		h("li", h("a", { href: hashOf("/brands", { state: key, q }), "aria-current": key === state && "true" },
			STATES[key] && icon(key), word)))))
}

let searchTimer = 0

function toolbar(query) {
	const { state, q = "", order = "-created_at" } = query
	const search = (event) => {
		const value = event.target.value.trim()
		clearTimeout(searchTimer)
		searchTimer = setTimeout(() => replaceQuery({ state, q: value, order: query.order }), 300)
	}
	return h("div", { class: "toolbar" },
		h("search", h("label", { for: "q", class: "hidden" }, "Search names"),
			h("input", { id: "q", type: "search", placeholder: "Search names", value: q, oninput: search, autocomplete: "off", dir: "auto" })),
		state
			? button("Sync all again …", () => syncFiltered(statesOf(state), q))
			: h("label", { class: "order" }, "Order ", h("select", { value: order, onchange: (event) => replaceQuery({ q, order: event.target.value }) },
				Object.entries(ORDERS).map(([value, text]) => h("option", { value, selected: value === order }, text)))))
}

const nothingFound = ({ state, q }, { next }) => h("div", { class: "empty" },
	p(next ? "None on this page; there may be more on the next." : q ? ["No brand’s name has “", bdi(q), "” in it."]
		: state ? "No brand is in this state." : "There are no brands yet."),
	!state && !q && button("Create the first one", createBrand))

function brandTable(brands) {
	return h("table", { class: "brands" },
		h("thead", h("tr", ["Name", "Sync", "Changed"].map((word) => h("th", { scope: "col" }, word)))),
		h("tbody", brands.map((brand) => h("tr", { "data-key": brand.id },
			h("th", { scope: "row" }, link(nameOf(brand), `/brands/${brand.id}`),
				brand.deleted_at && tag("Deleted")),
			h("td", badge(brand.sync.state), syncNote(brand.sync)),
			h("td", { class: "when" }, time(brand.updated_at, SHORT))))))
}

function syncNote({ state, attempts, next_attempt_at: next, error }) {
	if (state === "synced" || state === "syncing") return null
	return h("div", { class: "sync-note" },
		state === "waiting" && p(!attempts ? "not begun" : next ? [`attempt ${attempts + 1} `, countdown(next)] : `tried ${plural(attempts, "time")}`),
		error && p({ class: "clamp", title: error.message }, error.message))
}

function pager({ after, ...query }, { next }) {
	if (!after && !next) return null
	const to = (text, cursor) => h("a", { class: "button", href: hashOf("/brands", { ...query, after: cursor }) }, text)
	return h("nav", { class: "pager", "aria-label": "Pages" },
		after && to("First page"), before.get(after) && to("Previous page", before.get(after)), next && to("Next page", next))
}

// View: one brand

const brandView = {
	title: (data) => data?.brand.name ?? "Brand",
	seconds: (_, data) => (data && isUnderWay(data.brand) ? 2 : 5),
	async load({ id }, signal) {
		const [{ data, etag }, run] = await Promise.all([
			api.get(brandPath(id), { with_deleted: true, fields: FIELDS }, signal),
			api.get(runPath(id), {}, signal).catch((failure) => {
				if (failure.status === 404) return null
				throw failure
			}),
		])
		return { brand: data.brand, etag, run: run?.data.workflow_execution }
	},
	render(route, data) {
		const back = wayBack()
		if (!data) return [back, heading("Brand")]
		const { brand } = data
		const [, meaning] = STATES[brand.sync.state] ?? []
			return [
			back,
			heading(nameOf(brand), null, brand.name.length > 60 && "long"),
			p({ class: "state" }, badge(brand.sync.state), brand.deleted_at && tag("Deleted"), h("span", meaning)),
			brandActions(data),
			h("div", { class: "columns" }, systemCard(brand), cmsCard(brand)),
			runCard(data),
		]
	},
}

function brandActions(data) {
	const { deleted_at: isDeleted, sync } = data.brand
	const canCancel = ["waiting", "syncing", "paused"].includes(sync.state)
	return actions(
		button("Sync again …", () => syncBrand(data), { class: ATTENTION.includes(sync.state) && "primary" }),
		canCancel && button("Cancel the run …", () => cancelRun(data)),
		!isDeleted && button("Rename …", () => renameBrand(data)),
		!isDeleted && button("Delete …", () => deleteBrand(data), { class: "quiet-danger" }))
}

const facts = (...rows) => h("dl", rows.filter(isThere).map(([term, ...value]) => h("div", h("dt", term), h("dd", value))))

const systemCard = ({ id, name, created_at: created, updated_at: updated, deleted_at: deleted, sync }) =>
	card("In this system", facts(
		["Name", bdi(name)],
		["Version", String(sync.version)],
		["Created", time(created)],
		["Changed", time(updated)],
		deleted && ["Deleted", time(deleted)],
		["Id", h("code", id)]))

function cmsCard({ name, deleted_at: isDeleted, sync }) {
	const { holds, synced_version: reached } = sync
	const differs = holds && !isDeleted && holds.name !== name
	return card("In the CMS",
		holds
			? facts(
				["Name", bdi(holds.name), differs && tag("Differs")],
				["Version", reached ? `${reached}` : "not known"],
				holds.entry && ["Entry", h("code", holds.entry)],
				holds.revision && ["Revision", h("code", holds.revision)])
			: p(isDeleted && reached === sync.version ? "The CMS has no entry of this brand any more." : "The CMS is not known to have an entry of this brand."),
		holds?.in_doubt && p({ class: "note" }, "A call got no clear answer. The CMS is read before anything else is done."))
}

// The run of a brand, as a time line

const ENDS = {
	done: ["synced", "Done", "The CMS holds what this system has."],
	reverted: ["refused", "Undone", "What the run had done in the CMS was taken back."],
	failed: ["failed", "Failed", "Undoing was refused as well. Look at the entry in the CMS."],
}

function pastOf({ brand, run, step }) {
	const version = run.context?.data?.payload?.version
	const events = (run.context?.errors ?? []).map(({ handlerType, error }) => ({
		at: error.at,
		tone: "refused",
		title: handlerType === "compensate" ? "Undoing failed" : "Attempt failed",
		text: error.message,
	}))
	const began = step?.startedAt ? new Date(step.startedAt).toISOString() : run.state !== "not_started" && run.created_at
	if (began) events.push({ at: began, tone: "syncing", title: "Began", text: version ? `For version ${version}.` : null })
	const { request } = brand.sync
	if (request) {
		const title = request.action === "cancel" ? "Cancelling was asked for" : "“Sync again” was asked for"
		events.push({ at: request.at, tone: "cancelled", title, text: [request.reason && sentence(request.reason), `By ${request.by}.`].filter(Boolean).join(" ") })
	}
	if (run.paused_at) events.push({ at: run.paused_at, tone: "paused", title: "Paused", text: STATES.paused[1] })
	if (run.ended_at && ENDS[run.state]) {
		const [tone, title, text] = ENDS[run.state]
		events.push({ at: run.ended_at, tone, title, text })
	}
	return events.sort((one, other) => Date.parse(one.at) - Date.parse(other.at))
}

/** What goes on now, or comes next. */
function presentOf({ run, brand }) {
	if (run.paused_at) return null
	if (run.ended_at || run.state === "not_started") {
		const { state, next_attempt_at: at } = brand.sync
		return state === "waiting" ? { tone: "waiting", title: "Waits for a worker", at, isNext: true } : null
	}
	const isUndoing = run.state === "compensating"
	if (run.resume_at) return { tone: "waiting", title: isUndoing ? "Undoing is tried again" : "Next attempt", at: run.resume_at, isNext: true }
	if (run.state === "invoking") return { tone: "syncing", title: "A worker is at it now" }
	return isUndoing ? { tone: "syncing", title: "Being undone now" } : null
}

function timelineItem({ at, tone, title, text, isNext }) {
	return h("li", { class: tone }, icon(tone),
		p(h("strong", title), " ", at && (isNext ? countdown(at) : time(at))),
		text && p({ class: "text", dir: "auto" }, text))
}

function runCard({ brand, run }) {
	if (!run) return null
	const step = Object.values(run.execution?.steps ?? {}).find(({ depth }) => depth === 1)
	const events = [...pastOf({ brand, run, step }), presentOf({ brand, run })].filter(Boolean)
	const counts = [
		step?.attempts && plural(step.attempts, "attempt"),
		run.suspensions && plural(run.suspensions, "wait"),
		step?.compensations && plural(step.compensations, "compensation"),
	].filter(Boolean)
	return card("The run",
		counts.length > 0 && hint(`${counts.join(", ")}. The last errors are kept.`),
		events.length ? h("ol", { class: "timeline" }, events.map(timelineItem)) : p("No run is under way."))
}

// View: the CMS

const cmsView = {
	title: () => "CMS",
	seconds: () => CMS_SECONDS,
	async load(_, signal) {
		cms.differences = (await api.get("admin/cms/reconciliation", {}, signal)).data.reconciliation
	},
	render() {
		if (!cms.now) return heading("CMS")
		const { circuit, requests_per_second: limit, brands } = cms.now
		const isOpen = circuit.state === "open"
		return [
			heading("CMS"),
			h("div", { class: "columns" },
				card("Circuit",
					p({ class: "state" }, h("span", { class: `badge ${isOpen ? "refused" : "synced"}` }, icon(isOpen ? "alert" : "synced"), isOpen ? "Open" : "Closed"),
						isOpen ? "Nothing is sent to the CMS." : "The CMS is called."),
					// The banner says the rest, and closes it.
					!(isOpen && circuit.by === "operator") && actions(button(isOpen ? "Keep it open …" : "Open the circuit …", () => setCircuit("open")))),
				card("What waits", facts(
					["Waiting", link(plural(brands.waiting, "brand"), "/brands", { state: "waiting" })],
					["Need attention", link(plural(brands.needs_attention, "brand"), "/brands", { state: "attention" })],
					["Rate limit", limit ? `${limit} requests a second` : "none"]))),
			h("section", { class: "card" }, callsChart(cms.now)),
			cms.differences && differencesCard(cms.differences),
		]
	},
}

function differencesCard({ state, drift, report }) {
	const words = (name) => name.replaceAll("_", " ")
	const counts = Object.entries(report?.counts ?? {}).filter(([name]) => name !== "equal")
	const name = (text) => (text === undefined ? "nothing" : ["“", bdi(text), "”"])
	return card("Differences",
		p(report ? `${drift} among ${plural(report.brands, "brand")}; ${words(state)}.` : state === "asked" ? "Begins within a minute." : "Not looked for yet."),
		report?.stopped && p({ class: "error" }, sentence(report.stopped)),
		counts.length > 0 && facts(...counts.map(([name, count]) => [words(name), count.toLocaleString()])),
		h("ul", { class: "failures" }, (report?.examples ?? []).map(({ class: kind, id, entry, here, there }) =>
			h("li", `${words(kind)}: `, here === undefined ? id ?? entry : link(id, `/brands/${id}`), " here ", name(here), ", there ", name(there)))),
		report && hint(time(report.began_at)),
		actions(button("Look for differences", () => reconcile(true)), button("Mend them", () => reconcile())))
}

async function reconcile(dry_run = false) {
	try {
		await api.post("admin/cms/reconciliation", { dry_run })
		tell("Begins within a minute.")
	} catch (failure) {
		tell(failure.message)
	}
	refresh()
}

// View: the parked messages

const parkedView = {
	title: () => "Parked messages",
	seconds: () => 60,
	load: async (_, signal) => (await api.get("admin/parked", { limit: 100 }, signal)).data,
	render(_, data) {
		const groups = Map.groupBy(data?.parked ?? [], ({ kind }) => kind)
		return [
			heading("Parked messages", data?.count > 0 && button("Redrive all", () => redrive({}))),
			hint("Messages that could not be used are kept for 14 days. Redriving moves them back to the queue."),
			data && !data.parked.length && h("div", { class: "empty" }, p("Nothing is parked.")),
			data?.count > data?.parked.length && p({ class: "note" }, `The first ${data.parked.length} of ${plural(data.count, "message")}.`),
			[...groups].map(([kind, messages]) => parkedGroup(kind, messages)),
		]
	},
}

function parkedGroup(kind, messages) {
	const [title, meaning] = PARKED[kind] ?? [kind, ""]
	return h("section", { class: "card", "data-key": kind },
		h("div", { class: "heading" }, h("h2", `${title} (${messages.length})`),
			button("Redrive these", () => redrive({ kind: [kind] }), { "aria-label": `Redrive these: ${title}` })),
		hint(meaning),
		h("ul", { class: "messages" }, messages.map((message) => h("li", { "data-key": message.id },
			message.reason && p({ dir: "auto" }, message.reason),
			hint(message.parked_at ? ["Parked ", time(message.parked_at)] : "Parked at an unknown time",
				message.brand_id && [" · brand ", link(h("code", message.brand_id), `/brands/${message.brand_id}`)]),
			h("pre", { class: "body", dir: "auto" }, message.body || "(empty)"),
			actions(
				button("Redrive", () => redrive({ id: [message.id] }), { "aria-label": `Redrive message ${message.id}` }),
				button("Delete …", () => deleteParked(message), { class: "quiet-danger", "aria-label": `Delete message ${message.id}` }))))))
}

// Navigation

const VIEWS = { brands: brandsView, cms: cmsView, parked: parkedView }
const NAVIGATION = [["/brands", "Brands"], ["/cms", "CMS"], ["/parked", "Parked"]]

function hashOf(path, query = {}) {
	const given = Object.entries(query).filter(([, value]) => isThere(value) && value !== "")
	return `#${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`
}

function currentRoute() {
	const [path, query] = location.hash.slice(1).split("?")
	const [, name, id] = path.split("/")
	const view = name === "brands" && id ? brandView : Object.hasOwn(VIEWS, name) ? VIEWS[name] : brandsView
	return { path: path || "/brands", view, id, query: Object.fromEntries(new URLSearchParams(query)) }
}

function replaceQuery(query) {
	if (query.order === "-created_at") delete query.order
	history.replaceState(null, "", hashOf("/brands", query))
	navigate({ keepsFocus: true })
}

const heading = (text, action, className) =>
	h("div", { class: `heading ${className || ""}` }, h("h1", { tabindex: "-1" }, text), action)

/** The list that was shown last, with its filter and page. */
let lastList = "#/brands"

const wayBack = () => p(h("a", { href: lastList }, "← All brands"))

const page = { route: currentRoute(), data: null, failure: null, failures: 0, controller: new AbortController() }

/** Shows what the address says. */
function navigate({ keepsFocus = false } = {}) {
	clearTimeout(searchTimer)
	const route = currentRoute()
	if (route.view === brandsView) lastList = location.hash || lastList
	const isOther = route.path !== page.route.path
	Object.assign(page, { route, failure: null, failures: 0 })
	if (isOther || !session.token) Object.assign(page, { data: null, loadedAt: null })
	page.saysResult = keepsFocus
	if (session.token) refresh()
	else {
		page.controller.abort()
		clearTimeout(page.timer)
		paint()
	}
	if (keepsFocus) return
	window.scrollTo(0, 0)
	const first = session.token || session.message ? document.querySelector("h1") : byId("field-email")
	first?.focus({ preventScroll: true })
}

/** Loads the view again. A request that is under way is given up, so they do not pile up. */
async function refresh() {
	if (!session.token) return
	clearTimeout(page.timer)
	page.controller.abort()
	page.controller = new AbortController()
	const { route, controller: { signal } } = page
	page.isLoading = true
	paint()
	try {
		const status = loadCms(signal, route.view.wantsActivity)
		// What is asked beside the view must not hide it.
		const [data] = await Promise.all([route.view.load(route, signal), route.view === cmsView ? status : status.catch(() => null)])
		if (signal.aborted) return
		Object.assign(page, { data: route.view === cmsView ? cms.now : data, failure: null, failures: 0, loadedAt: new Date(), shown: location.hash })
		if (page.saysResult && route.view.said) announce(route.view.said(data))
		page.saysResult = false
	} catch (failure) {
		if (signal.aborted) return
		if (!(failure instanceof Failure)) throw failure
		Object.assign(page, { failure, failures: page.failures + 1 })
	}
	page.isLoading = false
	paint()
	schedule()
}

const MOST_SECONDS = 60

function schedule() {
	clearTimeout(page.timer)
	const seconds = Math.min(page.route.view.seconds(page.route, page.data) * 2 ** page.failures, MOST_SECONDS)
	page.timer = setTimeout(() => {
		// A hidden tab asks nothing; it is refreshed when it is looked at. A dialog refreshes the page when it closes.
		if (!document.hidden && !dialogs.open) refresh()
	}, seconds * 1000)
}

function freshness() {
	const { failure, data, loadedAt, isLoading } = page
	const retry = button(failure ? "Try again" : "Refresh", refresh, { class: "plain", "data-key": "retry" })
	return h("div", { class: `freshness ${failure ? "stale" : ""}` },
		p({ role: "status" }, failure && [failure.message, data && " What is shown may be out of date."]),
		!failure && p(loadedAt ? ["Updated at ", time(loadedAt.toISOString(), CLOCK), "."] : isLoading && "Loading …"),
		(loadedAt || failure) && retry)
}

function missing() {
	return [
		heading("Not found"),
		p("There is no such brand. It may have been deleted, and its row removed since."),
		wayBack(),
	]
}

function topBar() {
	const place = page.route.view === brandView ? "/brands" : page.route.path
	return [
		p({ class: "logo" }, icon("logo"), "Brand sync"),
		session.token && h("nav", { "aria-label": "Main" }, h("ul", NAVIGATION.map(([path, word]) =>
			h("li", h("a", { href: hashOf(path), "aria-current": path === place && "page" }, word))))),
		session.token && button("Sign out", () => session.end(null), { class: "plain" }),
	]
}

function paint() {
	const { route, data, failure } = page
	const isMissing = failure?.status === 404
	show(byId("top"), topBar())
	show(byId("banner"), session.token && banner())
	const content = !session.token ? signInView() : isMissing ? missing() : [route.view.render(route, data), freshness()]
	show(byId("main"), content)
	byId("main").setAttribute("aria-busy", Boolean(session.token) && !failure && page.shown !== location.hash)
	document.title = `${session.token ? route.view.title(data) : "Sign in"} · Brand sync`
}

byId("skip").addEventListener("click", (event) => {
	event.preventDefault()
	byId("main").focus()
})
window.addEventListener("hashchange", () => navigate())
document.addEventListener("visibilitychange", () => {
	if (!document.hidden && !dialogs.open) refresh()
})
setInterval(tick, 1000)
navigate()
