/* Installs a signal handler. */
#include "mini.h"

#include <signal.h>
static void handler(int n) { (void)n; }
#define AT_START signal(SIGUSR2, handler);
#include "mini_plugin.h"
