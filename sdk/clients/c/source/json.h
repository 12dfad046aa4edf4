/* What the client needs of JSON besides sigrun/client.h. */
#ifndef SIGRUN_CLIENT_JSON_H
#define SIGRUN_CLIENT_JSON_H

#include <stddef.h>

/* Where the value of a member begins in the text of an object; NULL: it has none of that name. `object` may be NULL. */
const char* json_member(const char* object, const char* name, size_t length);

#endif
