// toLocaleString of numbers and dates: the en-US form and UTC, and nothing else.
// What another locale or option would change is an error, never another text.
function group(digits) { return digits.replace(/\B(?=(\d{3})+(?!\d))/g, ","); }

function onlyKnown(what, locale, options, known) {
  const locales = [locale ?? "en-US"].flat();
  if (locales.length && !["en-US", "en"].includes(String(locales[0]))) throw new RangeError(`${what}: the locale ${locales[0]} is not available in a script; only en-US is (there is no Intl)`);
  for (const [name, value] of Object.entries(options ?? {}))
    if (value !== undefined && !known[name]?.(value)) throw new RangeError(`${what}: ${name}: ${inspect(value)} is not available in a script (there is no Intl); format it yourself`);
  return options ?? {};
}
const isOneOf = (...list) => (v) => list.includes(v);
const isCount = (v) => Number.isInteger(v) && v >= 0 && v <= 100;

// Whole part and fraction of n times a power of ten, as its shortest decimal
// form reads, with so many places and halves up.
function rounded(n, power, places) {
  const [mantissa, exponent = "0"] = String(n).split("e"), [whole, fraction = ""] = mantissa.split(".");
  const shift = Number(exponent) + power + places - fraction.length, digits = BigInt(whole + fraction);
  const text = String(shift >= 0 ? digits * 10n ** BigInt(shift) : (digits + 5n * 10n ** BigInt(-shift - 1)) / 10n ** BigInt(-shift)).padStart(places + 1, "0");
  return places ? [text.slice(0, -places), text.slice(-places)] : [text, ""];
}

function localeNumber(n, locale, given) {
  const options = onlyKnown("toLocaleString", locale, given, {
    style: isOneOf("decimal", "percent", "currency"), currency: isOneOf("USD"), minimumFractionDigits: isCount, maximumFractionDigits: isCount, useGrouping: (v) => typeof v === "boolean",
  });
  const usual = options.style === "currency" ? [2, 2] : options.style === "percent" ? [0, 0] : [0, 3];
  const most = options.maximumFractionDigits ?? Math.max(usual[1], options.minimumFractionDigits ?? 0);
  const least = options.minimumFractionDigits ?? Math.min(usual[0], most);
  if (least > most) throw new RangeError("maximumFractionDigits value is out of range.");
  const dress = (minus, digits) => minus + (options.style === "currency" ? "$" : "") + digits + (options.style === "percent" ? "%" : "");
  if (typeof n === "bigint") return dress(n < 0n ? "-" : "", (options.useGrouping === false ? String : (s) => group(s))(String(n < 0n ? -n : n)) + (least ? "." + "0".repeat(least) : ""));
  if (!Number.isFinite(n)) return dress(n < 0 ? "-" : "", Number.isNaN(n) ? "NaN" : "∞");
  let [whole, fraction] = rounded(Math.abs(n), options.style === "percent" ? 2 : 0, most);
  while (fraction.length > least && fraction.endsWith("0")) fraction = fraction.slice(0, -1);
  return dress(n < 0 || Object.is(n, -0) ? "-" : "", (options.useGrouping === false ? whole : group(whole)) + (fraction && "." + fraction));
}

const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const isNumeric = isOneOf("numeric", "2-digit"), isName = isOneOf("short", "long");

function localeDate(date, locale, given, withDate, withTime) {
  const options = onlyKnown("toLocaleString", locale, given, {
    timeZone: isOneOf("UTC", "GMT", "Etc/UTC"), hour12: (v) => typeof v === "boolean", weekday: isName, year: isNumeric, month: isOneOf("numeric", "2-digit", "short", "long"), day: isNumeric, hour: isNumeric, minute: isNumeric, second: isNumeric,
  });
  if (Number.isNaN(date.getTime())) return "Invalid Date";
  const asked = (...names) => names.some((n) => options[n] !== undefined);
  const plainDate = !asked("weekday", "year", "month", "day"), plainTime = !asked("hour", "minute", "second");
  const showDate = !plainDate || (withDate && (plainTime || !withTime)), showTime = !plainTime || (withTime && (plainDate || !withDate));
  const two = (n) => String(n).padStart(2, "0"), as = (how, n) => (how === "2-digit" ? two(n) : String(n));
  const parts = [];
  if (showDate) {
    const o = plainDate ? { year: "numeric", month: "numeric", day: "numeric" } : options;
    const year = o.year && (o.year === "2-digit" ? two(date.getUTCFullYear() % 100) : String(date.getUTCFullYear())), day = o.day && as(o.day, date.getUTCDate());
    const weekday = o.weekday && (o.weekday === "long" ? DAYS[date.getUTCDay()] : DAYS[date.getUTCDay()].slice(0, 3));
    if (isName(o.month)) {
      const name = MONTHS[date.getUTCMonth()], month = (o.month === "long" ? name : name.slice(0, 3)) + (day ? " " + day : "");
      parts.push([weekday, year && !day ? `${month} ${year}` : month, day && year].filter(Boolean).join(", "));
    } else parts.push([weekday, [o.month && as(o.month, date.getUTCMonth() + 1), day, year].filter(Boolean).join("/")].filter(Boolean).join(", "));
  }
  if (showTime) {
    const o = plainTime ? { hour: "numeric", minute: "2-digit", second: "2-digit" } : options, hour = date.getUTCHours(), half = options.hour12 !== false;
    const clock = [o.hour && (half ? as(o.hour, hour % 12 || 12) : two(hour)), o.minute && two(date.getUTCMinutes()), o.second && two(date.getUTCSeconds())].filter(Boolean).join(":");
    parts.push(o.hour && half ? `${clock} ${hour < 12 ? "AM" : "PM"}` : clock);
  }
  return parts.join(isName(options.month) && options.month === "long" ? " at " : ", ");
}
