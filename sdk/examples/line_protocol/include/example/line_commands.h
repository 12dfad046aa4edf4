/* example/line_commands.h: interface "example.line.commands/1" of the line protocol's instances. Through it another plugin
 * adds commands to the protocol: a word, and a function that answers it. Obtained with sigrun/broker.h. */
#ifndef EXAMPLE_LINE_COMMANDS_H
#define EXAMPLE_LINE_COMMANDS_H

#include <sigrun/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LINE_COMMANDS "example.line.commands/1"

/* Where the answer goes: any number of lines, during the handler's call only. */
typedef struct line_reply {
    uint32_t struct_size;
    uint32_t reserved;
    void* ctx;
    void (*line)(void* ctx, sigrun_str text); /* without a line end */
} line_reply;

/* Answers one command. Runs on the protocol's own thread and must not block: every connection waits meanwhile.
 * An error is told to the client. `arguments` is what stands behind the word. */
typedef sigrun_result (*line_handler)(void* ctx, sigrun_str arguments, const line_reply* reply);

typedef struct line_commands {
    uint32_t struct_size;
    uint32_t reserved;
    /* [any] From now on lines that begin with `word` (A-Z) go to the handler. Of several for one word the newest answers,
     * so that a newer generation of the same plugin takes over. E_EXISTS: a word of the protocol itself. */
    sigrun_result (*add)(sigrun_instance* line, sigrun_str word, line_handler handler, void* ctx, uint64_t* token);
    /* [any], but never from a handler. When it returns, the handler is not running and will not run. */
    void (*remove)(sigrun_instance* line, uint64_t token);
} line_commands;

#ifdef __cplusplus
}
#endif
#endif
