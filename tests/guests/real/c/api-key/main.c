/* An API that wants its key in the query. */
#include "../../../../../guest-sdk/c/argus.h"

#define LATEST "https://legacy.prices.example/latest?access_key="

void script(argus_str context) {
    (void)context;
    argus_buffer url = {0};
    argus_add_text(&url, LATEST);
    argus_add(&url, argus_secret(argus_text("ACCESS_KEY")));
    argus_response reply = argus_http_get(argus_of(&url));
    uint64_t usd;
    if (reply.status != 200 || !argus_units(argus_get(reply.body, "usd"), 6, &usd)) {
        argus_fail("there is no rate");
        return;
    }
    argus_put("[\"");
    argus_put_number(usd);
    argus_put("\"]");
}
