/* A rate from a service that fails at times: three tries, then it is a failure. */
#include "../../../../../guest-sdk/c/argus.h"

#define RATE "https://api.flaky.example/rate"
#define TRIES 3

void script(argus_str context) {
    (void)context;
    for (int i = 0; i < TRIES; i++) {
        argus_response reply = argus_http_get(argus_text(RATE));
        uint64_t rate;
        if (reply.status == 200 && argus_units(argus_get(reply.body, "rate"), 6, &rate)) {
            argus_put("[\"");
            argus_put_number(rate);
            argus_put("\"]");
            return;
        }
        argus_buffer line = {0};
        argus_add_text(&line, "status ");
        argus_add_number(&line, (uint64_t)reply.status);
        argus_log(argus_of(&line));
    }
    argus_fail("the service failed three times");
}
