/* An exchange that wants each request signed with a key. */
#include "../../../../../guest-sdk/c/argus.h"

#define QUERY "symbol=ETHUSD"

void script(argus_str context) {
    (void)context;
    argus_buffer url = {0};
    argus_add_text(&url, "https://api.exchange.example/v1/price?" QUERY "&signature=");
    argus_add(&url, argus_hmac(argus_text("SIGNING_KEY"), argus_text(QUERY), "hex"));
    argus_response reply = argus_http_get(argus_of(&url));
    uint64_t price;
    if (reply.status != 200 || !argus_units(argus_get(reply.body, "price"), 2, &price)) {
        argus_fail("there is no price");
        return;
    }
    argus_put("[\"");
    argus_put_number(price);
    argus_put("\"]");
}
