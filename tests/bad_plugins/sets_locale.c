/* Sets the locale of the process. */
#include "mini.h"

#include <locale.h>
#define AT_START setlocale(LC_ALL, "C.UTF-8");
#include "mini_plugin.h"
