/* A Safe pays an operator's account up to one ether once it falls below a half. The job's function is the module's
 * execJobFromHub(address safe, address to, uint256 value, bytes data, uint8 operation). */
#include "../../../c/argus.h"

#define CHAIN 11155111
#define LEAST 500000000000000000ull
#define FULL 1000000000000000000ull

void script(argus_str context) {
    argus_str given = argus_get(context, "arguments"), safe = argus_at(given, 0), account = argus_at(given, 1);
    argus_str balance = argus_evm_balance(CHAIN, argus_plain(account));
    uint64_t held;
    if (!balance.len) {
        argus_fail("the balance cannot be read");
        return;
    }
    /* What does not fit into 64 bits is more than 18 ether. */
    if (!argus_units(balance, 0, &held) || held >= LEAST) {
        argus_skip("the account has enough");
        return;
    }
    argus_put("[");
    argus_put_str(safe);
    argus_put(",");
    argus_put_str(account);
    argus_put(",\"");
    argus_put_number(FULL - held);
    argus_put("\",\"0x\",0]");
}
