/* The middle price of two sources, in USD with 8 decimals. If one does not answer, the other counts alone; if they
 * are more than 2 % apart, nothing is reported. */
#include "argus.h"

#define COINBASE "https://api.coinbase.com/v2/prices/ETH-USD/spot"
#define KRAKEN "https://api.kraken.com/0/public/Ticker?pair=ETHUSD"
#define DECIMALS 8
#define APART_MAX_PERCENT 2

/* 0 where there is none: no price is that. */
static uint64_t price(argus_response reply, argus_str text) {
    uint64_t n;
    if (reply.status == 200 && argus_units(text, DECIMALS, &n)) return n;
    argus_log(reply.status ? argus_text("a source gave no price") : reply.body);
    return 0;
}

void script(argus_str context) {
    (void)context;
    uint64_t due = argus_now_ms() / 1000;
    argus_response coinbase = argus_http_get(argus_text(COINBASE)), kraken = argus_http_get(argus_text(KRAKEN));
    uint64_t a = price(coinbase, argus_get(argus_get(coinbase.body, "data"), "amount"));
    uint64_t b = price(kraken, argus_at(argus_get(argus_get(argus_get(kraken.body, "result"), "XETHZUSD"), "c"), 0));
    if (a == 0) a = b;
    if (b == 0) b = a;
    if (a == 0) {
        argus_fail("no source answered");
        return;
    }
    uint64_t low = a < b ? a : b, high = a < b ? b : a;
    if ((high - low) * 100 > low * APART_MAX_PERCENT) {
        argus_skip("the sources are too far apart");
        return;
    }
    argus_put("[\"");
    argus_put_number((low + high) / 2);
    argus_put("\",");
    argus_put_number(due);
    argus_put("]");
}
