/* What the prelude gets from below: the host's imports as JavaScript functions,
 * text and bytes, hashes. */
#include "natives.h"
#include "hash.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT(n) __attribute__((import_module("host"), import_name(n)))

IMPORT("js_issue") uint32_t host_issue(const char *op, uint32_t op_len, const char *req, uint32_t req_len);
IMPORT("js_await") uint64_t host_await(uint32_t id);
IMPORT("js_write") void host_write(uint32_t stream, const char *ptr, uint32_t len);
IMPORT("js_advance") void host_advance(double until_ms);
IMPORT("js_random") void host_random(uint8_t *ptr, uint32_t len);
IMPORT("js_exit") void host_exit(uint32_t code);
IMPORT("js_now") double host_now_us(void);

static uint64_t random_state[2];
static int random_seeded;

static int is_lower(char c) { return c >= 'a' && c <= 'z'; }
static int is_digit(char c) { return c >= '0' && c <= '9'; }
static int is_one_of(char c, const char *set) { return c && strchr(set, c) != NULL; }

/* ---- what a run begins with ---- */

static const char *environment, *context;
static size_t environment_len, context_len;
static double started_us;

void argus_begin(const char *input, size_t len) {
    environment = input;
    context = memchr(input, '\n', len);
    if (!context++) __builtin_trap();
    environment_len = context - 1 - input;
    context_len = len - environment_len - 1;
    started_us = host_now_us();
}

static JSValue n_environment(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) { return JS_NewStringLen(c, environment, environment_len); }
static JSValue n_context(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) { return JS_NewStringLen(c, context, context_len); }
static JSValue n_started_at(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) { return JS_NewFloat64(c, started_us / 1000.0); }

/* ---- host calls ---- */

/* of quickjs.patch */
extern JSValue argus_new_promise(JSContext *c, JSValueConst new_target);
extern void argus_settle_promise(JSContext *c, JSValueConst promise, JSValueConst resolution, bool is_reject);

/* One that is out. They are answered in the order of issue. */
typedef struct Call { struct Call *next; uint32_t id; JSValue settle, extra, promise; } Call;
static Call *oldest, **newest = &oldest;

/* No ticket of a call: an exception is pending. */
#define NOT_ISSUED UINT32_MAX

static uint32_t issued(JSContext *c, JSValueConst *argv) {
    size_t op_len, req_len;
    const char *op = JS_ToCStringLen(c, &op_len, argv[0]);
    const char *req = op ? JS_ToCStringLen(c, &req_len, argv[1]) : NULL;
    uint32_t id = req ? host_issue(op, op_len, req, req_len) : NOT_ISSUED;
    if (op) JS_FreeCString(c, op);
    if (req) JS_FreeCString(c, req);
    return id;
}

/* u32 head length, head as text, body. */
typedef struct { uint8_t *bytes; uint32_t head_len, body_len; } Reply;

static int awaited(JSContext *c, uint32_t id, Reply *reply) {
    uint64_t packed = host_await(id);
    uint32_t len = (uint32_t)packed;
    reply->bytes = (uint8_t *)(uintptr_t)(uint32_t)(packed >> 32);
    if (reply->bytes && len >= 4) {
        memcpy(&reply->head_len, reply->bytes, 4);
        if (reply->head_len <= len - 4) {
            reply->body_len = len - 4 - reply->head_len;
            return 0;
        }
    }
    JS_ThrowInternalError(c, "the host gave no reply");
    return -1;
}

static JSValue head_of(JSContext *c, const Reply *reply) { return JS_NewStringLen(c, (char *)reply->bytes + 4, reply->head_len); }
static JSValue body_of(JSContext *c, const Reply *reply) { return JS_NewUint8ArrayCopy(c, reply->bytes + 4 + reply->head_len, reply->body_len); }

/* An HTTP answer's status, with which its head begins; 0 of any other head. */
static uint32_t status_of(const Reply *reply) {
    static const char start[] = "{\"ok\":{\"status\":";
    const char *head = (const char *)reply->bytes + 4;
    size_t i = sizeof start - 1;
    uint32_t status = 0;
    if (reply->head_len < i || memcmp(head, start, i)) return 0;
    for (; i < reply->head_len && is_digit(head[i]); i++) status = status * 10 + (head[i] - '0');
    return status;
}

/* issue(op, request, settle, extra): a promise of what settle(head text, body
 * bytes, extra, status) makes of the reply. */
static JSValue n_issue(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    JSValue promise = argus_new_promise(c, JS_UNDEFINED);
    if (JS_IsException(promise)) return promise;
    Call *call = malloc(sizeof *call);
    uint32_t id = call ? issued(c, argv) : NOT_ISSUED;
    if (id == NOT_ISSUED) {
        JS_FreeValue(c, promise);
        free(call);
        return call ? JS_EXCEPTION : JS_ThrowInternalError(c, "out of memory");
    }
    *call = (Call){ .id = id, .settle = JS_DupValue(c, argv[2]), .extra = JS_DupValue(c, argv[3]), .promise = promise };
    *newest = call;
    newest = &call->next;
    return JS_DupValue(c, call->promise);
}

int argus_deliver(JSContext *c) {
    Call *call = oldest;
    if (!call) return 0;
    if (!(oldest = call->next)) newest = &oldest;
    Reply reply;
    if (awaited(c, call->id, &reply)) return -1;
    JSValue parts[4] = { head_of(c, &reply), body_of(c, &reply), call->extra, JS_NewUint32(c, status_of(&reply)) };
    free(reply.bytes);
    JSValue value = JS_IsException(parts[0]) || JS_IsException(parts[1]) ? JS_EXCEPTION : JS_Call(c, call->settle, JS_UNDEFINED, 4, (JSValueConst *)parts);
    int is_refused = JS_IsException(value);
    if (is_refused) value = JS_GetException(c);
    argus_settle_promise(c, call->promise, value, is_refused);
    JSValue used[] = { parts[0], parts[1], call->settle, call->extra, call->promise, value };
    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++) JS_FreeValue(c, used[i]);
    free(call);
    return 1;
}

static JSValue n_deliver(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    int r = argus_deliver(c);
    return r < 0 ? JS_EXCEPTION : JS_NewBool(c, r);
}

int argus_is_awake;

static JSValue n_wake(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    argus_is_awake = 1;
    return JS_UNDEFINED;
}

/* ask(op, request): the head of the reply, at once. */
static JSValue n_ask(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    uint32_t id = issued(c, argv);
    Reply reply;
    if (id == NOT_ISSUED || awaited(c, id, &reply)) return JS_EXCEPTION;
    JSValue head = head_of(c, &reply);
    free(reply.bytes);
    return head;
}

/* ---- output, clock, randomness ---- */

/* write(stream, text): whether the text has a visible character of ASCII. */
static JSValue n_write(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    uint32_t stream;
    size_t len;
    if (JS_ToUint32(c, &stream, argv[0])) return JS_EXCEPTION;
    const char *s = JS_ToCStringLen(c, &len, argv[1]);
    if (!s) return JS_EXCEPTION;
    host_write(stream, s, len);
    size_t i = 0;
    while (i < len && !(s[i] > ' ' && s[i] <= '~')) i++;
    JS_FreeCString(c, s);
    return JS_NewBool(c, i < len);
}

static JSValue n_now(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    return JS_NewFloat64(c, host_now_us() / 1000.0);
}

static JSValue n_advance(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    double until_ms;
    if (JS_ToFloat64(c, &until_ms, argv[0])) return JS_EXCEPTION;
    host_advance(until_ms);
    return JS_UNDEFINED;
}

static JSValue n_exit(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    uint32_t code;
    if (JS_ToUint32(c, &code, argv[0])) return JS_EXCEPTION;
    host_exit(code);
    __builtin_trap();
}

static JSValue n_random_bytes(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    uint32_t len;
    if (JS_ToUint32(c, &len, argv[0])) return JS_EXCEPTION;
    if (len > 65536) return JS_ThrowRangeError(c, "at most 65536 random bytes at a time");
    uint8_t *buf = malloc(len ? len : 1);
    if (!buf) return JS_ThrowInternalError(c, "out of memory");
    host_random(buf, len);
    JSValue v = JS_NewUint8ArrayCopy(c, buf, len);
    free(buf);
    return v;
}

/* xoroshiro128+, seeded once per run from the host: one host call however
 * many numbers a script draws. */
static JSValue n_random(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    if (!random_seeded) {
        host_random((uint8_t *)random_state, sizeof random_state);
        random_state[0] |= 1;
        random_seeded = 1;
    }
    uint64_t a = random_state[0], b = random_state[1], sum = a + b;
    b ^= a;
    random_state[0] = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
    random_state[1] = (b << 37) | (b >> 27);
    return JS_NewFloat64(c, (double)(sum >> 11) * 0x1p-53);
}

/* Lone surrogates become U+FFFD; both are three bytes long. */
static JSValue n_utf8_encode(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    size_t len;
    const char *s = JS_ToCStringLen(c, &len, argv[0]);
    if (!s) return JS_EXCEPTION;
    JSValue v = JS_NewUint8ArrayCopy(c, (const uint8_t *)s, len);
    JS_FreeCString(c, s);
    size_t n;
    uint8_t *p = JS_GetUint8Array(c, &n, v);
    for (size_t i = 0; p && i + 2 < n; i++)
        if (p[i] == 0xED && p[i + 1] >= 0xA0) {
            p[i] = 0xEF; p[i + 1] = 0xBF; p[i + 2] = 0xBD;
        }
    return v;
}

static int continuation(const uint8_t *p, size_t left, size_t at, uint8_t low, uint8_t high) {
    return at < left && p[at] >= low && p[at] <= high;
}

/* Length of the well-formed sequence at p; 0 if there is none, with the
 * number of bytes to replace by one U+FFFD in *bad (WHATWG decoder). */
static size_t utf8_sequence(const uint8_t *p, size_t left, size_t *bad) {
    uint8_t b = p[0], low = 0x80, high = 0xBF;
    size_t need;
    *bad = 1;
    if (b < 0x80) return 1;
    if (b >= 0xC2 && b <= 0xDF) need = 2;
    else if (b >= 0xE0 && b <= 0xEF) { need = 3; if (b == 0xE0) low = 0xA0; if (b == 0xED) high = 0x9F; }
    else if (b >= 0xF0 && b <= 0xF4) { need = 4; if (b == 0xF0) low = 0x90; if (b == 0xF4) high = 0x8F; }
    else return 0;
    if (!continuation(p, left, 1, low, high)) return 0;
    for (size_t i = 2; i < need; i++)
        if (!continuation(p, left, i, 0x80, 0xBF)) { *bad = i; return 0; }
    return need;
}

/* utf8Decode(bytes, fatal) */
static JSValue n_utf8_decode(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    size_t len;
    uint8_t *p = JS_GetUint8Array(c, &len, argv[0]);
    if (!p && len) return JS_EXCEPTION;
    size_t i = 0, bad;
    while (i < len) {
        size_t n = utf8_sequence(p + i, len - i, &bad);
        if (!n) break;
        i += n;
    }
    if (i == len) return JS_NewStringLen(c, (char *)p, len);
    if (JS_ToBool(c, argv[1])) return JS_ThrowTypeError(c, "The encoded data was not valid for encoding utf-8");
    uint8_t *out = malloc(len * 3);
    if (!out) return JS_ThrowInternalError(c, "out of memory");
    size_t o = 0;
    for (i = 0; i < len;) {
        size_t n = utf8_sequence(p + i, len - i, &bad);
        if (n) { memcpy(out + o, p + i, n); o += n; i += n; }
        else { out[o++] = 0xEF; out[o++] = 0xBF; out[o++] = 0xBD; i += bad; }
    }
    JSValue v = JS_NewStringLen(c, (char *)out, o);
    free(out);
    return v;
}

static JSValue n_hex(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    static const char digits[] = "0123456789abcdef";
    size_t len;
    uint8_t *p = JS_GetUint8Array(c, &len, argv[0]);
    if (!p && len) return JS_EXCEPTION;
    char *out = malloc(len * 2 + 1);
    if (!out) return JS_ThrowInternalError(c, "out of memory");
    for (size_t i = 0; i < len; i++) { out[2 * i] = digits[p[i] >> 4]; out[2 * i + 1] = digits[p[i] & 15]; }
    JSValue v = JS_NewStringLen(c, out, len * 2);
    free(out);
    return v;
}

static int nibble(char ch) {
    if (ch >= '0' && ch <= '9') return ch - '0';
    if (ch >= 'a' && ch <= 'f') return ch - 'a' + 10;
    if (ch >= 'A' && ch <= 'F') return ch - 'A' + 10;
    return -1;
}

/* Bytes up to the first pair that is not hexadecimal, as Node's Buffer does. */
static JSValue n_unhex(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    size_t len, o = 0;
    const char *s = JS_ToCStringLen(c, &len, argv[0]);
    if (!s) return JS_EXCEPTION;
    uint8_t *out = malloc(len / 2 + 1);
    if (!out) { JS_FreeCString(c, s); return JS_ThrowInternalError(c, "out of memory"); }
    for (size_t i = 0; i + 1 < len; i += 2) {
        int a = nibble(s[i]), b = nibble(s[i + 1]);
        if (a < 0 || b < 0) break;
        out[o++] = a << 4 | b;
    }
    JS_FreeCString(c, s);
    JSValue v = JS_NewUint8ArrayCopy(c, out, o);
    free(out);
    return v;
}

/* By switch, not by a list of characters: addresses are long. */
static int is_in_path(char c) {
    switch (c) {
    case '"': case '#': case '%': case '<': case '?': case '>': case '\\': case '^': case '`': case '{': case '}': return 0;
    default: return c > ' ' && c <= '~';
    }
}
static int is_in_query(char c) {
    switch (c) {
    case '"': case '#': case '\'': case '<': case '>': case '\\': return 0;
    default: return c > ' ' && c <= '~';
    }
}

enum { OTHERWISE, WRITTEN, WITHOUT_PATH };

/* Whether an address is written as a Request would write it, so that nothing in it changes and nothing needs quotes, or
   lacks only the path, which is added. What is written, the rules of 60-url.js leave as it is; it need not be all that
   they do. */
static int how_written(const char *s, size_t n) {
    size_t i, label;
    if (n > 8 && !memcmp(s, "https://", 8)) i = 8;
    else if (n > 7 && !memcmp(s, "http://", 7)) i = 7;
    else return OTHERWISE;
    for (label = i; i < n && (is_lower(s[i]) || is_digit(s[i]) || s[i] == '-' || s[i] == '.'); i++) {
        if (s[i] != '.') continue;
        if (i == label) return OTHERWISE;
        label = i + 1;
    }
    /* A last label that begins with a digit may be an address in numbers. */
    if (label >= n || !is_lower(s[label])) return OTHERWISE;
    if (i < n && s[i] == ':') {
        size_t port = ++i;
        while (i < n && is_digit(s[i])) i++;
        size_t digits = i - port;
        if (digits < 1 || digits > 4 || s[port] == '0') return OTHERWISE;
        if ((digits == 2 && !memcmp(s + port, "80", 2)) || (digits == 3 && !memcmp(s + port, "443", 3))) return OTHERWISE;
    }
    if (i == n) return WITHOUT_PATH;
    if (s[i] != '/') return OTHERWISE;
    for (; i < n && s[i] != '?'; i++)
        if (!is_in_path(s[i]) || (s[i] == '/' && i + 1 < n && s[i + 1] == '.')) return OTHERWISE;
    if (i == n) return WRITTEN;
    if (++i == n) return OTHERWISE;
    for (; i < n; i++)
        if (!is_in_query(s[i])) return OTHERWISE;
    return WRITTEN;
}

static JSValue n_how_written(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    size_t len;
    const char *s = JS_ToCStringLen(c, &len, argv[0]);
    if (!s) return JS_EXCEPTION;
    int how = how_written(s, len);
    JS_FreeCString(c, s);
    return JS_NewInt32(c, how);
}

/* The name of a header, in lower case; undefined if it is none (RFC 9110,
 * 5.6.2). */
static JSValue n_header_name(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    size_t len, i = 0;
    const char *s = JS_ToCStringLen(c, &len, argv[0]);
    char *name = s ? malloc(len + 1) : NULL;
    if (!s) return JS_EXCEPTION;
    if (!name) { JS_FreeCString(c, s); return JS_ThrowInternalError(c, "out of memory"); }
    for (; i < len; i++) {
        int is_upper = s[i] >= 'A' && s[i] <= 'Z';
        if (!is_upper && !is_lower(s[i]) && !is_digit(s[i]) && !is_one_of(s[i], "!#$%&'*+-.^_`|~")) break;
        name[i] = is_upper ? s[i] + ('a' - 'A') : s[i];
    }
    JSValue v = i == len && len ? JS_NewStringLen(c, name, len) : JS_UNDEFINED;
    JS_FreeCString(c, s);
    free(name);
    return v;
}

/* Whether a header's value needs no trimming and is on one line. */
static JSValue n_is_header_value(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    size_t len, i = 0;
    const char *s = JS_ToCStringLen(c, &len, argv[0]);
    if (!s) return JS_EXCEPTION;
    int is_trimmed = !len || (!is_one_of(s[0], "\t ") && !is_one_of(s[len - 1], "\t "));
    while (i < len && s[i] && s[i] != '\r' && s[i] != '\n') i++;
    JS_FreeCString(c, s);
    return JS_NewBool(c, is_trimmed && i == len);
}

/* What the engine keeps in an object, as a number; 0 for what is no object. */
static JSValue n_kind(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) {
    return JS_NewUint32(c, JS_GetClassID(argv[0]));
}

static JSValue digest(JSContext *c, JSValueConst *argv, void (*f)(const uint8_t *, size_t, uint8_t *), size_t size) {
    size_t len;
    uint8_t out[64], *p = JS_GetUint8Array(c, &len, argv[0]);
    if (!p && len) return JS_EXCEPTION;
    f(p, len, out);
    return JS_NewUint8ArrayCopy(c, out, size);
}
#define DIGEST(name, size) \
    static JSValue n_##name(JSContext *c, JSValueConst t, int argc, JSValueConst *argv) { return digest(c, argv, argus_##name, size); }
DIGEST(keccak256, 32)
DIGEST(sha1, 20)
DIGEST(sha256, 32)
DIGEST(sha384, 48)
DIGEST(sha512, 64)

static const struct { const char *name; JSCFunction *f; int argc; } natives[] = {
    { "environment", n_environment, 0 }, { "context", n_context, 0 }, { "startedAt", n_started_at, 0 },
    { "issue", n_issue, 4 }, { "deliver", n_deliver, 0 }, { "wake", n_wake, 0 }, { "ask", n_ask, 2 }, { "write", n_write, 2 }, { "now", n_now, 0 },
    { "advance", n_advance, 1 }, { "exit", n_exit, 1 }, { "randomBytes", n_random_bytes, 1 },
    { "random", n_random, 0 }, { "utf8Encode", n_utf8_encode, 1 }, { "utf8Decode", n_utf8_decode, 2 },
    { "hex", n_hex, 1 }, { "unhex", n_unhex, 1 }, { "kind", n_kind, 1 }, { "howWritten", n_how_written, 1 },
    { "headerName", n_header_name, 1 }, { "isHeaderValue", n_is_header_value, 1 },
    { "keccak256", n_keccak256, 1 }, { "sha1", n_sha1, 1 }, { "sha256", n_sha256, 1 }, { "sha384", n_sha384, 1 }, { "sha512", n_sha512, 1 },
};

void argus_add_natives(JSContext *c, JSValueConst object) {
    for (size_t i = 0; i < sizeof natives / sizeof natives[0]; i++)
        JS_SetPropertyStr(c, object, natives[i].name, JS_NewCFunction(c, natives[i].f, natives[i].name, natives[i].argc));
}
