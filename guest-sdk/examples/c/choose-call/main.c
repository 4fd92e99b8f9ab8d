/* For a job of kind 7: moves to the pool with the best rate, if it is worth a transaction. */
#include "../../../c/argus.h"

#define RATES "https://api.rates.example/best"
#define REBALANCE "0xf4993018" /* rebalance(uint256) */
#define LEAST_BPS 500

void script(argus_str context) {
    (void)context;
    argus_response best = argus_http_get(argus_text(RATES));
    uint64_t rate;
    if (best.status != 200 || !argus_units(argus_get(best.body, "apy_bps"), 0, &rate)) {
        argus_fail("the rates are not to be had");
        return;
    }
    if (rate < LEAST_BPS) {
        argus_put("{\"shouldExecute\":false,\"metadata\":{\"reason\":\"the best rate is too low\"}}");
        return;
    }
    argus_put("{\"shouldExecute\":true,\"targetContract\":");
    argus_put_str(argus_get(best.body, "pool"));
    argus_put(",\"calldata\":\"" REBALANCE);
    argus_add_number_word(&argus_result, rate);
    argus_put("\"}");
}
