/* A node's gas price over JSON-RPC, hexadecimal to decimal. */
#include "../../../../../guest-sdk/c/argus.h"

#define NODE "https://rpc.example/"
#define REQUEST "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_gasPrice\",\"params\":[]}"

void script(argus_str context) {
    (void)context;
    argus_response reply = argus_http_post(argus_text(NODE), argus_text(REQUEST));
    argus_str hex = argus_plain(argus_get(reply.body, "result"));
    uint64_t price;
    if (hex.len < 3 || !argus_hex_number((argus_str){hex.at + 2, hex.len - 2}, &price)) {
        argus_fail("the node gave no price");
        return;
    }
    argus_put("[\"");
    argus_put_number(price);
    argus_put("\"]");
}
