// Payload"s REST API without its admin panel: PORT, DATABASE (a file), API_KEY.

import { createServer } from "node:http"
import { sqliteAdapter } from "@payloadcms/db-sqlite"
import { buildConfig, getPayload, handleEndpoints } from "payload"

const { PORT, DATABASE, API_KEY } = process.env

// Payload numbers these documents itself.
const labels = (slug) => ({
  slug,
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
