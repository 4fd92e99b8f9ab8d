/* The native functions of the prelude. */
#ifndef ARGUS_NATIVES_H
#define ARGUS_NATIVES_H
#include "quickjs.h"
#include <stddef.h>
/* Adds every native to an object: the prelude's only argument. */
void argus_add_natives(JSContext *ctx, JSValueConst object);
/* What a run begins with: the environment, a line feed, the context; both JSON
 * on one line, and neither is copied. */
void argus_begin(const char *input, size_t len);
/* Waits for the host's answer to the oldest call and settles its promise. 0: no
 * call is out; below 0: an exception is pending. */
int argus_deliver(JSContext *ctx);
/* Whether calls are not all that the event loop has to look after: so it is once
 * the prelude calls wake(), for a timer or a throw, or a promise was rejected. */
extern int argus_is_awake;
#endif
