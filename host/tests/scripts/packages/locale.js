// Numbers and dates in their en-US form. Node writes a narrow no-break space before AM and PM; scripts that split at
// spaces meet a plain one here.
const d = new Date(Date.UTC(2025, 0, 5, 13, 7, 9)), utc = { timeZone: "UTC" };
const plain = (s) => s.replace(/\u202f/g, " ");
console.log(JSON.stringify({
  numbers: [0, -0, 1234567.891, -1234.5, 0.0005, 0.00049, 1e21, 1e-7, 999999.9996, 12345].map((n) => n.toLocaleString()),
  fixed: [1.005, 1234.5, -0.001].map((n) => n.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })),
  more: [(1 / 3).toLocaleString(undefined, { maximumFractionDigits: 6 }), (5).toLocaleString("en-US", { minimumFractionDigits: 4 }), (1234).toLocaleString("en-US", { useGrouping: false })],
  styles: [(0.256).toLocaleString("en-US", { style: "percent" }), (1234.5).toLocaleString("en-US", { style: "currency", currency: "USD" }), (-5).toLocaleString("en-US", { style: "currency", currency: "USD" })],
  bigints: [123456789012345678901234567890n.toLocaleString(), (-1234n).toLocaleString("en-US")],
  dates: [d.toLocaleString("en-US", utc), d.toLocaleDateString("en-US", utc), d.toLocaleTimeString("en-US", utc)].map(plain),
  options: [
    { year: "numeric", month: "2-digit", day: "2-digit" }, { month: "short", day: "numeric" }, { year: "numeric", month: "long", day: "numeric" }, { weekday: "short" }, { year: "numeric", month: "long" },
    { weekday: "long", year: "numeric", month: "long", day: "numeric" },
  ].map((o) => d.toLocaleDateString("en-US", { ...o, ...utc })),
  times: [{ hour: "2-digit", minute: "2-digit" }, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }, { hour: "numeric" }].map((o) => plain(d.toLocaleTimeString("en-US", { ...o, ...utc }))),
  both: [plain(d.toLocaleString("en-US", { month: "short", day: "numeric", hour: "numeric", minute: "2-digit", ...utc })), plain(d.toLocaleString("en-US", { year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit", ...utc }))],
}));
