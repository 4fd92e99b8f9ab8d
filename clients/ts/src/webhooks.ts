/**
 * Whether a delivery comes from the platform and is no older, or newer, than `ageMaxSeconds`: `signature` is its header
 * `Argus-Signature`, `body` its bytes as they came.
 */
export async function verifySignature(
  secret: string,
  signature: string,
  body: string | Uint8Array<ArrayBuffer>,
  { nowSeconds = Date.now() / 1000, ageMaxSeconds = 300 } = {},
): Promise<boolean> {
  const parts = signature.split(",").map((part) => part.split("=", 2) as [string, string?]);
  const at = parts.find(([name]) => name === "t")?.[1] ?? "";
  if (!/^\d{1,15}$/.test(at) || Math.abs(Math.floor(nowSeconds) - Number(at)) > ageMaxSeconds) return false;
  const bytes = new TextEncoder();
  const hash = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes.encode(secret), hash, false, ["verify"]);
  const sent = typeof body === "string" ? bytes.encode(body) : body;
  const head = bytes.encode(`${at}.`);
  const signed = new Uint8Array(head.length + sent.length);
  signed.set(head);
  signed.set(sent, head.length);
  for (const [name, hex = ""] of parts) {
    if (name !== "v1" || !/^([0-9a-fA-F]{2})+$/.test(hex)) continue;
    const mac = Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    if (await crypto.subtle.verify("HMAC", key, mac, signed)) return true;
  }
  return false;
}
