/* The native functions of the prelude. */
#ifndef ARGUS_NATIVES_H
#define ARGUS_NATIVES_H
#include "quickjs.h"
/* Adds every native to an object: the prelude's only argument. */
void argus_add_natives(JSContext *ctx, JSValueConst object);
#endif
