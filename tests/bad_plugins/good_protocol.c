/* A protocol that keeps every rule: it sends back what it gets. */
#include "mini.h"
#include "mini_protocol.h"
