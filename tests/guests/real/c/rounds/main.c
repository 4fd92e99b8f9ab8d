/* Counts its rounds, and begins anew after the tenth. */
#include "../../../../../guest-sdk/c/argus.h"

#define ROUNDS 10

static uint64_t kept(const char *key, uint64_t otherwise) {
    argus_str text = argus_storage_get(argus_text(key));
    uint64_t n;
    return text.at && argus_units(text, 0, &n) ? n : otherwise;
}

static void keep(const char *key, uint64_t n) {
    argus_buffer text = {0};
    argus_add_number(&text, n);
    argus_storage_set(argus_text(key), argus_of(&text));
}

void script(argus_str context) {
    (void)context;
    uint64_t round = kept("round", 0) + 1, since = kept("since", argus_now_ms() / 1000);
    if (round < ROUNDS) {
        keep("round", round);
        keep("since", since);
    } else {
        keep("round", 0);
        argus_storage_delete(argus_text("since"));
    }
    argus_put("[");
    argus_put_number(round);
    argus_put(",");
    argus_put_number(since);
    argus_put("]");
}
