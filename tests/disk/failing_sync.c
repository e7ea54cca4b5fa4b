/* Lets no file be synced while the file that FAILING_SYNC names is there. For LD_PRELOAD. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static long fails_or(long call, long a, long b, long c) {
    const char *path = getenv("FAILING_SYNC");
    if (path && access(path, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return syscall(call, a, b, c);
}

int fsync(int fd) { return (int)fails_or(SYS_fsync, fd, 0, 0); }

int fdatasync(int fd) { return (int)fails_or(SYS_fdatasync, fd, 0, 0); }

int msync(void *start, size_t length, int flags) {
    return (int)fails_or(SYS_msync, (long)start, (long)length, flags);
}
