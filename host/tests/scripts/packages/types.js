// util.types: each predicate on a value of every kind.
const { types } = require("node:util");
const values = {
  "a number": 1, "a text": "x", nothing: undefined, null: null, "an object": {}, "a list": [], "a function": () => {}, "a class": class {},
  "a date": new Date(0), "a date's prototype": Object.create(Date.prototype), "a date behind a proxy": new Proxy(new Date(0), {}), "a date of another name": Object.setPrototypeOf(new Date(0), null), "what is tagged a date": { [Symbol.toStringTag]: "Date" },
  "a pattern": /x/, "an error": new Error("x"), "a kind of error": new (class extends RangeError {})("x"), "many errors": new AggregateError([]), "an exception of the DOM": new DOMException("x"), "what looks like an error": Object.create(Error.prototype),
  "a promise": Promise.resolve(), "what can be awaited": { then() {} }, "a kind of promise": new (class extends Promise {})(() => {}),
  "a map": new Map(), "a set": new Set(), "a weak map": new WeakMap(), "a weak set": new WeakSet(), "a map's keys": new Map().keys(), "a set's entries": new Set().entries(), "a list's keys": [].keys(),
  "a boxed number": Object(1), "a boxed text": Object("x"), "a boxed truth": Object(true), "a boxed bigint": Object(1n), "a boxed symbol": Object(Symbol("x")),
  "an async function": async () => {}, "an async method": { async m() {} }.m, "a generator": function* () {}, "an async generator": async function* () {}, "a generator's object": (function* () {})(), "an async generator's object": (async function* () {})(), "a bound async function": (async () => {}).bind(null),
  "arguments": (function () { return arguments; })(), "strict arguments": (function () { "use strict"; return arguments; })(),
  "a buffer": new ArrayBuffer(1), "a shared buffer": new SharedArrayBuffer(1), "a view": new DataView(new ArrayBuffer(1)), "Node's buffer": Buffer.alloc(1),
};
for (const Type of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array]) values[Type.name] = new Type(1);
const names = ["isAnyArrayBuffer", "isArgumentsObject", "isArrayBuffer", "isArrayBufferView", "isAsyncFunction", "isBigInt64Array", "isBigIntObject", "isBigUint64Array", "isBooleanObject", "isBoxedPrimitive", "isDataView", "isDate", "isFloat32Array", "isFloat64Array",
  "isGeneratorFunction", "isGeneratorObject", "isInt16Array", "isInt32Array", "isInt8Array", "isMap", "isMapIterator", "isNativeError", "isNumberObject", "isPromise", "isProxy", "isRegExp", "isSet", "isSetIterator", "isSharedArrayBuffer", "isStringObject", "isSymbolObject",
  "isTypedArray", "isUint16Array", "isUint32Array", "isUint8Array", "isUint8ClampedArray", "isWeakMap", "isWeakSet"];
const result = {};
for (const name of names) result[name] = Object.keys(values).filter((v) => types[name](values[v]));
result.module = require("util/types").isDate(new Date(0));
console.log(JSON.stringify(result));
