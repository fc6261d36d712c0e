// The image's health check: 0 if the component answers at /health, otherwise 1 with the reason.
const url = `http://127.0.0.1:${process.env.STANZAPACK_METRICS_PORT}/health`;
try {
  const { ok, status } = await fetch(url);
  if (!ok) throw new Error(`status ${status}`);
} catch (error) {
  console.error(`${url}: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}
