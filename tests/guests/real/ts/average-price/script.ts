// A time-weighted average over candles, in integers alone.
import axios, { AxiosError } from "axios";

interface Candle {
  openTime: number;
  closeTime: number;
  close: string;
}

namespace Fixed {
  export const SCALE = 8;
  export function parse(text: string): bigint {
    const [whole = "0", fraction = ""] = text.split(".");
    return BigInt(whole + fraction.padEnd(SCALE, "0").slice(0, SCALE));
  }
}

async function candles(symbol: string): Promise<Candle[]> {
  const { data } = await axios.get<[number, string, string, string, string, string, number][]>("https://exchange.example/klines", {
    params: { symbol, interval: "1h", limit: 3 },
    timeout: 2_000,
  });
  return data.map(([openTime, , , , close, , closeTime]) => ({ openTime, close, closeTime }));
}

try {
  const list = await candles("ETHUSDT");
  let weighted = 0n;
  let duration = 0n;
  for (const { openTime, closeTime, close } of list) {
    const span = BigInt(closeTime - openTime);
    weighted += Fixed.parse(close) * span;
    duration += span;
  }
  console.log(JSON.stringify([(weighted / duration).toString()]));
} catch (error) {
  if (error instanceof AxiosError) console.error(`${error.code}: ${error.message}`);
  throw error;
}
