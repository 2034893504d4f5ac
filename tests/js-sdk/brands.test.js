// Medusa's own client uses this API as it uses a Medusa: it signs in, creates, lists, retrieves, changes and deletes a
// brand, and shows and cancels the executions of the workflow that syncs it.

import assert from "node:assert/strict"
import { randomUUID } from "node:crypto"
import { test } from "node:test"

import Medusa, { FetchError } from "@medusajs/js-sdk"

const { API_URL, ADMIN_EMAIL, ADMIN_PASSWORD, CMS_URL, CMS_API_KEY } = process.env
const WORKFLOW = "sync-brand-to-cms"
const PATIENCE = 120_000 // milliseconds
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

async function create(medusa, name) {
  const { brand } = await medusa.client.fetch("/admin/brands", { method: "POST", body: { name } })
  return brand.id
}

/** Tells the stub CMS to fail at brands of that name, beside what it has been told before: all tests share it. */
async function makeTheCmsFail(name, fault) {
  const headers = { authorization: `Bearer ${CMS_API_KEY}`, "content-type": "application/json" }
  const body = JSON.stringify([{ operation: "create", name, ...fault }])
  const answer = await fetch(`${CMS_URL}/faults`, { method: "POST", headers, body })
  assert.ok(answer.ok, await answer.text())
}

/** The brand's execution as soon as it is in that state. */
async function executionIn(medusa, id, state) {
  const until = Date.now() + PATIENCE
  for (;;) {
    const { workflow_execution } = await medusa.admin.workflowExecution.retrieve(`${WORKFLOW}:${id}`)
    if (workflow_execution.state === state) return workflow_execution
    assert.ok(Date.now() < until, JSON.stringify(workflow_execution))
    await new Promise((done) => setTimeout(done, 200))
  }
}

/** Checks what `AdminWorkflowExecution` of `@medusajs/types` says of an execution. */
function assertIsExecution(execution, id) {
  const of = { id: `${WORKFLOW}:${id}`, workflow_id: WORKFLOW, transaction_id: id }
  for (const [field, value] of Object.entries(of)) assert.equal(execution[field], value)
  for (const field of ["created_at", "updated_at"]) assert.ok(!Number.isNaN(Date.parse(execution[field])), field)
  assert.equal(execution.deleted_at, null)
  const { data, compensate, errors } = execution.context
  for (const record of [data.invoke, compensate]) assert.equal(typeof record, "object")
  for (const { error, action, handlerType } of errors) {
    assert.equal(typeof error.message, "string")
    assert.equal(typeof action, "string")
    assert.ok(["invoke", "compensate"].includes(handlerType), handlerType)
  }
  const states = ["not_started", "invoking", "compensating", "done", "reverted", "failed", "dormant", "skipped", "skipped_failure", "timeout"]
  const statuses = ["idle", "ok", "waiting_response", "temp_failure", "permanent_failure"]
  for (const [key, step] of Object.entries(execution.execution.steps)) {
    assert.equal(step.id, key)
    assert.equal(typeof step.depth, "number")
    assert.equal(typeof step.startedAt, "number")
    assert.equal(typeof step.definition, "object")
    for (const { state, status } of [step.invoke, step.compensate]) {
      assert.ok(states.includes(state) && statuses.includes(status), `${state}, ${status}`)
    }
  }
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

test("the execution of a brand that is synced is shown as done", async () => {
  const medusa = await signedIn()
  const id = await create(medusa, `Synced ${randomUUID()}`)
  const execution = await executionIn(medusa, id, "done")
  assertIsExecution(execution, id)
  assert.deepEqual(execution.context.errors, [])
  const step = execution.execution.steps[`_root.${WORKFLOW}`]
  assert.deepEqual(step.invoke, { state: "done", status: "ok" })

  const of = await medusa.client.fetch(`/admin/workflows-executions/${WORKFLOW}/${id}`)
  assert.deepEqual(of, { workflow_execution: execution })
  const path = `/admin/workflows-executions/${WORKFLOW}:${id}`
  const fewer = await medusa.client.fetch(path, { query: { fields: "-id,-context" } })
  const { context, ...left } = execution
  assert.deepEqual(fewer, { workflow_execution: left }, "the id stays")
  const query = { transaction_id: [id, randomUUID()], workflow_id: WORKFLOW, state: ["done", "failed"], limit: 5, offset: 0 }
  const list = await medusa.admin.workflowExecution.list({ ...query, fields: "id,state" })
  const shown = { id: `${WORKFLOW}:${id}`, state: "done" }
  assert.deepEqual(list, { workflow_executions: [shown], count: 1, limit: 5, offset: 0 })
  const others = await medusa.admin.workflowExecution.list({ ...query, state: ["failed", "reverted"] })
  assert.deepEqual(others, { workflow_executions: [], count: 0, limit: 5, offset: 0 })

  const cancel = medusa.client.fetch(`${path}/cancel`, { method: "POST" })
  await assert.rejects(cancel, failure(400, "The run is done"))
  const unknown = `${WORKFLOW}:${randomUUID()}`
  const retrieve = medusa.admin.workflowExecution.retrieve(unknown)
  await assert.rejects(retrieve, failure(404, `WorkflowExecution with id: ${unknown} was not found`))
})

test("a brand that the CMS refuses has an execution that is reverted, and is synced again", async () => {
  const medusa = await signedIn()
  const name = `Refused ${randomUUID()}`
  await makeTheCmsFail(name, { kind: "permanent", times: 1 })
  const id = await create(medusa, name)
  const execution = await executionIn(medusa, id, "reverted")
  assertIsExecution(execution, id)
  assert.equal(execution.context.errors[0].action, WORKFLOW)
  const { workflow_executions } = await medusa.admin.workflowExecution.list({ q: id, state: "reverted" })
  assert.deepEqual(workflow_executions, [execution])

  const { brand } = await medusa.client.fetch(`/admin/brands/${id}`, { query: { fields: "id,sync" } })
  assert.equal(brand.sync.state, "refused")
  assert.equal(brand.sync.error.message, execution.context.errors.at(-1).error.message)
  const reason = "The CMS is repaired"
  const again = await medusa.client.fetch(`/admin/brands/${id}/sync`, { method: "POST", body: { reason } })
  assert.equal(again.brand.sync.request.reason, reason)
  assertIsExecution(await executionIn(medusa, id, "done"), id)
})

test("brands that wait are counted, and a run that waits is cancelled", async () => {
  const medusa = await signedIn()
  const name = `Waiting ${randomUUID()}`
  await makeTheCmsFail(name, { kind: "transient" })
  const id = await create(medusa, name)
  const body = { filter: { sync: ["waiting", "syncing"], q: name }, dry_run: true }
  const counted = await medusa.client.fetch("/admin/brands/sync", { method: "POST", body })
  assert.deepEqual(counted, { dry_run: true, count: 1, next: null })
  const path = `/admin/workflows-executions/${WORKFLOW}/${id}/cancel`
  const { workflow_execution } = await medusa.client.fetch(path, { method: "POST", body: { reason: "a test" } })
  assertIsExecution(workflow_execution, id)
  assertIsExecution(await executionIn(medusa, id, "reverted"), id)
})

test("the state of the CMS and what is parked are told", async () => {
  const medusa = await signedIn()
  const { cms } = await medusa.client.fetch("/admin/cms", { query: { fields: "+activity" } })
  assert.ok(["open", "closed"].includes(cms.circuit.state))
  assert.equal(cms.activity.minutes.length, 60)
  const { parked, count, limit } = await medusa.client.fetch("/admin/parked", { query: { limit: 1 } })
  assert.deepEqual([parked.length, limit], [count, 1])
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
