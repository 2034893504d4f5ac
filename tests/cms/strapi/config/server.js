module.exports = {
  host: "127.0.0.1",
  port: Number(process.env.PORT),
  app: { keys: ["only for tests"] },
  logger: { updates: { enabled: false }, startup: { enabled: false } },
}
