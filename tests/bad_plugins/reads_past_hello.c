/* Reads what a shorter hello does not have. */
#include "mini.h"
#define ENTRY_BODY return hello->abi_major == 1 && hello->host_version.len < 1000 ? &mini_entry : NULL;
#include "mini_plugin.h"
