// The part of axios that scripts use, over fetch. What is not here is an error
// that names it.
class AxiosError extends Error {
  constructor(message, code, config, request, response) {
    super(message);
    this.name = "AxiosError";
    this.isAxiosError = true;
    Object.assign(this, code && { code }, config && { config }, { request: request ?? {} }, response && { response, status: response.status });
    for (const hidden of ["request", "config", "response"]) if (hidden in this) Object.defineProperty(this, hidden, { enumerable: false });
  }
  toJSON() { return { message: this.message, name: this.name, code: this.code, status: this.status ?? null, stack: this.stack }; }
  static from(error, code, config, request, response) { return Object.assign(new AxiosError(error.message, code ?? error.code, config, request, response), { cause: error }); }
}
for (const code of ["ERR_BAD_OPTION", "ERR_BAD_OPTION_VALUE", "ERR_NETWORK", "ERR_BAD_REQUEST", "ERR_BAD_RESPONSE", "ERR_CANCELED", "ERR_INVALID_URL", "ECONNABORTED", "ETIMEDOUT"]) AxiosError[code] = code;

class CanceledError extends AxiosError {
  constructor(message, config) { super(message ?? "canceled", "ERR_CANCELED", config); this.name = "CanceledError"; this.__CANCEL__ = true; }
}

// Response headers: plain properties in lower case, and the verbs of AxiosHeaders.
class AxiosHeaders {
  constructor(pairs = []) { for (const [k, v] of typeof pairs[Symbol.iterator] === "function" ? pairs : Object.entries(pairs)) this[String(k).toLowerCase()] = v; }
  get(name) { return this[String(name).toLowerCase()]; }
  has(name) { return this.get(name) !== undefined; }
  set(name, value) { this[String(name).toLowerCase()] = value; return this; }
  delete(name) { return delete this[String(name).toLowerCase()]; }
  toJSON() { return { ...this }; }
  *[Symbol.iterator]() { yield* Object.entries(this); }
}

const isPlain = (v) => typeof v === "object" && v !== null && !Array.isArray(v) && [Object.prototype, null].includes(Object.getPrototypeOf(v));
const axiosEncode = (s) => encodeURIComponent(s).replace(/%3A/gi, ":").replace(/%24/g, "$").replace(/%2C/gi, ",").replace(/%20/g, "+");

// params as axios writes them: a[]=1&a[]=2, b[c]=3, d[0][e]=4, dates in ISO form.
// indexes: false for a[], null for a, true for a[0], of flat lists at the top.
function axiosPairs(value, name, indexes, out = []) {
  const isFlat = Array.isArray(value) && !value.some((v) => isPlain(v) || Array.isArray(v)), isTop = !name.includes("[");
  if (isFlat && isTop) value.forEach((v, i) => { if (v !== undefined && v !== null) axiosPairs(v, indexes === null ? name : `${name}[${indexes ? i : ""}]`, indexes, out); });
  else if (Array.isArray(value) || isPlain(value)) for (const [k, v] of Object.entries(value)) { if (v !== undefined && v !== null) axiosPairs(v, name === "" ? k : `${name}[${k}]`, indexes, out); }
  else out.push([name, value instanceof Date ? value.toISOString() : String(value)]);
  return out;
}
function axiosUrl(config) {
  const url = config.url ?? "", base = config.baseURL;
  const relative = !/^([a-z][a-z\d+\-.]*:)?\/\//i.test(url);
  let full = base && relative ? (url ? base.replace(/\/+$/, "") + "/" + url.replace(/^\/+/, "") : base) : url;
  if (!config.params) return full;
  const serializer = config.paramsSerializer, serialize = typeof serializer === "function" ? serializer : serializer?.serialize;
  const query = serialize ? serialize(config.params) : config.params instanceof URLSearchParams ? config.params.toString()
    : axiosPairs(config.params, "", serializer?.indexes === undefined ? false : serializer.indexes).map(([k, v]) => `${axiosEncode(k)}=${axiosEncode(v)}`).join("&");
  if (query) full = full.replace(/#.*$/s, "") + (full.includes("?") ? "&" : "?") + query;
  return full;
}

const AXIOS_ABSENT = { adapter: "requests go through the platform", cancelToken: "use signal with an AbortController", onUploadProgress: "there is no progress to see", onDownloadProgress: "there is no progress to see", socketPath: "use url", proxy: "requests go through the platform", httpAgent: "requests go through the platform", httpsAgent: "requests go through the platform", beforeRedirect: "use maxRedirects: 0" };
const AXIOS_METHODS = ["delete", "get", "head", "options", "post", "put", "patch"];

function axiosMerge(a, b) {
  const out = { ...a };
  for (const [k, v] of Object.entries(b ?? {})) if (v !== undefined) out[k] = isPlain(v) && isPlain(out[k]) && k !== "data" ? axiosMerge(out[k], v) : v;
  return out;
}

function axiosHeaders(given, method) {
  const headers = new Headers(), flat = given instanceof AxiosHeaders ? { ...given } : { ...given };
  for (const part of [flat.common, flat[method], Object.fromEntries(Object.entries(flat).filter(([k]) => k !== "common" && !AXIOS_METHODS.includes(k)))])
    for (const [k, v] of Object.entries(part ?? {})) { if (v === null || v === false) headers.delete(k); else if (v !== undefined) headers.set(k, v); }
  return headers;
}

function axiosBody(config, headers) {
  let data = config.data;
  if (data === undefined || data === null) { headers.delete("content-type"); return undefined; }
  const type = (name) => { if (!headers.has("content-type")) headers.set("content-type", name); };
  if (config.transformRequest) {
    const view = new AxiosHeaders(headers);
    for (const f of [config.transformRequest].flat()) data = f.call(config, data, view);
    for (const [k, v] of view) headers.set(k, v);
  }
  if (data instanceof URLSearchParams) { type("application/x-www-form-urlencoded;charset=utf-8"); return data.toString(); }
  if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) { type("application/x-www-form-urlencoded"); return data; }
  const given = headers.get("content-type") ?? "";
  if (isPlain(data) && given.includes("application/x-www-form-urlencoded")) return axiosPairs(data, "", false).map(([k, v]) => `${formEncode(k)}=${formEncode(v)}`).join("&");
  if (given.includes("multipart/form-data")) throw new TypeError("axios: multipart bodies are not available in a script; send JSON or URLSearchParams");
  if (typeof data === "object") { type("application/json"); return JSON.stringify(data); }
  if (given.includes("application/json")) { try { JSON.parse(data); return String(data).trim(); } catch { return JSON.stringify(data); } }
  type("application/x-www-form-urlencoded");
  return String(data);
}

function axiosData(config, bytes) {
  if (config.responseType === "arraybuffer") return Buffer.of8(bytes);
  const text = N.utf8Decode(bytes, false).replace(/^\ufeff/, "");
  if (config.transformResponse) return [config.transformResponse].flat().reduce((data, f) => f.call(config, data), text);
  if (text === "" || !["json", undefined, null].includes(config.responseType)) return text;
  try { return JSON.parse(text); } catch { return text; }
}

async function axiosSend(config) {
  for (const [k, why] of Object.entries(AXIOS_ABSENT)) if (config[k] !== undefined && config[k] !== false) throw new TypeError(`axios: the option ${k} is not available in a script: ${why}`);
  if (!["json", "text", "arraybuffer", undefined, null].includes(config.responseType)) throw new TypeError(`axios: responseType "${config.responseType}" is not available in a script; use json, text or arraybuffer`);
  const method = String(config.method ?? "get").toLowerCase(), headers = axiosHeaders(config.headers, method);
  const body = axiosBody(config, headers);
  if (config.auth) headers.set("authorization", "Basic " + base64(N.utf8Encode(`${config.auth.username ?? ""}:${config.auth.password ?? ""}`)));
  const timeout = Number(config.timeout) > 0 ? Number(config.timeout) : undefined;
  const request = { method: method.toUpperCase(), path: axiosUrl(config) };
  let answer;
  try {
    answer = await fetch(request.path, { method: request.method, headers, body: /^(get|head)$/.test(method) ? undefined : body, timeout, signal: config.signal, redirect: config.maxRedirects === 0 ? "manual" : "follow" });
  } catch (e) {
    if (config.signal?.aborted) throw new CanceledError(undefined, config);
    if (e.kind === "timeout") throw new AxiosError(timeout ? `timeout of ${timeout}ms exceeded` : e.cause.message, "ECONNABORTED", config, request);
    throw AxiosError.from(e.cause ?? e, e.kind ? "ERR_NETWORK" : "ERR_INVALID_URL", config, request);
  }
  const response = { data: axiosData(config, await answer.bytes()), status: answer.status, statusText: answer.statusText, headers: new AxiosHeaders(answer.headers), config, request: { ...request, res: { responseUrl: answer.url } } };
  const isGood = config.validateStatus === undefined ? response.status >= 200 && response.status < 300 : !config.validateStatus || config.validateStatus(response.status);
  if (isGood) return response;
  throw new AxiosError(`Request failed with status code ${response.status}`, response.status >= 400 && response.status < 500 ? "ERR_BAD_REQUEST" : "ERR_BAD_RESPONSE", config, request, response);
}

class InterceptorManager {
  handlers = [];
  use(fulfilled, rejected) { this.handlers.push({ fulfilled, rejected }); return this.handlers.length - 1; }
  eject(id) { this.handlers[id] = null; }
  clear() { this.handlers = []; }
}

function axiosInstance(defaults) {
  const interceptors = { request: new InterceptorManager(), response: new InterceptorManager() };
  const request = (first, second) => {
    const given = typeof first === "string" ? { ...second, url: first } : first ?? {};
    let chain = Promise.resolve(axiosMerge(instance.defaults, given));
    for (const h of [...interceptors.request.handlers].reverse()) if (h) chain = chain.then(h.fulfilled, h.rejected);
    chain = chain.then(axiosSend);
    for (const h of interceptors.response.handlers) if (h) chain = chain.then(h.fulfilled, h.rejected);
    return chain;
  };
  const instance = (...args) => request(...args);
  Object.assign(instance, { defaults, interceptors, request, getUri: (config) => axiosUrl(axiosMerge(instance.defaults, config)), create: (more) => axiosInstance(axiosMerge(instance.defaults, more)) });
  for (const method of ["get", "delete", "head", "options"]) instance[method] = (url, config) => request({ ...config, method, url, data: config?.data });
  for (const method of ["post", "put", "patch"]) instance[method] = (url, data, config) => request({ ...config, method, url, data });
  return guarded(instance, "axios", (k) => ({ CancelToken: "use signal with an AbortController", postForm: "send URLSearchParams with post", putForm: "send URLSearchParams with put", toFormData: "send URLSearchParams" })[k]);
}

const axios = axiosInstance({ headers: { common: { Accept: "application/json, text/plain, */*" }, delete: {}, get: {}, head: {}, post: {}, put: {}, patch: {} }, timeout: 0 });
Object.assign(axios, {
  AxiosError, CanceledError, Cancel: CanceledError, AxiosHeaders, VERSION: "1.21.1", HttpStatusCode: { Ok: 200, BadRequest: 400, Unauthorized: 401, Forbidden: 403, NotFound: 404, TooManyRequests: 429, InternalServerError: 500, BadGateway: 502, ServiceUnavailable: 503, GatewayTimeout: 504 },
  isAxiosError: (e) => typeof e === "object" && e !== null && e.isAxiosError === true, isCancel: (e) => !!e?.__CANCEL__, all: (list) => Promise.all(list), spread: (f) => (list) => f(...list), default: axios,
});
