// Strapi's REST API without its admin panel: PORT, DATABASE (a file), API_KEY.

const { mkdirSync } = require("node:fs")
const { createStrapi } = require("@strapi/strapi")

process.env.NODE_ENV = "production"
process.env.STRAPI_TELEMETRY_DISABLED = "true"

async function main() {
  mkdirSync(`${__dirname}/public/uploads`, { recursive: true }) // the upload plugin needs it
  const strapi = await createStrapi({ appDir: __dirname, distDir: __dirname, serveAdminPanel: false }).load()
  // Strapi generates the keys of its tokens, so this one is written to the database.
  const accessKey = strapi.service("admin::api-token").hash(process.env.API_KEY)
  await strapi.db.query("admin::api-token").create({ data: { name: "sync", type: "full-access", accessKey } })
  await strapi.start()
  console.log(`ready ${process.pid}`)
}

main()
