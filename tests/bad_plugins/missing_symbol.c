/* Uses a function that nobody has. */
#include "mini.h"
void nobody_has_this_function(void);
#define AT_START nobody_has_this_function();
#include "mini_plugin.h"
