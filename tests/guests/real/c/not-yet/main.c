/* Pays a claim out once it has been accepted for a day. */
#include "../../../../../guest-sdk/c/argus.h"

#define CLAIM "https://claims.example/claims/7"
#define DAY_S 86400

void script(argus_str context) {
    (void)context;
    argus_response reply = argus_http_get(argus_text(CLAIM));
    uint64_t accepted, amount;
    if (reply.status != 200 || !argus_units(argus_get(reply.body, "accepted"), 0, &accepted) ||
        !argus_units(argus_get(reply.body, "amount"), 6, &amount)) {
        argus_fail("the claim cannot be read");
        return;
    }
    if (argus_now_ms() / 1000 < accepted + DAY_S) {
        argus_skip("the day is not over");
        return;
    }
    argus_put("[\"");
    argus_put_number(amount);
    argus_put("\"]");
}
