/* The JavaScript engine as one WASM module: QuickJS-ng, the prelude, and this
 * shim. Snapshotted after engine_init, so an instance starts with the context
 * and every global already built.
 *
 * A script module (made by the host's compiler) imports memory, abi_alloc and
 * run_script. Replies start with a tag byte, see TAG_*.
 */
#include "quickjs.h"
#include "natives.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(n) __attribute__((export_name(n)))

/* Shadow stack granted to JavaScript, out of the 256 KB that the linker
 * reserves. Reaching it is a RangeError that a script can catch. */
#define JS_STACK_BYTES (192 * 1024)
/* Cycles are collected only when the heap has grown past this. */
#define GC_THRESHOLD_BYTES (8 * 1024 * 1024)

enum { TAG_PRINTED = 0, TAG_RETURNED = 1, TAG_FAILED = 2 };
enum { COMPILED = 0, NOT_COMPILED = 1 };
enum { KIND_COMMONJS = 'c', KIND_MODULE = 'm' };

/* The prelude's file name: its frames are in no stack that is shown. */
#define INNER_FILE "argus"
JSAtom argus_inner_file;

static JSRuntime *rt;
static JSContext *ctx;
/* What the prelude gives: functions, called by C code. */
enum { DESCRIBE, REQUIRE, REJECTION, STEP, RUN_COMMONJS, CALL_EXPORTED, RESULT, HOOKS };
static const char *const hook_names[HOOKS] = { "describe", "require", "rejection", "step", "runCommonJs", "callExported", "result" };
static JSValue hooks[HOOKS];

EXPORT("abi_alloc") void *abi_alloc(uint32_t len) { return malloc(len ? len : 1); }

static uint64_t reply(uint8_t tag, const void *bytes, size_t len) {
    uint8_t *out = malloc(len + 1);
    if (!out) __builtin_trap();
    out[0] = tag;
    if (len) memcpy(out + 1, bytes, len);
    return ((uint64_t)(uintptr_t)out << 32) | (uint32_t)(len + 1);
}

static uint64_t reply_string(uint8_t tag, JSValue v) {
    size_t len = 0;
    const char *s = JS_ToCStringLen(ctx, &len, v);
    uint64_t r = s ? reply(tag, s, len) : reply(TAG_FAILED, "out of memory", 13);
    if (s) JS_FreeCString(ctx, s);
    JS_FreeValue(ctx, v);
    return r;
}

static JSValue hook(int which, int argc, JSValueConst *argv) { return JS_Call(ctx, hooks[which], JS_UNDEFINED, argc, argv); }

/* The pending exception as text: message, then stack. */
static uint64_t failed(uint8_t tag) {
    JSValue e = JS_GetException(ctx);
    JSValue s = hook(DESCRIBE, 1, (JSValueConst *)&e);
    if (JS_IsException(s)) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        s = JS_ToString(ctx, e);
    }
    if (JS_IsException(s)) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        s = JS_NewString(ctx, "Uncaught value that cannot be shown: what shows it throws");
    }
    JS_FreeValue(ctx, e);
    return reply_string(tag, s);
}

/* ---- modules that a script may import: objects the prelude provides ---- */

static int provided_init(JSContext *c, JSModuleDef *m) {
    JSValue object = JS_GetModulePrivateValue(c, m);
    JSPropertyEnum *props;
    uint32_t count;
    if (JS_GetOwnPropertyNames(c, &props, &count, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY)) return -1;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = JS_AtomToCString(c, props[i].atom);
        JSValue value = JS_GetProperty(c, object, props[i].atom);
        if (!name || JS_IsException(value)) return -1;
        if (strcmp(name, "default")) JS_SetModuleExport(c, m, name, value);
        else JS_FreeValue(c, value);
        JS_FreeCString(c, name);
    }
    JS_FreePropertyEnum(c, props, count);
    JSValue whole = JS_GetPropertyStr(c, object, "default");
    if (JS_IsUndefined(whole)) whole = JS_DupValue(c, object);
    JS_SetModuleExport(c, m, "default", whole);
    JS_FreeValue(c, object);
    return 0;
}

static JSModuleDef *load_module(JSContext *c, const char *name, void *opaque) {
    JSValue arg = JS_NewString(c, name);
    JSValue object = hook(REQUIRE, 1, (JSValueConst *)&arg);
    JS_FreeValue(c, arg);
    if (JS_IsException(object)) return NULL;
    JSModuleDef *m = JS_NewCModule(c, name, provided_init);
    JSPropertyEnum *props;
    uint32_t count;
    if (!m || JS_GetOwnPropertyNames(c, &props, &count, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY)) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        const char *key = JS_AtomToCString(c, props[i].atom);
        if (key && strcmp(key, "default")) JS_AddModuleExport(c, m, key);
        if (key) JS_FreeCString(c, key);
    }
    JS_FreePropertyEnum(c, props, count);
    JS_AddModuleExport(c, m, "default");
    JS_SetModulePrivateValue(c, m, object);
    return m;
}

static char *keep_name(JSContext *c, const char *base, const char *name, void *opaque) { return js_strdup(c, name); }

static void rejection(JSContext *c, JSValueConst promise, JSValueConst reason, bool handled, void *opaque) {
    argus_is_awake = 1;
    JSValueConst argv[3] = { promise, reason, JS_NewBool(c, handled) };
    JS_FreeValue(c, hook(REJECTION, 3, argv));
}

/* ---- exports ---- */

extern void argus_keep(JSRuntime *rt);

/* Fills the holes of the heap, so that what a run allocates lies together. A
 * run costs by the pages that it writes and by how scattered they are. */
static void fill_holes(void) {
    char *end = malloc(1 << 16); /* larger than any hole; what a run allocates first is here */
    for (size_t size = 1 << 15; size >= 8; size = size > 256 ? size / 2 : size - 8) {
        char *p;
        while ((p = malloc(size)) && p < end) {}
        free(p);
    }
    free(end);
}

static int make_context(void) {
    rt = JS_NewRuntime();
    if (!rt) return -1;
    JS_SetMaxStackSize(rt, JS_STACK_BYTES);
    JS_SetGCThreshold(rt, (size_t)-1);
    ctx = JS_NewContext(rt);
    if (!ctx || JS_AddIntrinsicBigInt(ctx) || JS_AddIntrinsicDOMException(ctx)) return -2;
    return 0;
}

/* text: prelude/ as one function expression, and a NUL behind its length.
 * Gives bytecode for engine_init, in an instance that ends with that: every
 * run pays for the holes that a parser leaves in the heap. 0 if it failed. */
EXPORT("prelude_compile") uint64_t prelude_compile(char *text, uint32_t len) {
    if (make_context()) return 0;
    JSValue f = JS_Eval(ctx, text, len, INNER_FILE, JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY);
    size_t n;
    uint8_t *code = JS_IsException(f) ? NULL : JS_WriteObject(ctx, &n, f, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
    return code ? ((uint64_t)(uintptr_t)code << 32) | (uint32_t)n : 0;
}

/* prelude: what prelude_compile gave; freed, so that its room is used again. */
EXPORT("engine_init") int engine_init(uint8_t *prelude, uint32_t len) {
    int r = make_context();
    if (r) return r;
    JSValue n = JS_NewObject(ctx);
    argus_add_natives(ctx, n);
    argus_inner_file = JS_NewAtom(ctx, INNER_FILE);
    JSValue f = JS_ReadObject(ctx, prelude, len, JS_READ_OBJ_BYTECODE);
    free(prelude);
    if (!JS_IsException(f)) f = JS_EvalFunction(ctx, f);
    if (JS_IsException(f)) return -3;
    JSValue all = JS_Call(ctx, f, JS_UNDEFINED, 1, (JSValueConst *)&n);
    JS_FreeValue(ctx, f);
    JS_FreeValue(ctx, n);
    if (JS_IsException(all)) return -4;
    for (int i = 0; i < HOOKS; i++) {
        hooks[i] = JS_GetPropertyStr(ctx, all, hook_names[i]);
        if (!JS_IsFunction(ctx, hooks[i])) return -5;
    }
    JS_FreeValue(ctx, all);
    JS_SetModuleLoaderFunc(rt, keep_name, load_module, NULL);
    JS_SetHostPromiseRejectionTracker(rt, rejection, NULL);
    JS_RunGC(rt);
    argus_keep(rt);
    fill_holes();
    JS_SetGCThreshold(rt, GC_THRESHOLD_BYTES);
    return 0;
}

static int mentions(const char *s, size_t len, const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= len; i++)
        if (!memcmp(s + i, word, n)) return 1;
    return 0;
}

/* ---- positions ---- */

/* One position of the text that is compiled, and the author's it came from.
 * Ascending; lines and columns count from 1, columns of the text in bytes. */
typedef struct { uint32_t line, column, author_line, author_column; } Position;
static const Position *positions;
static size_t position_count;
/* Columns by which line 1 is moved: what stands before a CommonJS script. */
static int columns_before;

/* What quickjs.patch calls for every position that it writes into bytecode or
 * shows in a syntax error. Applied when a script is compiled, so that its
 * stacks are the author's wherever they are read, and a run pays nothing. */
void argus_position(int *line, int *column) {
    if (*line < 1) return;
    if (*line == 1) *column = *column > columns_before ? *column - columns_before : 1;
    size_t low = 0, high = position_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const Position *p = &positions[middle];
        if (p->line < (uint32_t)*line || (p->line == (uint32_t)*line && p->column <= (uint32_t)*column)) low = middle + 1;
        else high = middle;
    }
    if (!low) return;
    *line = positions[low - 1].author_line;
    *column = positions[low - 1].author_column;
}

/* ---- compiling ---- */

/* Compiles as CommonJS, and as an ES module where that is a syntax error: the
 * order in which Node decides. The source is followed by a NUL byte. */
static uint64_t compile_as(const char *file, char *source, uint32_t len) {
    static const char head[] = "(function (exports, require, module, __filename, __dirname) {", tail[] = "\n})";
    size_t total = sizeof head - 1 + len + sizeof tail - 1;
    char *wrapped = malloc(total + 1);
    if (!wrapped) return reply(NOT_COMPILED, "out of memory", 13);
    memcpy(wrapped, head, sizeof head - 1);
    memcpy(wrapped + sizeof head - 1, source, len);
    memcpy(wrapped + sizeof head - 1 + len, tail, sizeof tail);
    if (len > 1 && source[0] == '#' && source[1] == '!') {
        source[0] = source[1] = '/';
        wrapped[sizeof head - 1] = wrapped[sizeof head] = '/';
    }
    uint8_t kind = KIND_COMMONJS;
    columns_before = sizeof head - 1;
    JSValue f = JS_Eval(ctx, wrapped, total, file, JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(f)) {
        JSValue first = JS_GetException(ctx);
        kind = KIND_MODULE;
        columns_before = 0;
        f = JS_Eval(ctx, source, len, file, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
        if (JS_IsException(f)) {
            int as_module = mentions(source, len, "import") || mentions(source, len, "export") || mentions(source, len, "await");
            if (!as_module) {
                JS_FreeValue(ctx, JS_GetException(ctx));
                JS_Throw(ctx, first);
            }
            return failed(NOT_COMPILED);
        }
        JS_FreeValue(ctx, first);
    }
    size_t n;
    uint8_t *code = JS_WriteObject(ctx, &n, f, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
    if (!code) return failed(NOT_COMPILED);
    uint8_t *out = malloc(n + 1);
    if (!out) return reply(NOT_COMPILED, "out of memory", 13);
    out[0] = kind;
    memcpy(out + 1, code, n);
    return reply(COMPILED, out, n + 1);
}

EXPORT("compile") uint64_t compile(char *source, uint32_t len) { return compile_as("script.js", source, len); }

/* The same of what ts-strip gives: u32 length, that many bytes of JavaScript,
 * a NUL, zeros up to a multiple of four, and the positions. */
EXPORT("compile_stripped") uint64_t compile_stripped(char *stripped, uint32_t len) {
    uint32_t source_len;
    memcpy(&source_len, stripped, 4);
    size_t at = (4 + (size_t)source_len + 1 + 3) / 4 * 4;
    positions = (const Position *)(stripped + at);
    position_count = (len - at) / sizeof(Position);
    return compile_as("script.ts", stripped + 4, source_len);
}

/* Microtasks, then outstanding host calls in their order, then the earliest
 * timer, until nothing is left. */
static int settle(void) {
    for (;;) {
        JSContext *c;
        int r;
        while ((r = JS_ExecutePendingJob(rt, &c)) > 0) {}
        if (r < 0) return -1;
        int go_on;
        if (argus_is_awake) {
            JSValue more = hook(STEP, 0, NULL);
            if (JS_IsException(more)) return -1;
            go_on = JS_ToBool(ctx, more);
            JS_FreeValue(ctx, more);
        } else {
            go_on = argus_deliver(ctx);
        }
        if (go_on <= 0) return go_on;
    }
}

/* What a finished promise holds; an exception when it was rejected or when
 * nothing can resolve it any more. */
static JSValue outcome(JSValue v, const char *what) {
    if (!JS_IsPromise(v)) return v;
    JSPromiseStateEnum state = JS_PromiseState(ctx, v);
    JSValue r = JS_UNDEFINED;
    if (state == JS_PROMISE_PENDING)
        r = JS_ThrowPlainError(ctx, "%s waits for a promise that nothing can resolve any more", what);
    else {
        r = JS_PromiseResult(ctx, v);
        if (state == JS_PROMISE_REJECTED) r = JS_Throw(ctx, r);
    }
    JS_FreeValue(ctx, v);
    return r;
}

static int evaluate_commonjs(JSValue f, JSValue *exports) {
    JSValue wrapper = JS_EvalFunction(ctx, f);
    if (JS_IsException(wrapper)) return -1;
    JSValue r = hook(RUN_COMMONJS, 1, (JSValueConst *)&wrapper);
    JS_FreeValue(ctx, wrapper);
    if (JS_IsException(r) || settle() < 0) return -1;
    *exports = JS_GetPropertyStr(ctx, r, "exports");
    JS_FreeValue(ctx, r);
    return JS_IsException(*exports) ? -1 : 0;
}

static int evaluate_module(JSValue f, JSValue *exports) {
    if (JS_ResolveModule(ctx, f) < 0) { JS_FreeValue(ctx, f); return -1; }
    JSModuleDef *m = JS_VALUE_GET_PTR(f);
    JSValue done = JS_EvalFunction(ctx, f);
    if (JS_IsException(done)) return -1;
    JS_PromiseMarkAsHandled(ctx, done);
    if (settle() < 0) return -1;
    done = outcome(done, "the script");
    if (JS_IsException(done)) return -1;
    JS_FreeValue(ctx, done);
    *exports = JS_GetModuleNamespace(ctx, m);
    return JS_IsException(*exports) ? -1 : 0;
}

/* code: kind byte and bytecode, as compile gave it.
 * input: what argus_begin takes. */
EXPORT("run_script") uint64_t run_script(uint8_t *code, uint32_t code_len, char *input, uint32_t input_len) {
    argus_begin(input, input_len);
    JSValue f = JS_ReadObject(ctx, code + 1, code_len - 1, JS_READ_OBJ_BYTECODE), exports;
    if (JS_IsException(f)) return failed(TAG_FAILED);
    int r = code[0] == KIND_MODULE ? evaluate_module(f, &exports) : evaluate_commonjs(f, &exports);
    if (r < 0) return failed(TAG_FAILED);

    JSValue given = hook(CALL_EXPORTED, 1, (JSValueConst *)&exports);
    if (JS_IsException(given)) return failed(TAG_FAILED);
    if (JS_IsNull(given)) return reply(TAG_PRINTED, NULL, 0);
    JSValue called = JS_GetPropertyUint32(ctx, given, 0);
    JS_FreeValue(ctx, given);
    if (JS_IsPromise(called)) JS_PromiseMarkAsHandled(ctx, called);
    if (settle() < 0) return failed(TAG_FAILED);
    JSValue value = outcome(called, "the exported function");
    if (JS_IsException(value)) return failed(TAG_FAILED);
    JSValue text = hook(RESULT, 1, (JSValueConst *)&value);
    if (JS_IsException(text) || settle() < 0) return failed(TAG_FAILED);
    if (JS_IsNull(text)) return reply(TAG_PRINTED, NULL, 0);
    return reply_string(TAG_RETURNED, text);
}
