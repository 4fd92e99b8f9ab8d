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
#endif
