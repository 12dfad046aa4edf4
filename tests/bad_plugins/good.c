/* Keeps every rule: what the others are measured against. */
#include "mini.h"
#include "mini_plugin.h"
