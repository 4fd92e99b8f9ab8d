/* A feed on chain that has stood still is a failure, not a price. */
#include "../../../../../guest-sdk/c/argus.h"

#define FEED "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
#define LATEST_ROUND "0xfeaf968c"
#define ANSWER 1
#define UPDATED_AT 3
#define HOUR_S 3600

void script(argus_str context) {
    (void)context;
    argus_str round = argus_evm_call(1, argus_text(FEED), argus_text(LATEST_ROUND));
    uint64_t price, updated;
    if (!argus_word(round, ANSWER, &price) || !argus_word(round, UPDATED_AT, &updated)) {
        argus_fail("the feed gave no round");
        return;
    }
    if (argus_now_ms() / 1000 > updated + HOUR_S) {
        argus_fail("the feed stands still");
        return;
    }
    argus_put("[\"");
    argus_put_number(price);
    argus_put("\"]");
}
