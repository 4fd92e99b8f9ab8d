// A WASI preview 1 command in C.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    static char context[65536];
    size_t length = fread(context, 1, sizeof context - 1, stdin);
    const char *kind = getenv("TRIGGERX_TRIGGER_KIND");
    fprintf(stderr, "read %zu bytes\n", length);
    if (strstr(context, "\"fail\"")) {
        fputs("no price\n", stderr);
        return 2;
    }
    printf("[\"%s\", %d]\n", kind ? kind : "", strstr(context, "\"pinned\":{\"1\"") != NULL);
    return 0;
}
