// Payload's REST API without its admin panel: PORT, DATABASE (a file), API_KEY. With HOOK_URL and HOOK_SECRET it sends webhooks.

import { createHmac } from "node:crypto"
import { createServer } from "node:http"
import { sqliteAdapter } from "@payloadcms/db-sqlite"
import { buildConfig, getPayload, handleEndpoints } from "payload"

const { PORT, DATABASE, API_KEY, HOOK_URL, HOOK_SECRET } = process.env

// As infra/OPERATIONS.md has it.
const tell = (entry) => {
  const body = JSON.stringify(entry)
  const seconds = Math.floor(Date.now() / 1000)
  const code = createHmac("sha256", HOOK_SECRET).update(`${seconds}.${body}`).digest("hex")
  const headers = { "Content-Type": "application/json", "X-Signature": `t=${seconds},v1=${code}` }
  // An editor does not wait for it, and does not see it fail.
  fetch(HOOK_URL, { method: "POST", headers, body }).catch(console.error)
}

// The field of an entry that bears the brand's id, and the one that bears its name.
const hooks = (id, name) => ({
  afterChange: [({ doc }) => tell({ id: doc[id] ?? null, name: doc[name], deleted: false })],
  afterDelete: [({ doc }) => tell({ id: doc[id] ?? null, name: doc[name], deleted: true })],
})

// Payload numbers these documents itself.
const labels = (slug) => ({
  slug,
  hooks: HOOK_URL ? hooks("external_id", "title") : {},
  fields: [
    { name: "external_id", type: "text", unique: true, index: true },
    { name: "title", type: "text" },
    { name: "description", type: "text" },
  ],
})

// The client chooses a brand's id; editors write its description.
const brands = (slug, name) => ({
  slug,
  versions: { drafts: true },
  hooks: HOOK_URL ? hooks("id", "name") : {},
  fields: [
    { name: "id", type: "text" },
    { name: "name", type: "text", required: true, ...name },
    { name: "description", type: "text" },
  ],
})

const config = buildConfig({
  secret: "only for tests",
  telemetry: false,
  db: sqliteAdapter({ client: { url: `file:${DATABASE}` } }),
  collections: [
    { slug: "users", auth: { useAPIKey: true }, fields: [] },
    brands("brands"),
    brands("unique-brands", { unique: true }),
    labels("labels"),
    labels("reconciled-labels"),
    { ...labels("drafted-labels"), versions: { drafts: true } },
  ],
})

const payload = await getPayload({ config })
await payload.create({
  collection: "users",
  data: { email: "sync@example.com", password: API_KEY, enableAPIKey: true, apiKey: API_KEY },
})

const server = createServer(async (incoming, outgoing) => {
  const { method, headers } = incoming
  const body = method === "GET" || method === "HEAD" ? undefined : incoming
  const request = new Request(`http://${headers.host}${incoming.url}`, { method, headers, body, duplex: "half" })
  const response = await handleEndpoints({ config, request })
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  outgoing.end(Buffer.from(await response.arrayBuffer()))
})
server.listen(Number(PORT), "127.0.0.1", () => console.log(`ready ${process.pid}`))

process.on("SIGTERM", async () => {
  server.close()
  server.closeAllConnections()
  await payload.destroy()
  process.exit(0)
})
