// Medusa's own client uses this API as it uses a Medusa: it signs in, and creates, lists, retrieves, changes and deletes a
// brand.

import assert from "node:assert/strict"
import { randomUUID } from "node:crypto"
import { test } from "node:test"

import Medusa, { FetchError } from "@medusajs/js-sdk"

const { API_URL, ADMIN_EMAIL, ADMIN_PASSWORD } = process.env
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** A client that keeps its token in memory. */
function client() {
  return new Medusa({ baseUrl: API_URL, auth: { type: "jwt", jwtTokenStorageMethod: "memory" } })
}

/** A client of whoever may do everything. */
async function signedIn() {
  const medusa = client()
  const token = await medusa.auth.login("user", "emailpass", { email: ADMIN_EMAIL, password: ADMIN_PASSWORD })
  assert.equal(typeof token, "string")
  return medusa
}

/** Whether the client tells that failure as it tells one of a Medusa. */
function failure(status, message) {
  return (error) => {
    assert.ok(error instanceof FetchError, String(error))
    assert.deepEqual({ status: error.status, message: error.message }, { status, message })
    return true
  }
}

test("a brand is created, listed, retrieved, changed and deleted", async () => {
  const medusa = await signedIn()
  const name = `Acme ${randomUUID()}`
  const { brand } = await medusa.client.fetch("/admin/brands", { method: "POST", body: { name } })
  assert.match(brand.id, ID)
  assert.equal(brand.name, name)
  assert.equal(brand.deleted_at, null)

  const query = { q: name, limit: 1, offset: 0, order: "-created_at", fields: "id,name,created_at" }
  const list = await medusa.client.fetch("/admin/brands", { query })
  const { id, created_at } = brand
  assert.deepEqual(list, { brands: [{ id, name, created_at }], count: 1, limit: 1, offset: 0 })

  const path = `/admin/brands/${id}`
  assert.deepEqual(await medusa.client.fetch(path), { brand })

  const renamed = await medusa.client.fetch(path, { method: "POST", body: { name: `${name}, renamed` } })
  assert.equal(renamed.brand.name, `${name}, renamed`)
  assert.equal(renamed.brand.id, id)
  assert.ok(renamed.brand.updated_at > brand.updated_at)

  const deleted = await medusa.client.fetch(path, { method: "DELETE" })
  assert.deepEqual(deleted, { id, object: "brand", deleted: true })
  await assert.rejects(medusa.client.fetch(path), failure(404, `Brand with id: ${id} was not found`))
})

test("a request that is repeated under its key creates one brand", async () => {
  const medusa = await signedIn()
  const headers = { "Idempotency-Key": randomUUID() }
  const create = (name) => medusa.client.fetch("/admin/brands", { method: "POST", headers, body: { name } })
  const first = await create("Acme")
  assert.deepEqual(await create("Acme"), first)
  const message = "The Idempotency-Key was used with another request body"
  await assert.rejects(create("Globex"), failure(409, message))
})

test("what is refused is told with status and message", async () => {
  const medusa = await signedIn()
  const create = medusa.client.fetch("/admin/brands", { method: "POST", body: { color: "red" } })
  const message = "Invalid request: Field 'name' is required; Unrecognized fields: 'color'"
  await assert.rejects(create, failure(400, message))
  const list = medusa.client.fetch("/admin/brands", { query: { limit: "abc" } })
  await assert.rejects(list, failure(400, "Invalid request: Expected type: 'number' for field 'limit', got: 'abc'"))
})

test("nothing is done for whoever is not signed in", async () => {
  const medusa = client()
  await assert.rejects(medusa.client.fetch("/admin/brands"), failure(401, "Unauthorized"))
  const wrong = medusa.auth.login("user", "emailpass", { email: ADMIN_EMAIL, password: "wrong" })
  await assert.rejects(wrong, failure(401, "Invalid email or password"))
  const customer = medusa.auth.login("customer", "emailpass", { email: ADMIN_EMAIL, password: "wrong" })
  const message = "The actor type customer is not allowed to use the auth provider emailpass"
  await assert.rejects(customer, failure(400, message))
})
