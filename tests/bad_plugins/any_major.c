/* Serves every ABI major. */
#include "mini.h"
#define ENTRY_BODY return &mini_entry;
#include "mini_plugin.h"
