/* Forgets connections whose peer has closed. */
#include "mini.h"
#define AT_END_OF_CONNECTION
#include "mini_protocol.h"
