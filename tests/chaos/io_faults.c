/* Loaded into daemons and agents by tests/chaos. A page that the harness has mapped as well says what is to happen to their system
 * calls: the process dies by SIGKILL at the n-th one of a kind, before or after it, each sync takes longer, or the clock on the wall is
 * wrong. So it dies between any two steps of a transition (stored, told, acknowledged), and no fault points have to be compiled into
 * what is shipped. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { SYNC = 1, WRITE, SEND, RECEIVE };

/* io_page.py writes it. */
struct page {
    int pid;     /* whom it is about; children have their parent's page */
    int kind;    /* what is counted */
    int after;   /* 1: the call is done first */
    int left;    /* dies when it becomes 0; 0 or less: not armed */
    int died;    /* pid of who did */
    int slow_us; /* each sync takes so much longer */
    int clock_s; /* the clock on the wall is so much ahead */
};

static struct page* page;

__attribute__((constructor)) static void open_page(void) {
    const char* path = getenv("SIGRUN_CHAOS_IO");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void* at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) page = at;
    if (fd >= 0) close(fd);
}

static int regular(int fd) {
    struct stat s;
    return fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
}

static void pass(enum kind kind, int after, int fd) {
    struct page* p = page;
    if (!p || __atomic_load_n(&p->pid, __ATOMIC_ACQUIRE) != getpid()) return;
    if (kind == SYNC && !after && p->slow_us > 0) usleep((useconds_t)p->slow_us);
    if (__atomic_load_n(&p->left, __ATOMIC_ACQUIRE) <= 0 || p->kind != (int)kind || p->after != after) return;
    if (kind == WRITE && !regular(fd)) return; /* its log and its wake-ups are no steps */
    if (__atomic_sub_fetch(&p->left, 1, __ATOMIC_ACQ_REL) != 0) return;
    p->died = getpid();
    kill(getpid(), SIGKILL);
}

#define SIGRUN_STEP(kind, type, name, parameters, arguments) \
    type name parameters {                                   \
        static type(*real) parameters;                       \
        type result;                                         \
        if (!real) *(void**)&real = dlsym(RTLD_NEXT, #name); \
        pass(kind, 0, fd);                                   \
        result = real arguments;                             \
        pass(kind, 1, fd);                                   \
        return result;                                       \
    }
SIGRUN_STEP(SYNC, int, fsync, (int fd), (fd))
SIGRUN_STEP(SYNC, int, fdatasync, (int fd), (fd))
SIGRUN_STEP(WRITE, ssize_t, write, (int fd, const void* data, size_t n), (fd, data, n))
SIGRUN_STEP(WRITE, ssize_t, pwrite, (int fd, const void* data, size_t n, off_t at), (fd, data, n, at))
SIGRUN_STEP(WRITE, ssize_t, pwrite64, (int fd, const void* data, size_t n, off64_t at), (fd, data, n, at))
SIGRUN_STEP(WRITE, ssize_t, writev, (int fd, const struct iovec* parts, int n), (fd, parts, n))
SIGRUN_STEP(SEND, ssize_t, send, (int fd, const void* data, size_t n, int flags), (fd, data, n, flags))
SIGRUN_STEP(SEND, ssize_t, sendmsg, (int fd, const struct msghdr* what, int flags), (fd, what, flags))
SIGRUN_STEP(RECEIVE, ssize_t, recv, (int fd, void* data, size_t n, int flags), (fd, data, n, flags))
SIGRUN_STEP(RECEIVE, ssize_t, recvmsg, (int fd, struct msghdr* what, int flags), (fd, what, flags))

static int ahead(void) {
    struct page* p = page;
    if (!p) return 0;
    int by = __atomic_load_n(&p->clock_s, __ATOMIC_RELAXED);
    return by && __atomic_load_n(&p->pid, __ATOMIC_RELAXED) == getpid() ? by : 0;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
    static int (*real)(clockid_t, struct timespec*);
    int result;
    if (!real) *(void**)&real = dlsym(RTLD_NEXT, "clock_gettime");
    result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead();
    return result;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
    static int (*real)(struct timeval*, void*);
    int result;
    if (!real) *(void**)&real = dlsym(RTLD_NEXT, "gettimeofday");
    result = real(now, zone);
    if (result == 0) now->tv_sec += ahead();
    return result;
}

time_t time(time_t* now) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (now) *now = t.tv_sec;
    return t.tv_sec;
}
