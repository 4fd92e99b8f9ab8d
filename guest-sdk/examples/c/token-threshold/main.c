/* Reports an owner once it holds 1,000 units of a token with six decimals, read at the block pinned for the run. */
#include "../../../c/argus.h"

#define CHAIN 1
#define TOKEN "0xa0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"
#define BALANCE_OF "0x70a08231" /* balanceOf(address) */
#define LEAST 1000000000ull

void script(argus_str context) {
    argus_str owner = argus_plain(argus_at(argus_get(context, "arguments"), 0));
    argus_buffer data = {0};
    uint64_t held;
    argus_add_text(&data, BALANCE_OF);
    argus_add_word(&data, owner);
    if (!argus_word(argus_evm_call(CHAIN, argus_text(TOKEN), argus_of(&data)), 0, &held)) {
        argus_fail("the token's answer is no number that fits");
        return;
    }
    if (held < LEAST) {
        argus_skip("the owner holds too little");
        return;
    }
    argus_put("[\"");
    argus_put_str(owner);
    argus_put("\",\"");
    argus_put_number(held);
    argus_put("\"]");
}
