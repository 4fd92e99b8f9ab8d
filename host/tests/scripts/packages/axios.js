// How axios writes a URL, and what it exports.
const axios = require("axios");

const uri = (config) => axios.getUri(config);
const api = axios.create({ baseURL: "https://api.example/v1/", params: { key: "k" } });
console.log(JSON.stringify({
  params: uri({ url: "https://a.example/x", params: { a: 1, b: "x y", c: null, d: undefined, e: true, f: [1, 2], g: { h: "i", j: [3] }, k: new Date(0), l: "é&=+:$," } }),
  appended: uri({ url: "https://a.example/x?y=1#part", params: { a: 1 } }),
  none: uri({ url: "https://a.example/x", params: {} }),
  search: uri({ url: "https://a.example/x", params: new URLSearchParams({ a: "1 2" }) }),
  base: [uri({ baseURL: "https://b.example/v1/", url: "/x" }), uri({ baseURL: "https://b.example/v1", url: "x" }), uri({ baseURL: "https://b.example", url: "https://c.example/y" })],
  serializer: uri({ url: "https://a.example/x", params: { a: [1, 2] }, paramsSerializer: { indexes: null } }),
  indexes: uri({ url: "https://a.example/x", params: { a: [1, 2] }, paramsSerializer: { indexes: true } }),
  custom: uri({ url: "https://a.example/x", params: { a: 1 }, paramsSerializer: { serialize: (p) => `only=${p.a}` } }),
  instance: api.getUri({ url: "price", params: { id: 7 } }),
  shape: [axios.default === axios, typeof axios.get, typeof axios.create, axios.isAxiosError({ isAxiosError: true }), axios.isAxiosError(new Error("x")), axios.isCancel(null), new axios.AxiosError("m", "ERR_NETWORK").code, new axios.AxiosError("m").name, axios.AxiosError.ERR_BAD_REQUEST],
}));
