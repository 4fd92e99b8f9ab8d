/* Scripts for Argus keepers in C: JSON, HTTP, chain reads and the calling convention, without a libc. One header;
 * the file that includes it defines
 *
 *     void script(argus_str context);
 *
 * which reads the context, a JSON text, and says the result with argus_put (JSON text, piece by piece), argus_skip
 * or argus_fail. `argus module build` compiles it; by hand:
 *
 *     clang -target wasm32-unknown-unknown -O2 -ffreestanding -fno-builtin -nostdlib -Wl,--no-entry -o a.wasm a.c
 */
#ifndef ARGUS_H
#define ARGUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of UTF-8, not ended by a zero. */
typedef struct {
    const char *at;
    size_t len;
} argus_str;

/* An HTTP answer. Status 0: there is none, and the body is why. */
typedef struct {
    int status;
    argus_str body;
} argus_response;

void script(argus_str context);

#define ARGUS_IMPORT(name) __attribute__((import_module("host"), import_name(#name))) uint64_t argus_host_##name(const char *, size_t)
ARGUS_IMPORT(http_fetch);
ARGUS_IMPORT(evm_call);
ARGUS_IMPORT(evm_balance);
ARGUS_IMPORT(evm_block_number);
ARGUS_IMPORT(evm_logs);
ARGUS_IMPORT(env_now);
ARGUS_IMPORT(env_random);
ARGUS_IMPORT(env_secret);
ARGUS_IMPORT(env_hmac);
ARGUS_IMPORT(storage_get);
ARGUS_IMPORT(storage_set);
ARGUS_IMPORT(storage_delete);
ARGUS_IMPORT(log);

/* --- memory: nothing is freed, an instance lives for one run --- */

/* The compiler itself calls these. */
void *memcpy(void *to, const void *from, size_t n) {
    for (size_t i = 0; i < n; i++) ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int c, size_t n) {
    for (size_t i = 0; i < n; i++) ((char *)to)[i] = (char)c;
    return to;
}

extern unsigned char __heap_base;
static uintptr_t argus_free = 0;

/* Zero where the run's memory limit is reached: the host then ends the run with that limit's error. */
__attribute__((export_name("abi_alloc"))) void *argus_alloc(size_t n) {
    if (argus_free == 0) argus_free = (uintptr_t)&__heap_base;
    uintptr_t at = (argus_free + 7) & ~(uintptr_t)7, end = at + n;
    uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) << 16;
    if (end < at) return 0;
    if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (size_t)-1) return 0;
    argus_free = end;
    return (void *)at;
}

/* Like argus_alloc, for those who cannot go on without it. */
static void *argus_need(size_t n) {
    void *at = argus_alloc(n);
    if (!at) __builtin_trap();
    return at;
}

/* --- texts --- */

/* A text of the program's own. */
static inline argus_str argus_text(const char *zero_ended) {
    argus_str s = {zero_ended, 0};
    while (zero_ended[s.len]) s.len++;
    return s;
}

static inline bool argus_equal(argus_str a, argus_str b) {
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.at[i] != b.at[i]) return false;
    return true;
}

/* A text that grows. */
typedef struct {
    char *at;
    size_t len, room;
} argus_buffer;

static void argus_add(argus_buffer *b, argus_str s) {
    if (b->len + s.len > b->room) {
        size_t room = (b->len + s.len) * 2 + 64;
        char *at = argus_need(room);
        memcpy(at, b->at, b->len);
        b->at = at;
        b->room = room;
    }
    memcpy(b->at + b->len, s.at, s.len);
    b->len += s.len;
}

static inline void argus_add_text(argus_buffer *b, const char *text) { argus_add(b, argus_text(text)); }

static inline void argus_add_number(argus_buffer *b, uint64_t n) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    argus_add(b, (argus_str){digits + at, sizeof digits - at});
}

/* As a JSON string, with its quotes. */
static void argus_add_quoted(argus_buffer *b, argus_str s) {
    static const char hex[] = "0123456789abcdef";
    argus_add_text(b, "\"");
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        char escaped[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        if (c < 32) argus_add(b, (argus_str){escaped, 6});
        else {
            if (c == '"' || c == '\\') argus_add_text(b, "\\");
            argus_add(b, (argus_str){s.at + i, 1});
        }
    }
    argus_add_text(b, "\"");
}

static inline argus_str argus_of(const argus_buffer *b) { return (argus_str){b->at, b->len}; }

/* --- the result --- */

static argus_buffer argus_result;

static inline void argus_put(const char *text) { argus_add_text(&argus_result, text); }
static inline void argus_put_str(argus_str text) { argus_add(&argus_result, text); }
static inline void argus_put_number(uint64_t n) { argus_add_number(&argus_result, n); }

static inline void argus_only(const char *key, argus_str reason) {
    argus_result.len = 0;
    argus_put("{\"");
    argus_put(key);
    argus_put("\":");
    argus_add_quoted(&argus_result, reason);
    argus_put("}");
}

/* "Not now": the task ends without a call and without a fault. Return after it. */
static inline void argus_skip(const char *reason) { argus_only("skip", argus_text(reason)); }
/* Return after it. */
static inline void argus_fail(const char *reason) { argus_only("error", argus_text(reason)); }

__attribute__((export_name("run"))) uint64_t argus_run(const char *at, size_t len) {
    script((argus_str){at, len});
    return (uint64_t)(uintptr_t)argus_result.at << 32 | argus_result.len;
}

/* --- JSON, read where it is asked for: a value is the part of the text that it stands in --- */

static size_t argus_blank(argus_str s, size_t i) {
    while (i < s.len && (unsigned char)s.at[i] <= ' ') i++;
    return i;
}

/* Past the value that begins at i. */
static size_t argus_end(argus_str s, size_t i) {
    size_t depth = 0;
    while (i < s.len) {
        char c = s.at[i];
        if (c == '"') {
            for (i++; i < s.len && s.at[i] != '"'; i++)
                if (s.at[i] == '\\') i++;
        } else if (c == '[' || c == '{') depth++;
        else if (c == ']' || c == '}') {
            if (depth == 0) return i;
            depth--;
        } else if (depth == 0) {
            if (c == ',' || (unsigned char)c <= ' ') return i;
            i++;
            continue;
        }
        i++;
        if (depth == 0) return i;
    }
    return s.len;
}

static argus_str argus_value(argus_str s, size_t i) {
    size_t end = argus_end(s, i);
    return end > i ? (argus_str){s.at + i, end - i} : (argus_str){0, 0};
}

/* Item `index` of an array; without length where there is none. */
static inline argus_str argus_at(argus_str s, size_t index) {
    size_t i = argus_blank(s, 0);
    if (i >= s.len || s.at[i] != '[') return (argus_str){0, 0};
    for (i = argus_blank(s, i + 1); i < s.len && s.at[i] != ']'; i = argus_blank(s, argus_blank(s, argus_end(s, i)) + 1))
        if (index-- == 0) return argus_value(s, i);
    return (argus_str){0, 0};
}

/* Member `name` of an object; without length where there is none. */
static inline argus_str argus_get(argus_str s, const char *name) {
    argus_str wanted = argus_text(name);
    size_t i = argus_blank(s, 0);
    if (i >= s.len || s.at[i] != '{') return (argus_str){0, 0};
    for (i = argus_blank(s, i + 1); i < s.len && s.at[i] == '"';) {
        size_t end = argus_end(s, i);
        bool found = end >= i + 2 && argus_equal((argus_str){s.at + i + 1, end - i - 2}, wanted);
        i = argus_blank(s, argus_blank(s, end) + 1);
        if (found) return argus_value(s, i);
        i = argus_blank(s, argus_blank(s, argus_end(s, i)) + 1);
    }
    return (argus_str){0, 0};
}

/* A string without its quotes, simple escapes undone; anything else as it stands. */
static argus_str argus_plain(argus_str s) {
    if (s.len < 2 || s.at[0] != '"') return s;
    char *out = argus_need(s.len);
    size_t n = 0;
    for (size_t i = 1; i + 1 < s.len; i++) {
        char c = s.at[i];
        if (c == '\\') {
            c = s.at[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        out[n++] = c;
    }
    return (argus_str){out, n};
}

/* One more digit. False: the number does not fit. The compiler's own overflow checks would need a runtime library. */
static bool argus_push(uint64_t *n, unsigned digit) {
    if (*n > (UINT64_MAX - digit) / 10) return false;
    *n = *n * 10 + digit;
    return true;
}

/* "3012.45", quoted or not, with 8 decimals is 301245000000. False: no number, or none that fits. */
static inline bool argus_units(argus_str s, unsigned decimals, uint64_t *out) {
    s = argus_plain(s);
    uint64_t n = 0;
    unsigned have = 0, digits = 0;
    bool point = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9') return false;
        if (point && have == decimals) continue;
        have += point;
        digits++;
        if (!argus_push(&n, (unsigned)(c - '0'))) return false;
    }
    for (; have < decimals; have++)
        if (!argus_push(&n, 0)) return false;
    *out = n;
    return digits > 0;
}

/* --- host calls --- */

static argus_str argus_ask(uint64_t (*host)(const char *, size_t), const argus_buffer *request) {
    uint64_t packed = host(request->at, request->len);
    return (argus_str){(const char *)(uintptr_t)(packed >> 32), (size_t)(packed & 0xffffffff)};
}

/* A line of the log. */
static inline void argus_log(argus_str message) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"message\":");
    argus_add_quoted(&b, message);
    argus_add_text(&b, "}");
    argus_ask(argus_host_log, &b);
}

/* Milliseconds since 1970: the due instant, moved on by the host calls since. */
static inline uint64_t argus_now_ms(void) {
    argus_buffer b = {0};
    uint64_t ms = 0;
    argus_add_text(&b, "{}");
    argus_units(argus_get(argus_ask(argus_host_env_now, &b), "ok"), 0, &ms);
    return ms;
}

static inline int argus_digit(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

static argus_response argus_send(const argus_buffer *request) {
    argus_str reply = argus_ask(argus_host_http_fetch, request), ok = argus_get(reply, "ok");
    if (!ok.len) return (argus_response){0, argus_plain(argus_get(argus_get(reply, "err"), "message"))};
    uint64_t status = 0;
    argus_units(argus_get(ok, "status"), 0, &status);
    argus_str hex = argus_plain(argus_get(ok, "body"));
    size_t len = hex.len < 2 ? 0 : hex.len / 2 - 1;
    char *body = argus_need(len + 1);
    for (size_t i = 0; i < len; i++) body[i] = (char)(argus_digit(hex.at[2 * i + 2]) << 4 | argus_digit(hex.at[2 * i + 3]));
    return (argus_response){(int)status, {body, len}};
}

/* GET. */
static inline argus_response argus_http_get(argus_str url) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"method\":\"GET\",\"url\":");
    argus_add_quoted(&b, url);
    argus_add_text(&b, "}");
    return argus_send(&b);
}

/* Bytes in hex digits, without 0x. */
static inline void argus_add_hex(argus_buffer *b, argus_str bytes) {
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        char pair[2] = {hex[(unsigned char)bytes.at[i] >> 4], hex[bytes.at[i] & 15]};
        argus_add(b, (argus_str){pair, 2});
    }
}

/* POST of a JSON text. */
static inline argus_response argus_http_post(argus_str url, argus_str json) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"method\":\"POST\",\"url\":");
    argus_add_quoted(&b, url);
    argus_add_text(&b, ",\"headers\":[[\"content-type\",\"application/json\"]],\"body\":\"0x");
    argus_add_hex(&b, json);
    argus_add_text(&b, "\"}");
    return argus_send(&b);
}

static inline argus_str argus_answered(argus_str reply) {
    argus_str ok = argus_get(reply, "ok");
    if (!ok.len) argus_log(argus_plain(argus_get(argus_get(reply, "err"), "message")));
    return argus_plain(ok);
}

/* eth_call at the pinned block: 0x hex; without length, and the reason in the log, where there is no answer. */
static inline argus_str argus_evm_call(uint64_t chain_id, argus_str to, argus_str data) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"chain_id\":");
    argus_add_number(&b, chain_id);
    argus_add_text(&b, ",\"to\":");
    argus_add_quoted(&b, to);
    argus_add_text(&b, ",\"data\":");
    argus_add_quoted(&b, data);
    argus_add_text(&b, "}");
    return argus_answered(argus_ask(argus_host_evm_call, &b));
}

/* Balance in wei, decimal; without length, and the reason in the log, where there is no answer. */
static inline argus_str argus_evm_balance(uint64_t chain_id, argus_str address) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"chain_id\":");
    argus_add_number(&b, chain_id);
    argus_add_text(&b, ",\"address\":");
    argus_add_quoted(&b, address);
    argus_add_text(&b, "}");
    return argus_answered(argus_ask(argus_host_evm_balance, &b));
}

/* Height of the pinned block, decimal. */
static inline argus_str argus_evm_block_number(uint64_t chain_id) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"chain_id\":");
    argus_add_number(&b, chain_id);
    argus_add_text(&b, "}");
    return argus_answered(argus_ask(argus_host_evm_block_number, &b));
}

/* Logs of a contract with that first topic in the blocks from..to: a JSON array. */
static inline argus_str argus_evm_logs(uint64_t chain_id, argus_str address, argus_str topic, uint64_t from, uint64_t to) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"chain_id\":");
    argus_add_number(&b, chain_id);
    argus_add_text(&b, ",\"address\":");
    argus_add_quoted(&b, address);
    argus_add_text(&b, ",\"topics\":[");
    argus_add_quoted(&b, topic);
    argus_add_text(&b, "],\"from_block\":");
    argus_add_number(&b, from);
    argus_add_text(&b, ",\"to_block\":");
    argus_add_number(&b, to);
    argus_add_text(&b, "}");
    return argus_answered(argus_ask(argus_host_evm_logs, &b));
}

/* A request with one text in it. */
static inline argus_str argus_ask_named(uint64_t (*host)(const char *, size_t), const char *name, argus_str value) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"");
    argus_add_text(&b, name);
    argus_add_text(&b, "\":");
    argus_add_quoted(&b, value);
    argus_add_text(&b, "}");
    return argus_answered(argus_ask(host, &b));
}

/* Bytes that follow from job and task, as 0x hex. */
static inline argus_str argus_random(uint64_t len) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"len\":");
    argus_add_number(&b, len);
    argus_add_text(&b, "}");
    return argus_answered(argus_ask(argus_host_env_random, &b));
}

/* The placeholder of a secret that the job was granted: the host puts the secret in as a request leaves. */
static inline argus_str argus_secret(argus_str name) { return argus_ask_named(argus_host_env_secret, "name", name); }

/* HMAC-SHA256 of bytes under a secret that the job was granted, of at least 16 bytes, in a job whose agreement is
 * trust-performer; `encoding` is "hex" or "base64". Placeholders in a text stand for their values. The result is
 * recorded: it is no secret. */
static inline argus_str argus_hmac(argus_str secret, argus_str data, const char *encoding) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"name\":");
    argus_add_quoted(&b, secret);
    argus_add_text(&b, ",\"data\":\"0x");
    argus_add_hex(&b, data);
    argus_add_text(&b, "\",\"encoding\":\"");
    argus_add_text(&b, encoding);
    argus_add_text(&b, "\"}");
    return argus_answered(argus_ask(argus_host_env_hmac, &b));
}

/* What the job remembers under a key; `at` is zero where there is nothing. */
static inline argus_str argus_storage_get(argus_str key) {
    argus_str hex = argus_ask_named(argus_host_storage_get, "key", key), kept = {0, 0};
    if (hex.len < 2 || hex.at[0] != '0') return kept;
    char *bytes = argus_need(hex.len / 2);
    for (; kept.len < hex.len / 2 - 1; kept.len++)
        bytes[kept.len] = (char)(argus_digit(hex.at[2 * kept.len + 2]) << 4 | argus_digit(hex.at[2 * kept.len + 3]));
    kept.at = bytes;
    return kept;
}

static inline void argus_storage_delete(argus_str key) { argus_ask_named(argus_host_storage_delete, "key", key); }

/* Remembers bytes; they count once the run's call is on the chain. */
static inline void argus_storage_set(argus_str key, argus_str value) {
    argus_buffer b = {0};
    argus_add_text(&b, "{\"key\":");
    argus_add_quoted(&b, key);
    argus_add_text(&b, ",\"value\":\"0x");
    argus_add_hex(&b, value);
    argus_add_text(&b, "\"}");
    argus_answered(argus_ask(argus_host_storage_set, &b));
}

/* A word of calldata, without 0x, of an address or other 0x hex of at most 32 bytes. */
static inline void argus_add_word(argus_buffer *b, argus_str hex) {
    size_t digits = hex.len < 2 ? 0 : hex.len - 2;
    for (size_t i = digits; i < 64; i++) argus_add_text(b, "0");
    if (digits) argus_add(b, (argus_str){hex.at + 2, digits});
}

/* A word of calldata, without 0x, of a number. */
static inline void argus_add_number_word(argus_buffer *b, uint64_t n) {
    static const char hex[] = "0123456789abcdef";
    for (int shift = 252; shift >= 0; shift -= 4) argus_add(b, (argus_str){shift < 64 ? hex + (n >> shift & 15) : "0", 1});
}

/* A number in hex digits, without 0x. False: it does not fit into 64 bits. */
static inline bool argus_hex_number(argus_str digits, uint64_t *out) {
    uint64_t n = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (n >> 60) return false;
        n = n << 4 | (uint64_t)argus_digit(digits.at[i]);
    }
    *out = n;
    return digits.len > 0;
}

/* Word `index` of what a contract returned. False: there is none, or it does not fit into 64 bits. */
static inline bool argus_word(argus_str hex, size_t index, uint64_t *out) {
    if (hex.len < 2 + (index + 1) * 64) return false;
    return argus_hex_number((argus_str){hex.at + 2 + index * 64, 64}, out);
}

#endif
