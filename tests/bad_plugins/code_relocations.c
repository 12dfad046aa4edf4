/* Has an address in its code that must be relocated. */
#include "mini_plugin.h"
__asm__(".pushsection .text\n.quad mini_entry\n.popsection");
