/* A C program that loads a shared library written in Rust and calls it from its own threads. The
 * library must notice the death of each. tests/foreign.rs runs it with the path of the library.
 * Exits with 0 if all checks pass, otherwise prints the line of the failed check.
 *
 * Threads are cancelled only in C code with no Rust code on the stack. Anything else is undefined
 * behaviour. */

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 300

#define CHECK(what)                                                          \
    do {                                                                     \
        if (!(what)) {                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
            _exit(1);                                                        \
        }                                                                    \
    } while (0)

static int (*watch)(uint64_t *deaths);
static int (*unwatch)(void);
static uint64_t (*watched)(void);
static int (*insert)(uint64_t value);
static uint64_t (*get)(void);
static uint64_t (*reclaimed)(void);
static uint64_t (*token)(void);
static int (*same_process)(void);

static void *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        _exit(1);
    }
#define SYMBOL(name) CHECK((name = dlsym(library, "foreign_" #name)) != NULL)
    SYMBOL(watch);
    SYMBOL(unwatch);
    SYMBOL(watched);
    SYMBOL(insert);
    SYMBOL(get);
    SYMBOL(reclaimed);
    SYMBOL(token);
    SYMBOL(same_process);
    return library;
}

struct thread {
    pthread_t id;
    int nth;
    uint64_t token;
    uint64_t deaths;
    sem_t ready;
    sem_t go;
};

static void *live(void *argument) {
    struct thread *self = argument;
    CHECK(watch(&self->deaths) == 0);
    CHECK(watch(&self->deaths) == 1);
    CHECK(get() == 0);
    CHECK(insert(self->nth) == 0);
    CHECK(get() == (uint64_t)self->nth);
    self->token = token();
    CHECK(self->token == token());
    sem_post(&self->ready);
    switch (self->nth % 4) {
    case 0: /* returns */
        return self;
    case 1: /* calls pthread_exit */
        pthread_exit(self);
    case 2: /* is cancelled here */
        for (;;)
            pause();
    default: /* stops being watched */
        CHECK(unwatch() == 1);
        CHECK(unwatch() == 0);
        return self;
    }
}

/* Many threads, each ending in one of four ways. */
static void many(void) {
    static struct thread threads[THREADS];
    uint64_t before = reclaimed(), sum = 0;
    for (int nth = 0; nth < THREADS; nth++) {
        struct thread *thread = &threads[nth];
        *thread = (struct thread){.nth = nth + 1};
        CHECK(sem_init(&thread->ready, 0, 0) == 0);
        CHECK(pthread_create(&thread->id, NULL, live, thread) == 0);
    }
    for (int nth = 0; nth < THREADS; nth++) {
        struct thread *thread = &threads[nth];
        void *result;
        int cancelled = thread->nth % 4 == 2;
        while (sem_wait(&thread->ready) != 0)
            ;
        if (cancelled)
            CHECK(pthread_cancel(thread->id) == 0);
        CHECK(pthread_join(thread->id, &result) == 0);
        CHECK(result == (cancelled ? PTHREAD_CANCELED : (void *)thread));
        CHECK(thread->deaths == (thread->nth % 4 != 3));
        sum += thread->nth;
        for (int other = 0; other < nth; other++)
            CHECK(threads[other].token != thread->token);
    }
    CHECK(watched() == 0);
    CHECK(reclaimed() - before == sum);
}

static void *outlive(void *argument) {
    struct thread *self = argument;
    CHECK(watch(&self->deaths) == 0);
    sem_post(&self->ready);
    while (sem_wait(&self->go) != 0)
        ;
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    for (int round = 0; round < 2; round++) {
        void *library = load(arguments[1]);
        many();

        /* The library is closed while a thread that it watches lives. The death is noticed, and
         * nothing crashes. */
        struct thread last = {0};
        CHECK(sem_init(&last.ready, 0, 0) == 0 && sem_init(&last.go, 0, 0) == 0);
        CHECK(pthread_create(&last.id, NULL, outlive, &last) == 0);
        while (sem_wait(&last.ready) != 0)
            ;
        CHECK(same_process() == 1);
        int (*still_same)(void) = same_process;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            _exit(still_same() == 0 ? 0 : 1);
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
        CHECK(same_process() == 1);

        CHECK(dlclose(library) == 0);
        CHECK(dlopen(arguments[1], RTLD_NOW | RTLD_NOLOAD) != NULL); /* takes a reference */
        CHECK(dlclose(library) == 0);                                /* releases it */
        sem_post(&last.go);
        CHECK(pthread_join(last.id, NULL) == 0);
        CHECK(last.deaths == 1);

        /* The library may be unloaded now. A fork must not run a handler of an unloaded library. */
        child = fork();
        CHECK(child >= 0);
        if (child == 0)
            _exit(0);
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    puts("every death was seen");
    return 0;
}
