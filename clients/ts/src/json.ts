// JSON whose integers keep their digits.

const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** As JSON.parse, but an integer that a number cannot hold becomes text. */
export function parse(text: string): unknown {
  const kept = (token: string) =>
    /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token;
  return JSON.parse(text.replace(TOKENS, kept));
}

/** As JSON.stringify, with a bigint as decimal text, as the API takes it. */
export function stringify(value: unknown): string {
  return JSON.stringify(value, (_, v) => (typeof v === "bigint" ? v.toString() : v));
}
