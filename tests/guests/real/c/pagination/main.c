/* A sum over the pages of a list, until one names no next. */
#include "../../../../../guest-sdk/c/argus.h"

#define ITEMS "https://api.pages.example/items?page="

void script(argus_str context) {
    (void)context;
    uint64_t sum = 0, page = 1;
    for (bool more = true; more;) {
        argus_buffer url = {0};
        argus_add_text(&url, ITEMS);
        argus_add_number(&url, page);
        argus_response reply = argus_http_get(argus_of(&url));
        argus_str items = argus_get(reply.body, "items"), item;
        for (size_t i = 0; (item = argus_at(items, i)).len; i++) {
            uint64_t amount;
            if (!argus_units(argus_get(item, "amount"), 0, &amount)) {
                argus_fail("an amount is no number");
                return;
            }
            sum += amount;
        }
        more = argus_units(argus_get(reply.body, "next"), 0, &page);
    }
    argus_put("[\"");
    argus_put_number(sum);
    argus_put("\"]");
}
