/* The result of a game, asked by POST. Before it is final there is nothing to report. */
#include "../../../c/argus.h"

#define RESULTS "https://api.sports.example/v1/results"

void script(argus_str context) {
    argus_str game = argus_at(argus_get(context, "arguments"), 0);
    argus_buffer body = {0};
    argus_add_text(&body, "{\"game\":");
    argus_add(&body, game);
    argus_add_text(&body, "}");
    argus_response reply = argus_http_post(argus_text(RESULTS), argus_of(&body));
    if (reply.status != 200) {
        argus_fail("the results are not to be had");
        return;
    }
    if (!argus_equal(argus_plain(argus_get(reply.body, "status")), argus_text("final"))) {
        argus_skip("the game is not over");
        return;
    }
    argus_put("[");
    argus_put_str(game);
    argus_put(",");
    argus_put_str(argus_get(argus_get(reply.body, "home"), "goals"));
    argus_put(",");
    argus_put_str(argus_get(argus_get(reply.body, "away"), "goals"));
    argus_put("]");
}
